"""Files of items: what is known of one, and how it is handed out."""

from __future__ import annotations

import base64
import logging
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from pystac import Asset, Item

from fair_models.catalog.items import assets
from fair_models.errors import Corrupted, FairModelsError, NotFound, Unavailable
from fair_models.store import reading
from fair_models.store.locations import is_web
from fair_models.store.protocol import FileState, Store
from fair_models.web import links
from fair_models.web.api.presentation import sha256_of
from fair_models.web.problems import Problem

_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:; *[A-Za-z0-9_.-]+=[A-Za-z0-9_.:/+-]+)*")
_ACTIVE = frozenset({"text/html", "image/svg+xml", "text/xml", "text/xsl"})
"""Types that browsers run or draw as pages, like everything that ends in +xml or xml, and scripts."""

BINARY = "application/octet-stream"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredAsset:
    """One file of an item, in a store.

    item: The item.
    key: Its key there.
    asset: What the item says of it.
    store: Where its bytes lie.
    """

    item: Item
    key: str
    asset: Asset
    store: Store

    @property
    def href(self) -> str:
        """Where its bytes lie."""
        return assets.address(self.asset)

    @property
    def name(self) -> str:
        """Name of the file."""
        return links.filename_of(self.href)

    @property
    def told(self) -> str:
        """How messages call it: never by its place."""
        return f"The file {self.name} of {self.item.collection_id}/{self.item.id}"

    @property
    def sha256(self) -> str | None:
        """Hex digest that the item says; None where it says none."""
        return sha256_of(self.asset.extra_fields.get("file:checksum"))

    @property
    def is_elsewhere(self) -> bool:
        """Whether it lies somewhere on the web, and not in the registry."""
        return is_web(self.href) and not self.store.holds(self.href)

    @cached_property
    def state(self) -> FileState:
        """What the store knows of it.

        Raises:
            Problem: It is no file of the registry (404), is missing (410), or is not the one that the item
                means (502).
            Unavailable: The store does not answer.
        """
        if not self.store.holds(self.href):
            raise Problem("not-found", f"{self.told} is not held by this registry, so it cannot be had here")
        with self.translated():
            found = self.store.state(self.href)
        size = self.asset.extra_fields.get("file:size")
        differs = found.sha256 is not None and self.sha256 is not None and found.sha256 != self.sha256
        if differs or (isinstance(size, int) and size != found.size):
            _log.error(
                "%s is not the file that %s/%s means", self.href, self.item.collection_id, self.item.id
            )
            raise reading.differs(self.told)
        return found

    @property
    def tag(self) -> str:
        """Its entity tag: strong where its digest is known."""
        return f'"{self.sha256}"' if self.sha256 is not None else f'W/"{self.state.state.strip(chr(34))}"'

    @property
    def media_type(self) -> str:
        """The type that it is sent as. What a browser would run is sent as bytes of no type."""
        said = self.asset.media_type or ""
        plain = said.partition(";")[0].strip().lower()
        if not _TYPE.fullmatch(said) or plain in _ACTIVE or plain.endswith("xml") or "script" in plain:
            return BINARY
        return said

    @property
    def disposition(self) -> str:
        """Content-Disposition (RFC 6266): saved, never shown as a page of this service."""
        return disposition(self.name)

    def headers(self) -> dict[str, str]:
        """Headers of every answer about it."""
        found = {
            "Accept-Ranges": "bytes",
            "Content-Disposition": self.disposition,
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "ETag": self.tag,
        }
        if self.sha256 is not None:
            found["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(self.sha256)).decode()}:"
        return found

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Its bytes. The whole file is compared with its digest on the way. Raises as `state` does."""
        with self.translated():
            if self.sha256 is not None and (start, stop) in ((0, None), (0, self.state.size)):
                found = reading.verified(self.store, self.href, self.sha256, self.told)
            else:
                found = self.store.pieces(self.href, start, stop)
        return self._translated(found)

    def _translated(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        with self.translated():
            yield from pieces

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Errors of the store without the place of the file, which stands in the log."""
        try:
            yield
        except NotFound as error:
            _log.error("%s", error)
            raise Problem(
                "gone",
                f"{self.told} is missing from the store: whoever runs the registry has to put it back",
            ) from error
        except Corrupted as error:
            _log.error("%s: %s", self.href, error)
            raise reading.differs(self.told) from error
        except (FairModelsError, OSError) as error:
            _log.error("%s: %s", self.href, error)
            raise Unavailable(f"{self.told} cannot be read now. Try again later") from error


def disposition(name: str) -> str:
    """The header Content-Disposition that saves a file under a name, in any language (RFC 8187)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r'[\x00-\x1f\x7f"\\%/;]', "_", plain).strip() or "file"
    told = f'attachment; filename="{plain}"'
    return told if plain == name else f"{told}; filename*=UTF-8''{quote(name, safe='')}"
