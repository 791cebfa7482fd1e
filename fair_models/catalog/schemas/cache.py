"""Official schemas by address: from pystac, from the cache folder, or fetched once where the network allows.

A host or an address that did not answer is remembered in the cache folder, so that within the next hour no
process waits for it again.
"""

from __future__ import annotations

import re
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pystac

from fair_models.errors import Invalid, NotFound, Unavailable
from fair_models.store import atomic
from fair_models.store.download import download
from fair_models.store.locations import parse_web
from fair_models.store.web.connections import Timeouts
from fair_models.types import Json

TIMEOUT_S = 3.0
"""How long a fetch may take before its host counts as unreachable."""

LARGEST_BYTES = 2_000_000
"""Largest schema that is fetched."""

RETRY_AFTER_S = 3600.0
"""How long a failed attempt is remembered."""

_FAILED = ".not-reachable.json"
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.(?!local$|internal$|localhost$)[a-z][a-z0-9-]+")
"""Names of public hosts: items come from others and must not make us ask machines of this network."""

_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")


@dataclass
class SchemaCache:
    """Schemas laid out in a folder as their addresses without the scheme.

    Args:
        folder: The cache, made when the first schema is fetched. One that cannot be written is only read.
    """

    folder: Path
    _loaded: dict[str, Json] = field(default_factory=dict, init=False, repr=False)
    _failed: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    def path(self, address: str) -> Path | None:
        """Where the schema of an address lies or would lie. None where no file can stand for the address."""
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or parts.query or parts.port or parts.username:
            return None
        if not _HOST.fullmatch(parts.hostname or "") or not _PATH.fullmatch(parts.path):
            return None
        return self.folder / str(parts.hostname) / parts.path.lstrip("/")

    def load(self, address: str) -> Json | None:
        """The schema of an address, without its fragment. None where it is neither cached nor reachable."""
        address = address.partition("#")[0]
        if address not in self._loaded:
            schema = bundled().get(address) or self._read(address) or self._fetch(address)
            if schema is None:
                return None
            self._loaded[address] = schema
        return self._loaded[address]

    def _read(self, address: str) -> Json | None:
        file = self.path(address)
        return _parse(file.read_bytes()) if file and file.is_file() else None

    def _fetch(self, address: str) -> Json | None:
        file = self.path(address)
        host = urlsplit(address).netloc
        if file is None or not address.startswith("https://") or self._failed_lately(address, host):
            return None
        try:
            content = _download(address)
        except (NotFound, Invalid):
            self._remember(address)
            return None
        except (Unavailable, OSError):
            self._remember(host)
            return None
        schema = _parse(content)
        if schema is None:
            self._remember(address)
            return None
        with suppress(Unavailable):  # a cache that is read only still lets this process check the item
            atomic.write_bytes(file, content)
        return schema

    def _failed_lately(self, *keys: str) -> bool:
        known = self._read_failures() | self._failed
        return any(0 <= time.time() - known[key] < RETRY_AFTER_S for key in keys if key in known)

    def _remember(self, key: str) -> None:
        self._failed[key] = time.time()
        with suppress(Unavailable):  # then only this process remembers
            atomic.write_json(self.folder / _FAILED, self._read_failures() | self._failed)

    def _read_failures(self) -> dict[str, float]:
        file = self.folder / _FAILED
        content = _parse(file.read_bytes()) if file.is_file() else None
        return {key: at for key, at in (content or {}).items() if isinstance(at, int | float)}


@cache
def bundled() -> dict[str, Json]:
    """What pystac brings along: the core schemas of STAC 1.1 and GeoJSON."""
    folder = Path(pystac.__file__).parent / "validation" / "jsonschemas"
    return {_address(path): orjson.loads(path.read_bytes()) for path in folder.rglob("*.json")}


def _address(path: Path) -> str:
    """The address of one of pystac's files; what they give as `$id` has a mistake."""
    if path.parent.name == "geojson":
        return f"https://geojson.org/schema/{path.name}"
    spec = path.stem if path.stem in {"catalog", "collection"} else "item"
    return f"https://schemas.stacspec.org/{path.parent.name}/{spec}-spec/json-schema/{path.name}"


def _download(address: str) -> bytes:
    """The bytes of an address. Redirects are not followed: a schema lies where its address says."""
    timeouts = Timeouts(step_s=TIMEOUT_S, total_s=TIMEOUT_S)
    with tempfile.TemporaryDirectory(prefix="fair-schema-") as folder:
        file = Path(folder) / "schema.json"
        download(parse_web(address), file, largest_bytes=LARGEST_BYTES, redirects=0, timeouts=timeouts)
        return file.read_bytes()


def _parse(content: bytes) -> Json | None:
    """A JSON object, or None for anything else (a half-written file, a page of a proxy)."""
    try:
        value: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
