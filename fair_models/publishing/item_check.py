"""Everything that is wrong with an item, without a server, a download, or running its code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fair_models.catalog import validation as profiles
from fair_models.errors import FairModelsError, InvalidItem, NotFound
from fair_models.publishing import dataset_items
from fair_models.publishing.register import finished_templates, item_documents
from fair_models.publishing.register.item_documents import ItemDocument
from fair_models.publishing.workspace import work_folder
from fair_models.store import locations
from fair_models.store.digests import verify
from fair_models.types import BASE_MODELS, DATASETS


@dataclass(frozen=True)
class ItemCheck:
    """What was found.

    item: Its id.
    kind: What it describes, in words.
    problems: Why it is refused, in sentences; empty where nothing speaks against it.
    remarks: What is weak in it, or was taken for granted.
    """

    item: str
    kind: str
    problems: list[str]
    remarks: list[str]


def check(source: str) -> ItemCheck:
    """List everything that is wrong with an item of a base model, dataset, local model or prediction.

    Args:
        source: Path of the item, or its https address.

    Raises:
        NotFound: There is no such file.
        Invalid: It is no item, or lies where it may not be read from.
        Unavailable: Its server does not answer.
    """
    with work_folder("check") as work:
        read = item_documents.read(source, work)
        problems, remarks = _judged(read)
    name = str(read.document.get("id") or locations.shown(source))
    return ItemCheck(name, read.words, list(dict.fromkeys(problems)), list(dict.fromkeys(remarks)))


def _judged(read: ItemDocument) -> tuple[list[str], list[str]]:
    if read.kind == BASE_MODELS:
        return _of_model(read)
    if read.kind == DATASETS and "fair:split_spec" not in str(read.document.get("properties")):
        return dataset_items.problems(read), []  # of another catalogue: as an ingest checks it
    return _of_profile(read)


def _of_model(read: ItemDocument) -> tuple[list[str], list[str]]:
    """As a registration checks it before the first download."""
    try:
        given = finished_templates.of_document(read)
    except InvalidItem as error:
        return list(error.reasons), []
    weak: list[str] = []
    problems: list[str] = []
    try:
        _, weak = finished_templates.checked(given)
    except InvalidItem as error:
        problems += error.reasons
    if not problems:
        problems += finished_templates.unusable(given.found)
    return problems, [*given.remarks, *weak]


def _of_profile(read: ItemDocument) -> tuple[list[str], list[str]]:
    try:
        validation = profiles.validate(read.document)
    except InvalidItem as error:
        return [*error.reasons, *_of_files(read)], []
    unchecked = [
        f"stac_extensions: {address} is neither cached nor reachable, so it was not checked"
        for address in validation.unchecked
    ]
    return list(_of_files(read)), [*validation.warnings, *unchecked]


def _of_files(read: ItemDocument) -> Iterator[str]:
    """Files of this machine that are missing, or others than their digests say."""
    held = read.document.get("assets")
    for key, asset in held.items() if isinstance(held, dict) else ():
        href = asset.get("href") if isinstance(asset, dict) else None
        if not isinstance(href, str) or not isinstance(read.base, Path):
            continue
        if locations.scheme_of(href) not in {"", "file"}:
            continue
        try:
            path = locations.local_path(href, read.base)
            if not path.exists():
                raise NotFound(f"there is no {href}; put it there or correct the href")
            if "file:checksum" in asset and path.is_file():
                verify(path, str(asset["file:checksum"]))
        except FairModelsError as error:
            yield f"assets.{key}: {error}"
