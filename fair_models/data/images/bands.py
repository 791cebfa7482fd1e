"""From an image's header to red, green, blue and what is imagery: the one rule of all that reads images.

Bands are what their colour interpretation says (https://gdal.org/user/raster_data_model.html). Where it says
nothing, three bands are red, green and blue by their position. docs/guides/prepare-data.md has the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fair_models.data.images import orientation
from fair_models.data.images.file_kinds import GDAL_ERRORS
from fair_models.imagery_rules import ImageryRules
from fair_models.types import Array

if TYPE_CHECKING:
    from PIL.Image import Image

RGB = ("red", "green", "blue")
_CMYK = ("cyan", "magenta", "yellow", "black")
_SAYS_NOTHING = frozenset({"undefined", "gray"})
_OF_INK = frozenset({"CMYK", "YCCK"})
_FULL = 255

_BETWEEN = (6, 249)
"""Values of a band of transparency that are neither transparent nor opaque."""

WHOLE_PX = 4096 * 4096
"""Up to so many pixels an image is looked at whole where something is decided of all of it."""

_LOOK_PX = 2048
_PART_PX = (256, 256)
_PARTS = 4

_MAX_BETWEEN = 0.1
_MAX_VALUES = 16

_USUAL_RANGE = (0.0, 10_000.0)
"""Values of scenes of 16 bits, where those of the image cannot be looked at."""

Kind = Literal["colours", "grey", "palette", "cmyk"]


@dataclass(frozen=True)
class Layout:
    """Where red, green and blue, and what is imagery, are in a file.

    kind: colours: bands as they are. grey: one band thrice. palette: one band of numbers of colours. cmyk:
        four bands of ink.
    numbers: The bands that are read, from 1.
    alpha: Number of the band that is flagged as transparency; its values have to show that it is one, see
        `settled`.
    masked: Whether the file's mask says what is imagery.
    converted: Whether GDAL makes red, green and blue of a JPEG with other colours (CMYK).
    """

    kind: Kind = "colours"
    numbers: tuple[int, ...] = (1, 2, 3)
    alpha: int | None = None
    masked: bool = True
    converted: bool = False

    @property
    def bands(self) -> int:
        """How many bands come out."""
        return len(self.numbers) if self.kind == "colours" else len(RGB)


def find(dataset: Any, rules: ImageryRules, band_count: int = len(RGB)) -> tuple[Layout, list[str]]:
    """How to read an image, and what stands against it: reasons with their remedy.

    Args:
        dataset: A rasterio dataset. Nothing is decoded, unless its values have to be scaled.
        rules: By which rules it is read.
        band_count: How many bands the model takes: red, green and blue first, then what else there is.
    """
    said = [kind.name for kind in dataset.colorinterp]
    if rules.bands == "position":
        return _by_position(dataset, said, band_count)
    layout, reasons = _by_interpretation(dataset, said, band_count)
    if dataset.tags(ns="IMAGE_STRUCTURE").get("SOURCE_COLOR_SPACE") in _OF_INK:
        layout = replace(layout, converted=True)
    if depth := _too_deep(dataset, layout):
        reasons = [depth, *reasons]
    return layout, reasons


def _by_interpretation(dataset: Any, said: list[str], band_count: int) -> tuple[Layout, list[str]]:
    alphas = [at for at, kind in enumerate(said, 1) if kind == "alpha"]
    colours = {at: kind for at, kind in enumerate(said, 1) if kind != "alpha"}
    alpha = alphas[0] if alphas else None
    if len(alphas) > 1:
        return Layout(), [f"it has {len(alphas)} bands of transparency (alpha); {_remedy('1', '2', '3')}"]
    if band_count != len(RGB):
        named = [at for colour in RGB for at, kind in colours.items() if kind == colour]
        numbers = tuple([*named, *(at for at in colours if at not in named)][:band_count])
        few = len(numbers) < band_count
        return Layout("colours", numbers, alpha), [_too_few(colours, band_count)] if few else []
    if len(colours) == 1:
        (number, kind), *_ = colours.items()
        return Layout("palette" if kind == "palette" else "grey", (number,), alpha), []
    if set(_CMYK) <= set(colours.values()) and len(colours) == len(_CMYK):
        return Layout("cmyk", tuple(said.index(ink) + 1 for ink in _CMYK), alpha), []
    names = {at: _name(dataset, at, kind) for at, kind in colours.items()}
    if all(list(names.values()).count(colour) == 1 for colour in RGB):
        by_name = {name: at for at, name in names.items()}
        return Layout("colours", (by_name["red"], by_name["green"], by_name["blue"]), alpha), []
    if len(colours) == len(RGB) and set(colours.values()) <= _SAYS_NOTHING:
        return Layout("colours", tuple(colours), alpha), []
    listed = ", ".join(f"{at} {kind}" for at, kind in colours.items())
    count = f"{len(colours)} bands{' and alpha' if alpha else ''}"
    return Layout(), [
        f"it has {count} ({listed}), and which of them are red, green and blue is not said; say it: "
        f"{_remedy('R', 'G', 'B')}, with the numbers of these bands"
    ]


def _name(dataset: Any, number: int, kind: str) -> str:
    """What a band is: by its interpretation, else by its description."""
    described = (dataset.descriptions[number - 1] or "").strip().casefold()
    return described if kind in _SAYS_NOTHING and described in RGB else kind


def _too_few(colours: dict[int, str], band_count: int) -> str:
    return f"it has {len(colours)} bands without alpha and the model takes {band_count}; choose other imagery"


def _remedy(*numbers: str) -> str:
    chosen = " ".join(f"-b {number}" for number in numbers)
    return f"`gdal_translate {chosen} -colorinterp red,green,blue IN OUT.tif`"


def _too_deep(dataset: Any, layout: Layout) -> str:
    """Why other values than bytes are not read, with the command that makes bytes of them."""
    used = [number for number in layout.numbers if number <= dataset.count]
    wrong = sorted({dataset.dtypes[number - 1] for number in used} - {"uint8"})
    if not wrong:
        return ""
    low, high = _range(dataset, used)
    numbers = used * 3 if layout.kind == "grey" else used
    chosen = " ".join(f"-b {number}" for number in numbers[:3])
    marked = " -a_nodata none" if dataset.nodata is not None else ""
    return (
        f"its pixels are {', '.join(wrong)}, uint8 is needed; scale all images alike, for this one with "
        f"`gdal_translate -ot Byte -scale {low:g} {high:g} 0 255 {chosen} -colorinterp red,green,blue"
        f"{marked} IN OUT.tif`"
    )


def _range(dataset: Any, numbers: Sequence[int]) -> tuple[float, float]:
    """Between which values nearly all pixels lie, by a small view of the image."""
    scale = max(1, max(dataset.height, dataset.width) // 512)
    shape = len(numbers), max(1, dataset.height // scale), max(1, dataset.width // scale)
    try:
        values = dataset.read(list(numbers), out_shape=shape, masked=True).astype("float64")
    except GDAL_ERRORS:
        return _USUAL_RANGE  # whoever reads the pixels will say what is wrong with them
    found = values.compressed()
    found = found[np.isfinite(found)]
    if not len(found):
        return _USUAL_RANGE
    low, high = (float(value) for value in np.percentile(found, (0.5, 99.5)))
    low, high = (float(f"{value:.4g}") for value in (low, high))
    return (low, high) if high > low else (low, low + 1)


def _by_position(dataset: Any, said: list[str], band_count: int) -> tuple[Layout, list[str]]:
    """As it was before there were rules; whoever reads it then has said its own reasons."""
    colours = tuple(at for at, kind in enumerate(said, 1) if kind != "alpha")
    return Layout("colours", colours[:band_count]), []


def read(
    dataset: Any, layout: Layout, window: Any = None, shape: tuple[int, int] | None = None
) -> tuple[Array, Array]:
    """Pixels of an image, or a window of it, at its own or another size.

    Args:
        dataset: A rasterio dataset.
        layout: How to read it, of `find`.
        window: Part of it. Default: all.
        shape: Height and width that come out; made smaller by averaging. Default: those of the window.

    Returns:
        uint8, shape (bands, height, width), and which pixels are imagery, bool, shape (height, width). Pixels
        that are none keep what the file has there.
    """
    from rasterio.enums import Resampling

    way = Resampling.nearest if layout.kind == "palette" else Resampling.average
    out = None if shape is None else (len(layout.numbers), *shape)
    values = dataset.read(list(layout.numbers), window=window, out_shape=out, resampling=way)
    if layout.masked:
        valid: Array = dataset.dataset_mask(window=window, out_shape=shape) > 0
    else:
        valid = np.ones(values.shape[1:], dtype=bool)
    if layout.kind == "palette":
        table = _table(dataset, layout.numbers[0])
        colours = table[:, values[0]]
        return colours[:3], valid & (colours[3] > 0)
    return to_rgb(values, layout.kind), valid


def settled(dataset: Any, layout: Layout) -> Layout:
    """The layout once it is known whether a band that is flagged as transparency is one.

    Of images above 16 million pixels an overview is looked at, or some parts where there is none.
    """
    if layout.alpha is None:
        return layout
    return replace(layout, alpha=None, masked=is_transparency(_looked_at(dataset, layout.alpha)))


def _looked_at(dataset: Any, number: int) -> Array:
    from rasterio.windows import Window

    height, width = dataset.height, dataset.width
    if height * width <= WHOLE_PX:
        return np.asarray(dataset.read(number))
    if dataset.overviews(number):
        scale = max(height, width) / _LOOK_PX
        return np.asarray(dataset.read(number, out_shape=(round(height / scale), round(width / scale))))
    parts = [
        dataset.read(number, window=Window(column, row, *_PART_PX)).reshape(-1)
        for row in np.linspace(0, max(0, height - _PART_PX[1]), _PARTS, dtype=int).tolist()
        for column in np.linspace(0, max(0, width - _PART_PX[0]), _PARTS, dtype=int).tolist()
    ]
    return np.concatenate(parts)


def to_rgb(values: Array, kind: Kind) -> Array:
    """Red, green and blue of bands as they are stored, uint8, shape (bands, height, width)."""
    if kind == "grey":
        return np.repeat(values[:1], 3, axis=0)
    if kind == "cmyk":
        left = (_FULL - values.astype(np.uint16)) * (_FULL - values[3].astype(np.uint16))
        rounded: Array = ((left[:3] + _FULL // 2) // _FULL).astype(np.uint8)
        return rounded
    return values


def of_picture(image: Image, rules: ImageryRules) -> tuple[Array, Array, bool]:
    """The same of a picture that Pillow decoded, as tiles of a service are.

    Args:
        image: The picture.
        rules: By which rules it is read.

    Returns:
        uint8, shape (3, height, width); which pixels are imagery, bool, shape (height, width); and whether a
        band is flagged as transparency whose values say that it is none.
    """
    by_position = rules.bands == "position"
    if image.mode == "CMYK" and not by_position:
        pixels = to_rgb(np.moveaxis(np.asarray(image), -1, 0), "cmyk")
        valid, is_grey_alpha = np.ones(pixels.shape[1:], bool), False
    else:
        layers = np.moveaxis(np.asarray(image.convert("RGBA")), -1, 0)
        pixels, alpha = layers[:3], layers[3]
        is_grey_alpha = not by_position and image.mode in {"RGBA", "LA"} and not is_transparency(alpha)
        valid = np.ones(alpha.shape, bool) if is_grey_alpha else alpha > 0
    turned = orientation.UPRIGHT if by_position else orientation.of_picture(image)
    return orientation.upright(pixels, turned), orientation.upright(valid, turned), is_grey_alpha


def is_transparency(values: Array) -> bool:
    """Whether a band that is flagged as transparency looks so: nearly all of it is transparent or opaque.

    Near infrared that is flagged so, as in many NAIP files, has grey values everywhere.

    Args:
        values: The band, or a part of it, uint8.
    """
    counts = np.bincount(values.reshape(-1), minlength=256)[_BETWEEN[0] : _BETWEEN[1] + 1]
    return bool(counts.sum() <= _MAX_BETWEEN * values.size or (counts > 0).sum() <= _MAX_VALUES)


def _table(dataset: Any, number: int) -> Array:
    """The colours of a palette, uint8, shape (4, 256): red, green, blue, alpha."""
    table = np.zeros((4, 256), np.uint8)
    table[3] = 255
    for index, colour in dataset.colormap(number).items():
        if 0 <= index < table.shape[1]:
            table[:, index] = colour
    return table
