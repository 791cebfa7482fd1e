"""One large georeferenced image, read window by window: GeoTIFF, VRT and what else GDAL reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fair_models.data import tiles
from fair_models.data.chips import Chip
from fair_models.data.grid import WEB_MERCATOR, Grid
from fair_models.errors import InvalidImagery
from fair_models.inference.pixels import Pixels
from fair_models.inference.windows import Rectangle


class ImageReader:
    """Reads windows of an image that stays open.

    Args:
        path: The image.
        bands: How many bands the model takes: the first ones without alpha.

    Raises:
        InvalidImagery: It cannot be opened, has too few bands or other values than uint8, or no place.
    """

    def __init__(self, path: Path, bands: int) -> None:
        import rasterio
        from rasterio.errors import RasterioError

        self.bands = bands
        self._path = path
        try:
            self._dataset: Any = rasterio.open(path)
        except RasterioError as error:
            raise InvalidImagery(
                str(path), [f"it cannot be opened ({error}); give a GeoTIFF or VRT"]
            ) from error
        colours = _colour_bands(self._dataset)
        place = _place(self._dataset, path)
        problems = _problems(self._dataset, colours, bands, place is None)
        if problems or place is None:
            self._dataset.close()
            raise InvalidImagery(str(path), problems)
        self._numbers = colours[:bands]
        self.chip = Chip(
            path=path,
            name=path.stem,
            crs=place.crs,
            transform=place.transform,
            width=place.width,
            height=place.height,
            bands=len(colours),
            gsd_m=place.gsd_m,
            tile=tiles.parse(path.stem),
        )

    def part(self, chip: Chip, area: Rectangle) -> Pixels:
        """A rectangle of the image, in its own pixels."""
        from rasterio.windows import Window

        return self._read(area.height, area.width, Window(area.column, area.row, area.width, area.height))

    def smaller(self, chip: Chip, height: int, width: int) -> Pixels:
        """The whole image at another size; its overviews serve where it has them."""
        return self._read(height, width)

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    def _read(self, height: int, width: int, window: Any = None) -> Pixels:
        from rasterio.enums import Resampling
        from rasterio.errors import RasterioError

        shape = len(self._numbers), height, width
        try:
            pixels = self._dataset.read(
                self._numbers, window=window, out_shape=shape, resampling=Resampling.average
            )
            valid = self._dataset.dataset_mask(window=window, out_shape=shape[1:]) > 0
        except RasterioError as error:
            raise InvalidImagery(
                str(self._path), [f"its pixels cannot be decoded ({error}); copy or download it again"]
            ) from error
        return np.where(valid, pixels, 0), valid


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
    problems = []
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
