"""Classes and confidence of each pixel as Cloud Optimized GeoTIFFs.

Rows are written as they come into a tiled file beside; GDAL's COG driver makes the final one of it, with
overviews. https://docs.ogc.org/is/21-026/21-026.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fair_models.errors import Unavailable, reason_of
from fair_models.inference.parts import NO_IMAGERY, SCALE
from fair_models.inference.windows import Rectangle
from fair_models.inference.writing.preview import colour
from fair_models.store.atomic import UNFINISHED
from fair_models.types import Array

if TYPE_CHECKING:
    from fair_models.inference.imagery.reading import Block

Kind = Literal["classes", "confidence"]

TILE_PX = 512
"""Height and width of tiles."""

_CACHE_BYTES = 64 * 2**20
_GROUND = (236, 236, 236)
"""Colour of the background class, so that what was found stands out."""


def class_colour(index: int) -> tuple[int, int, int]:
    """Red, green and blue of a class in the raster: as in previews, but for a pale background."""
    return colour(index) if index else _GROUND


@dataclass
class RasterFiles:
    """The rasters of all blocks. The strips of a block come from the top, each once.

    folder: Where the files are made: `classes.tif`, or `classes-01.tif` and so on of several blocks.
    kinds: Which rasters.
    classes: Class names; the position is the index.
    blocks: All blocks that may be written, in their order.
    paths: What is finished, by kind, in the order of the blocks.
    """

    folder: Path
    kinds: Sequence[Kind]
    classes: Sequence[str]
    blocks: Sequence[Block]
    paths: dict[Kind, list[Path]] = field(default_factory=dict)
    _open: dict[tuple[Kind, int], Rows] = field(default_factory=dict)

    def write(self, block: Block, rows: Rectangle, classes: Array, confidence: Array) -> None:
        """Add the next strip of a block. The last one finishes its files.

        Args:
            block: One of `blocks`.
            rows: Where it lies: the whole width, directly under the strip before.
            classes: Class index of each pixel, uint8, shape (rows.height, rows.width); 0 is the background,
                `NO_IMAGERY` where there is no imagery.
            confidence: Probability of the best class that is not the background, as `to_percent` gives it,
                same shape.

        Raises:
            ValueError: It is not the next strip.
            Unavailable: GDAL could not write, most often because the disk is full.
        """
        number = next(at for at, each in enumerate(self.blocks) if each is block)
        values: dict[Kind, Array] = {"classes": classes, "confidence": confidence}
        for kind in self.kinds:
            final = self._path(kind, number)
            with told(final):
                if (kind, number) not in self._open:
                    self._open[kind, number] = Rows(_created(final, kind, self.classes, block.grid))
                if self._open[kind, number].add(rows, values[kind]):
                    self._open.pop((kind, number)).dataset.close()
                    optimise(unfinished(final), final, "MODE" if kind == "classes" else "AVERAGE")
                    self.paths.setdefault(kind, []).append(final)

    def abandon(self) -> None:
        """Let go of the files where they will not be finished."""
        for raster in self._open.values():
            raster.dataset.close()
        self._open.clear()

    def _path(self, kind: Kind, number: int) -> Path:
        return raster_path(self.folder, kind, number, len(self.blocks))


def raster_path(folder: Path, kind: str, number: int, count: int) -> Path:
    """Where the raster of a block lies: `classes.tif`, or `classes-01.tif` and so on where there are several.

    Args:
        folder: Where all of them lie.
        kind: What it says, e.g. "classes".
        number: Position of the block, from 0 on.
        count: How many blocks there are.
    """
    return folder / (f"{kind}.tif" if count == 1 else f"{kind}-{number + 1:0{len(str(count))}}.tif")


class Rows:
    """Rows on their way to a tiled file: it gets whole tiles, so that none is written twice."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self._written = 0
        self._waiting = np.empty((0, dataset.width), np.uint8)

    def add(self, rows: Rectangle, values: Array) -> bool:
        """Add the next rows; says whether these were the last."""
        height, width = self.dataset.height, self.dataset.width
        expected = self._written + len(self._waiting)
        if (rows.row, rows.column, rows.width) != (expected, 0, width):
            raise ValueError(f"{rows} is not the strip from row {expected} on, {width} px wide")
        self._waiting = np.concatenate([self._waiting, values])
        ended = expected + rows.height == height
        self._write(len(self._waiting) if ended else len(self._waiting) // TILE_PX * TILE_PX)
        return bool(ended)

    def _write(self, count: int) -> None:
        from rasterio.windows import Window

        if count:
            window = Window(0, self._written, self.dataset.width, count)
            self.dataset.write(self._waiting[:count], 1, window=window)
            self._written, self._waiting = self._written + count, self._waiting[count:]


def _created(final: Path, kind: Kind, classes: Sequence[str], grid: Any) -> Any:
    """The tiled file that rows go to, with all that the final one says about them."""
    dataset = tiled_file(unfinished(final), grid, "uint8", NO_IMAGERY)
    dataset.set_band_description(1, kind)
    if kind == "classes":
        dataset.write_colormap(1, {index: class_colour(index) for index in range(len(classes))})
        dataset.update_tags(**{f"CLASS_{index}": name for index, name in enumerate(classes)})
    else:
        dataset.scales = (SCALE,)
        dataset.units = ("probability",)
    return dataset


def tiled_file(path: Path, grid: Any, kind: str, nodata: int) -> Any:
    """A new tiled GeoTIFF of one band over a grid, open to be written."""
    import rasterio
    from affine import Affine

    return rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=grid.height,
        width=grid.width,
        count=1,
        dtype=kind,
        nodata=nodata,
        crs=grid.crs,
        transform=Affine(*grid.transform),
        tiled=True,
        blockxsize=TILE_PX,
        blockysize=TILE_PX,
        compress="deflate",
        zlevel=1,
        bigtiff="if_safer",
    )


def optimise(source: Path, final: Path, resampling: str) -> None:
    """Make a Cloud Optimized GeoTIFF of a tiled file, which goes.

    Args:
        source: The tiled file.
        final: The new one.
        resampling: How GDAL makes its overviews, e.g. "MODE".
    """
    from rasterio.shutil import copy

    copy(
        source,
        final,
        driver="COG",
        BLOCKSIZE=TILE_PX,
        COMPRESS="DEFLATE",
        BIGTIFF="IF_SAFER",
        OVERVIEW_RESAMPLING=resampling,
    )
    source.unlink()


def unfinished(final: Path) -> Path:
    """Where a file lies until it is finished."""
    return final.with_name(f".{final.name}{UNFINISHED}")


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Say what GDAL could not write. Raises Unavailable."""
    import rasterio
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    try:
        with rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES):
            yield
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise Unavailable(
            f"Cannot write {path}: {reason_of(error)}. Check the free space and the permissions, "
            "then try again"
        ) from error
