"""The number of the feature that each pixel lies in, as Cloud Optimized GeoTIFFs.

What number a feature has is known when it is written, and which pixels it covers from its polygon: so the
polygons are drawn at the end, some rows at a time. Until then only what has imagery is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fair_models.data.images.grid import LONLAT
from fair_models.inference.imagery.georeference import moved, pixels_of
from fair_models.inference.parts import NO_IMAGERY
from fair_models.inference.windows import Rectangle
from fair_models.inference.writing.geoparquet import GEOMETRY
from fair_models.inference.writing.rasters import (
    TILE_PX,
    Rows,
    optimise,
    raster_path,
    tiled_file,
    told,
    unfinished,
)
from fair_models.types import Array

if TYPE_CHECKING:
    from fair_models.inference.imagery.reading import Block

KIND = "instances"

NO_DATA = 2**32 - 1
"""Value of pixels that there is no imagery of."""

_COLUMNS = 8192
"""Pixels of a row that are drawn at a time."""


@dataclass
class NumberFiles:
    """The rasters of all blocks. The strips of a block come from the top, each once, and then its features.

    folder: Where the files are made: `instances.tif`, or `instances-01.tif` and so on of several blocks.
    blocks: All blocks that may be written, in their order.
    counts: How many features each block has, by its position.
    """

    folder: Path
    blocks: Sequence[Block]
    counts: dict[int, int] = field(default_factory=dict)
    _open: Rows | None = None

    def write(self, block: Block, rows: Rectangle, classes: Array, confidence: Array) -> None:
        """Keep where the next strip of a block has imagery. See `RasterFiles.write`."""
        number = next(at for at, each in enumerate(self.blocks) if each is block)
        path = self._seen(number)
        with told(path):
            if self._open is None:
                self.counts[number] = 0
                self._open = Rows(tiled_file(path, block.grid, "uint8", 0))
            if self._open.add(rows, (classes != NO_IMAGERY).astype(np.uint8)):
                self._open.dataset.close()
                self._open = None

    def add(self, count: int) -> None:
        """Count features that were written: they belong to the block whose strip came last."""
        if self.counts:
            self.counts[max(self.counts)] += count

    def abandon(self) -> None:
        """Let go of the files where they will not be finished."""
        if self._open is not None:
            self._open.dataset.close()
            self._open = None

    def finish(self, parquet: Path) -> list[Path]:
        """Draw all features.

        Args:
            parquet: All of them, as a `GeoParquetSink` wrote them.

        Raises:
            Unavailable: GDAL could not write, most often because the disk is full.
        """
        made, first = [], 1
        for number in sorted(self.counts):
            final = raster_path(self.folder, KIND, number, len(self.blocks))
            ids = range(first, first + self.counts[number])
            with told(final):
                _draw(self._seen(number), final, self.blocks[number], parquet, ids)
            made.append(final)
            first = ids.stop
        return made

    def _seen(self, number: int) -> Path:
        """Where it is kept which pixels of a block have imagery."""
        return unfinished(raster_path(self.folder, f"{KIND}-seen", number, len(self.blocks)))


def _draw(seen: Path, final: Path, block: Block, parquet: Path, ids: range) -> None:
    import pyarrow.parquet as pq
    import rasterio
    from rasterio.windows import Window

    grid = block.grid
    with (
        pq.ParquetFile(parquet) as file,
        rasterio.open(seen) as valid,
        tiled_file(unfinished(final), grid, "uint32", NO_DATA) as drawn,
    ):
        drawn.set_band_description(1, KIND)
        drawn_from = _Drawn(file, block, ids)
        for row in range(0, grid.height, TILE_PX):
            height = min(TILE_PX, grid.height - row)
            shapes = list(drawn_from.between(row, row + height))
            for column in range(0, grid.width, _COLUMNS):
                area = Rectangle(row, column, height, min(_COLUMNS, grid.width - column))
                window = Window(column, row, area.width, height)
                numbers = np.where(valid.read(1, window=window), np.uint32(0), np.uint32(NO_DATA))
                for each in shapes:
                    each.draw(numbers, area)
                drawn.write(numbers, 1, window=window)
    seen.unlink()
    optimise(unfinished(final), final, "NEAREST")


@dataclass(frozen=True)
class _Shapes:
    """Polygons in pixels of a block.

    shapes: Shapely polygons, shape (n,).
    numbers: Number of each, int64, shape (n,).
    bounds: x_min, y_min, x_max, y_max of each, shape (n, 4).
    """

    shapes: Array
    numbers: Array
    bounds: Array

    def select(self, keep: Array) -> _Shapes:
        return _Shapes(self.shapes[keep], self.numbers[keep], self.bounds[keep])

    def draw(self, numbers: Array, area: Rectangle) -> None:
        """Draw those that lie in an area. Where polygons overlap, the later one counts."""
        from affine import Affine
        from rasterio.features import rasterize

        left, _, right, _ = self.bounds.T
        inside = (right > area.column) & (left < area.column + area.width)
        if inside.any():
            pairs = zip(self.shapes[inside], self.numbers[inside].tolist(), strict=True)
            rasterize(pairs, out=numbers, transform=Affine.translation(area.column, area.row))


class _Drawn:
    """The polygons of a block by rows, of which those of a few row groups are held at a time.

    Args:
        file: All features, in the order of the rows in which they end, more or less.
        block: The block.
        ids: Numbers of the block's features.
    """

    def __init__(self, file: Any, block: Block, ids: range) -> None:
        self._file, self._grid, self._ids = file, block.grid, ids
        self._spans: dict[int, tuple[float, float]] = {}
        self._held: dict[int, _Shapes] = {}
        first = 1
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if first < ids.stop and first + count > ids.start:
                tops, bottoms = self._read(group).bounds[:, [1, 3]].T
                self._spans[group] = float(tops.min(initial=np.inf)), float(bottoms.max(initial=-np.inf))
            first += count

    def between(self, row: int, stop: int) -> Iterator[_Shapes]:
        """Those that lie in some rows, further down than those before."""
        wanted = [group for group, (top, bottom) in self._spans.items() if top < stop and bottom > row]
        self._held = {group: self._held[group] for group in wanted if group in self._held}
        for group in wanted:
            if group not in self._held:
                self._held[group] = self._read(group)
            shapes = self._held[group]
            _, tops, _, bottoms = shapes.bounds.T
            yield shapes.select((tops < stop) & (bottoms > row))

    def _read(self, group: int) -> _Shapes:
        import shapely

        rows = self._file.read_row_group(group, columns=["id", GEOMETRY])
        numbers = rows.column("id").to_numpy()
        placed = np.asarray(shapely.from_wkb(rows.column(GEOMETRY).to_numpy(zero_copy_only=False)))
        mine = (numbers >= self._ids.start) & (numbers < self._ids.stop)
        mine &= shapely.get_dimensions(placed) == 2
        grid = self._grid
        shapes = shapely.transform(
            placed[mine], lambda places: pixels_of(grid, grid.nearest(moved(places, LONLAT, grid.crs)))
        )
        return _Shapes(shapes, numbers[mine], shapely.bounds(shapes).reshape(-1, 4))
