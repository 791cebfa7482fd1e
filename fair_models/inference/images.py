"""One large georeferenced image, read window by window: GeoTIFF, other formats of chips, and VRT mosaics."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fair_models.data import imagery, tiles
from fair_models.data.chips import Chip, gsd_of
from fair_models.data.grid import WEB_MERCATOR, Grid
from fair_models.errors import Invalid, InvalidImagery
from fair_models.inference import mosaics
from fair_models.inference.pixels import Pixels
from fair_models.inference.remote import RemoteImage
from fair_models.inference.windows import Rectangle

MAX_PIXELS = 50_000_000_000
"""The largest image that is read, in pixels: 20 km by 20 km at 9 cm."""


class ImageReader:
    """Reads windows of an image that stays open, in several threads: each reads a dataset of its own.

    Args:
        path: The image, a file or one that is read in parts.
        bands: How many bands the model takes: the first ones without alpha.

    Raises:
        InvalidImagery: It cannot be opened, is too large, has too few bands or other values than uint8, no
            place, or is a VRT that is more than a mosaic of the images beside it.
    """

    def __init__(self, path: Path | RemoteImage, bands: int) -> None:
        self.bands = bands
        self._path = path
        dataset = _opened(path)
        try:
            colours = _colour_bands(dataset)
            self.chip = _described(dataset, path, bands, colours)
        except imagery.GDAL_ERRORS as error:
            dataset.close()
            raise InvalidImagery(
                str(path), [f"it cannot be read ({error}); copy or download it again"]
            ) from error
        except Invalid:
            dataset.close()
            raise
        self._numbers = colours[:bands]
        self._idle = [dataset]
        # Datasets that Python feeds must be closed before the interpreter goes.
        self._closing = weakref.finalize(self, _close, self._idle)

    def part(self, chip: Chip, area: Rectangle) -> Pixels:
        """A rectangle of the image, in its own pixels."""
        from rasterio.windows import Window

        return self._read(area.height, area.width, Window(area.column, area.row, area.width, area.height))

    def smaller(self, chip: Chip, height: int, width: int, area: Rectangle | None = None) -> Pixels:
        """The image or a rectangle of it at another size; its overviews serve where it has them."""
        from rasterio.windows import Window

        return self._read(height, width, area and Window(area.column, area.row, area.width, area.height))

    def close(self) -> None:
        """Close the file."""
        self._closing()

    @contextmanager
    def _dataset(self) -> Iterator[Any]:
        """A dataset that no other thread uses meanwhile."""
        try:
            dataset = self._idle.pop()
        except IndexError:
            dataset = _opened(self._path)
        try:
            yield dataset
        finally:
            self._idle.append(dataset)

    def _read(self, height: int, width: int, window: Any = None) -> Pixels:
        from rasterio.enums import Resampling

        shape = len(self._numbers), height, width
        try:
            with self._dataset() as dataset:
                pixels = dataset.read(
                    self._numbers, window=window, out_shape=shape, resampling=Resampling.average
                )
                valid = dataset.dataset_mask(window=window, out_shape=shape[1:]) > 0
            _check(self._path)
        except imagery.GDAL_ERRORS as error:
            _check(self._path)
            raise InvalidImagery(
                str(self._path), [f"its pixels cannot be decoded ({error}); copy or download it again"]
            ) from error
        return np.where(valid, pixels, 0), valid


def _close(datasets: list[Any]) -> None:
    while datasets:
        datasets.pop().close()


def _check(path: Path | RemoteImage) -> None:
    """Say why parts of the image could not be had."""
    if isinstance(path, RemoteImage):
        path.check()


def _opened(path: Path | RemoteImage) -> Any:
    """The rasterio dataset of an image, by the driver of its content and no other."""
    import rasterio

    if isinstance(path, RemoteImage):
        return _opened_remote(path)
    driver = imagery.format_of(path)
    if driver is None and mosaics.is_meant(path):
        driver, problems = "VRT", mosaics.problems(path)
        if problems:
            raise InvalidImagery(str(path), problems)
    if driver is None:
        raise InvalidImagery(
            str(path), ["it cannot be opened (its content is that of no image); give a GeoTIFF or VRT"]
        )
    try:
        imagery.check_aside(path)
        with rasterio.Env(**imagery.GDAL):
            return rasterio.open(path, driver=driver)
    except (*imagery.GDAL_ERRORS, OSError) as error:
        raise InvalidImagery(str(path), [f"it cannot be opened ({error}); give a GeoTIFF or VRT"]) from error


def _opened_remote(image: RemoteImage) -> Any:
    try:
        return image.opened()
    except imagery.GDAL_ERRORS as error:
        raise InvalidImagery(str(image), [f"it cannot be opened ({error}); give a GeoTIFF or COG"]) from error


def _described(dataset: Any, source: Path | RemoteImage, bands: int, colours: list[int]) -> Chip:
    """What an image is and where it lies.

    Raises:
        InvalidImagery: It cannot be used; lists every reason.
    """
    path = source.path if isinstance(source, RemoteImage) else source
    place = _place(dataset, path)
    problems = _problems(dataset, colours, bands, place is None)
    if problems or place is None:
        raise InvalidImagery(str(source), problems)
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
