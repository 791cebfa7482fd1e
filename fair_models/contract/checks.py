"""Everything that is wrong with a contribution, at once. Executes the contribution's code."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fair_models.catalog import validation
from fair_models.catalog.items import base_models
from fair_models.contract.code import imports, loader
from fair_models.contract.code.code_archive import pack_code
from fair_models.contract.contribution import (
    COLLECTION_FOLDER,
    ITEM_FILE,
    README_FILE,
    Contribution,
    assets_of,
    package_of,
    read,
    read_template,
)
from fair_models.contract.files import published_weights
from fair_models.contract.protocol import Pipeline
from fair_models.contract.verification.hyperparameters import specification_problems
from fair_models.errors import FairModelsError, Invalid, InvalidContribution, Unavailable
from fair_models.store.digests import checksum_file
from fair_models.store.protocol import StoredFile
from fair_models.types import Json

if TYPE_CHECKING:
    from fair_models.contract.blueprint import Blueprint

NO_DIGEST = "1220" + 64 * "0"

_ITEM = "what the item says"
_CODE = ("the code", "hyperparameters against the pipeline's Params")
_NETWORK = ("the network", "its weights and classes", "the export", "ONNX against torch")
"""What is looked at in turn; what comes later needs what comes before."""

MODEL_CARD_WORDS = ("use", "data", "limit", "licen", "metric")
"""What a model card must speak of, as the beginnings of words."""


@dataclass(frozen=True)
class Checked:
    """What a check found, and what it made meanwhile.

    name: Name of the contribution's folder.
    reasons: Everything that is wrong, in sentences; empty for one that can be registered.
    contribution: The contribution with its initial weights on this machine; None where that was not reached.
    blueprint: Code and ONNX made of it; None likewise.
    """

    name: str
    reasons: list[str]
    contribution: Contribution | None = None
    blueprint: Blueprint | None = None

    def ready(self) -> tuple[Contribution, Blueprint]:
        """What is registered.

        Raises:
            InvalidContribution: Something is wrong; lists every reason.
        """
        if self.reasons or self.contribution is None or self.blueprint is None:
            raise InvalidContribution(self.name, self.reasons)
        return self.contribution, self.blueprint


def problems(folder: Path, *, random_start: bool = False) -> list[str]:
    """Everything that is wrong with a contribution, in sentences; see `check`."""
    with tempfile.TemporaryDirectory(prefix="fair-check-") as work_folder:
        return check(folder, Path(work_folder), random_start=random_start).reasons


def check(folder: Path, work_folder: Path, *, random_start: bool = False) -> Checked:
    """Check a contribution: files, item, code, hyperparameters, weights, ONNX against torch.

    Its code is imported, its network built and exported. Nothing is stored.

    Args:
        folder: The contribution.
        work_folder: Where what is made of it lies.
        random_start: Whether to look at it without the published weights that it starts from, if it does.

    Raises:
        NotFound: There is no such folder, or no stac-item.json in it.
        Unavailable: There is no room to try it out, or its published weights cannot be reached.
    """
    folder = folder.expanduser().resolve()
    reasons = [*_file_problems(folder), *imports.text_problems(folder, package_of(folder))]
    reasons += imports.face_problems(folder)
    try:
        template = read_template(folder)
    except InvalidContribution as error:
        unseen = _not_checked(f"{ITEM_FILE} cannot be read", _ITEM, *_CODE, *_NETWORK)
        return Checked(folder.name, [*reasons, *error.reasons, unseen])
    try:
        contribution = read(folder)
    except InvalidContribution as error:
        # The item does not even name its parts: its profile says why, nothing else can be looked at.
        unseen = _not_checked(f"{ITEM_FILE} does not name all parts", *_CODE, *_NETWORK)
        found = [*reasons, *error.reasons, *_item_problems(template, {}), unseen]
        return Checked(folder.name, _unique(found))
    weights = published_weights.problems(contribution.published) if contribution.published else None
    elsewhere = _package_problem(contribution)
    names = [elsewhere] if elsewhere else _name_problems(contribution)
    reasons += [*(weights or _weights_problems(contribution)), *names]
    reasons += _item_problems(template, _files(contribution))
    if elsewhere:
        unseen = _not_checked(f"{ITEM_FILE} names another package", *_CODE, *_NETWORK)
        return Checked(folder.name, _unique([*reasons, unseen]))
    work_folder.mkdir(parents=True, exist_ok=True)
    tried = _try_code(contribution, work_folder, random_start)
    return Checked(folder.name, _unique([*reasons, *tried.reasons]), tried.contribution, tried.blueprint)


def _file_problems(folder: Path) -> Iterator[str]:
    if not folder.name.isidentifier():
        yield f"the folder {folder.name} cannot be imported: use letters, digits, underscores, first a letter"
    wanted = {README_FILE: "the model card", "Dockerfile": "the images for training and prediction"}
    for name, what in wanted.items():
        if not (folder / name).is_file():
            yield f"{name} is missing: add {what}"
    card = folder / README_FILE
    if card.is_file():
        text = card.read_text(encoding="utf-8", errors="replace").lower()
        lacking = [word for word in MODEL_CARD_WORDS if word not in text]
        if lacking:
            yield (
                f"{README_FILE} says nothing of {', '.join(lacking)}…: "
                "a model card tells use, data, limits, licence, metrics"
            )
    if not list((folder / "tests").glob("test_*.py")):
        yield "tests/ has no test_*.py: add a test of the processing at least"


def _weights_problems(contribution: Contribution) -> Iterator[str]:
    path = contribution.weights
    name = (
        path.relative_to(contribution.folder).as_posix() if path.is_relative_to(contribution.folder) else path
    )
    if not path.is_file():
        yield f"the weights {name} do not exist: make them, or correct the asset's href in {ITEM_FILE}"
        return
    asset = _asset(contribution.template, "mlm:weights")
    found = checksum_file(path)
    said = asset.get("file:checksum")
    if not said:
        yield f'the weights have no digest in the item: add "file:checksum": "{found}"'
    elif said != found:
        yield f"the weights {name} have the digest {found}, the item says {said}: correct the wrong one"
    if asset.get("file:size", path.stat().st_size) != path.stat().st_size:
        yield f"the weights {name} have {path.stat().st_size} bytes, the item says {asset['file:size']}"


def _package_problem(contribution: Contribution) -> str | None:
    """Why none of the item's names can be found: the folder lies in another package than they say."""
    expressions = (contribution.entrypoint, contribution.preprocess, contribution.postprocess)
    packages = {each.partition(":")[0].rpartition(".")[0] for each in expressions}
    named = packages.pop()
    if packages or not named or named == contribution.package:
        return None
    cure = f"name {contribution.package}.… in {ITEM_FILE}"
    if named == f"{COLLECTION_FOLDER}.{contribution.folder.name}":
        cure = f"put it into a folder called {COLLECTION_FOLDER}, or {cure}"
    return (
        f"{ITEM_FILE} names modules of {named}, and the folder {contribution.folder} is the package "
        f"{contribution.package}: {cure}"
    )


def _name_problems(contribution: Contribution) -> Iterator[str]:
    expressions = {
        "mlm:entrypoint": contribution.entrypoint,
        "pre_processing_function": contribution.preprocess,
        "post_processing_function": contribution.postprocess,
    }
    for field, expression in expressions.items():
        if not expression.startswith(f"{contribution.package}."):
            yield (
                f"{field} names {expression}, the modules of this folder are {contribution.package}.…: "
                "name one of them"
            )


def _item_problems(template: Json, files: dict[str, StoredFile]) -> list[str]:
    """What registration would find wrong with the item, with stand-ins for files that it would make."""
    try:
        item = base_models.build(template, 1, files)
    except Invalid as error:
        return [f"{ITEM_FILE}: {reason}" for reason in _reasons(error)]
    return [f"{ITEM_FILE}: {reason}" for reason in validation.problems(item.to_dict(transform_hrefs=False))]


def _files(contribution: Contribution) -> dict[str, StoredFile]:
    weights = contribution.weights
    digest = _asset(contribution.template, "mlm:weights").get("file:checksum") or NO_DIGEST
    return {
        "checkpoint": StoredFile(str(weights), digest, weights.stat().st_size if weights.is_file() else 0),
        "model": StoredFile("model.onnx", NO_DIGEST, 0),
        "source-code": StoredFile("source-code.zip", NO_DIGEST, 0),
        "readme": StoredFile(str(contribution.readme), NO_DIGEST, 0),
    }


def _try_code(contribution: Contribution, work_folder: Path, random_start: bool) -> Checked:
    """Import it, and make of it what is registered."""
    name, archive = contribution.name, work_folder / "source-code.zip"
    _, reasons = _tried(pack_code, contribution.folder, archive)
    if reasons:
        return Checked(name, [*reasons, _not_checked("the code cannot be packed", *_CODE, *_NETWORK)])
    checksum = checksum_file(archive)
    expressions = [contribution.preprocess, contribution.postprocess]
    processing, reasons = _tried(loader.load_processing, archive, checksum, *expressions)
    heavy = [] if reasons else imports.heavy_imports(archive, checksum, expressions)
    if heavy:
        reasons.append(
            f"importing the processing loads {', '.join(heavy)}: keep it to numpy, predictions run without"
        )
    load = loader.load_attribute if contribution.own_pipeline else loader.load_pipeline
    pipeline, pipeline_reasons = _tried(load, archive, checksum, contribution.entrypoint)
    reasons += pipeline_reasons
    if pipeline is not None and not contribution.own_pipeline:
        reasons += _specification_problems(contribution, pipeline)
    if processing is None or pipeline is None:
        broken = [
            part for part, found in (("processing", processing), ("pipeline", pipeline)) if found is None
        ]
        unseen = [*(_CODE[1:] if pipeline is None else ()), *_NETWORK]
        why = f"the {' and the '.join(broken)} cannot be used"
        return Checked(name, [*reasons, _not_checked(why, *unseen)])
    made = _try_network(contribution, work_folder, random_start)
    return Checked(name, [*reasons, *made.reasons], made.contribution, made.blueprint)


def _specification_problems(contribution: Contribution, pipeline: Pipeline) -> list[str]:
    specification = contribution.template["properties"].get("fair:hyperparameters_spec")
    if not isinstance(specification, list) or not all(isinstance(entry, dict) for entry in specification):
        return []  # the profile has said so
    return specification_problems(specification, pipeline.Params)


def _try_network(contribution: Contribution, work_folder: Path, random_start: bool) -> Checked:
    """Build, load, export and compare; needs code that can be called and weights."""
    from fair_models.contract import blueprint, initial

    name = contribution.name
    settled, reasons = _tried(
        initial.settle, contribution, work_folder / "initial", random_start=random_start
    )
    if settled is None or not settled.weights.is_file():
        _, built = _tried(blueprint.build_alone, settled or contribution)
        return Checked(name, [*reasons, *built, _not_checked("there are no weights", *_NETWORK[1:])])
    reached: list[str] = []
    made, reasons = _tried(blueprint.make, settled, work_folder / "blueprint", reached.append)
    if made is None and (unseen := _NETWORK[len(reached) + 1 :]):
        reasons.append(_not_checked(f"something is wrong with {_NETWORK[len(reached)]}", *unseen))
    said = settled.template["properties"].get("mlm:total_parameters")
    if made is not None and made.total_parameters is not None and said not in (None, made.total_parameters):
        reasons.append(
            f"{ITEM_FILE}: mlm:total_parameters is {said}, the network has {made.total_parameters}"
        )
    return Checked(name, reasons, settled, made)


def _tried(step: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[Any, list[str]]:
    """What a step gives, or why it did not."""
    try:
        return step(*arguments, **options), []
    except Unavailable:
        raise  # a full disk is not the contribution's fault
    except FairModelsError as error:
        return None, _reasons(error)


def _reasons(error: FairModelsError) -> list[str]:
    """The reasons that an error lists, each with the part that it is about where the contract says one."""
    reasons = getattr(error, "reasons", [str(error)])
    return (
        [f"{error.subject}: {each}" for each in reasons]
        if isinstance(error, InvalidContribution)
        else [*reasons]
    )


def _asset(template: Json, role: str) -> Json:
    return next((asset for asset in assets_of(template) if role in asset["roles"]), {})


def _not_checked(why: str, *what: str) -> str:
    """What could not be looked at: whoever mends the rest hears of it then."""
    return f"not checked, because {why}: {', '.join(what)}"


def _unique(reasons: list[str]) -> list[str]:
    return list(dict.fromkeys(reasons))
