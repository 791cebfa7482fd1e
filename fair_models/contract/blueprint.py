"""What a contribution becomes when it is registered: archived code, checked ONNX. Needs torch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ValidationError

from fair_models.catalog.items import hyperparameters
from fair_models.contract import classes
from fair_models.contract.call import called
from fair_models.contract.code import loader
from fair_models.contract.code.code_archive import pack_code
from fair_models.contract.contribution import Contribution
from fair_models.contract.files import extras
from fair_models.contract.files.network_file import export_network
from fair_models.contract.protocol import Pipeline
from fair_models.contract.verification import class_check, export_check, instance_check
from fair_models.errors import FairModelsError, InvalidContribution, Unavailable
from fair_models.ml_tasks import weights
from fair_models.store.digests import checksum_file
from fair_models.types import Json


@dataclass(frozen=True)
class Blueprint:
    """Files made of a contribution.

    code: Archive of its modules.
    code_checksum: sha-256 multihash of the archive.
    onnx: The network with the initial weights; None for a contribution with a ZenML pipeline of its own.
    difference: Largest difference of ONNX and torch, as a share of the output's largest value.
    total_parameters: Number of weights of the network; None where there is no ONNX.
    extras: Further files that it makes, by asset key.
    """

    code: Path
    code_checksum: str
    onnx: Path | None
    difference: float | None
    total_parameters: int | None
    extras: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class TemplateInput:
    """What a contribution's item says of the network's input.

    bands: Number of bands.
    size_px: Height and width of a training sample, in pixels.
    """

    bands: int
    size_px: int


def make(
    contribution: Contribution, folder: Path, reached: Callable[[str], object] = lambda stage: None
) -> Blueprint:
    """Archive the code, build the network from that archive, load the weights, export and check the ONNX.

    Args:
        contribution: The contribution.
        folder: Where the files go.
        reached: Told when the network is built, its weights and classes are right, and it is exported.

    Raises:
        InvalidContribution: Code, hyperparameters, weights or ONNX do not fit; lists the reasons.
        NotFound: The weights do not exist.
        Corrupted: The weights cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "source-code.zip"
    pack_code(contribution.folder, archive)
    checksum = checksum_file(archive)
    named = classes.of_template(contribution.template)
    processing = loader.load_processing(
        archive, checksum, contribution.preprocess, contribution.postprocess, named
    )
    if contribution.own_pipeline:
        loader.load_attribute(archive, checksum, contribution.entrypoint)
        return Blueprint(archive, checksum, None, None, None)
    pipeline = loader.load_pipeline(archive, checksum, contribution.entrypoint)
    params = default_params(pipeline, contribution)
    network = build(pipeline, contribution)
    reached("network")
    _check_network(contribution, archive, pipeline, network)
    reached("weights")
    onnx = folder / "model.onnx"
    facts = input_of(contribution.template)
    export_network(contribution.name, pipeline, network, onnx, params, facts.bands)
    reached("export")
    difference = export_check.check(onnx, network, processing, facts)
    instance_check.check(contribution.template, onnx, processing, inference_values(contribution), facts)
    total = sum(weight.numel() for weight in network.parameters())
    further = extras.make(contribution.name, pipeline, network, None, processing, params)
    return Blueprint(archive, checksum, onnx, difference, total, extras.write(further, folder / "extras"))


def build_alone(contribution: Contribution) -> None:
    """See whether code and network fit the item where there are no weights to load.

    Raises:
        InvalidContribution: They do not; lists the reasons.
    """
    with tempfile.TemporaryDirectory(prefix="fair-build-") as folder:
        archive = Path(folder) / "source-code.zip"
        pack_code(contribution.folder, archive)
        if contribution.own_pipeline:
            return
        pipeline = loader.load_pipeline(archive, checksum_file(archive), contribution.entrypoint)
        check_classes(contribution, archive, pipeline, build(pipeline, contribution))


def _check_network(
    contribution: Contribution, archive: Path, pipeline: Pipeline, network: torch.nn.Module
) -> None:
    """Load the weights and look at the classes; what is wrong with either is told at once."""
    problems: list[FairModelsError] = []
    looks: tuple[Callable[[], None], ...] = (
        lambda: weights.load(network, contribution.weights, again=contribution.weights_command),
        lambda: check_classes(contribution, archive, pipeline, network),
    )
    for look in looks:
        try:
            look()
        except Unavailable:
            raise
        except FairModelsError as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        reasons = [reason for each in problems for reason in getattr(each, "reasons", [str(each)])]
        raise InvalidContribution(contribution.name, reasons)


def build(pipeline: Pipeline, contribution: Contribution) -> torch.nn.Module:
    """The contribution's network with fresh weights, made with the values of its item.

    Raises:
        InvalidContribution: The values do not fit `Params`, `build` fails, or makes something else.
    """
    params = default_params(pipeline, contribution)
    make_network = classes.bound(pipeline.build, classes.of_template(contribution.template))
    network: object = called(contribution.name, "build", make_network, params)
    if not isinstance(network, torch.nn.Module):
        raise InvalidContribution(
            contribution.name, [f"build makes {type(network).__name__}, should make a torch.nn.Module"]
        )
    return network


def check_classes(
    contribution: Contribution, archive: Path, pipeline: Pipeline, network: torch.nn.Module
) -> None:
    """Compare the classes of the item with what its network gives.

    Raises:
        InvalidContribution: They do not fit each other; lists every reason.
    """
    postprocess = loader.load_attribute(archive, checksum_file(archive), contribution.postprocess)
    params = default_params(pipeline, contribution)
    facts = input_of(contribution.template)
    class_check.check(contribution.template, pipeline.build, postprocess, params)
    class_check.check_output(
        contribution.template, network, torch.zeros(1, facts.bands, facts.size_px, facts.size_px)
    )


def default_params(pipeline: Pipeline, contribution: Contribution) -> BaseModel:
    """The contribution's `Params` with the values of its item.

    Raises:
        InvalidContribution: The values do not fit `Params`; lists every reason.
    """
    values = hyperparameters.with_prefix(contribution.hyperparameters, hyperparameters.TRAINING)
    params, reasons = called(contribution.name, "Params", _validated, pipeline.Params, values)
    if params is None:
        raise InvalidContribution(contribution.name, reasons)
    return params


def inference_values(contribution: Contribution) -> hyperparameters.Values:
    """Inference parameters of the contribution's item, without their prefix."""
    return hyperparameters.with_prefix(contribution.hyperparameters, hyperparameters.INFERENCE)


def _validated(params: type[BaseModel], values: Mapping[str, Any]) -> tuple[BaseModel | None, list[str]]:
    """The values as `Params`, or what `Params` says against them."""
    try:
        return params.model_validate(values), []
    except ValidationError as error:
        return None, [
            f"training.{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        ]


def input_of(template: Json) -> TemplateInput:
    """Bands and sample size that an item says.

    Raises:
        InvalidContribution: It does not say them.
    """
    properties = template.get("properties", {})
    try:
        shape = properties["mlm:input"][0]["input"]["shape"]
        return TemplateInput(bands=int(shape[1]), size_px=int(properties["fair:sample_size_px"]))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InvalidContribution(
            str(template.get("id")),
            ["mlm:input[0].input.shape and fair:sample_size_px must say the bands and the size of a sample"],
        ) from error
