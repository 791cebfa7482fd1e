"""Base models that come as a finished STAC item, e.g. of another fAIr catalogue. Needs torch."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from fair_models.errors import InvalidItem
from fair_models.publishing.register import downloads, finished_code, finished_templates, item_documents
from fair_models.publishing.register.finished_templates import CARD, NEEDED
from fair_models.types import BASE_MODELS, Json

logger = logging.getLogger(__name__)


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


def load(source: str, work: Path) -> FinishedItem:
    """Read an item, get its files, and hold both against the profile and the contract.

    What is weak (an image by ":latest", fields that had to be taken for granted) is logged as a warning.
    Nothing is downloaded for an item that is wrong already. The item's code is run.

    Args:
        source: Path, file URL or https address of the item. Its assets are looked for relative to it.
        work: Folder for what is downloaded and made; the files are needed until they are stored.

    Raises:
        NotFound: There is no such file.
        Invalid: It is no item, or lies where it may not be read from.
        InvalidItem: It breaks the profile, or files are missing or wrong; lists every reason.
        InvalidContribution: Code, weights and ONNX do not fit each other.
        Unavailable: A server that files lie on does not answer.
    """
    read = item_documents.read(source, work)
    item_documents.refuse_other_kinds(read, BASE_MODELS)
    given = finished_templates.of_document(read)
    item, weak = finished_templates.checked(given)
    found = given.found
    downloads.fetch(found, (*NEEDED, CARD), work / "files")
    if reasons := [*found.reasons, *finished_templates.unusable(found)]:
        raise InvalidItem(given.name, list(dict.fromkeys(reasons)))
    assumed = _assumed(read.document, given.template)
    checked = finished_code.check(given.template, item, found.files, work, assumed)
    for remark in (*given.remarks, *weak, *checked.remarks):
        logger.warning("%s: %s", given.name, remark)
    return FinishedItem(checked.template, given.number, checked.files)


def _assumed(document: Json, template: Json) -> set[str]:
    """Keys of hyperparameters that the item gives a value and no entry."""
    said = {entry["key"] for entry in document["properties"].get("fair:hyperparameters_spec") or []}
    entries = {entry["key"] for entry in template["properties"]["fair:hyperparameters_spec"]}
    return {key for key in entries if key not in said and key.partition(".")[2] not in said}
