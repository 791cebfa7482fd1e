"""Writes a dataset as other tools read it: the layout of fAIr, COCO, YOLO, or masks."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import orjson
import shapely
from shapely import MultiPolygon, Polygon

from fair_models.data.exports import drawing
from fair_models.data.exports.drawing import Drawn
from fair_models.data.images import chips as chip_files
from fair_models.data.images.chips import Chip
from fair_models.data.splits import Split
from fair_models.data.vectors import labels
from fair_models.data.vectors.labels import BACKGROUND, CLASS_PROPERTY, Labels
from fair_models.types import Array, Json

ExportFormat = Literal["fair", "coco", "yolo-segmentation", "yolo-detection", "masks"]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

UNKNOWN = 255
"""Value of pixels of masks that count neither way."""

NOTES = {
    "cut": "labels that lie on several chips, written as a label of each",
    "filled": "labels with holes, which the format cannot say: they are filled",
    "left_out_ground": "outlines of ground that counts neither way, which the format cannot say: it is "
    "background there",
    "buffer": "chips of neither side of the split, left out: the format has two sides alone",
}
"""What `Export.counts` counts."""

_COCO = "annotations.coco.json"
_DIGITS = 7
"""Digits of a pixel that COCO gets: with four, an edge through a pixel's middle came back beside it."""


@dataclass(frozen=True)
class Source:
    """A dataset as it is stored.

    chips: Those that belong to it.
    labels: Its labels.
    labels_file: The file that they were read from.
    split: Which chips are on which side.
    classes: Without the background.
    """

    chips: Sequence[Chip]
    labels: Labels
    labels_file: Path
    split: Split
    classes: Sequence[str]


@dataclass(frozen=True)
class Export:
    """What was written.

    chips: Number of chips.
    labels: Number of labels by class, as the format counts them.
    counts: What the format could not say, by the names of `NOTES`; only what happened.
    ingest: Arguments of `fair-models ingest NAME`, relative to the folder, which read it back. Empty: it
        cannot be read back.
    remark: What holds of the format in general.
    """

    chips: int
    labels: Mapping[str, int]
    counts: Mapping[str, int] = field(default_factory=dict)
    ingest: Sequence[str] = ()
    remark: str = ""

    @property
    def notes(self) -> list[str]:
        """What the format could not say, a sentence each."""
        found = [f"{self.counts[name]:,} {words}" for name, words in NOTES.items() if self.counts.get(name)]
        return [*found, self.remark] if self.remark else found


def write(source: Source, folder: Path, form: ExportFormat) -> Export:
    """Write a dataset.

    Args:
        source: The dataset.
        folder: An empty folder.
        form: What it is written as.
    """
    writers: Mapping[ExportFormat, Callable[[Source, Path], Export]] = {
        "fair": _fair,
        "coco": _coco,
        "yolo-segmentation": lambda source, folder: _yolo(source, folder, _outline_lines),
        "yolo-detection": lambda source, folder: _yolo(source, folder, _box_lines),
        "masks": _masks,
    }
    return writers[form](source, folder)


def _fair(source: Source, folder: Path) -> Export:
    """The layout of fAIr: input/ with chips and labels.geojson; and the split beside it."""
    _copy(source.chips, folder / "input")
    shutil.copyfile(source.labels_file, folder / "input" / "labels.geojson")
    source.split.write(folder / "split.json")
    classes = [word for name in source.classes for word in ("--class", name)]
    asked = [*classes, "--class-property", CLASS_PROPERTY] if len(source.classes) > 1 else classes
    return Export(len(source.chips), _counted(source.labels.names, source), ingest=[".", *asked])


def _coco(source: Source, folder: Path) -> Export:
    """COCO: images/, and annotations with outlines; ground that counts neither way is a crowd (iscrowd)."""
    _copy(source.chips, folder / "images")
    numbers = {name: number for number, name in enumerate(source.classes, 1)}
    images: list[Json] = []
    annotations: list[Json] = []
    names: list[str] = []
    for number, chip in enumerate(source.chips, 1):
        images.append({"id": number, "file_name": chip.path.name, "width": chip.width, "height": chip.height})
        drawn = drawing.on_chip(source.labels, chip, source.classes)
        names += [each.name for each in drawn]
        objects = [(each.outline, numbers[each.name], 0) for each in drawn]
        objects += [(outline, 1, 1) for outline in drawing.unknown(source.labels, chip)]
        for outline, category, is_crowd in objects:
            said = _annotation(outline, chip, is_crowd=bool(is_crowd))
            own = {"id": len(annotations) + 1, "image_id": number, "category_id": category}
            annotations.append({**own, **said})
    document = {
        "images": images,
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
        "annotations": annotations,
    }
    (folder / _COCO).write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    counts = {"cut": _cut(source)}
    classes = [word for name in source.classes for word in ("--class", name)]
    return Export(len(source.chips), _counted(names, source), counts, ["images", "--labels", _COCO, *classes])


def _annotation(outline: Polygon | MultiPolygon, chip: Chip, *, is_crowd: bool) -> Json:
    """An outline as polygons; what has holes, and a crowd, as a mask in run lengths, as COCO has both."""
    parts = list(shapely.get_parts([outline]))
    west, north, east, south = outline.bounds
    in_runs = is_crowd or any(part.interiors for part in parts)
    return {
        "segmentation": _runs(outline, chip) if in_runs else [_flat(part) for part in parts],
        "area": round(outline.area, 2),
        "bbox": [round(each, _DIGITS) for each in (west, north, east - west, south - north)],
        "iscrowd": int(is_crowd),
    }


def _flat(part: Polygon) -> list[float]:
    return [float(each) for each in np.round(shapely.get_coordinates(part.exterior)[:-1], _DIGITS).ravel()]


def _runs(outline: Polygon | MultiPolygon, chip: Chip) -> Json:
    """Lengths of runs of pixels outside and inside in turn, column by column."""
    pixels = _drawn([(outline, 1)], chip).T.ravel()
    changes = np.flatnonzero(np.diff(pixels)) + 1
    lengths = np.diff(np.concatenate([[0], changes, [len(pixels)]]))
    counts = lengths.tolist() if pixels[0] == 0 else [0, *lengths.tolist()]
    return {"size": [chip.height, chip.width], "counts": counts}


def _drawn(shapes: Sequence[tuple[Polygon | MultiPolygon, int]], chip: Chip) -> Array:
    """Values of the pixels whose middle lies in shapes, uint8, shape (height, width)."""
    from rasterio.features import rasterize

    drawn: Array = rasterize(shapes, out_shape=(chip.height, chip.width), fill=0, dtype=np.uint8)
    return drawn


Lines = Callable[[Drawn, Chip, int], Iterator[str]]
"""Lines of YOLO for a label of a class with this number on a chip."""


def _yolo(source: Source, folder: Path, lines: Lines) -> Export:
    """YOLO: images/ and labels/ with train/ and val/, and data.yaml. Places are parts of width and height."""
    numbers = {name: number for number, name in enumerate(source.classes)}
    by_name = {chip.name: chip for chip in source.chips}
    counts: Counter[str] = Counter(cut=_cut(source), buffer=len(source.split.left_out))
    names: list[str] = []
    sides = {"train": source.split.train, "val": source.split.held_out}
    for side, listed in sides.items():
        _copy([by_name[name] for name in listed], folder / "images" / side)
        (folder / "labels" / side).mkdir(parents=True)
        for name in listed:
            chip = by_name[name]
            drawn = drawing.on_chip(source.labels, chip, source.classes)
            names += [each.name for each in drawn]
            counts["filled"] += sum(each.has_holes for each in drawn) if lines is _outline_lines else 0
            counts["left_out_ground"] += len(drawing.unknown(source.labels, chip))
            written = [line for each in drawn for line in lines(each, chip, numbers[each.name])]
            (folder / "labels" / side / f"{name}.txt").write_text("".join(f"{line}\n" for line in written))
    listed_names = "".join(f"  {number}: {name}\n" for name, number in numbers.items())
    (folder / "data.yaml").write_text(
        f"path: .\ntrain: images/train\nval: images/val\nnames:\n{listed_names}"
    )
    return Export(sum(map(len, sides.values())), _counted(names, source), counts)


def _outline_lines(label: Drawn, chip: Chip, number: int) -> Iterator[str]:
    size = np.array([chip.width, chip.height])
    for part in label.parts:
        yield _line(number, (shapely.get_coordinates(part.exterior)[:-1] / size).ravel())


def _box_lines(label: Drawn, chip: Chip, number: int) -> Iterator[str]:
    for part in label.parts:
        left, top, right, bottom = part.bounds
        middle = (left + right) / 2 / chip.width, (top + bottom) / 2 / chip.height
        yield _line(number, [*middle, (right - left) / chip.width, (bottom - top) / chip.height])


def _line(number: int, values: Sequence[float] | Array) -> str:
    return f"{number} {' '.join(f'{value:.6f}' for value in values)}"


def _masks(source: Source, folder: Path) -> Export:
    """Masks: images/, and masks/ with a GeoTIFF for each chip, whose values are the classes' numbers."""
    import rasterio
    from rasterio import Affine

    _copy(source.chips, folder / "images")
    (folder / "masks").mkdir()
    names: list[str] = []
    for chip in source.chips:
        mask = labels.rasterise(
            source.labels,
            chip.transform,
            chip.height,
            chip.width,
            chip.crs,
            [BACKGROUND, *source.classes],
            UNKNOWN,
        )
        names += [each.name for each in drawing.on_chip(source.labels, chip, source.classes)]
        profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "compress": "deflate"}
        placed = {"crs": chip.crs, "transform": Affine(*chip.transform)}
        with rasterio.open(
            folder / "masks" / f"{chip.name}.tif",
            "w",
            height=chip.height,
            width=chip.width,
            **profile,
            **placed,
        ) as file:
            file.write(mask, 1)
    values = [f"{name}={number}" for number, name in enumerate(source.classes, 1)]
    asked = [word for value in values for word in ("--class", value)]
    return Export(
        len(source.chips),
        _counted(names, source),
        {"cut": _cut(source)},
        ["images", "--labels", "masks", *asked],
        "a mask tells no objects apart: labels of a class that touch are read back as one",
    )


def _copy(listed: Sequence[Chip], folder: Path) -> None:
    folder.mkdir(parents=True)
    for chip in listed:
        for path in chip_files.files(chip):
            shutil.copyfile(path, folder / path.name)


def _cut(source: Source) -> int:
    """How many labels lie on several chips."""
    touched = Counter(int(label) for chip in source.chips for label in source.labels.touching(chip.grid))
    return sum(count > 1 for count in touched.values())


def _counted(names: Sequence[str], source: Source) -> dict[str, int]:
    found = Counter(names)
    return {name: found[name] for name in source.classes}
