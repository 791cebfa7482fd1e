"""A contribution's code as one archive, registered under its digest."""

from __future__ import annotations

import tempfile
from pathlib import Path

import orjson

from fair_models.contract.contribution import ITEM_FILE, README_FILE, package_of
from fair_models.errors import InvalidContribution
from fair_models.store.archive import ArchiveLimits, pack

MANIFEST = "fair-code.json"
"""File in the archive that says which package name its modules were written under."""

LARGEST_FILE_BYTES = 1_000_000
"""Code and small tables are archived; anything larger is weights or data and belongs into an asset."""

LIMITS = ArchiveLimits(files=1000, total_bytes=100_000_000)
"""What an archive of code may unpack to."""

_FOLDERS_LEFT_OUT = frozenset({"tests", "weights", "__pycache__", "node_modules"})
_FILES_LEFT_OUT = frozenset({ITEM_FILE, README_FILE, "Dockerfile", MANIFEST})
_ENDINGS_LEFT_OUT = frozenset(
    {".pyc", ".safetensors", ".pt", ".pth", ".ckpt", ".onnx", ".pkl", ".pickle", ".npz", ".zip"}
)


def pack_code(folder: Path, destination: Path, package: str | None = None) -> None:
    """Archive a contribution's modules and the small files beside them. The same files give the same bytes.

    Left out are tests, weights, caches, hidden files, and what has an asset of its own (item, model card).

    Args:
        folder: The contribution.
        destination: The zip archive to write.
        package: What the modules' package was called where they were written. Default: told by the folder.

    Raises:
        InvalidContribution: There is no module, or a file is too large to be code.
    """
    folder = folder.resolve()
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if _is_code(path, folder)
    }
    too_large = [
        f"{name} has {path.stat().st_size} bytes, code files have at most {LARGEST_FILE_BYTES}: "
        "move it into weights/ and name it as an asset"
        for name, path in files.items()
        if path.stat().st_size > LARGEST_FILE_BYTES
    ]
    if not any(name.endswith(".py") for name in files):
        too_large.append("it holds no Python module")
    if too_large:
        raise InvalidContribution(folder.name, too_large)
    with tempfile.TemporaryDirectory(prefix="fair-code-") as temporary:
        manifest = Path(temporary) / MANIFEST
        manifest.write_bytes(orjson.dumps({"package": package or package_of(folder)}))
        pack({**files, MANIFEST: manifest}, destination, compress=False)


def _is_code(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return (
        path.is_file()
        and not path.is_symlink()
        and not any(part.startswith(".") for part in parts)
        and _FOLDERS_LEFT_OUT.isdisjoint(parts[:-1])
        and parts[-1] not in _FILES_LEFT_OUT
        and path.suffix not in _ENDINGS_LEFT_OUT
    )
