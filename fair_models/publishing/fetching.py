"""Downloads what an item of somebody else needs, before it is held against the contract."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from fair_models import settings
from fair_models.contract.checks import NO_DIGEST
from fair_models.errors import Corrupted, Invalid, NotFound
from fair_models.publishing.template_files import TemplateFiles
from fair_models.store import hrefs
from fair_models.store.download import download
from fair_models.store.protocol import StoredFile
from fair_models.types import Json

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def wanted(found: TemplateFiles, needed: tuple[str, ...]) -> dict[str, str]:
    """Addresses of the files to download, by our asset key: those that are needed, and those beside the item.

    Other addresses stay in the item as they are.

    Args:
        found: What the item names.
        needed: Our keys of the files that are needed wherever they lie.
    """
    return {key: href for key, href in found.remote.items() if key in needed or key in found.beside}


def stand_ins(found: TemplateFiles, needed: tuple[str, ...]) -> dict[str, StoredFile]:
    """What will be downloaded as if it lay in the store, so that the item is judged before that."""
    return {
        key: StoredFile(href, _said_checksum(found.said[key]) or NO_DIGEST, 0)
        for key, href in wanted(found, needed).items()
    }


def fetch(found: TemplateFiles, needed: tuple[str, ...], folder: Path) -> None:
    """Download what is needed. What cannot be had is added to the reasons; a server that is down is raised.

    Args:
        found: What the item names; files and reasons are added.
        needed: Our keys of the files that are needed wherever they lie.
        folder: Where the files go.

    Raises:
        Unavailable: A server does not answer; trying again may help.
    """
    largest = settings.current().largest_download_bytes
    for number, (key, href) in enumerate(wanted(found, needed).items()):
        path = folder / str(number) / _name(href)
        try:
            download(href, path, largest_bytes=largest, checksum=_said_checksum(found.said[key]))
        except (Corrupted, Invalid, NotFound) as error:
            found.reasons.append(f"assets.{key}: {error}")
        else:
            found.files[key] = path


def refused(found: TemplateFiles, needed: tuple[str, ...]) -> Iterator[str]:
    """Why addresses may not be asked, told before the first is."""
    for key, href in wanted(found, needed).items():
        try:
            hrefs.file_address(href)
        except Invalid as error:
            yield f"assets.{key}: {error}"


def _said_checksum(asset: Json) -> str | None:
    said = asset.get("file:checksum")
    return said if isinstance(said, str) else None


def _name(href: str) -> str:
    name = PurePosixPath(unquote(urlsplit(href).path)).name
    return _UNSAFE.sub("-", name).strip("-.")[-100:] or "file"
