"""Base models that come as a finished STAC item, e.g. of another fAIr catalogue. Needs torch."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pystac import Item

from fair_models.catalog import base_models, profiles
from fair_models.catalog.versions import split_id
from fair_models.errors import Invalid, InvalidItem, NotFound
from fair_models.publishing import fetching, finished_code, template_files
from fair_models.publishing.storing import as_stored
from fair_models.publishing.template_files import TemplateFiles
from fair_models.store import documents, hrefs
from fair_models.store.atomic import told_as_unavailable
from fair_models.store.download import download
from fair_models.types import BASE_MODELS, Json

logger = logging.getLogger(__name__)

LARGEST_ITEM_BYTES = 5_000_000
LARGEST_CARD_BYTES = 1_000_000

NEEDED = ("checkpoint", "model", "source-code")
"""Files without which nobody can train from an item or predict with it, by our keys."""

CARD = "readme"


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
    base, document = _read(source, work)
    template, remarks = base_models.complete(document)
    template |= {"collection": BASE_MODELS}
    remarks += _settle_links(template, base)
    item_id = str(template.get("id") or hrefs.shown(source))
    number = _number(template)
    with told_as_unavailable(f"read the files of {item_id}"):
        found = template_files.find(template, base, contribution=False)
        item, weak = _judged(template, number or 1, found)
    fetching.fetch(found, (*NEEDED, CARD), work / "files")
    if reasons := [*found.reasons, *_unusable(found)]:
        raise InvalidItem(item_id, list(dict.fromkeys(reasons)))
    checked = finished_code.check(template, item, found.files, work, _assumed(document, template))
    for remark in (*remarks, *weak, *_without_digest(found), *checked.remarks):
        logger.warning("%s: %s", item_id, remark)
    return FinishedItem(checked.template, number, checked.files)


def _read(source: str, work: Path) -> tuple[Path | str, Json]:
    """Where an item's relative hrefs are seen from, and the item as it was written."""
    base: Path | str
    if hrefs.is_web(source):
        path, base = work / "item.json", source
        download(source, path, largest_bytes=LARGEST_ITEM_BYTES)
    else:
        path = hrefs.local_path(source)
        base = path.parent
        if not path.is_file():
            raise NotFound(
                f"There is no {source}: name the folder of a contribution, or the file or address of an item"
            )
    limits = documents.Limits(bytes=LARGEST_ITEM_BYTES)
    document = documents.parse_json(path.read_bytes(), hrefs.shown(source), limits)
    if not isinstance(document, dict) or document.get("type") != "Feature":
        raise Invalid(
            f"{hrefs.shown(source)} is no STAC item (a JSON object of the type Feature): name the file of one"
        )
    return base, document


def _number(template: Json) -> int | None:
    said = str(template["properties"].get("version") or "")
    number = split_id(f"item-v{said}")[1]
    return number if number is not None and str(number) == said else None


def _settle_links(template: Json, base: Path | str) -> Iterator[str]:
    """Make relative links of a web item absolute, and leave out links to files, which nobody would find."""
    links = [link for link in template.get("links", []) if not base_models.is_own_link(link)]
    template["links"] = []
    for link in links:
        href = link.get("href")
        if isinstance(href, str) and hrefs.scheme_of(href) in {"", "file"}:
            if isinstance(base, Path) or hrefs.scheme_of(href):
                yield f"links: {link.get('rel')} leads to the file {href}, which is not kept; left out"
                continue
            link["href"] = hrefs.joined(base, href)
        template["links"].append(link)


def _judged(template: Json, number: int, found: TemplateFiles) -> tuple[Item, list[str]]:
    """The item with stand-ins for what is still to download, and what is weak in it.

    Raises:
        InvalidItem: It breaks the profile, or names files that are not there or may not be had.
    """
    reasons = [*found.reasons, *fetching.refused(found, (*NEEDED, CARD))]
    present = {key: file for key, file in found.files.items() if file.is_file()}
    files = {**as_stored(present), **fetching.stand_ins(found, (*NEEDED, CARD))}
    try:
        item = base_models.build(template, number, files)
        validation = profiles.validate(item.to_dict(include_self_link=False, transform_hrefs=False))
    except InvalidItem as error:
        raise InvalidItem(error.subject, list(dict.fromkeys([*reasons, *error.reasons]))) from error
    if reasons:
        raise InvalidItem(item.id, list(dict.fromkeys(reasons)))
    unchecked = [
        f"stac_extensions: {address} is neither cached nor reachable, so it was not checked"
        for address in validation.unchecked
    ]
    return item, [*validation.warnings, *unchecked]


def _unusable(found: TemplateFiles) -> Iterator[str]:
    """Files that are needed here and cannot be used."""
    for key in NEEDED:
        if key not in found.files and not found.reasons:
            yield f"assets.{key}: is no file; an asset is either a file or a runtime"
    code = found.files.get("source-code")
    if code is not None and code.is_file() and not zipfile.is_zipfile(code):
        yield f"assets.source-code: {code.name} is no zip archive of the modules; pack them into one"
    card = found.files.get(CARD)
    if (
        card is not None
        and card.is_file()
        and (card.stat().st_size > LARGEST_CARD_BYTES or not _is_text(card))
    ):
        yield f"assets.{CARD}: {card.name} is no text of at most {LARGEST_CARD_BYTES} bytes in UTF-8"


def _is_text(card: Path) -> bool:
    try:
        card.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _without_digest(found: TemplateFiles) -> Iterator[str]:
    for key in NEEDED:
        if "file:checksum" not in found.said[key]:
            yield (
                f"assets.{key}: {hrefs.shown(found.said[key]['href'])} has no file:checksum, "
                "so nobody can tell whether these are the bytes that were meant"
            )


def _assumed(document: Json, template: Json) -> set[str]:
    """Keys of hyperparameters that the item gives a value and no entry."""
    said = document["properties"].get("fair:hyperparameters_spec") or []
    entries = template["properties"]["fair:hyperparameters_spec"]
    return {entry["key"] for entry in entries} - {entry["key"] for entry in said}
