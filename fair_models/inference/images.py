"""One large georeferenced image, read window by window: GeoTIFF, other formats of chips, and VRT mosaics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fair_models.data import imagery, tiles
from fair_models.data.chips import Chip, gsd_of
from fair_models.data.grid import WEB_MERCATOR, Grid
from fair_models.errors import InvalidImagery
from fair_models.imagery_rules import CURRENT, ImageryRules
from fair_models.inference import mosaics
from fair_models.inference.pixels import Pixels
from fair_models.inference.remote import Made, RemoteImage
from fair_models.inference.windows import Rectangle

MAX_PIXELS = 50_000_000_000
"""The largest image that is read, in pixels: 20 km by 20 km at 9 cm."""

_READ_TOGETHER = 8_000_000
"""Pixels of an image that are read together where it is made smaller: so many fit into GDAL's cache."""


class ImageReader:
    """Reads windows of an image that stays open, in several threads: each reads a dataset of its own.

    Args:
        path: The image, a file or one that is read in parts.
        bands: How many bands the model takes: the first ones without alpha.
        rules: By which rules it is read.

    Raises:
        InvalidImagery: It cannot be opened, is too large, has too few bands or other values than uint8, no
            place, or is a VRT that is more than a mosaic of the images beside it.
    """

    def __init__(self, path: Path | RemoteImage, bands: int, rules: ImageryRules = CURRENT) -> None:
        self.bands = bands
        self._image = path if isinstance(path, RemoteImage) else LocalImage(path)
        try:
            dataset = _opened(self._image)
            colours = self._image.run(lambda: _colour_bands(dataset))
            self.chip = self._image.run(lambda: _described(dataset, self._image, bands, colours, rules))
        except imagery.GDAL_ERRORS as error:
            self._image.close()
            raise InvalidImagery(
                str(path), [f"it cannot be read ({error}); copy or download it again"]
            ) from error
        except BaseException:
            self._image.close()
            raise
        self.files = sorted(Path(name) for name in dataset.files)
        """The image's files: beside it georeference and overviews, and the images of a mosaic."""
        self._numbers = colours[:bands]
        self._idle = [dataset]

    def part(self, chip: Chip, area: Rectangle) -> Pixels:
        """A rectangle of the image, in its own pixels."""
        from rasterio.windows import Window

        return self._read(area.height, area.width, Window(area.column, area.row, area.width, area.height))

    def smaller(self, chip: Chip, height: int, width: int, area: Rectangle | None = None) -> Pixels:
        """The image or a rectangle of it at another size; its overviews serve where it has them."""
        from rasterio.windows import Window

        whole = area or Rectangle(0, 0, chip.height, chip.width)
        pixels, valid = (
            np.empty((len(self._numbers), height, width), np.uint8),
            np.empty((height, width), bool),
        )
        # Strip by strip: GDAL would go through the image once for each band, and hold all of its mask.
        rows = max(1, int(_READ_TOGETHER * height / (whole.height * whole.width)))
        for top in range(0, height, rows):
            bottom = min(height, top + rows)
            first, last = (round(row * whole.height / height) for row in (top, bottom))
            window = Window(whole.column, whole.row + first, whole.width, max(1, last - first))
            pixels[:, top:bottom], valid[top:bottom] = self._read(bottom - top, width, window)
        return pixels, valid

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

    def _read(self, height: int, width: int, window: Any = None) -> Pixels:
        from rasterio.enums import Resampling

        shape = len(self._numbers), height, width

        def read() -> Pixels:
            pixels = dataset.read(
                self._numbers, window=window, out_shape=shape, resampling=Resampling.average
            )
            return pixels, dataset.dataset_mask(window=window, out_shape=shape[1:]) > 0

        try:
            with self._dataset() as dataset:
                pixels, valid = self._image.run(read)
        except imagery.GDAL_ERRORS as error:
            raise InvalidImagery(
                str(self._image), [f"its pixels cannot be decoded ({error}); copy or download it again"]
            ) from error
        return np.where(valid, pixels, 0), valid


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

        driver = imagery.format_of(self.path)
        if driver is None and mosaics.is_meant(self.path):
            driver, problems = "VRT", mosaics.problems(self.path)
            if problems:
                raise InvalidImagery(str(self), problems)
        if driver is None:
            raise InvalidImagery(
                str(self), ["it cannot be opened (its content is that of no image); give a GeoTIFF or VRT"]
            )
        imagery.check_aside(self.path)
        with rasterio.Env(**imagery.GDAL):
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
    except (*imagery.GDAL_ERRORS, OSError) as error:
        raise InvalidImagery(str(image), [f"it cannot be opened ({error}); give a GeoTIFF"]) from error


def _described(dataset: Any, image: Image, bands: int, colours: list[int], rules: ImageryRules) -> Chip:
    """What an image is and where it lies.

    Raises:
        InvalidImagery: It cannot be used; lists every reason.
    """
    path = image.path
    place = _place(dataset, path)
    problems = _problems(dataset, colours, bands, place is None)
    if problems or place is None:
        raise InvalidImagery(str(image), problems)
    return Chip(
        path=path,
        name=path.stem,
        crs=place.crs,
        transform=place.transform,
        width=place.width,
        height=place.height,
        bands=len(colours),
        gsd_m=gsd_of(path, place),
        tile=tiles.parse(path.stem),
        rules=rules,
    )


def _colour_bands(dataset: Any) -> list[int]:
    from rasterio.enums import ColorInterp

    return [at + 1 for at, meaning in enumerate(dataset.colorinterp) if meaning is not ColorInterp.alpha]


def _place(dataset: Any, path: Path) -> Grid | None:
    """Where the image lies: what it says itself, else the web-map tile in its name."""
    a, b, c, d, e, f = tuple(dataset.transform)[:6]
    if dataset.crs is not None and not dataset.transform.is_identity and a * e != b * d:
        return Grid(dataset.crs.to_string(), (a, b, c, d, e, f), dataset.height, dataset.width)
    tile = tiles.parse(path.stem)
    if tile is None:
        return None
    return Grid(WEB_MERCATOR, tile.transform(dataset.width, dataset.height), dataset.height, dataset.width)


def _problems(dataset: Any, colours: list[int], bands: int, nowhere: bool) -> list[str]:
    problems = _too_large(dataset)
    if len(colours) < bands:
        problems.append(
            f"it has {len(colours)} bands without alpha and the model takes {bands}; choose other imagery"
        )
    kinds = sorted({dataset.dtypes[number - 1] for number in colours} - {"uint8"})
    if kinds:
        problems.append(
            f"its pixels are {', '.join(kinds)}, uint8 is needed; "
            "scale them with `gdal_translate -ot Byte -scale`"
        )
    if nowhere:
        problems.append(
            "it has neither a coordinate reference system nor a tile name that say where it lies; "
            "georeference it, or name it OAM-{x}-{y}-{z} after its web-map tile"
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
    if tallest * widest > imagery.MAX_PIXELS:
        problems.append(
            f"its blocks have {widest} x {tallest} pixels, at most {imagery.MAX_PIXELS:,} are decoded at "
            "once; "
            "write it anew with `gdal_translate -co TILED=YES`"
        )
    if dataset.count > imagery.MAX_BANDS:
        problems.append(f"it has {dataset.count} bands, at most {imagery.MAX_BANDS} are read")
    return problems
