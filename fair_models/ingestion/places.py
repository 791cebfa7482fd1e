"""The places of the chips of a cut, and whether its imagery is fine enough for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import shapely

from fair_models import settings
from fair_models.data.images import antimeridian
from fair_models.data.images.tiles import HALF_WORLD_M, Tile
from fair_models.errors import InvalidImagery
from fair_models.inference.imagery.areas import Area
from fair_models.inference.imagery.reading import Imagery
from fair_models.inference.imagery.sources.services import TILE_PX, ZOOMS
from fair_models.inference.imagery.sources.tiling import tiles_of
from fair_models.ingestion.cells import Cell, WebCell
from fair_models.ingestion.metric import MetricSystem, cells_of, system_of
from fair_models.params import IngestDatasetParams

MAX_ZOOM = 23
"""The highest zoom of chips: 2 cm a pixel at the equator."""

_COARSEST = 8
"""How many times wider than those of the chips the pixels of imagery may be."""

_MUCH_COARSER = 2
"""From here on it is said."""


@dataclass(frozen=True)
class Places:
    """The places of chips.

    cells: The places.
    ground: What was asked for.
    pixel_m: Width of a pixel of the first one on the ground, in metres.
    zoom: Zoom of the tiles that they are; None on a grid of metres.
    system: The grid of metres.
    """

    cells: Sequence[Cell]
    ground: Area
    pixel_m: float
    zoom: int | None = None
    system: MetricSystem | None = None

    @property
    def name(self) -> str:
        """What they are, for messages."""
        return f"zoom {self.zoom}" if self.system is None else f"{self.system.gsd_m:g} m"

    def coarser(self, times: float, rounded: Callable[[float], int]) -> str:
        """What to ask for to have pixels that are so many times wider."""
        if self.zoom is None:
            return f"a gsd_m of {self.pixel_m * times / _COARSEST:.2g} or more"
        return f"zoom {self.zoom - rounded(math.log2(times))} or less"


def places_of(imagery: Imagery, ground: Area, params: IngestDatasetParams) -> Places:
    """The places of the chips.

    Args:
        imagery: The imagery.
        ground: What was mapped, or all of the imagery.
        params: Grid, zoom or ground resolution, and size of the chips.

    Raises:
        Invalid: There are more than the settings allow, or the ground lies on no grid of metres.
    """
    size_px, max_chips = params.chip_size_px, settings.current().most_tiles
    if params.grid == "metric":
        system = system_of(imagery, ground, params.gsd_m, size_px)
        return Places(cells_of(system, ground, max_chips, imagery.name), ground, params.gsd_m, system=system)
    zoom = params.zoom if isinstance(params.zoom, int) else None
    if zoom is None:
        zoom = _nearest(ground, params) if imagery.zoom is None else imagery.zoom - finer_zooms(size_px)
    tiles = tiles_of(ground, zoom, max_chips, imagery.name)
    return Places([WebCell(tile) for tile in tiles], ground, _pixel_m(tiles[0], size_px), zoom)


def gsd_of(area: Area | None, params: IngestDatasetParams) -> float:
    """The ground resolution that imagery has to do for: that of the zoom, if one is asked for."""
    if not isinstance(params.zoom, int):
        return params.gsd_m
    return _width_m(area, params.zoom) / params.chip_size_px


def _width_m(area: Area | None, zoom: int) -> float:
    """Width of a tile on the ground in the middle of an area, in metres; without an area at the equator."""
    _, south, _, north = area.bbox if area else (0.0, 0.0, 0.0, 0.0)
    return 2 * HALF_WORLD_M * math.cos(math.radians((south + north) / 2)) / float(2**zoom)


def finer_zooms(size_px: int) -> int:
    """How many zooms finer the pixels of tiles of some size are than those of 256 px."""
    return round(math.log2(size_px / TILE_PX))


def ground_of_all(imagery: Imagery) -> Area:
    """The ground of all imagery."""
    outlines = [antimeridian.cut(block.native.grid.footprint) for block in imagery.blocks]
    return Area(shapely.union_all(outlines), "")


def _nearest(area: Area, params: IngestDatasetParams) -> int:
    """The zoom whose pixels are nearest in size to those that were asked for, in the middle of an area."""
    zoom = round(math.log2(_width_m(area, 0) / params.chip_size_px / params.gsd_m))
    return min(MAX_ZOOM, max(ZOOMS[0], zoom))


def _pixel_m(tile: Tile, size_px: int) -> float:
    """Width of a pixel of a tile on the ground, in metres."""
    _, bottom, _, top = tile.bounds_mercator()
    return tile.width_m / size_px / math.cosh((bottom + top) / 2 / (HALF_WORLD_M / math.pi))


def pixel_of_tiles_m(ground: Area, zoom: int, size_px: int) -> float:
    """Width of the pixels of a service's tiles on the ground, in the middle of an area, in metres."""
    return _width_m(ground, zoom) / size_px


def pixel_of_images_m(imagery: Imagery) -> float:
    """Width of the finest pixels of imagery on the ground, in metres."""
    return min(block.native.chips[0].chip.gsd_m for block in imagery.blocks)


def require_fine(imagery: Imagery, places: Places) -> None:
    """Refuse imagery that is much too coarse for its chips. Raises InvalidImagery."""
    times = pixel_of_images_m(imagery) / places.pixel_m
    if times > _COARSEST:
        raise InvalidImagery(
            imagery.name,
            [
                f"its pixels are {times:.0f} times wider than those of chips of {places.name} "
                f"({places.pixel_m:.2g} m), at most {_COARSEST} times is allowed; ask for "
                f"{places.coarser(times, math.floor)}, or use finer imagery"
            ],
        )


def coarse_notes(finest_m: float, places: Places) -> list[str]:
    """What is said of imagery whose finest pixels are so wide that chips show no more for theirs."""
    times = finest_m / places.pixel_m
    if times < _MUCH_COARSER:
        return []
    own = f"--zoom {places.zoom - round(math.log2(times))}" if places.zoom else f"--gsd-m {finest_m:.2g}"
    return [
        f"The imagery's pixels are {times:.1f} times wider than those of the chips ({places.name}), which "
        f"show no more for that; {own} has its own resolution"
    ]
