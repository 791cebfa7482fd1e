"""The area that was looked at: chips and labels beyond it do not belong to a dataset.

A chip over the area's edge is kept whole, so that what lies there is seen as it is; the ground outside is
kept beside the labels (`Labels.outside`), for nobody knows what is there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from fair_models.data.images import antimeridian
from fair_models.data.images.chips import Chip
from fair_models.data.vectors import labels
from fair_models.data.vectors.labels import Labels

Outline: TypeAlias = "Polygon | MultiPolygon"
"""An area in longitude and latitude, cut at the antimeridian."""

_LONGEST_EDGE = 1e-3
"""Degrees, about 100 m: over this length straight lines of degrees bend by less than a millimetre in other
projections."""

_LEAST_SHARE = 1e-6
"""Of a chip: what is smaller is how numbers were rounded, a fifteenth of a pixel of 256 x 256."""


def chips_in(chips: Sequence[Chip], area: Outline) -> list[Chip]:
    """Those of some chips that have ground in common with an area, in their order."""
    shapely.prepare(area)
    return [chip for chip in chips if _share(area, chip.grid.footprint) > _LEAST_SHARE]


def labels_in(known: Labels, area: Outline) -> Labels:
    """Those of some labels that have ground in common with an area, whole, in their order."""
    shapely.prepare(area)
    outlines = antimeridian.normal(known.outlines)
    shared = shapely.intersects(area, outlines) & ~shapely.touches(area, outlines)
    return known.select(np.flatnonzero(shared))


def outside(chips: Sequence[Chip], area: Outline) -> Labels:
    """The ground of chips that lies outside of an area, chip by chip.

    Args:
        chips: The chips.
        area: The area.
    """
    shapely.prepare(area)
    return labels.of_outlines([part for chip in chips for part in _outside(chip.grid.footprint, area)])


def _outside(footprint: Polygon, area: Outline) -> Iterator[Outline]:
    if shapely.covers(area, footprint):
        return
    rest = shapely.difference(footprint, antimeridian.part_in(area, footprint))
    parts = [part for part in shapely.get_parts([rest]) if part.geom_type == "Polygon"]
    for part in parts:
        if part.area > _LEAST_SHARE * footprint.area:
            yield antimeridian.cut(shapely.segmentize(part, _LONGEST_EDGE))


def _share(area: Outline, footprint: Polygon) -> float:
    """Which part of a footprint lies in an area, 0 to 1."""
    if shapely.covers(area, footprint):
        return 1.0
    shared = antimeridian.part_in(area, footprint)
    return 0.0 if shared.is_empty or not math.isfinite(shared.area) else shared.area / footprint.area
