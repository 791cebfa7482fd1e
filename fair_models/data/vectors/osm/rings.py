"""Multipolygons of the ways that are their edges, as relations of OpenStreetMap have them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from fair_models.data.vectors.outlines import polygonal
from fair_models.types import Array

INNER = "inner"
"""Role of a way around a hole. Any other role is that of an outer edge."""


def assembled(ways: Sequence[tuple[str, Array]]) -> Polygon | MultiPolygon | None:
    """The area of a multipolygon.

    Rings may consist of several ways, holes may touch each other, and islands may lie in holes.

    Args:
        ways: Role of each, and its positions, shape (n, 2).

    Returns:
        The area; None where the ways of a role do not close to rings.
    """
    found = []
    for is_inner in (False, True):
        lines = [shapely.linestrings(line) for role, line in ways if (role == INNER) is is_inner]
        if not lines:
            continue
        faces, cuts, dangles, invalid = shapely.polygonize_full(lines)
        if any(len(shapely.get_parts(rest)) for rest in (cuts, dangles, invalid)):
            return None
        found += [Polygon(face.exterior) for face in shapely.get_parts(faces)]
    if not found:
        return None
    # What lies in one ring is area, in two a hole, in three an island of a hole.
    area = polygonal(shapely.symmetric_difference_all(np.array(found, dtype=object)))
    return None if area.is_empty else area
