"""Downloads what an item of somebody else needs, before it is held against the contract."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from fair_models import settings
from fair_models.contract.checks import NO_DIGEST
from fair_models.errors import Corrupted, Invalid, NotFound, Unavailable
from fair_models.publishing.register import code_hosts
from fair_models.publishing.register.template_files import TemplateFiles
from fair_models.store import locations
from fair_models.store.digests import hex_of, verify
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
    """What will be downloaded as if it lay in the store, so that the item is checked before that."""
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
    largest, unavailable = settings.current().largest_download_bytes, []
    for number, (key, href) in enumerate(wanted(found, needed).items()):
        path, checksum = folder / str(number) / _name(href), _said_checksum(found.said[key])
        given = by_hand(href, checksum)
        try:
            if given.is_file():
                _verify(given, checksum)
                path = given
            else:
                download(locations.parse_download(href), path, largest_bytes=largest, checksum=checksum)
        except (Corrupted, Invalid, NotFound) as error:
            found.reasons.append(f"assets.{key}: {error}")
        except Unavailable as error:
            unavailable.append(f"assets.{key}: {error}. Or get the file elsewhere and put it at {given}")
        else:
            found.files[key] = path
    if unavailable:
        raise Unavailable("; ".join([*unavailable, *found.reasons]))


def by_hand(href: str, checksum: str | None) -> Path:
    """Where somebody may put the file of an address that cannot be reached from here.

    Args:
        href: Its address.
        checksum: sha-256 multihash of its bytes; None where the item says none.
    """
    folder = settings.current().cache_folder / "published"
    ending = PurePosixPath(_name(href)).suffix.lower()
    try:
        name = hex_of(checksum) if checksum else ""
    except Invalid:
        name = ""
    return folder / f"{name or f'address-{hashlib.sha256(href.encode()).hexdigest()[:32]}'}{ending}"


def _verify(path: Path, checksum: str | None) -> None:
    if checksum is not None:
        verify(path, checksum)


def refused(found: TemplateFiles, needed: tuple[str, ...]) -> Iterator[str]:
    """Why addresses may not be asked, checked before the first request."""
    for key, href in wanted(found, needed).items():
        given = by_hand(href, _said_checksum(found.said[key]))
        if given.is_file():
            continue
        try:
            locations.parse_download(href)
        except Invalid as error:
            yield f"assets.{key}: {error}; or get the file elsewhere and put it at {given}"
            continue
        if host := code_hosts.onward(href):
            try:
                locations.parse_web(f"https://{host}/")
            except Invalid:
                yield (
                    f"assets.{key}: {locations.shown(href)} leads to {host}, which is not one of "
                    "FAIR_ALLOWED_HOSTS; have the operator add it, or get the file elsewhere and put it at "
                    f"{given}"
                )


def _said_checksum(asset: Json) -> str | None:
    said = asset.get("file:checksum")
    return said if isinstance(said, str) else None


def _name(href: str) -> str:
    name = PurePosixPath(unquote(urlsplit(href).path)).name
    return _UNSAFE.sub("-", name).strip("-.")[-100:] or "file"
