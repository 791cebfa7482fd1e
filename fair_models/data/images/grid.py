"""Pixel grids: where pixels lie, how large they are on the ground, how they follow a change of resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import numpy as np
import shapely
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import ProjError

from fair_models.data.images import antimeridian
from fair_models.errors import Invalid, reason_of
from fair_models.types import Affine6, Array

LONLAT = "EPSG:4326"
"""The reference system of all that is published; longitude comes first here, as in GeoJSON (CRS84)."""

WEB_MERCATOR = "EPSG:3857"
_COARSEST_UPSAMPLING = 8
_EDGE_STEPS = 16
_SQUARE = 1.1
"""Sides of a pixel that differ by less are taken as equal."""
_PARTS, _NEAR = 5, 0.03


@dataclass(frozen=True)
class Grid:
    """Pixels and where they lie.

    crs: Coordinate reference system, as "EPSG:32645" or WKT.
    transform: Pixel to map, of pixel corners: (0, 0) is the top left corner of the top left pixel.
    height, width: Size in pixels.
    """

    crs: str
    transform: Affine6
    height: int
    width: int

    @property
    def corners(self) -> Array:
        """Map coordinates of the four corners, top left first and clockwise on the picture, shape (4, 2)."""
        columns = np.array([0, self.width, self.width, 0])
        rows = np.array([0, 0, self.height, self.height])
        return np.column_stack(self.places(columns, rows))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in the grid's own reference system."""
        (left, bottom), (right, top) = self.corners.min(axis=0), self.corners.max(axis=0)
        return float(left), float(bottom), float(right), float(top)

    @property
    def middle(self) -> tuple[float, float]:
        """Map coordinates of its middle."""
        x, y = self.places(np.asarray(self.width / 2), np.asarray(self.height / 2))
        return float(x), float(y)

    @property
    def footprint(self) -> shapely.Polygon:
        """Outline in longitude and latitude, counter-clockwise.

        It is whole: over the antimeridian its longitudes go on beyond 180° (see `antimeridian`).
        """
        longitude, latitude = to_lonlat(self.crs, *self.corners.T)
        if np.abs(np.diff(longitude, append=longitude[:1])).max() > antimeridian.HALF_TURN:
            longitude = self._unrolled_corners()
        polygon = shapely.Polygon(np.column_stack([longitude, latitude]))
        return shapely.geometry.polygon.orient(polygon)

    def _unrolled_corners(self) -> Array:
        """Longitudes of the corners, followed along the edges so that none jumps over 180°."""
        ends = np.vstack([self.corners, self.corners[:1]])
        steps = np.linspace(0, 1, _EDGE_STEPS, endpoint=False)[:, None]
        edges = np.concatenate([ends[at] + steps * (ends[at + 1] - ends[at]) for at in range(4)])
        longitude, _ = to_lonlat(self.crs, *edges.T)
        return antimeridian.unrolled(longitude)[::_EDGE_STEPS]

    @property
    def gsd_m(self) -> float:
        """Metres on the ground per pixel, measured along geodesics through the middle of the grid.

        Where pixels are not square it is the side of a square of the same area. Not finite where the grid
        lies outside its reference system.
        """
        across, down = self.pixel_size_m
        return math.sqrt(across * down)

    @property
    def pixel_size_m(self) -> tuple[float, float]:
        """Width and height of a pixel on the ground in metres, along the middle of the grid.

        Not finite where the grid lies outside its reference system.
        """
        middle_x, middle_y = self.width / 2, self.height / 2
        columns = np.array([0.0, self.width, middle_x, middle_x])
        rows = np.array([middle_y, middle_y, 0.0, self.height])
        longitude, latitude = to_lonlat(self.crs, *self.places(columns, rows))
        if not (np.isfinite(longitude).all() and np.abs(latitude).max() <= 90):
            return math.nan, math.nan
        _, _, metres = _geod().inv(longitude[[0, 2]], latitude[[0, 2]], longitude[[1, 3]], latitude[[1, 3]])
        return float(metres[0]) / self.width, float(metres[1]) / self.height

    @property
    def axes_m(self) -> Array:
        """What brings an offset in pixels (column, row) to metres (east, north), shape (2, 2).

        Measured along geodesics through the middle of the grid.
        """
        middle_x, middle_y = self.width / 2, self.height / 2
        columns = np.array([0.0, self.width, middle_x, middle_x])
        rows = np.array([middle_y, middle_y, 0.0, self.height])
        longitude, latitude = to_lonlat(self.crs, *self.places(columns, rows))
        start, end = [0, 2], [1, 3]
        azimuth, _, metres = _geod().inv(longitude[start], latitude[start], longitude[end], latitude[end])
        along = np.asarray(metres) / (self.width, self.height)
        return np.stack([along * np.sin(np.radians(azimuth)), along * np.cos(np.radians(azimuth))])

    def nearest(self, places: Array) -> Array:
        """Map coordinates (x, y), shape (n, 2), each moved to the equal place that is nearest to the grid.

        Degrees and Web Mercator repeat themselves after a turn of the Earth.
        """
        period = repeats_after(self.crs)
        if period is None:
            return places
        turns = np.rint((self.middle[0] - places[:, 0]) / period)
        return np.column_stack([places[:, 0] + period * turns, places[:, 1]])

    def places(self, columns: Array, rows: Array) -> tuple[Array, Array]:
        """Map coordinates of pixel positions; whole numbers are pixel corners."""
        a, b, c, d, e, f = self.transform
        return a * columns + b * rows + c, d * columns + e * rows + f

    def pixels(self, places: Array) -> Array:
        """Pixel positions (column, row) of map coordinates (x, y), shape (n, 2): the inverse of `places`."""
        a, b, c, d, e, f = self.transform
        x, y = places[:, 0] - c, places[:, 1] - f
        return np.column_stack(((e * x - b * y) / (a * e - b * d), (a * y - d * x) / (a * e - b * d)))

    def decimated(self, factor: Fraction | Factors) -> Grid:
        """The grid after a change of resolution by one factor, or one for each axis.

        The top left corner stays where it is and the transform is scaled exactly. Where the size is no
        multiple of the factor, the last row and column reach beyond the image: nothing is cut off.
        """
        a, b, c, d, e, f = self.transform
        each = Factors.of(factor)
        across, down = float(each.across), float(each.down)
        transform = (a * across, b * down, c, d * across, e * down, f)
        return Grid(
            self.crs, transform, math.ceil(self.height / each.down), math.ceil(self.width / each.across)
        )

    def window(self, row: int, column: int, height: int, width: int) -> Grid:
        """A part of the grid; it may reach beyond it."""
        a, b, _, d, e, _ = self.transform
        x, y = self.places(np.asarray(column), np.asarray(row))
        return Grid(self.crs, (a, b, float(x), d, e, float(y)), height, width)


@dataclass(frozen=True)
class Factors:
    """How many stored pixels make one of the model's along each axis, as p / q.

    `q` pixels of the model lie exactly on `p` stored ones.

    across: Along a row of pixels.
    down: Along a column.
    """

    across: Fraction
    down: Fraction

    @classmethod
    def of(cls, factor: Fraction | Factors) -> Factors:
        """The same factor for both axes, where there is one."""
        return factor if isinstance(factor, Factors) else cls(factor, factor)


def factors(grid: Grid, gsd_model_m: float, scale: Literal["mean", "each-axis"]) -> Factors:
    """How the pixels of a grid become those of a model: the one rule for training and prediction.

    Args:
        grid: The pixels as they are stored.
        gsd_model_m: Metres per pixel that the model works at.
        scale: "mean" takes one factor for both axes, by the mean size of a pixel. "each-axis" does so where
            pixels are square on the ground to a tenth. Else the longer side gets its whole factor, and the
            shorter one the simple fraction that makes pixels square: at 70° north pixels in degrees are three
            times as high as wide.

    Raises:
        Invalid: A distance is no positive number, or the imagery is more than 8 times too coarse.
    """
    across, down = grid.pixel_size_m
    whole = decimation(grid.gsd_m, gsd_model_m)
    longer, shorter = max(across, down), min(across, down)
    if scale == "mean" or longer <= _SQUARE * shorter:
        return Factors(whole, whole)
    coarse = decimation(longer, gsd_model_m)
    fine = _simple(longer * float(coarse) / shorter)
    return Factors(fine, coarse) if down > across else Factors(coarse, fine)


def _simple(value: float) -> Fraction:
    """The simplest fraction that is near to a value; the smaller of its numbers is at most 5."""
    if value < 1:
        return 1 / _simple(1 / value)
    found = [Fraction(max(1, round(value * parts)), parts) for parts in range(1, _PARTS + 1)]
    errors = [abs(math.log(float(each) / value)) for each in found]
    near = [each for each, error in zip(found, errors, strict=True) if error < _NEAR]
    return near[0] if near else found[errors.index(min(errors))]


def decimation(gsd_chip_m: float, gsd_model_m: float) -> Fraction:
    """How many pixels of the imagery make one of the model's: the one rule for training and prediction.

    Finer imagery is brought down by a whole number (at least 1), coarser imagery up by one, so that
    pixels of both fall onto each other. Imagery of 0.13 m for a model of 0.26 m gives 2, imagery of
    0.6 m for a model of 0.3 m gives 1/2.

    Raises:
        Invalid: A distance is no positive number, or the imagery is more than 8 times too coarse.
    """
    if not all(math.isfinite(value) and value > 0 for value in (gsd_chip_m, gsd_model_m)):
        raise Invalid(
            f"Ground resolutions are positive metres per pixel, not {gsd_chip_m} and {gsd_model_m}: "
            "check the georeference of the imagery and `gsd` of the model's item"
        )
    if gsd_model_m >= gsd_chip_m:
        return Fraction(max(1, math.floor(gsd_model_m / gsd_chip_m + 0.5)))
    factor = max(1, math.floor(gsd_chip_m / gsd_model_m + 0.5))
    if factor > _COARSEST_UPSAMPLING:
        raise Invalid(
            f"Imagery of {gsd_chip_m:.3g} m per pixel is {factor} times too coarse for a model that works "
            f"at {gsd_model_m:.3g} m: use imagery of at most {_COARSEST_UPSAMPLING * gsd_model_m:.3g} m"
        )
    return Fraction(1, factor)


@lru_cache(maxsize=64)
def repeats_after(crs: str) -> float | None:
    """After how many units eastwards a reference system comes to the same place; None where it never does."""
    if crs == WEB_MERCATOR:
        return 2 * math.pi * 6378137.0
    if crs == LONLAT:
        return antimeridian.TURN
    try:
        known = CRS.from_user_input(crs)
    except ProjError:
        return None
    if known.is_geographic:
        return antimeridian.TURN
    return repeats_after(WEB_MERCATOR) if known.to_epsg() == 3857 else None


def to_lonlat(crs: str, x: Array, y: Array) -> tuple[Array, Array]:
    """Longitudes and latitudes (EPSG:4326 degrees) of map coordinates, in one call; inf where none are."""
    return reproject(crs, LONLAT, x, y)


def reproject(source: str, target: str, x: Array, y: Array) -> tuple[Array, Array]:
    """Bring coordinates from one reference system to another in one call; inf where that is not possible.

    Raises:
        Invalid: One of the systems is not known.
    """
    if source == target:
        return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    reprojected_x, reprojected_y = _transformer(source, target).transform(x, y)
    return np.asarray(reprojected_x), np.asarray(reprojected_y)


def degrees_of(latitudes: Array, east_m: Array, north_m: Array) -> tuple[Array, Array]:
    """Degrees of longitude and of latitude of small distances on the ground, each at its latitude."""
    start = np.zeros_like(latitudes)
    azimuth = np.degrees(np.arctan2(east_m, north_m))
    longitude, latitude, _ = _geod().fwd(start, latitudes, azimuth, np.hypot(east_m, north_m))
    return np.asarray(longitude), np.asarray(latitude) - latitudes


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> Transformer:
    try:
        return Transformer.from_crs(source, target, always_xy=True)
    except ProjError as error:
        raise Invalid(
            f"There is no way from {source} to {target}: {reason_of(error)}. Reproject the data first"
        ) from error


@lru_cache(maxsize=1)
def _geod() -> Geod:
    return Geod(ellps="WGS84")
