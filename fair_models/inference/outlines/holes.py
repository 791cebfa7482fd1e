"""Holes of outlines that are filled, unless another object lies in them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from fair_models.types import Array


@dataclass(frozen=True)
class Places:
    """Where objects are: a pixel of each.

    columns, rows: The pixel, int64, shape (n,).
    classes: Index of the object's class.
    """

    columns: Array
    rows: Array
    classes: Array

    def select(self, keep: Array) -> Places:
        """Those that a boolean mask or an array of indices names."""
        return Places(*(getattr(self, each.name)[keep] for each in fields(self)))

    def joined(self, other: Places) -> Places:
        """These, and then the others."""
        return Places(
            *(np.concatenate((getattr(self, each.name), getattr(other, each.name))) for each in fields(self))
        )


def nowhere() -> Places:
    """No places."""
    return Places(*(np.empty(0, np.int64) for _ in fields(Places)))


def filled(outlines: Array, classes: Array, places: Places) -> Array:
    """Outlines without their holes; those that hold an object of their class stay.

    Args:
        outlines: Shapely polygons in pixels, shape (n,).
        classes: Index of each one's class, int64, shape (n,).
        places: All objects that may lie in a hole.
    """
    import shapely

    made = np.array(outlines)
    with_holes = np.flatnonzero(shapely.get_num_interior_rings(outlines))
    if not len(with_holes):
        return made
    rings, owner = shapely.get_rings(outlines[with_holes], return_index=True)
    outer = np.append(True, owner[1:] != owner[:-1])
    holes, owner = rings[~outer], owner[~outer]
    points = shapely.points(places.columns + 0.5, places.rows + 0.5)
    point, hole = shapely.STRtree(shapely.polygons(holes)).query(points, predicate="within")
    same = places.classes[point] == classes[with_holes][owner[hole]]
    kept = np.unique(hole[same])
    made[with_holes] = shapely.polygons(rings[outer])
    for polygon in np.unique(owner[kept]).tolist():
        inside = holes[kept[owner[kept] == polygon]]
        made[with_holes[polygon]] = shapely.polygons(rings[outer][polygon], list(inside))
    return made
