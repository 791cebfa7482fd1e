"""Labels that are masks: images of one band, whose values are classes.

A mask has the name and the size of its chip. Pixels of one class that are connected by their sides are one
label: such labels tell no objects apart that touch, and end at the edge of their chip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import shapely
from shapely import Polygon

from fair_models.class_names import ANY_VALUE, option
from fair_models.data.images import chips as chip_files
from fair_models.data.images import file_kinds
from fair_models.data.images.chips import Chip, shortened
from fair_models.data.vectors import geojson, outlines, pixel_shapes
from fair_models.data.vectors.labels import BACKGROUND, Labels
from fair_models.errors import InvalidLabels
from fair_models.types import Array, Mask

REPAIRS = {"without_mask": "chips without a mask of the same name; their ground counts neither way"}
"""What `Labels.mended` counts beside `labels.REPAIRS`."""

_UNKNOWN = 255
"""Index of ground whose class is not known."""

_MOST_VALUES = 256
_SHOWN = 8


def read(
    folder: Path,
    classes: Sequence[str],
    chips: Sequence[Chip],
    values: Mapping[str, Sequence[str]] | None = None,
) -> Labels:
    """Read the masks of chips.

    Args:
        folder: Folder with the masks: images without losses, of one band of whole numbers.
        classes: Classes to read, without the background.
        chips: The chips.
        values: Values that mean a class, as text, by class; by "background" those that mean none, beside 0.
            Default: where there is one class, every value but 0 means it.

    Returns:
        A polygon along the edges of pixels for each connected region, in the order of the classes and chips.
        Regions of other values are among `ignored`, as are chips without a mask.

    Raises:
        InvalidLabels: A mask cannot be used, a class has no pixel, or nothing says which values mean it.
    """
    meaning = _meaning(folder, classes, values or {})
    paths = _paths(folder, chips)
    found = _Regions()
    for chip in chips:
        if chip.name in paths and not found.are_too_many:
            found.add(paths[chip.name], chip, meaning)
    reasons = found.reasons or found.without_pixel(classes)
    if reasons:
        raise InvalidLabels(str(folder), shortened(reasons))
    bare = [
        _placed([shapely.box(0, 0, chip.width, chip.height)], chip)
        for chip in chips
        if chip.name not in paths
    ]
    unknown = found.of(_UNKNOWN)
    known = _labels({name: found.of(number) for number, name in enumerate(classes, 1)})
    counts = {"other_class": sum(map(len, unknown)), "without_mask": len(bare)}
    return replace(known, mended=counts).ignoring(_labels({BACKGROUND: [*unknown, *bare]}))


@dataclass
class _Regions:
    """Connected regions of masks.

    placed: Outlines on the map of each chip, with the index of their class.
    values: Values that masks have.
    reasons: What is wrong with masks.
    """

    placed: list[tuple[int, Array]] = field(default_factory=list)
    values: set[int] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)

    def add(self, path: Path, chip: Chip, meaning: Mapping[int | None, int]) -> None:
        """Read one more mask, if it can be used."""
        try:
            mask = _mask(path, chip)
        except OSError as error:
            self.reasons.append(f"{path.name}: {error}")
            return
        index = np.full(mask.shape, meaning[None], np.uint8)
        for value in np.unique(mask).tolist():
            self.values.add(value)
            index[mask == value] = meaning.get(value, meaning[None])
        for number, shapes in _connected(index).items():
            for at, shape in enumerate(shapes):
                if reason := pixel_shapes.too_large(at, shape):
                    self.reasons.append(f"{path.name}: {reason}")
            self.placed.append((number, _placed(shapes, chip)))
        if self.are_too_many:
            most = f"{geojson.MAX_FEATURES:,}"
            self.reasons.append(
                f"the masks have more than {most} regions, the most that are read; smooth them"
            )

    @property
    def are_too_many(self) -> bool:
        """Whether there are more than are read."""
        return sum(len(shapes) for _, shapes in self.placed) > geojson.MAX_FEATURES

    def of(self, number: int) -> list[Array]:
        """Outlines of a class, chip by chip."""
        return [shapes for index, shapes in self.placed if index == number]

    def without_pixel(self, classes: Sequence[str]) -> list[str]:
        """Which classes no pixel is of, and how to map them."""
        missing = [name for number, name in enumerate(classes, 1) if not self.of(number)]
        if not missing:
            return []
        values = ", ".join(map(str, sorted(self.values)[:_SHOWN]))
        example = option(missing[0], [str(max(self.values))])
        return [
            f"no pixel of the masks is of the class {' or '.join(missing)}: they have the values {values}; "
            f"map those that mean it, for example {example}; or leave the class out"
        ]


def _meaning(
    folder: Path, classes: Sequence[str], values: Mapping[str, Sequence[str]]
) -> dict[int | None, int]:
    """Index of the class of each value that is known, 0 the background; None stands for all others."""
    said = {name: [value for value in listed if value != name] for name, listed in values.items()}
    listed = {value: name for name, each in said.items() for value in each if value != ANY_VALUE}
    unmapped = [name for name in classes if not said.get(name)]
    spelled = " ".join(option(name, [str(at)]) for at, name in enumerate(classes, 1))
    if wrong := [value for value in listed if not value.isdecimal()]:
        reason = f"values of masks are whole numbers, not {wrong[0]!r}; map those, for example {spelled}"
        raise InvalidLabels(str(folder), [reason])
    if unmapped and len(classes) > 1:
        reason = f"nothing says which values of the masks mean {', '.join(unmapped)}; map them, as {spelled}"
        raise InvalidLabels(str(folder), [reason])
    index = {name: number for number, name in enumerate([BACKGROUND, *classes])}
    rest = next((index[name] for name, each in said.items() if ANY_VALUE in each), _UNKNOWN)
    meaning: dict[int | None, int] = {0: 0, None: 1 if unmapped else rest}
    return meaning | {int(value): index[name] for value, name in listed.items()}


def _paths(folder: Path, chips: Sequence[Chip]) -> dict[str, Path]:
    """The mask of each chip that has one, by the chip's name."""
    names = {chip.name for chip in chips}
    inside = [path for path in sorted(folder.iterdir()) if path.stem in names]
    found = [path for path in inside if file_kinds.is_meant_as_image(path)]
    if not found:
        raise InvalidLabels(
            str(folder),
            [f"it has no mask of any chip; a mask has the name of its chip, as {chips[0].name}.png"],
        )
    if twice := chip_files.shared_names(found):
        raise InvalidLabels(str(folder), shortened(twice))
    return {path.stem: path for path in found}


def _mask(path: Path, chip: Chip) -> Mask:
    """The values of a mask, shape (height, width).

    Raises:
        OSError: It cannot be read, or is no mask of the chip; the message is a reason.
    """
    with file_kinds.opened(path) as dataset:
        if dataset.count != 1:
            raise OSError(f"it has {dataset.count} bands; a mask has one, whose values are classes")
        if np.dtype(dataset.dtypes[0]).kind not in "ui":
            raise OSError(f"its values are {dataset.dtypes[0]}; those of a mask are whole numbers")
        if file_kinds.is_lossy(dataset):
            raise OSError("it is compressed with losses, which changes values; export it without")
        if (dataset.width, dataset.height) != (chip.width, chip.height):
            size = f"{dataset.width} x {dataset.height} px, its chip {chip.width} x {chip.height}"
            raise OSError(f"it is {size}; use the images that were mapped")
        mask: Mask = dataset.read(1)
    if (count := len(np.unique(mask))) > _MOST_VALUES:
        raise OSError(f"it has {count:,} values; a mask has a value for each class")
    return mask


def _connected(index: Mask) -> dict[int, list[Polygon]]:
    """Outlines of the connected pixels of each class that there is, by the class's index."""
    from rasterio.features import shapes

    found: dict[int, list[Polygon]] = {}
    for region, number in shapes(index, mask=index > 0, connectivity=4):
        outline = shapely.geometry.shape(region)
        found.setdefault(int(number), []).append(outline if outline.is_valid else outlines.mended(outline))
    return found


def _placed(shapes: Sequence[Polygon], chip: Chip) -> Array:
    kept = [part for shape in shapes if (part := pixel_shapes.inside(shape, chip)) is not None]
    return pixel_shapes.on_map(np.array(kept, dtype=object), chip)


def _labels(shapes: Mapping[str, Sequence[Array]]) -> Labels:
    found = [np.empty(0, dtype=object), *(each for listed in shapes.values() for each in listed)]
    names = [name for name, listed in shapes.items() for each in listed for _ in each]
    return Labels(np.concatenate(found), names, [{} for _ in names])
