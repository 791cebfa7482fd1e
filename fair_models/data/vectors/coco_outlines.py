"""Outlines of COCO annotations: their `segmentation`, which is polygons or a mask in run lengths (RLE).

Polygons are lists of x, y, x, y, … of corners, in pixels from the image's top left corner; an object that is
hidden in part has several. A mask has the lengths of runs of pixels outside and inside in turn, column by
column, as numbers or packed into text. Runs are unpacked here and not by pycocotools, which gives memory that
it never wrote where they are shorter than the image. See
https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from fair_models.data.vectors import geojson, outlines
from fair_models.types import Array

_ZERO = 48
"""The character of 0 in packed runs; each has five bits, and one that says whether the number goes on."""

_BITS, _MORE, _SIGN = 5, 0x20, 0x10
_MOST_CHARACTERS = 7


def is_there(annotation: Any) -> bool:
    """Whether an annotation says an outline, well or badly."""
    return bool(annotation.get("segmentation"))


def outline(segmentation: Any, height: int, width: int) -> tuple[Polygon | MultiPolygon | None, list[str]]:
    """A valid outline in pixels of an image: x to the right, y down, whole numbers are corners of pixels.

    Args:
        segmentation: As COCO has it.
        height: Rows of the image.
        width: Columns.

    Returns:
        The outline with "repaired" where it crossed itself; of a mask, the edges of its pixels. Or None with
        the one reason, "malformed" or "without_area".
    """
    if isinstance(segmentation, dict):
        mask = _mask(segmentation, height, width)
        return (None, ["malformed"]) if mask is None else _around(*mask)
    found, happened = geojson.shape({"type": "MultiPolygon", "coordinates": _polygons(segmentation)})
    if found is None:
        return None, happened
    if not shapely.is_valid(found):
        parts = shapely.get_parts([found])
        is_valid = shapely.is_valid(parts)
        happened = [] if is_valid.all() else ["repaired"]
        parts[~is_valid] = [outlines.mended(part) for part in parts[~is_valid]]
        found = outlines.polygonal(shapely.union_all(parts))  # parts may overlap: what any of them covers
    return (found, happened) if found.area > 0 else (None, ["without_area"])


def _polygons(segmentation: Any) -> Any:
    """The same polygons as GeoJSON has them; what is no list of numbers stays what it is, and is refused."""
    if not isinstance(segmentation, list):
        return None
    return [[_ring(flat)] for flat in segmentation]


def _ring(flat: Any) -> Any:
    if not isinstance(flat, list) or len(flat) % 2:
        return None
    corners = [list(pair) for pair in zip(flat[::2], flat[1::2], strict=True)]
    return [*corners, corners[0]] if corners else corners


def _mask(found: dict[str, Any], height: int, width: int) -> tuple[Array, int] | None:
    """The columns of a mask that have any of it, shape (height, columns), and which is the first of them.

    None where its runs are malformed, or do not fill the image.
    """
    runs = _runs(found.get("counts"))
    if found.get("size") != [height, width] or runs is None or int(runs.sum()) != height * width:
        return None
    ends = np.cumsum(runs)
    starts = ends - runs
    inside = np.flatnonzero((np.arange(len(runs)) % 2 == 1) & (runs > 0))
    if not len(inside):
        return np.zeros((height, 0), np.uint8), 0
    first = int(starts[inside[0]]) // height
    last = -(-int(ends[inside[-1]]) // height)
    kept = np.minimum(ends, last * height) - np.maximum(starts, first * height)
    pixels = np.repeat(np.arange(len(runs)) % 2 == 1, np.maximum(kept, 0))
    return pixels.reshape(last - first, height).T.astype(np.uint8), first


def _runs(counts: Any) -> Array | None:
    """Lengths of runs, outside first; None where they are malformed."""
    if isinstance(counts, str):
        return _unpacked(counts)
    if not isinstance(counts, list) or not all(type(one) is int and 0 <= one < 2**40 for one in counts):
        return None
    return np.array(counts, np.int64)


def _unpacked(text: str) -> Array | None:
    """Runs that are packed: from the 4th on, each is written as what it is more than the last but one."""
    try:
        values = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - _ZERO
    except UnicodeEncodeError:
        return None
    is_last = (values & _MORE) == 0
    if not len(values) or not is_last[-1] or values.min() < 0 or values.max() >= 2 * _MORE:
        return None
    ends = np.flatnonzero(is_last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > _MOST_CHARACTERS:
        return None
    place = np.arange(len(values)) - np.repeat(starts, lengths)
    runs = np.add.reduceat((values & (_MORE - 1)) << (_BITS * place), starts)
    runs -= np.where(values[ends] & _SIGN, np.int64(1) << (_BITS * lengths), 0)
    for first in (1, 2):
        runs[first::2] = np.cumsum(runs[first::2])
    return runs if runs.min() >= 0 else None


def _around(mask: Array, first: int) -> tuple[Polygon | MultiPolygon | None, list[str]]:
    """The edges of the pixels of a mask whose first column has this number; regions share sides."""
    from rasterio.features import shapes

    if not mask.any():
        return None, ["without_area"]
    found = [shapely.geometry.shape(region) for region, value in shapes(mask, connectivity=4) if value]
    whole = MultiPolygon(found) if len(found) > 1 else found[0]
    moved = shapely.transform(whole, lambda places: places + np.array((first, 0)))
    return (moved if moved.is_valid else outlines.mended(moved)), []  # a ring may touch itself at a corner
