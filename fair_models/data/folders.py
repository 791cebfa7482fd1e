"""Where chips and labels lie in the folders that people have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fair_models.data.images import file_kinds

_CHIP_FOLDERS = ("input", "chips")
_LABELS = "labels.geojson"


@dataclass(frozen=True)
class DatasetFolder:
    """A folder that holds chips, and the file with their labels. Neither needs to exist."""

    chips: Path
    labels: Path


def locate(chips: str, labels: str | None) -> DatasetFolder:
    """Find chips and labels.

    The chips lie in the folder itself, or, where it has no images, in its `input/` (the layout of fAIr) or
    `chips/`. The labels are the file named, else labels.geojson among the chips or in the folder itself.

    Args:
        chips: Folder with chips, or one above it.
        labels: GeoJSON file, if it is named.
    """
    folder = Path(chips).expanduser()
    found = folder
    if folder.is_dir() and not any(file_kinds.is_meant_as_image(path) for path in folder.iterdir()):
        found = next((folder / name for name in _CHIP_FOLDERS if (folder / name).is_dir()), folder)
    if labels is not None:
        return DatasetFolder(found, Path(labels).expanduser())
    among, above = found / _LABELS, folder / _LABELS
    return DatasetFolder(found, above if above.is_file() and not among.is_file() else among)
