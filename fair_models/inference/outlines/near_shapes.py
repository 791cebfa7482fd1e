"""Shapes of objects near to each other: simplified together, so that none comes to lie on another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fair_models.inference.outlines import right_angles
from fair_models.inference.outlines.arcs import Arcs, Mesh, mesh_of, with_short_edges
from fair_models.inference.outlines.regions import Regions
from fair_models.inference.request import OutlineParams
from fair_models.types import Array

MAX_MOVE_PX = 8
"""How far outlines of objects move at most, in pixels: else too many would be neighbours."""

NOT_REGULAR = "not_regularised"
REMARKS = {
    NOT_REGULAR: "outlines share an edge with a neighbour and got no right angles, which would open gaps "
    "between them"
}
"""What the counts of outlines mean that people are told of."""


Place = Callable[[Array], Array]
"""Brings shapes in pixels to where they are written, shape (n,) to (n,)."""


def near_px(params: OutlineParams, pixel_m: tuple[float, float]) -> int | None:
    """How many pixels lie between objects, at most, whose outlines may meet when both have moved.

    Args:
        params: What is done to outlines.
        pixel_m: Width and height of a pixel on the ground, in metres.

    Returns:
        None where outlines stay where they are.
    """
    if not (params.simplify_m or params.regularise):
        return None
    return int(2 * _move_m(params, pixel_m) / min(pixel_m) + 0.1)  # a little more: places are rounded


def shaped(
    regions: Regions,
    group: Array,
    pixel_m: tuple[float, float],
    params: OutlineParams,
    place: Place = lambda shapes: shapes,
) -> tuple[Array, int]:
    """Outlines of objects as they are asked for. Those of neighbours keep sharing their edges.

    No outline moves further than the tolerance, or `MAX_MOVE_PX` where that is less. One that would become
    invalid or lie on another one keeps the edges of its pixels. Only outlines that share no edge get right
    angles.

    Args:
        regions: Objects of whole groups, n > 0.
        group: Number of the group of each, in ascending order, int64, shape (n,).
        pixel_m: Width and height of a pixel on the ground, in metres.
        params: What is done.
        place: Brings shapes to where they are written. What is rounded there counts: it may bring a vertex
            to the other side of an edge.

    Returns:
        Polygons in pixels, shape (n,), in the same order; and how many got no right angles because they share
        an edge.
    """
    mesh = mesh_of(regions.outlines, group)
    if params.simplify_m:
        tolerance_m = min(params.simplify_m, _move_m(params, pixel_m))
        arcs = _simplified(mesh, regions.classes, tolerance_m, np.array(pixel_m), place)
    else:
        arcs = mesh.arcs.with_short_edges()
    made = mesh.outlines(arcs)
    if not params.regularise:
        return made, 0
    shared = mesh.shared
    return _regular(made, regions, ~shared, pixel_m, params, place), int(shared.sum())


def _move_m(params: OutlineParams, pixel_m: tuple[float, float]) -> float:
    """How far outlines may move, in metres."""
    asked = params.simplify_m
    if params.regularise:
        asked = max(asked, right_angles.TOLERANCE_PX * max(pixel_m))
    return min(asked, MAX_MOVE_PX * min(pixel_m))


def _simplified(mesh: Mesh, classes: Array, tolerance_m: float, scale: Array, place: Place) -> Arcs:
    """Arcs with fewer vertices, as few as leave polygons what they were.

    Each arc is simplified alone. Where that makes a polygon wrong, its arcs are simplified with half of the
    tolerance, and where even that does, they stay as they are.
    """
    exact = mesh.arcs.times(scale)
    arcs = exact.simplified(tolerance_m).times(1 / scale).with_short_edges()
    halved, kept, half = np.zeros(len(arcs), bool), np.zeros(len(arcs), bool), None
    while True:
        again = np.zeros(len(arcs), bool)
        again[mesh.used[_wrong(mesh, arcs, classes, place)[mesh.polygon_of_use]]] = True
        again &= ~kept
        if not again.any():
            return arcs
        kept |= again & halved
        halved |= again
        half = half or exact.simplified(tolerance_m / 2)
        less = exact.where(kept, half)
        arcs = less.times(1 / scale).with_short_edges().where(again, arcs)


def _wrong(mesh: Mesh, arcs: Arcs, classes: Array, place: Place) -> Array:
    """Which polygons arcs do not make as they should: flat, invalid, or on another one of their class."""
    import shapely

    flat = mesh.ring_sizes(arcs) < 3
    if flat.any():
        ring_polygon = np.repeat(np.arange(len(classes)), np.diff(mesh.polygons))
        made = np.zeros(len(classes), bool)
        made[ring_polygon[flat]] = True
        return made
    outlines = place(mesh.outlines(arcs))
    return np.asarray(~shapely.is_valid(outlines) | _on_others(outlines, classes))


def _on_others(outlines: Array, classes: Array) -> Array:
    """Which polygons overlap another one of their class, or share an edge with it only in part.

    Of a polygon inside of another one GEOS names the edges of the inner one alone, and the outer one may be
    what moved.
    """
    import shapely

    found = np.zeros(len(outlines), bool)
    for index in np.unique(classes):
        own = np.flatnonzero(classes == index)
        wrong = own[~shapely.is_empty(shapely.coverage_invalid_edges(outlines[own]))]
        found[wrong] = True
        sound = wrong[shapely.is_valid(outlines[wrong])]
        _, outer = shapely.STRtree(outlines[own]).query(outlines[sound], predicate="covered_by")
        found[own[outer]] = True
    return found


def _regular(
    outlines: Array,
    regions: Regions,
    free: Array,
    pixel_m: tuple[float, float],
    params: OutlineParams,
    place: Place,
) -> Array:
    """Right angles for those that are free to have them, as long as they stay clear of the others."""
    import shapely

    scale, move_m = np.array(pixel_m), _move_m(params, pixel_m)
    tolerance_m = max(params.simplify_m, right_angles.TOLERANCE_PX * max(pixel_m))
    exact, own = _scaled(regions.outlines[free], scale), np.flatnonzero(free)
    regular, changed = right_angles.regularise(exact, tolerance_m)
    changed[changed] = shapely.covers(shapely.buffer(exact[changed], move_m), regular[changed])
    made = outlines.copy()
    own = own[changed]
    made[own] = with_short_edges(_scaled(regular[changed], 1 / scale))
    while len(own):
        wrong = np.isin(own, np.flatnonzero(_on_others(place(made), regions.classes)))
        if not wrong.any():
            break
        made[own[wrong]] = outlines[own[wrong]]
        own = own[~wrong]
    return made


def _scaled(shapes: Array, scale: Array) -> Array:
    import shapely

    return np.asarray(shapely.transform(shapes, lambda places: places * scale))
