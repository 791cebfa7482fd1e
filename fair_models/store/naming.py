"""Where the registry's bytes lie: a path that holds version and digest is never written twice."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from fair_models.errors import Invalid
from fair_models.store.digests import hex_of

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def key(collection: str, name: str, version: int, path: Path | str, checksum: str) -> str:
    """Key of a file in the store: "<collection>/<name>/v<n>/<stem>-<12 digits of the digest><suffix>".

    Args:
        collection: Collection of the item that owns the file, e.g. "local-models".
        name: Name of the item without its version, e.g. "banepa-roofs".
        version: Number of the version, from 1.
        path: The file; only its last part counts.
        checksum: sha-256 multihash of its bytes.
    """
    file = Path(path)
    stem = _UNSAFE.sub("-", file.stem).strip("-.") or "file"
    suffix = _UNSAFE.sub("", file.suffix)
    return checked_key(f"{collection}/{name}/v{version}/{stem[:80]}-{hex_of(checksum)[:12]}{suffix}")


def checked_key(key: str) -> str:
    """The key, if it is one: plain parts between slashes, none hidden, none leading elsewhere.

    Raises:
        Invalid: It could leave the store or hide in it.
    """
    if not all(_PART.fullmatch(part) for part in key.split("/")) or str(PurePosixPath(key)) != key:
        raise Invalid(
            f"{key!r} cannot be a key of the store: use letters, digits, '.', '_', '-' between single slashes"
        )
    return key
