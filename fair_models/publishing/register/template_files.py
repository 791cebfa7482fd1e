"""The files that an item of somebody else names: beside itself, elsewhere on this machine, or on the web."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fair_models.catalog.items import assets
from fair_models.catalog.items.base_models import own_keys
from fair_models.errors import Corrupted, FairModelsError, Invalid, NotFound
from fair_models.store import locations
from fair_models.store.digests import verify
from fair_models.types import Json


@dataclass
class TemplateFiles:
    """Files by our asset key, and what stands against using them.

    files: Those on this machine.
    remote: Addresses of those that lie elsewhere, by our asset key.
    beside: Keys of those of `remote` that are named relative to an item on the web.
    said: The assets as the item says them, by our asset key.
    """

    files: dict[str, Path] = field(default_factory=dict)
    remote: dict[str, str] = field(default_factory=dict)
    beside: set[str] = field(default_factory=set)
    said: dict[str, Json] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def find(template: Json, base: Path | str, *, contribution: bool) -> TemplateFiles:
    """Look for the files that a template's assets name, and compare them with the digests that it says.

    Runtimes are no files and are left alone. Nothing is downloaded.

    Args:
        template: An item as it was written; `base_models.complete` has found its shape right.
        base: Where relative hrefs are seen from: the folder that the item lies in, or its address on the web.
            An item on the web names files on the web alone.
        contribution: Whether the folder is a contribution: then files outside of it are refused, and a folder
            may stand for the source code, which is archived anyway.
    """
    found = TemplateFiles()
    for own, key, asset in _file_assets(template):
        href = asset["href"]
        try:
            place = _of_web_item(href, base) if isinstance(base, str) else _of_local_item(href, base)
        except FairModelsError as error:
            found.reasons.append(f"assets.{key}: {error}")
            continue
        if isinstance(place, str):
            found.remote[own] = place
            found.said[own] = asset
            if not locations.scheme_of(href):
                found.beside.add(own)
        elif contribution and isinstance(base, Path) and not place.is_relative_to(base):
            found.reasons.append(f"assets.{key}: {href} lies outside of the folder; move it in")
        elif contribution and place.is_dir() and assets.has_role(asset["roles"], assets.SOURCE_CODE):
            continue
        else:
            found.reasons += _problems(key, asset, place)
            found.files[own] = place
            found.said[own] = asset
    return found


def _file_assets(template: Json) -> Iterator[tuple[str, str, Json]]:
    """Our key, the template's key and the asset, of assets that are files."""
    held = {
        key: {**asset, "roles": asset.get("roles") or []}
        for key, asset in (template.get("assets") or {}).items()
        if isinstance(asset, dict) and isinstance(asset.get("href"), str)
    }
    for key, own in own_keys(held).items():
        if assets.RUNTIMES.isdisjoint(held[key]["roles"]):
            yield own, key, held[key]


def _of_local_item(href: str, folder: Path) -> Path | str:
    """The file that an href means; its address where it lies elsewhere."""
    elsewhere = locations.scheme_of(href) not in {"", "file"}
    return href if elsewhere else locations.local_path(href, folder)


def _of_web_item(href: str, address: str) -> str:
    if locations.scheme_of(href) == "file" or href.startswith(("/", "\\", "~")):
        raise Invalid(
            f"{href} names a file of the machine that reads it, which an item on the web may not: "
            "name it relative to the item, or by its https address"
        )
    return href if locations.scheme_of(href) else locations.joined(address, href)


def _problems(key: str, asset: Json, path: Path) -> Iterator[str]:
    if path.is_dir():
        yield f"assets.{key}: {asset['href']} is a folder; name a file, or register the contribution's folder"
    elif not path.is_file():
        yield f"assets.{key}: there is no file {asset['href']}; put it there or correct the href"
    elif "file:checksum" in asset:
        try:
            verify(path, str(asset["file:checksum"]))
        except (Corrupted, Invalid, NotFound) as error:
            yield f"assets.{key}: {error}"
