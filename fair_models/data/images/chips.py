"""Image chips of a folder: what they are, where they lie, and their pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fair_models.data.images import acquisition, antimeridian, bands, chip_places, fill, orientation, tiles
from fair_models.data.images import file_kinds as imagery
from fair_models.data.images.acquisition import Period
from fair_models.data.images.bands import Layout
from fair_models.data.images.grid import Grid
from fair_models.errors import Invalid, InvalidImagery
from fair_models.imagery_rules import CURRENT, ImageryRules
from fair_models.types import Affine6, Array

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

BANDS = 3
_PLAIN = Layout()
"""Bands 1, 2 and 3 are red, green and blue."""

_MAX_REASONS = 50


@dataclass(frozen=True)
class Chip:
    """One image of a folder.

    name: File name without its ending, e.g. "OAM-386690-220241-19"; unique in its folder.
    crs: Coordinate reference system of `transform`, as "EPSG:4326" or WKT.
    transform: Pixel to map.
    bands: Number of bands without alpha.
    gsd_m: Metres on the ground per pixel, in the middle of the chip.
    tile: The web-map tile that the name tells, if any.
    placed_by_name: Whether the tile's place is used because the file has none of its own.
    masked: Whether some pixels may be transparent or without data.
    rules: By which rules it is read.
    layout: Where its colours are in the file.
    orientation: How the picture in the file is turned, 1 to 8 as in EXIF. `width` and `height` are upright.
    taken: First and last time of when the image was made, in UTC; None where the file does not say so.
    """

    path: Path
    name: str
    crs: str
    transform: Affine6
    width: int
    height: int
    bands: int
    gsd_m: float
    tile: tiles.Tile | None = None
    placed_by_name: bool = False
    masked: bool = False
    taken: Period | None = None
    rules: ImageryRules = CURRENT
    layout: Layout = _PLAIN
    orientation: int = orientation.UPRIGHT

    @property
    def created(self) -> datetime | None:
        """When the image was made, the first time of `taken`."""
        return self.taken[0] if self.taken else None

    @property
    def grid(self) -> Grid:
        """Its pixels and where they lie."""
        return Grid(self.crs, self.transform, self.height, self.width)

    @property
    def elsewhere(self) -> bool:
        """Whether its own georeference puts its middle outside of the tile that its name tells."""
        if self.tile is None or self.placed_by_name:
            return False
        middle = self.grid.footprint.centroid
        x, y = tiles.position(antimeridian.wrapped(middle.x), middle.y, self.tile.z)
        return not (self.tile.x <= x < self.tile.x + 1 and self.tile.y <= y < self.tile.y + 1)


def find(
    folder: Path,
    pass_over: Callable[[Path, Sequence[str]], None] | None = None,
    rules: ImageryRules = CURRENT,
) -> list[Chip]:
    """Describe all chips that lie directly in a folder, in the order of their names. Nothing is decoded.

    Content decides, not the ending. What is no image (labels.geojson, .aux.xml, .DS_Store) is passed over.

    Args:
        folder: The folder.
        pass_over: Called with each image that cannot be used and why, to go on without it.
            Default: none may be among them.
        rules: By which rules they are read.

    Raises:
        InvalidImagery: There is no such folder, or no image in it, or some images cannot be used, or none of
            them can; every one is named with its reason.
    """
    if not folder.is_dir():
        raise InvalidImagery(str(folder), ["there is no such folder; give the path as the worker sees it"])
    paths = sorted(path for path in folder.iterdir() if imagery.is_meant_as_image(path))
    if not paths:
        raise InvalidImagery(
            str(folder), ["it holds no image; put GeoTIFF, JPEG, PNG or WebP chips directly into it"]
        )
    chips: list[Chip] = []
    unusable: dict[Path, Sequence[str]] = {}
    for path in paths:
        try:
            chips.append(describe(path, rules))
        except InvalidImagery as error:
            unusable[path] = error.reasons
    reasons = [f"{path.name}: {reason}" for path, why in unusable.items() for reason in why]
    if pass_over is not None and chips:
        reasons = []
        for path, why in unusable.items():
            pass_over(path, why)
    reasons += shared_names(paths)
    if reasons:
        raise InvalidImagery(str(folder), shortened(reasons))
    return chips


def describe(path: Path, rules: ImageryRules = CURRENT) -> Chip:
    """Say what one image is and where it lies, from its header alone.

    Its place is what the file or those beside it say, else the web-map tile in its name (see `places`).

    Args:
        path: The image.
        rules: By which rules it is read.

    Raises:
        InvalidImagery: It cannot be read or placed, or its bands are not ones of 8 bits that make red, green
            and blue.
    """
    if not path.is_file():
        raise InvalidImagery(str(path), ["there is no such file; give the path as the worker sees it"])
    try:
        with imagery.opened(path) as dataset:
            layout, reasons = _layout(dataset, rules)
            tile = tiles.parse(path.stem)
            place = chip_places.place_of(dataset, path, strict=rules.scale == "each-axis")
            own = place.grid is not None and not place.by_name
            turned, height, width = _upright(path, dataset, rules, own, reasons)
            masked = any(
                "all_valid" not in {flag.name for flag in flags} for flags in dataset.mask_flag_enums[:BANDS]
            )
            taken = acquisition.of_tags(dataset.tags())
    except OSError as error:
        raise InvalidImagery(str(path), [str(error)]) from error
    reasons += place.reasons
    grid = chip_places.on_tile(tile, height, width) if place.by_name and tile else place.grid
    if reasons or grid is None:
        raise InvalidImagery(str(path), reasons)
    gsd_m = gsd_of(path, grid)
    return Chip(
        path=path,
        name=path.stem,
        crs=grid.crs,
        transform=grid.transform,
        width=width,
        height=height,
        bands=BANDS,
        gsd_m=gsd_m,
        tile=tile,
        placed_by_name=place.by_name,
        masked=masked,
        taken=taken,
        rules=rules,
        layout=layout,
        orientation=turned,
    )


def read(chip: Chip) -> Array:
    """Decode a chip. uint8, shape (3, height, width); pixels that are transparent or without data are 0.

    Raises:
        InvalidImagery: It cannot be decoded, or is not the image any more that was described.
    """
    return read_with_mask(chip)[0]


def read_with_mask(chip: Chip) -> tuple[Array, Array]:
    """Decode a chip: its pixels as `read` gives them, and which are valid (bool, shape (height, width)).

    Raises:
        InvalidImagery: It cannot be decoded, or is not the image any more that was described.
    """
    decoded = decode(chip)
    return decoded.pixels, decoded.valid


@dataclass(frozen=True)
class Decoded:
    """A chip's pixels, and what was found out about them.

    pixels: uint8, shape (3, height, width), upright; 0 where they are not valid.
    valid: Which are imagery, bool, shape (height, width).
    fill_px: How many pixels are not because they are fill, see `fill`.
    has_grey_alpha: Whether a band is flagged as transparency whose values say that it is none.
    """

    pixels: Array
    valid: Array
    fill_px: int = 0
    has_grey_alpha: bool = False


def decode(chip: Chip) -> Decoded:
    """Decode a chip.

    Raises:
        InvalidImagery: It cannot be decoded, or is not the image any more that was described.
    """
    height, width = orientation.size(chip.height, chip.width, chip.orientation)
    try:
        format_ = imagery.format_of(chip.path)
        is_plain = chip.layout == _PLAIN and not chip.masked
        if is_plain and format_ == "JPEG":
            pixels = imagery.decode_jpeg(chip.path, height, width)
            valid: Array = np.ones((height, width), dtype=bool)
            layout, is_lossy = chip.layout, True
        else:
            with imagery.opened(chip.path) as dataset:
                now, wrong = _layout(dataset, chip.rules)
                if (dataset.height, dataset.width) != (height, width) or wrong or now != chip.layout:
                    raise OSError(imagery.CHANGED)
                layout = bands.settled(dataset, now if chip.masked else replace(now, masked=False))
                pixels, valid = bands.read(dataset, layout)
                is_lossy = imagery.is_lossy(dataset)
    except OSError as error:
        raise InvalidImagery(str(chip.path), [str(error)]) from error
    pixels, valid = (orientation.upright(each, chip.orientation) for each in (pixels, valid))
    has_grey_alpha = chip.layout.alpha is not None and not layout.masked
    return without_fill(pixels, valid, chip.rules, is_lossy, has_grey_alpha)


def without_fill(
    pixels: Array, valid: Array, rules: ImageryRules, is_lossy: bool, has_grey_alpha: bool = False
) -> Decoded:
    """A whole image that was decoded, without its fill where the rules say so; what is not valid becomes 0.

    Args:
        pixels: uint8, shape (bands, height, width).
        valid: Which pixels are imagery by the file's own word, bool, shape (height, width).
        rules: By which rules it is read.
        is_lossy: Whether it was coded with losses.
        has_grey_alpha: What is said of it, see `Decoded`.
    """
    found = None if rules.fill == "kept" else fill.find(pixels, valid, is_lossy)
    if found is not None:
        valid = valid & ~found
    if not valid.all():
        pixels = pixels * valid
    return Decoded(pixels, valid, 0 if found is None else int(found.sum()), has_grey_alpha)


def files(chip: Chip) -> list[Path]:
    """The chip's file and those beside it that belong to it: `.aux.xml`, world files, masks."""
    try:
        with imagery.opened(chip.path) as dataset:
            named = (Path(name) for name in dataset.files)
            return sorted({chip.path, *named, *chip_places.files_beside(chip.path)})
    except OSError as error:
        raise InvalidImagery(str(chip.path), [str(error)]) from error


def shortened(reasons: Sequence[str]) -> list[str]:
    """The first 50 reasons, and how many more there are: a folder may hold thousands of broken files."""
    more = len(reasons) - _MAX_REASONS
    return [*reasons[:_MAX_REASONS], f"and {more} more like these"] if more > 0 else list(reasons)


def _layout(dataset: DatasetReader, rules: ImageryRules) -> tuple[Layout, list[str]]:
    if rules.bands == "position":
        return _PLAIN, _wrong_by_position(dataset)
    return bands.find(dataset, rules)


def _upright(
    path: Path, dataset: DatasetReader, rules: ImageryRules, has_place: bool, reasons: list[str]
) -> tuple[int, int, int]:
    """How the picture in a file is turned, and its height and width when it is not."""
    turned = orientation.UPRIGHT if rules.bands == "position" else orientation.of_file(path, dataset.driver)
    if has_place and turned != orientation.UPRIGHT:
        reasons.append(orientation.contradiction(turned))
    return turned, *orientation.size(dataset.height, dataset.width, turned)


def _wrong_by_position(dataset: DatasetReader) -> list[str]:
    from rasterio.enums import ColorInterp

    kinds = [kind for kind in dataset.colorinterp if kind is not ColorInterp.alpha]
    alpha = dataset.count - len(kinds)
    reasons = []
    if len(kinds) != BANDS or alpha > 1:
        found = "a palette" if ColorInterp.palette in kinds else f"{len(kinds)} band{'s' * (len(kinds) != 1)}"
        remedy = (
            "`gdal_translate -expand rgb`"
            if ColorInterp.palette in kinds
            else "`gdal_translate -b 1 -b 2 -b 3`"
        )
        reasons.append(
            f"it has {found}{' and alpha' if alpha else ''}, {BANDS} bands (red, green, blue) are needed; "
            f"convert it, for example with {remedy}, or take it away"
        )
    wrong = sorted(set(dataset.dtypes) - {"uint8"})
    if wrong:
        reasons.append(
            f"its pixels are {', '.join(wrong)}, uint8 is needed; "
            "scale them with `gdal_translate -ot Byte -scale`"
        )
    return reasons


def gsd_of(path: Path, grid: Grid) -> float:
    """Metres on the ground per pixel of an image.

    Raises:
        InvalidImagery: Its transform and reference system do not put it anywhere on the Earth.
    """
    try:
        gsd_m = grid.gsd_m
    except Invalid as error:
        raise InvalidImagery(str(path), [str(error)]) from error
    if not (isfinite(gsd_m) and gsd_m > 0):
        raise InvalidImagery(
            str(path),
            [f"its transform puts it outside of {grid.crs[:60]}; give it the reference system it really has"],
        )
    return gsd_m


def shared_names(paths: Sequence[Path]) -> list[str]:
    """Names that several images of a folder have but for their endings, each with what to do about it."""
    by_stem: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_stem[path.stem].append(path.name)
    return [
        f"{' and '.join(names)} share the name {stem}; keep one of them"
        for stem, names in by_stem.items()
        if len(names) > 1
    ]
