"""One large georeferenced image, read window by window: GeoTIFF, other formats of chips, and VRT mosaics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from fair_models.data.images import acquisition, chip_places, file_kinds, fill, orientation, tiles
from fair_models.data.images import bands as band_rules
from fair_models.data.images.chips import Chip, gsd_of
from fair_models.data.images.fill import FillMap
from fair_models.errors import InvalidImagery
from fair_models.imagery_rules import CURRENT, ImageryRules
from fair_models.inference.imagery import vrt
from fair_models.inference.imagery.pixels import Pixels, Remarks
from fair_models.inference.imagery.remote import Made, RemoteImage
from fair_models.inference.windows import Rectangle

MAX_PIXELS = 50_000_000_000
"""The largest image that is read, in pixels: 20 km by 20 km at 9 cm."""

_READ_TOGETHER = 8_000_000
"""Pixels of an image that are read together where it is made smaller: so many fit into GDAL's cache."""


class ImageReader:
    """Reads windows of an image that stays open, in several threads: each reads a dataset of its own.

    Args:
        path: The image, a file or one that is read in parts.
        bands: How many bands the model takes.
        rules: By which rules it is read.

    Raises:
        InvalidImagery: It cannot be opened, is too large, has bands that cannot be read, no place, or is
            a VRT that is more than a mosaic of the images beside it.
    """

    def __init__(self, path: Path | RemoteImage, bands: int, rules: ImageryRules = CURRENT) -> None:
        self.bands = bands
        self._image = path if isinstance(path, RemoteImage) else LocalImage(path)
        try:
            dataset = _opened(self._image)
            made = self._image.run(lambda: _described(dataset, self._image, bands, rules))
            self._layout = self._image.run(lambda: band_rules.settled(dataset, made.layout))
            self._lossy = self._image.run(lambda: file_kinds.is_lossy(dataset))
            self._overviews = self._image.run(lambda: dataset.overviews(1))
        except file_kinds.GDAL_ERRORS as error:
            self._image.close()
            raise InvalidImagery(
                str(path), [f"it cannot be read ({error}); copy or download it again"]
            ) from error
        except BaseException:
            self._image.close()
            raise
        self.chip = made
        self._has_grey_alpha = made.layout.alpha is not None and not self._layout.masked
        self.files = sorted(Path(name) for name in dataset.files)
        """The image's files: beside it georeference and overviews, and the images of a mosaic."""
        self._idle = [dataset]
        self._fill_lock = Lock()

    @cached_property
    def _fill_map(self) -> FillMap | None:
        if self.chip.rules.fill == "kept":
            return None
        chip = self.chip
        try:
            return fill.scan(chip.height, chip.width, self._looked_at, self._lossy, self._overviews)
        except InvalidImagery:
            return None  # what cannot be decoded is reported, or passed over, where its window is read

    def part(self, chip: Chip, area: Rectangle) -> Pixels:
        """A rectangle of the image, in its own pixels."""
        pixels, valid = self._read(area.height, area.width, area)
        found = self._fill()
        if found is not None:
            valid &= ~found.inside(area.row, area.column, pixels)
        return np.where(valid, pixels, 0), valid

    def smaller(self, chip: Chip, height: int, width: int, area: Rectangle | None = None) -> Pixels:
        """The image or a rectangle of it at another size; its overviews serve where it has them."""
        area = area or Rectangle(0, 0, chip.height, chip.width)
        pixels, valid = self._smaller(height, width, area)
        found = self._fill()
        if found is not None:
            valid &= ~found.smaller(area.row, area.column, area.height, area.width, pixels)
        return np.where(valid, pixels, 0), valid

    def _fill(self) -> FillMap | None:
        """Where there is fill. Of several threads that ask one looks, and the others wait for it."""
        with self._fill_lock:
            return self._fill_map

    def _looked_at(self, height: int, width: int) -> Pixels:
        return self._smaller(height, width, Rectangle(0, 0, self.chip.height, self.chip.width))

    def _smaller(self, height: int, width: int, whole: Rectangle) -> Pixels:
        pixels, valid = np.empty((self.bands, height, width), np.uint8), np.empty((height, width), bool)
        # Strip by strip: GDAL would go through the image once for each band, and hold all of its mask.
        rows = max(1, int(_READ_TOGETHER * height / (whole.height * whole.width)))
        for top in range(0, height, rows):
            bottom = min(height, top + rows)
            first, last = (round(row * whole.height / height) for row in (top, bottom))
            part = Rectangle(whole.row + first, whole.column, max(1, last - first), whole.width)
            pixels[:, top:bottom], valid[top:bottom] = self._read(bottom - top, width, part)
        return pixels, valid

    def remarks(self, chip: Chip) -> Remarks:
        """What is to be said of the image."""
        found = self._fill()
        return Remarks(0 if found is None else found.pixels, self._has_grey_alpha)

    def close(self) -> None:
        """Close the file."""
        self._idle.clear()
        self._image.close()

    @contextmanager
    def _dataset(self) -> Iterator[Any]:
        """A dataset that no other thread uses meanwhile."""
        try:
            dataset = self._idle.pop()
        except IndexError:
            dataset = _opened(self._image)
        try:
            yield dataset
        finally:
            self._idle.append(dataset)

    def _read(self, height: int, width: int, area: Rectangle) -> Pixels:
        """A rectangle of the image at a size; pixels that are no imagery keep what the file has there."""
        from rasterio.windows import Window

        turned, whole = self.chip.orientation, (self.chip.height, self.chip.width)
        place = (area.row, area.column, area.height, area.width)
        row, column, rows, columns = orientation.stored(place, whole, turned)
        window, shape = Window(column, row, columns, rows), orientation.size(height, width, turned)
        try:
            with self._dataset() as dataset:
                pixels, valid = self._image.run(lambda: band_rules.read(dataset, self._layout, window, shape))
        except file_kinds.GDAL_ERRORS as error:
            raise InvalidImagery(
                str(self._image), [f"its pixels cannot be decoded ({error}); copy or download it again"]
            ) from error
        return orientation.upright(pixels, turned), orientation.upright(valid, turned)


class LocalImage:
    """An image file of this machine. Close it in the end.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._datasets: list[Any] = []

    def __str__(self) -> str:
        return str(self.path)

    def opened(self) -> Any:
        """A rasterio dataset of it, by the driver of its content and no other. It is closed with the image.

        Raises:
            InvalidImagery: It is no image, or a VRT that is more than a mosaic.
        """
        import rasterio

        driver = file_kinds.format_of(self.path)
        if driver is None and vrt.is_meant(self.path):
            driver, problems = "VRT", vrt.problems(self.path)
            if problems:
                raise InvalidImagery(str(self), problems)
        if driver is None:
            raise InvalidImagery(
                str(self), ["it cannot be opened (its content is that of no image); give a GeoTIFF or VRT"]
            )
        file_kinds.check_aside(self.path)
        with rasterio.Env(**file_kinds.GDAL):
            self._datasets.append(rasterio.open(self.path, driver=driver))
        return self._datasets[-1]

    def run(self, work: Callable[[], Made]) -> Made:
        """Do something with one of the datasets."""
        return work()

    def close(self) -> None:
        """Close all datasets."""
        while self._datasets:
            self._datasets.pop().close()


Image = LocalImage | RemoteImage


def _opened(image: Image) -> Any:
    try:
        return image.opened()
    except (*file_kinds.GDAL_ERRORS, OSError) as error:
        raise InvalidImagery(str(image), [f"it cannot be opened ({error}); give a GeoTIFF"]) from error


def _described(dataset: Any, image: Image, bands: int, rules: ImageryRules) -> Chip:
    """What an image is and where it lies.

    Raises:
        InvalidImagery: It cannot be used; lists every reason.
    """
    path = image.path
    layout, problems = band_rules.find(dataset, rules, bands)
    if rules.bands == "position":
        problems += _wrong_by_position(dataset, bands)
    turned = _turned(dataset, image, rules)
    height, width = orientation.size(dataset.height, dataset.width, turned)
    found = chip_places.place_of(
        dataset, path, beside=isinstance(image, LocalImage), strict=rules.scale == "each-axis"
    )
    if found.grid is not None and not found.by_name and turned != orientation.UPRIGHT:
        problems.append(orientation.contradiction(turned))
    tile = tiles.parse(path.stem)
    place = chip_places.on_tile(tile, height, width) if found.by_name and tile else found.grid
    problems = [*_too_large(dataset), *problems, *found.reasons]
    if problems or place is None:
        raise InvalidImagery(str(image), problems)
    return Chip(
        path=path,
        name=path.stem,
        crs=place.crs,
        transform=place.transform,
        width=place.width,
        height=place.height,
        bands=layout.bands,
        gsd_m=gsd_of(path, place),
        tile=tiles.parse(path.stem),
        rules=rules,
        layout=layout,
        orientation=turned,
        taken=acquisition.of_tags(dataset.tags()),
    )


def _turned(dataset: Any, image: Image, rules: ImageryRules) -> int:
    """How the picture is turned. What is read in parts from elsewhere is GeoTIFF, which has its own place."""
    if rules.bands == "position" or isinstance(image, RemoteImage):
        return orientation.UPRIGHT
    return orientation.of_file(image.path, dataset.driver)


def _wrong_by_position(dataset: Any, bands: int) -> list[str]:
    numbers = [at for at, kind in enumerate(dataset.colorinterp) if kind.name != "alpha"]
    problems = []
    if len(numbers) < bands:
        problems.append(
            f"it has {len(numbers)} bands without alpha and the model takes {bands}; choose other imagery"
        )
    kinds = sorted({dataset.dtypes[number] for number in numbers} - {"uint8"})
    if kinds:
        problems.append(
            f"its pixels are {', '.join(kinds)}, uint8 is needed; "
            "scale them with `gdal_translate -ot Byte -scale`"
        )
    return problems


def _too_large(dataset: Any) -> list[str]:
    """What would take more memory or time than there is, said before any pixel is decoded."""
    problems = []
    if dataset.width * dataset.height > MAX_PIXELS:
        problems.append(
            f"it has {dataset.width} x {dataset.height} pixels, at most {MAX_PIXELS:,} are read; "
            "cut it into parts"
        )
    tallest, widest = max(dataset.block_shapes, default=(0, 0))
    if tallest * widest > file_kinds.MAX_PIXELS:
        problems.append(
            f"its blocks have {widest} x {tallest} pixels, at most {file_kinds.MAX_PIXELS:,} are decoded at "
            "once; "
            "write it anew with `gdal_translate -co TILED=YES`"
        )
    if dataset.count > file_kinds.MAX_BANDS:
        problems.append(f"it has {dataset.count} bands, at most {file_kinds.MAX_BANDS} are read")
    return problems
