"""The files that an item of somebody else names beside itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fair_models.catalog import assets
from fair_models.catalog.base_models import own_key
from fair_models.errors import Corrupted, Invalid, NotFound
from fair_models.store.digests import verify
from fair_models.types import Json


@dataclass
class TemplateFiles:
    """Files by our asset key, and what stands against using them.

    remote: Addresses of files that lie on the web, by our asset key.
    """

    files: dict[str, Path] = field(default_factory=dict)
    remote: dict[str, str] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def find(template: Json, folder: Path, *, contribution: bool) -> TemplateFiles:
    """Look for the files that a template's assets name, and compare them with the digests that it says.

    Runtimes are no files and are left alone.

    Args:
        template: An item as it was written.
        folder: Where it lies; relative hrefs are seen from here.
        contribution: Whether the folder is a contribution: then files outside of it are refused, and a folder
            may stand for the source code, which is archived anyway.
    """
    found = TemplateFiles()
    for key, asset in _file_assets(template):
        path = _local(asset["href"], folder)
        if path is None:
            found.remote[own_key(key, asset)] = asset["href"]
        elif contribution and not path.is_relative_to(folder):
            found.reasons.append(f"assets.{key}: {asset['href']} lies outside of the folder; move it in")
        elif contribution and path.is_dir() and assets.has_role(asset["roles"], assets.SOURCE_CODE):
            continue
        else:
            found.reasons += _problems(key, asset, path)
            found.files[own_key(key, asset)] = path
    return found


def _file_assets(template: Json) -> Iterator[tuple[str, Json]]:
    """Assets that are files. What is malformed is left to the profile."""
    for key, asset in (template.get("assets") or {}).items():
        if isinstance(asset, dict) and isinstance(asset.get("href"), str):
            asset = {**asset, "roles": asset.get("roles") or []}
            if assets.RUNTIMES.isdisjoint(asset["roles"]):
                yield key, asset


def _local(href: str, folder: Path) -> Path | None:
    """The file that an href means; None where it lies on the web."""
    if href.startswith("file://"):
        return Path(unquote(urlsplit(href).path)).resolve()
    return None if "://" in href else (folder / href).resolve()


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
