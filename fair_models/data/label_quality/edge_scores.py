"""How well outlines fit the edges of imagery when they are shifted.

For each label and each shift, the gradient of the imagery across the outline (along its normal) is summed
with its sign around the outline. A roof that is brighter or darker than the ground around it gives a large
sum where the outline lies on its edge; other edges cancel out. The score is the squared sum by the energy of
the gradients, which is a squared normalised correlation: it does not depend on contrast.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
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

_FEWEST_POINTS = 8

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
        By label: the score of each shift of it, float32 in [0, 1], shape (north, east) of `SHIFTS_M`; what
        the shift is by goes north with the rows. A label with too little outline on the imagery has none.
    """
    across_m, down_m = grid.pixel_size_m
    factor = Factors(*(Fraction(max(1, math.floor(_WORKING_M / each + 0.5))) for each in (across_m, down_m)))
    small, seen = resample(pixels, valid, factor)
    working = grid.decimated(factor)
    axes_m = working.axes_m
    pixel_m = math.sqrt(abs(np.linalg.det(axes_m)))
    if not pixel_m <= COARSEST_M:
        return {}
    reach = math.ceil(np.abs(np.linalg.inv(axes_m)).sum(axis=1).max() * SEARCHED_M) + 1
    outlines, _ = known.around(grid)
    points = {int(index): _points(outlines[index], working) for index in indices}
    sums: dict[int, list[tuple[int, Array]]] = {}
    for block, core in _blocks(seen.shape, reach):
        fields = _fields(small[:, *block], seen[block], pixel_m, reach)
        for index, (places, normals) in points.items():
            inside = ((places >= core[0]) & (places < core[1])).all(axis=1)
            if inside.any():
                at = np.floor(places[inside] - (block[1].start, block[0].start)).astype(int)
                found = _score(fields, at, normals[inside], reach)
                if found is not None:
                    sums.setdefault(index, []).append((int(inside.sum()), found))
    return {index: _in_metres(_mean(parts), axes_m, reach) for index, parts in sums.items()}


def _points(outline: shapely.Geometry, grid: Grid) -> tuple[Array, Array]:
    """Points along an outline in pixels (column, row), and the unit normals there, both of shape (n, 2)."""
    places, normals = [np.empty((0, 2))], [np.empty((0, 2))]
    for ring in shapely.get_rings(shapely.orient_polygons([outline])):  # the interior is always on the left
        corners = grid.pixels(shapely.get_coordinates(ring))
        sides = np.diff(corners, axis=0)
        lengths = np.hypot(*sides.T)
        long = lengths > 0
        corners, sides, lengths = corners[:-1][long], sides[long], lengths[long]
        counts = np.maximum(1, np.rint(lengths / _POINTS_PX).astype(int))
        side = np.repeat(np.arange(len(counts)), counts)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        along = (np.arange(len(side)) - first + 0.5) / counts[side]
        places.append(corners[side] + along[:, None] * sides[side])
        normals.append(np.column_stack([sides[:, 1], -sides[:, 0]])[side] / lengths[side, None])
    return np.concatenate(places), np.concatenate(normals)


def _blocks(shape: tuple[int, ...], reach: int) -> Iterator[tuple[tuple[slice, slice], Array]]:
    """Windows of a picture with `reach` pixels around, and the first and last place (column, row) of each."""
    height, width = shape
    for top in range(0, height, _BLOCK_PX):
        for left in range(0, width, _BLOCK_PX):
            bottom, right = min(height, top + _BLOCK_PX), min(width, left + _BLOCK_PX)
            block = (
                slice(max(0, top - reach), min(height, bottom + reach)),
                slice(max(0, left - reach), min(width, right + reach)),
            )
            yield block, np.array([(left, top), (right, bottom)])


def _fields(pixels: Array, valid: Array, pixel_m: float, reach: int) -> tuple[Array, Array, Array]:
    """Gradients by local contrast, shape (bands, 2, height, width), their energy, and where they are known.

    All are padded by `reach` pixels.
    """
    bands = pixels.astype(np.float32)
    across, down = (
        np.stack(
            [
                ndimage.gaussian_filter(band, _SIGMA_PX, order=order, mode="nearest", truncate=3.0)
                for band in bands
            ]
        )
        for order in ((0, 1), (1, 0))
    )
    is_known = ndimage.binary_erosion(valid, iterations=round(2 * _SIGMA_PX), border_value=0)
    energy = (across**2 + down**2).sum(axis=0)
    size = max(1, round(_CONTRAST_M / pixel_m))
    contrast = np.sqrt(ndimage.uniform_filter(energy, size)) + _FLAT
    gradients = np.stack([across, down], axis=1) / contrast * is_known
    around = ((reach, reach), (reach, reach))
    return (
        np.pad(gradients, ((0, 0), (0, 0), *around)),
        np.pad(energy / contrast**2 * is_known, around),
        np.pad(is_known.astype(np.float32), around),
    )


def _score(fields: tuple[Array, Array, Array], at: Array, normals: Array, reach: int) -> Array | None:
    """Score of each shift in pixels, shape (down, across); None where too little of the outline is seen."""
    size = 2 * reach + 1
    column, row = at.T
    gradients, energy, is_known = (sliding_window_view(each, (size, size), axis=(-2, -1)) for each in fields)
    weights = normals.astype(np.float32)
    count = is_known[row, column].sum(axis=0)
    if count[reach, reach] < _FEWEST_POINTS:
        return None
    total = energy[row, column].sum(axis=0)
    fit = np.zeros_like(total)
    for across, down in gradients:
        fit += (
            np.tensordot(weights[:, 0], across[row, column], 1)
            + np.tensordot(weights[:, 1], down[row, column], 1)
        ) ** 2
    enough = count >= max(_FEWEST_POINTS, len(at) / 2)
    return np.where(enough, fit / np.maximum(count * (total + _ENERGY * count), 1e-6), 0)


def _mean(parts: list[tuple[int, Array]]) -> Array:
    weights, found = zip(*parts, strict=True)
    return np.average(found, axis=0, weights=weights)


def _in_metres(found: Array, axes_m: Array, reach: int) -> Array:
    """Scores of shifts in pixels as those of shifts in metres."""
    north, east = np.meshgrid(SHIFTS_M, SHIFTS_M, indexing="ij")
    across, down = np.tensordot(np.linalg.inv(axes_m), np.stack([east, north]), 1)
    at = [down + reach, across + reach]
    return np.asarray(ndimage.map_coordinates(found.astype(np.float32), at, order=1))
