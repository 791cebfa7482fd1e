"""Items of base models that others wrote, up to the point where something would be downloaded or run."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pystac import Item

from fair_models.catalog import validation as profiles
from fair_models.catalog.items import base_models
from fair_models.catalog.items.versions import split_id
from fair_models.errors import InvalidItem
from fair_models.publishing.commit import as_stored
from fair_models.publishing.register import code_hosts, downloads, template_files
from fair_models.publishing.register.item_documents import ItemDocument
from fair_models.publishing.register.template_files import TemplateFiles
from fair_models.store import locations
from fair_models.store.atomic import translate_os_errors
from fair_models.types import BASE_MODELS, Json

LARGEST_CARD_BYTES = 1_000_000

NEEDED = ("checkpoint", "model", "source-code")
"""Files without which nobody can train from an item or predict with it, by our keys."""

CARD = "readme"


@dataclass(frozen=True)
class FinishedTemplate:
    """An item of somebody else as a template of ours.

    name: Its id, for messages.
    template: The item, completed with what ours need besides.
    number: The version that it says; None where it says none that we could keep.
    found: Its files, as far as they are on this machine, and addresses of the others.
    remarks: What was taken for granted, in sentences.
    """

    name: str
    template: Json
    number: int | None
    found: TemplateFiles
    remarks: list[str]


def of_document(read: ItemDocument) -> FinishedTemplate:
    """An item as a template. Nothing is downloaded.

    Raises:
        InvalidItem: It is malformed; lists every reason.
    """
    template, remarks = base_models.complete(read.document)
    template |= {"collection": BASE_MODELS}
    remarks += [*_settle_links(template, read.base), *code_hosts.settle(template)]
    name = str(template.get("id") or locations.shown(read.source))
    with translate_os_errors(f"read the files of {name}"):
        found = template_files.find(template, read.base, contribution=False)
    return FinishedTemplate(name, template, _number(template), found, remarks)


def checked(given: FinishedTemplate) -> tuple[Item, list[str]]:
    """The item with stand-ins for what is still to download, and what is weak in it.

    Raises:
        InvalidItem: It breaks the profile, or names files that are not there or may not be had.
    """
    found, template = given.found, given.template
    reasons = [*found.reasons, *downloads.refused(found, (*NEEDED, CARD))]
    with translate_os_errors(f"read the files of {given.name}"):
        present = {key: file for key, file in found.files.items() if file.is_file()}
        files = {**as_stored(present), **downloads.stand_ins(found, (*NEEDED, CARD))}
    try:
        item = base_models.build(template, given.number or 1, files)
        validation = profiles.validate(item.to_dict(include_self_link=False, transform_hrefs=False))
    except InvalidItem as error:
        raise InvalidItem(error.subject, list(dict.fromkeys([*reasons, *error.reasons]))) from error
    if reasons:
        raise InvalidItem(item.id, list(dict.fromkeys(reasons)))
    unchecked = [
        f"stac_extensions: {address} is neither cached nor reachable, so it was not checked"
        for address in validation.unchecked
    ]
    return item, [*validation.warnings, *unchecked, *_without_digest(found)]


def unusable(found: TemplateFiles) -> Iterator[str]:
    """Files that are needed here and cannot be used."""
    for key in NEEDED:
        if key not in found.files and key not in found.remote and not found.reasons:
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
        if key in found.said and "file:checksum" not in found.said[key]:
            yield (
                f"assets.{key}: {locations.shown(found.said[key]['href'])} has no file:checksum, "
                "so nobody can tell whether these are the bytes that were meant"
            )


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
        if isinstance(href, str) and locations.scheme_of(href) in {"", "file"}:
            if isinstance(base, Path) or locations.scheme_of(href):
                yield f"links: {link.get('rel')} leads to the file {href}, which is not kept; left out"
                continue
            link["href"] = locations.joined(base, href)
        template["links"].append(link)
