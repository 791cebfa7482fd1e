"""Whether the code, weights and ONNX of a finished item fit each other and the contract. Needs torch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel
from pystac import Item

from fair_models.catalog.items import base_models
from fair_models.catalog.items.hyperparameters import TRAINING
from fair_models.catalog.items.model import ModelItem
from fair_models.contract import blueprint
from fair_models.contract.call import called
from fair_models.contract.code import foreign_code, loader
from fair_models.contract.contribution import Contribution, package_of
from fair_models.contract.verification import export_check, instance_check
from fair_models.contract.verification.hyperparameters import specification_problems, told_by_params
from fair_models.errors import InvalidItem
from fair_models.inference.network.session import open_session
from fair_models.ml_tasks import weights
from fair_models.store.digests import checksum_file
from fair_models.types import Json


@dataclass
class CheckedCode:
    """An item whose code was found right, and what changed on the way.

    template: The item; its hyperparameters are told by the code where the item says only their values.
    files: Its files by our asset key; the code is in our form.
    remarks: What was done and what is weak, in sentences.
    """

    template: Json
    files: dict[str, Path]
    remarks: list[str] = field(default_factory=list)


def check(
    template: Json, item: Item, files: Mapping[str, Path], work: Path, assumed: Collection[str]
) -> CheckedCode:
    """Import the code from its archive, build the network, load the weights, compare ONNX and torch.

    Args:
        template: The item; it is changed.
        item: What is built of it.
        files: Its files by our asset key, all that are needed among them.
        work: Folder for what is made.
        assumed: Keys of hyperparameters whose entries were made from their values.

    Raises:
        InvalidItem: The item does not say which code to call.
        InvalidContribution: The code cannot be used, or disagrees with weights or ONNX; lists the reasons.
        NotFound: The weights do not exist.
        Corrupted: A file cannot be read.
    """
    contribution = _as_contribution(template, item, files)
    checked = CheckedCode(template, dict(files))
    _adopt(checked, contribution, work / "code")
    code, onnx = checked.files["source-code"], checked.files["model"]
    checksum = checksum_file(code)
    functions = loader.load_processing(code, checksum, contribution.preprocess, contribution.postprocess)
    if contribution.own_pipeline:
        loader.load_attribute(code, checksum, contribution.entrypoint)
        weights.read(contribution.weights)
        open_session(onnx)
        return checked
    pipeline = loader.load_pipeline(code, checksum, contribution.entrypoint)
    network = blueprint.build(pipeline, contribution)
    weights.load(network, contribution.weights)
    blueprint.check_classes(contribution, code, pipeline, network)
    facts = blueprint.input_of(template)
    export_check.check(onnx, network, functions, facts)
    instance_check.check(template, onnx, functions, blueprint.inference_values(contribution), facts)
    called(contribution.name, "Params", _let_params_tell, checked, pipeline.Params, assumed)
    return checked


def _as_contribution(template: Json, item: Item, files: Mapping[str, Path]) -> Contribution:
    model = ModelItem(item)
    preprocess, postprocess = model.processing
    if not model.entrypoint:
        raise InvalidItem(item.id, ["the asset with the source code has no mlm:entrypoint; add it"])
    folder = files["source-code"].parent
    return Contribution(
        folder=folder,
        name=base_models.name_of(template),
        package=package_of(folder),
        template=template,
        entrypoint=str(model.entrypoint),
        preprocess=preprocess,
        postprocess=postprocess,
        weights=files["checkpoint"],
        readme=files.get("readme", folder / "README.md"),
    )


def _adopt(checked: CheckedCode, contribution: Contribution, folder: Path) -> None:
    """Bring the archive of the code into our form; the item's digest is no longer that of the file then."""
    expressions = [contribution.entrypoint, contribution.preprocess, contribution.postprocess]
    destination = folder / "source-code.zip"
    package = foreign_code.adopt(checked.files["source-code"], expressions, destination)
    if package is None:
        return
    checked.files["source-code"] = destination
    held = checked.template["assets"]
    key = next(key for key, own in base_models.own_keys(held).items() if own == "source-code")
    for said in ("file:checksum", "file:size"):
        held[key].pop(said, None)
    checked.remarks.append(
        f"assets.{key}: its package {package} was archived anew, in the form that trainings read"
    )


def _let_params_tell(checked: CheckedCode, params: type[BaseModel], assumed: Collection[str]) -> None:
    properties = checked.template["properties"]
    entries = [
        told_by_params(entry, params) if entry["key"] in assumed else entry
        for entry in properties["fair:hyperparameters_spec"]
    ]
    properties["fair:hyperparameters_spec"] = entries
    checked.remarks += _disagreements(entries, params)


def _disagreements(entries: list[Json], params: type[BaseModel]) -> Iterator[str]:
    """Where item and code differ: weak, as a value that the code does not take fails when it is used."""
    full = [{**entry, "key": _full(entry["key"])} for entry in entries]
    for problem in specification_problems(full, params):
        yield f"properties.fair:hyperparameters_spec: {problem}"


def _full(key: str) -> str:
    return key if "." in key else f"{TRAINING}.{key}"
