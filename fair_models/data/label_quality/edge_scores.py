"""How well outlines fit the edges of imagery when they are shifted.

For each label and each shift, the gradient of the imagery across the outline (along its normal) is summed
with its sign around the outline. A roof that is brighter or darker than the ground around it gives a large
sum where the outline lies on its edge; other edges cancel out. The score is the squared sum by the energy of
the gradients, which is a squared normalised correlation: it does not depend on contrast.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import shapely
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from fair_models.data.images.grid import Factors, Grid
from fair_models.data.images.resampling import resample
from fair_models.data.label_quality.registration import SEARCHED_M
from fair_models.data.vectors.labels import Labels
from fair_models.types import Array

STEP_M = 0.5
"""Shifts are scored at multiples of it."""

SHIFTS_M = np.arange(-round(SEARCHED_M / STEP_M), round(SEARCHED_M / STEP_M) + 1) * STEP_M
"""The shifts along either axis, in metres."""

COARSEST_M = 1.5
"""Metres per pixel of the coarsest imagery in which edges are looked for."""

_WORKING_M = 0.5
"""Imagery is averaged to about this: finer detail is texture."""

_SIGMA_PX, _POINTS_PX = 1.0, 1.5
"""Width of the filter that takes gradients, and distance of points along an outline, in pixels."""

_CONTRAST_M = 20.0
"""Gradients are relative to their mean size over a square of this width: shade and haze weigh nothing."""

_FLAT = 2.0
"""Grey levels per pixel below which a gradient is noise."""

_ENERGY = 0.1
"""Energy that is taken to be everywhere, by pixel, so that flat ground scores nothing."""

_FEWEST_POINTS, _MOST_POINTS = 8, 2000
"""Points of an outline on a block: with fewer there is no score, of more some are taken evenly."""

_RIGHT_ANGLED = 0.5
"""How far the sides of an outline have two directions at a right angle: 1 all, 0 none, as of a circle."""

_BLOCK_PX = 1024
"""Larger chips are worked on in blocks of this size."""


def scores(known: Labels, indices: Array, grid: Grid, pixels: Array, valid: Array) -> Mapping[int, Array]:
    """Score shifts of some labels on one chip.

    Args:
        known: The labels.
        indices: Which of them to score; they touch the chip.
        grid: Where the pixels lie.
        pixels: uint8, shape (bands, height, width).
        valid: Which are imagery, bool, shape (height, width).

    Returns:
        By label: the score of each shift, float32 in [0, 1], shape (shifts, shifts) of `SHIFTS_M`; rows go
        north, columns east. A label with too little outline on the imagery has none.
    """
    across_m, down_m = grid.pixel_size_m
    factor = Factors(*(Fraction(max(1, math.floor(_WORKING_M / each + 0.5))) for each in (across_m, down_m)))
    small, seen = resample(pixels, valid, factor)
    working = grid.decimated(factor)
    axes_m = working.axes_m
    pixel_m = math.sqrt(abs(np.linalg.det(axes_m)))
    if not len(indices) or not pixel_m <= COARSEST_M:
        return {}
    reach = math.ceil(np.abs(np.linalg.inv(axes_m)).sum(axis=1).max() * SEARCHED_M) + 1
    outlines, _ = known.around(grid)
    points = _points(outlines[indices], working)
    found: dict[int, list[Array]] = {}
    for block, start, end in _blocks(seen.shape, reach):
        fields = _fields(small[:, *block], seen[block], pixel_m, reach)
        inside = points.within(start, end)
        for label in np.unique(inside.labels):
            own = inside.of(label)
            at = np.floor(own.places).astype(int) - (block[1].start, block[0].start)
            score = _score(fields, at, own.normals, reach)
            if score is not None:
                found.setdefault(int(indices[label]), []).append(_in_metres(score, axes_m, reach))
    return {label: np.mean(parts, axis=0) for label, parts in found.items()}


def are_right_angled(outlines: Array, grid: Grid) -> Array:
    """Which outlines have sides at right angles, as those of roofs do, bool, shape (n,).

    Edges of crowns, waters and fields are not so sharp, and shade beside a crown looks like a part of it:
    such outlines fit best where they lie half on the shade.

    Args:
        outlines: Polygons and multipolygons in the reference system of a grid.
        grid: A grid near to them.
    """
    rings, of = shapely.get_rings(outlines, return_index=True)
    corners, ring = shapely.get_coordinates(rings, return_index=True)
    sides = np.diff(grid.pixels(corners) @ grid.axes_m.T, axis=0)
    lengths = np.hypot(*sides.T) * (np.diff(ring) == 0)
    four_times = 4 * np.arctan2(sides[:, 1], sides[:, 0])
    along, across, whole = (
        np.bincount(of[ring[:-1]], lengths * each, len(outlines))
        for each in (np.cos(four_times), np.sin(four_times), np.ones_like(lengths))
    )
    return np.asarray(np.hypot(along, across) >= _RIGHT_ANGLED * whole)


@dataclass(frozen=True)
class _Points:
    """Points along outlines: in pixels (column, row), unit normals to the outside, and of which they are."""

    places: Array
    normals: Array
    labels: Array

    def _only(self, chosen: Array) -> _Points:
        return _Points(self.places[chosen], self.normals[chosen], self.labels[chosen])

    def within(self, start: tuple[int, int], end: tuple[int, int]) -> _Points:
        """Those in a rectangle."""
        inside = (self.places >= start) & (self.places < end)
        return self._only(np.asarray(inside.all(axis=1)))

    def of(self, label: int) -> _Points:
        """Those of one outline, of too many some; points of an outline follow each other."""
        first, last = np.searchsorted(self.labels, [label, label + 1])
        return self._only(np.arange(first, last)[:: 1 + (last - first) // _MOST_POINTS])


def _points(outlines: Array, grid: Grid) -> _Points:
    # Once they are oriented, and seen with rows that go south, the outside is on one side of all rings.
    oriented = shapely.orient_polygons(outlines)
    rings, label = shapely.get_rings(oriented, return_index=True)
    corners, ring = shapely.get_coordinates(rings, return_index=True)
    corners = grid.pixels(corners)
    outwards = 1.0 if np.linalg.det(np.reshape(grid.transform, (2, 3))[:, :2]) < 0 else -1.0
    starts, sides, ring = corners[:-1], np.diff(corners, axis=0), np.where(np.diff(ring) == 0, ring[:-1], -1)
    first, last = _inside(starts, sides, grid)
    is_side = (ring >= 0) & (last > first) & sides.any(axis=1)
    starts, sides, ring, first, last = (each[is_side] for each in (starts, sides, ring, first, last))
    lengths = np.hypot(*sides.T)
    counts = np.maximum(1, np.rint((last - first) * lengths / _POINTS_PX).astype(int))
    side = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(side)) - np.repeat(np.cumsum(counts) - counts, counts)
    along = first[side] + (last - first)[side] * (number + 0.5) / counts[side]
    normals = outwards * np.column_stack([-sides[:, 1], sides[:, 0]]) / lengths[:, None]
    return _Points(starts[side] + along[:, None] * sides[side], normals[side], label[ring[side]])


def _inside(starts: Array, sides: Array, grid: Grid) -> tuple[Array, Array]:
    """Where sides come onto a grid and leave it, as parts of their length; last < first where they never do.

    The clipping of lines by Liang and Barsky (1984). Outlines of regions go far beyond a chip.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = -starts / sides, ((grid.width, grid.height) - starts) / sides
    still = sides == 0
    inside = (starts >= 0) & (starts < (grid.width, grid.height))
    enter = np.where(still, np.where(inside, 0.0, 1.0), np.minimum(low, high))
    leave = np.where(still, np.where(inside, 1.0, 0.0), np.maximum(low, high))
    return np.asarray(enter.max(axis=1).clip(0)), np.asarray(leave.min(axis=1).clip(max=1))


def _blocks(
    shape: tuple[int, ...], reach: int
) -> Iterator[tuple[tuple[slice, slice], tuple[int, int], tuple[int, int]]]:
    """Windows of a picture with `reach` pixels around, and where (column, row) each begins and ends."""
    height, width = shape
    for top in range(0, height, _BLOCK_PX):
        for left in range(0, width, _BLOCK_PX):
            bottom, right = min(height, top + _BLOCK_PX), min(width, left + _BLOCK_PX)
            block = (
                slice(max(0, top - reach), min(height, bottom + reach)),
                slice(max(0, left - reach), min(width, right + reach)),
            )
            yield block, (left, top), (right, bottom)


def _fields(pixels: Array, valid: Array, pixel_m: float, reach: int) -> tuple[Array, Array]:
    """Gradients of each band across and down, by local contrast; and their energy, and where they are known.

    Shapes (bands, 2, height, width) and (2, height, width), padded by `reach` pixels, as windows of all
    shifts: two more axes at the end.
    """
    bands = pixels.astype(np.float32)
    across, down = (
        np.stack([ndimage.gaussian_filter(band, _SIGMA_PX, order=order, truncate=3.0) for band in bands])
        for order in ((0, 1), (1, 0))
    )
    is_known = ndimage.binary_erosion(valid, iterations=round(2 * _SIGMA_PX), border_value=0)
    energy = (across**2 + down**2).sum(axis=0)
    size = max(1, round(_CONTRAST_M / pixel_m))
    contrast = np.sqrt(ndimage.uniform_filter(energy, size).clip(0)) + _FLAT
    gradients = np.stack([across, down], axis=1) / contrast * is_known
    others = np.stack([energy / contrast**2 * is_known, is_known.astype(np.float32)])
    around = ((reach, reach), (reach, reach))
    window = (2 * reach + 1, 2 * reach + 1)
    return (
        sliding_window_view(np.pad(gradients, ((0, 0), (0, 0), *around)), window, axis=(2, 3)),
        sliding_window_view(np.pad(others, ((0, 0), *around)), window, axis=(1, 2)),
    )


def _score(fields: tuple[Array, Array], at: Array, normals: Array, reach: int) -> Array | None:
    """Score of each shift in pixels, shape (down, across); None where too little of the outline is seen."""
    gradients, others = fields
    column, row = at.T
    energy, count = (each[row, column].sum(axis=0) for each in others)
    if count[reach, reach] < _FEWEST_POINTS:
        return None
    weights = normals.astype(np.float32)
    fit = np.zeros_like(energy)
    for across, down in gradients:
        fit += (
            np.tensordot(weights[:, 0], across[row, column], 1)
            + np.tensordot(weights[:, 1], down[row, column], 1)
        ) ** 2
    enough = count >= max(_FEWEST_POINTS, len(at) / 2)
    return np.asarray(enough * fit / np.maximum(count * (energy + _ENERGY * count), 1e-6))


def _in_metres(found: Array, axes_m: Array, reach: int) -> Array:
    """Scores of shifts in pixels as those of shifts in metres."""
    north, east = np.meshgrid(SHIFTS_M, SHIFTS_M, indexing="ij")
    across, down = np.tensordot(np.linalg.inv(axes_m), np.stack([east, north]), 1)
    at = [down + reach, across + reach]
    return np.asarray(ndimage.map_coordinates(found.astype(np.float32), at, order=3))
