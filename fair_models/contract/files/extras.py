"""Further files that a contribution makes of its network, beside the ONNX: a second encoder, an index."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from fair_models.catalog.items import building
from fair_models.contract.call import called
from fair_models.contract.protocol import MakingAssets, Pipeline
from fair_models.data.samples import Samples
from fair_models.errors import InvalidContribution
from fair_models.inference.parts import Processing
from fair_models.store.archive import ArchiveLimits, pack, unpack

LIMITS = ArchiveLimits(files=20, total_bytes=4 * 2**30)
"""What the further files of a version may hold."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}\.[a-z0-9]{1,12}")


def make(
    name: str,
    pipeline: Pipeline,
    network: Any,
    samples: Samples | None,
    processing: Processing,
    params: Any,
) -> dict[str, bytes]:
    """What `extra_assets` of a contribution makes; nothing where it has none.

    Args:
        name: The model, for errors.
        pipeline: The contribution's own.
        network: With its weights.
        samples: All samples of the dataset; None where there is no dataset.
        processing: The contribution's own.
        params: An instance of its `Params`.

    Raises:
        InvalidContribution: It failed, or gives something else than bytes by file name.
    """
    if not wanted(pipeline):
        return {}
    making = cast(MakingAssets, pipeline)
    files = called(name, "extra_assets", making.extra_assets, network, samples, processing, params)
    if not isinstance(files, Mapping):
        raise InvalidContribution(name, [f"extra_assets gives {type(files).__name__}, not a mapping"])
    reasons: list[str] = []
    for file, content in files.items():
        if not (isinstance(file, str) and _NAME.fullmatch(file)):
            reasons.append(f"extra_assets names a file {file!r}; use a name like text-encoder.onnx")
        elif key_of(file) in building.ROLES.keys() - building.EXTRA_KEYS:
            reasons.append(f"extra_assets makes {file}, and {key_of(file)} is an asset that every model has")
        elif not isinstance(content, bytes):
            reasons.append(f"extra_assets gives {type(content).__name__} for {file}, not bytes")
    if reasons:
        raise InvalidContribution(name, reasons)
    return dict(files)


def wanted(pipeline: Pipeline) -> bool:
    """Whether a contribution makes further files."""
    return getattr(pipeline, "extra_assets", None) is not None


def key_of(file: str) -> str:
    """The key of the asset of a file: its name without its ending."""
    return Path(file).stem


def write(files: Mapping[str, bytes], folder: Path) -> dict[str, Path]:
    """Write further files into a folder; gives their paths by asset key."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return {key_of(file): folder / file for file in files}


def packed(files: Mapping[str, bytes]) -> bytes:
    """Further files as one archive; empty where there are none. The same files give the same bytes."""
    if not files:
        return b""
    with tempfile.TemporaryDirectory(prefix="fair-extras-") as folder:
        paths = write(files, Path(folder) / "files")
        archive = Path(folder) / "extras.zip"
        pack({path.name: path for path in paths.values()}, archive)
        return archive.read_bytes()


def unpacked(archive: Path, folder: Path) -> dict[str, Path]:
    """The files of an archive of `packed` by asset key.

    Raises:
        Corrupted: The archive cannot be read.
    """
    unpack(archive, folder, LIMITS)
    return {key_of(path.name): path for path in sorted(folder.iterdir())}
