"""Chips on a grid of metres, of the imagery's own reference system, or of the UTM zone of the ground.

One zone is used for all chips of a dataset, the one with most of the ground, so that all lie on one grid.
Zones: https://en.wikipedia.org/wiki/Universal_Transverse_Mercator_coordinate_system
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from pyproj import CRS
from pyproj.exceptions import ProjError

from fair_models.data.images import antimeridian, chip_files
from fair_models.data.images.acquisition import Period
from fair_models.data.images.grid import Grid
from fair_models.errors import Invalid, InvalidImagery
from fair_models.inference.imagery.areas import Area
from fair_models.inference.imagery.reading import Imagery
from fair_models.types import Array

_NORTH, _SOUTH = 84.0, -80.0
"""Latitudes where UTM ends."""

_ZONE = 6.0
_BLOCK_BITS = 4
_TRUE = 0.005
"""By how much a metre of a reference system may differ from one on the ground: in UTM it is 0.001."""

_FARTHEST_M = 500_000.0
"""How far from the middle of its zone ground may lie, some 4.5 degrees at the equator."""

_INSET = 1e-6


@dataclass(frozen=True)
class MetricSystem:
    """A grid of metres.

    crs: Its reference system, as "EPSG:32645".
    label: What names of chips begin with: "UTM45N", or "EPSG2056".
    source: Whose reference system it is: "imagery", or "area" where the zone of the ground was chosen.
    gsd_m: Width of a pixel in metres.
    size_px: Pixels along a chip's side.
    """

    crs: str
    label: str
    source: str
    gsd_m: float
    size_px: int

    @property
    def width_m(self) -> float:
        """Width and height of a chip in metres."""
        return self.gsd_m * self.size_px


@dataclass(frozen=True)
class MetricCell:
    """One chip of a grid of metres. Rows count northwards and columns eastwards from the system's origin."""

    system: MetricSystem
    row: int
    column: int

    @property
    def name(self) -> str:
        """Zone, row and column: "UTM45N-r39814-c4601"."""
        return f"{self.system.label}-r{self.row}-c{self.column}"

    @property
    def outline(self) -> shapely.Polygon:
        """The place in longitude and latitude; over the antimeridian it goes on beyond 180°."""
        return self.grid(self.system.size_px).footprint

    @property
    def block(self) -> tuple[int, int]:
        """Row, from the north, and column of its block."""
        return -(self.row >> _BLOCK_BITS), self.column >> _BLOCK_BITS

    def grid(self, size_px: int) -> Grid:
        """Its pixels, in metres."""
        width, pixel = self.system.width_m, self.system.width_m / size_px
        left, top = self.column * width, (self.row + 1) * width
        return Grid(self.system.crs, (pixel, 0.0, left, 0.0, -pixel, top), size_px, size_px)

    def encoded(self, pixels: Array, valid: Array, taken: Period | None = None) -> bytes:
        """A GeoTIFF in the reference system of the grid."""
        grid = self.grid(self.system.size_px)
        return chip_files.encoded_on(grid, np.moveaxis(pixels, 0, -1), valid, taken=taken)


def system_of(imagery: Imagery | None, ground: Area, gsd_m: float, size_px: int) -> MetricSystem:
    """The grid for some ground.

    Args:
        imagery: The imagery, whose reference system is taken if it is one in metres; None where none is open.
        ground: The ground.
        gsd_m: Width of a pixel in metres.
        size_px: Pixels along a chip's side.

    Raises:
        Invalid: UTM ends before the ground does.
    """
    own = None if imagery is None or imagery.zoom is not None else _own(imagery)
    crs, source = (own, "imagery") if own else (f"EPSG:{zone_of(ground)}", "area")
    return MetricSystem(crs, _label(crs), source, gsd_m, size_px)


def zone_of(ground: Area) -> int:
    """EPSG code of the UTM zone that has most of some ground.

    Raises:
        Invalid: The ground reaches beyond 84° north or 80° south.
    """
    _, south, _, north = ground.bbox
    if north > _NORTH or south < _SOUTH:
        raise Invalid(
            f"The area reaches from {south:.5g}° to {north:.5g}° of latitude, and UTM goes from 80° south to "
            "84° north: use imagery in a projected reference system of its own, or a smaller area"
        )
    whole = antimeridian.whole(ground.outline)
    first = math.floor(shapely.bounds(whole)[0] / _ZONE)
    last = math.ceil(shapely.bounds(whole)[2] / _ZONE)
    shares = {}
    for zone in range(first, max(last, first + 1)):
        for is_south, (low, high) in ((False, (0.0, 90.0)), (True, (-90.0, 0.0))):
            part = shapely.intersection(whole, shapely.box(zone * _ZONE, low, (zone + 1) * _ZONE, high))
            latitude = part.centroid.y if not part.is_empty else 0.0
            shares[zone, is_south] = part.area * math.cos(math.radians(latitude))
    zone, is_south = max(shares, key=lambda each: (shares[each], -each[0], not each[1]))
    return (32700 if is_south else 32600) + (zone + 30) % 60 + 1


def cells_of(system: MetricSystem, ground: Area, max_cells: int, name: str) -> list[MetricCell]:
    """Cells that have ground in common with an area, row by row from the north.

    Args:
        system: The grid.
        ground: The area.
        max_cells: How many are allowed.
        name: The imagery, for messages.

    Raises:
        Invalid: The ground is too wide for one zone.
        InvalidImagery: There are more than allowed.
    """
    outline = ground.on_map(system.crs)
    left, bottom, right, top = outline.bounds
    is_utm = system.label.startswith("UTM")
    if not np.isfinite([left, bottom, right, top]).all() or (
        is_utm and max(abs(left - _FARTHEST_M), abs(right - _FARTHEST_M)) > _FARTHEST_M
    ):
        raise Invalid(f"The area is too wide for one grid of metres ({system.label}): ingest parts of it")
    shapely.prepare(outline)
    width = system.width_m
    first_column, first_row = math.floor(left / width), math.floor(bottom / width)
    longest = max(math.ceil(right / width) - first_column, math.ceil(top / width) - first_row, 1)
    found, levels = np.zeros((1, 2), np.int64), math.ceil(math.log2(longest))
    for level in range(levels, -1, -1):
        if level < levels:
            found = (found[:, None] * 2 + np.array([(0, 0), (1, 0), (0, 1), (1, 1)])).reshape(-1, 2)
        side = width * 2**level
        west, south = first_column * width + found[:, 0] * side, first_row * width + found[:, 1] * side
        inset = _INSET * side
        boxes = shapely.box(west + inset, south + inset, west + side - inset, south + side - inset)
        found = found[shapely.intersects(outline, boxes)]
        if len(found) > max_cells:
            number = max(len(found), round(outline.area / width**2))
            raise InvalidImagery(
                name,
                [
                    f"the area has about {number:,} chips of {system.size_px} px at {system.gsd_m:g} m, at "
                    f"most {max_cells:,} are cut (FAIR_MOST_TILES); give a smaller area or a larger gsd_m"
                ],
            )
    order = np.lexsort((found[:, 0], -found[:, 1]))
    return [
        MetricCell(system, first_row + int(row), first_column + int(column)) for column, row in found[order]
    ]


def _own(imagery: Imagery) -> str | None:
    """The reference system of imagery, where all of it has the same one, known to EPSG and true in metres."""
    systems = {block.native.grid.crs for block in imagery.blocks}
    if len(systems) != 1:
        return None
    grid = imagery.blocks[0].native.grid
    try:
        known = CRS.from_user_input(grid.crs)
    except ProjError:
        return None
    code = known.to_epsg()
    a, b, _, d, e, _ = grid.transform
    pixel = math.sqrt(abs(a * e - b * d))
    is_true = abs(grid.gsd_m / pixel - 1) <= _TRUE if known.is_projected else False
    return f"EPSG:{code}" if code is not None and is_true else None


def _label(crs: str) -> str:
    code = int(crs.removeprefix("EPSG:"))
    for first, letter in ((32600, "N"), (32700, "S")):
        if first < code <= first + 60:
            return f"UTM{code - first:02d}{letter}"
    return f"EPSG{code}"
