"""Base models that come as a finished STAC item, e.g. of another fAIr catalogue. Needs torch."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import orjson

from fair_models.catalog import assets, base_models, processing, profiles
from fair_models.catalog.versions import split_id
from fair_models.contract import blueprint, export_check, loader, weights
from fair_models.contract.contribution import Contribution, package_of
from fair_models.errors import Invalid, InvalidItem, NotFound
from fair_models.inference.session import open_session
from fair_models.publishing import template_files
from fair_models.publishing.storing import as_stored
from fair_models.publishing.template_files import TemplateFiles
from fair_models.store.digests import checksum_file
from fair_models.types import BASE_MODELS, Json

logger = logging.getLogger(__name__)

LARGEST_ITEM_BYTES = 5_000_000

NEEDED = ("checkpoint", "model", "source-code")
"""Files without which nobody can train from an item or predict with it, by our keys."""


@dataclass(frozen=True)
class FinishedItem:
    """An item of somebody else that was found right.

    template: The item, completed with what ours need besides.
    number: The version that it says; None where it says none that we could keep.
    files: Its files by our asset key.
    """

    template: Json
    number: int | None
    files: dict[str, Path]


def load(source: str) -> FinishedItem:
    """Read an item, find its files, and hold both against the profile and the contract.

    What is weak (an image by ":latest", fields that had to be taken for granted) is logged as a warning.

    Args:
        source: Path or file URL of the item. Its assets are looked for relative to it.

    Raises:
        NotFound: There is no such file.
        Invalid: It is no item, or lies where it cannot be read from.
        InvalidItem: It breaks the profile, or files are missing or wrong; lists every reason.
        InvalidContribution: Code, weights and ONNX do not fit each other.
    """
    path = _path(source)
    template, assumed = base_models.complete(_read(path))
    template |= {"collection": BASE_MODELS}
    found = template_files.find(template, path.parent, contribution=False)
    item_id = str(template.get("id") or path.name)
    number = _number(template)
    reasons = [*found.reasons, *_unusable(found)]
    warnings: list[str] = []
    try:
        present = {key: file for key, file in found.files.items() if file.is_file()}
        item = base_models.build(template, number or 1, as_stored(present))
        warnings = profiles.validate(item.to_dict(include_self_link=False, transform_hrefs=False)).warnings
    except InvalidItem as error:
        reasons += error.reasons
    if reasons:
        raise InvalidItem(item_id, list(dict.fromkeys(reasons)))
    _check_code(template, found.files)
    for warning in (*assumed, *warnings):
        logger.warning("%s: %s", item_id, warning)
    return FinishedItem(template, number, found.files)


def _path(source: str) -> Path:
    if source.startswith(("https://", "http://", "s3://")):
        raise Invalid(
            f"{source} lies elsewhere, and items are registered from files: download the item with its "
            "assets beside it, and name the file"
        )
    path = Path(unquote(urlsplit(source).path)) if source.startswith("file://") else Path(source).expanduser()
    if not path.is_file():
        raise NotFound(f"There is no {source}: name the folder of a contribution or the file of a STAC item")
    return path.resolve()


def _read(path: Path) -> Json:
    if path.stat().st_size > LARGEST_ITEM_BYTES:
        raise Invalid(
            f"{path} is larger than {LARGEST_ITEM_BYTES} bytes: a STAC item is not, name another file"
        )
    try:
        document = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise Invalid(f"{path} is no JSON ({error}): name the file of a STAC item") from error
    if not isinstance(document, dict) or document.get("type") != "Feature":
        raise Invalid(f"{path} is no STAC item (a JSON object of the type Feature): name the file of one")
    return document


def _number(template: Json) -> int | None:
    said = str((template.get("properties") or {}).get("version") or "")
    number = split_id(f"item-v{said}")[1]
    return number if number is not None and str(number) == said else None


def _unusable(found: TemplateFiles) -> Iterator[str]:
    """Files that are needed here and cannot be used. The profile tells those that are not named at all."""
    for key in [key for key in NEEDED if key in found.remote]:
        yield f"assets.{key}: {found.remote[key]} lies on the web; download it and name the file instead"
    code = found.files.get("source-code")
    if code is not None and code.is_file() and not zipfile.is_zipfile(code):
        yield f"assets.source-code: {code.name} is no zip archive of the modules; pack them into one"


def _check_code(template: Json, files: dict[str, Path]) -> None:
    """Import the code from its archive, build the network, load the weights, compare ONNX and torch."""
    code, onnx = files["source-code"], files["model"]
    checksum = checksum_file(code)
    contribution = _as_contribution(template, files)
    functions = loader.load_processing(code, checksum, contribution.preprocess, contribution.postprocess)
    if contribution.own_pipeline:
        loader.load_attribute(code, checksum, contribution.entrypoint)
        weights.read(contribution.weights)
        open_session(onnx)
        return
    pipeline = loader.load_pipeline(code, checksum, contribution.entrypoint)
    network = pipeline.build(blueprint.default_params(pipeline, contribution))
    weights.load(network, contribution.weights)
    export_check.check(onnx, network, functions, blueprint.input_of(template))


def _as_contribution(template: Json, files: dict[str, Path]) -> Contribution:
    item = base_models.build(template, 1, as_stored(files))
    preprocess, postprocess = processing.expressions(item)
    folder = files["source-code"].parent
    return Contribution(
        folder=folder,
        name=base_models.name_of(template),
        package=package_of(folder),
        template=template,
        entrypoint=assets.by_role(item, assets.SOURCE_CODE).extra_fields["mlm:entrypoint"],
        preprocess=preprocess,
        postprocess=postprocess,
        weights=files["checkpoint"],
        readme=files.get("readme", folder / "README.md"),
    )
