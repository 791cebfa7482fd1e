"""The weights that a contribution starts from, made of published ones where it ships none. Needs torch."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch

from fair_models.contract import blueprint
from fair_models.contract.call import called
from fair_models.contract.code import loader
from fair_models.contract.code.code_archive import pack_code
from fair_models.contract.contribution import Contribution, assets_of
from fair_models.contract.files import published_weights
from fair_models.contract.files.published_weights import PublishedWeights
from fair_models.errors import InvalidContribution
from fair_models.ml_tasks import weights
from fair_models.store.digests import checksum_file
from fair_models.types import Json

SEED = 0
"""Layers that no published weights are for start from it: the same contribution gives the same file."""

FILE = "initial.safetensors"


def settle(contribution: Contribution, folder: Path, *, random_start: bool = False) -> Contribution:
    """A contribution whose initial weights lie on this machine.

    Args:
        contribution: One that ships its weights is given back as it is.
        folder: Where the weights are written.
        random_start: Whether to leave published weights alone and start from random ones.

    Returns:
        The contribution with all weights of its network as one file; its item says what they were made of.

    Raises:
        InvalidContribution: The published weights may not be used, are not those of the digest, or do not
            fit the network; lists every reason. Those that may not be used were not downloaded.
        Corrupted: They cannot be read.
        Unavailable: They cannot be reached; says what can be done.
    """
    source = contribution.published
    if source is None:
        return contribution
    reasons = [] if random_start else list(published_weights.problems(source))
    if reasons:
        raise InvalidContribution(contribution.name, reasons)
    if contribution.own_pipeline:
        raise InvalidContribution(
            contribution.name,
            ["a model with a ZenML pipeline of its own ships its initial weights; add them"],
        )
    path = folder / FILE
    folder.mkdir(parents=True, exist_ok=True)
    weights.save(_network(contribution, None if random_start else source, folder), path)
    template = _told(contribution.template, path, None if random_start else source)
    return replace(contribution, weights=path, template=template)


def _network(contribution: Contribution, source: PublishedWeights | None, folder: Path) -> torch.nn.Module:
    file = published_weights.fetch(source) if source is not None else None
    archive = folder / "initial-code.zip"
    pack_code(contribution.folder, archive)
    pipeline = loader.load_pipeline(archive, checksum_file(archive), contribution.entrypoint)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = blueprint.build(pipeline, contribution)
    if file is None:
        return network
    adopt = getattr(pipeline, "adopt", None)
    if adopt is None:
        weights.load(network, file)
    else:
        called(contribution.name, "adopt", adopt, network, weights.read(file))
    return network


def _told(template: Json, path: Path, source: PublishedWeights | None) -> Json:
    """The item with the digest of the file that was made, and what it was made of."""
    told = deepcopy(template)
    properties = told["properties"]
    properties["mlm:pretrained"] = source is not None
    properties["mlm:pretrained_source"] = source.href if source is not None else None
    for asset, read in zip(told["assets"].values(), assets_of(told), strict=True):
        if "mlm:weights" not in read["roles"]:
            continue
        for key in ("license", "type"):
            asset.pop(key, None)
        asset |= {"file:checksum": checksum_file(path), "file:size": path.stat().st_size}
        if source is None:
            asset["title"] = "Initial weights, random"
        else:
            asset[published_weights.SOURCE_FIELD] = source.to_json()
    return told
