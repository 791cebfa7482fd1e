"""Right angles for outlines that have them: most roofs, no ponds.

The edges of a simplified outline vote for its main direction; those near it or across it are turned into it
about their middles, and corners lie where they meet again. What would change the shape much stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fair_models.types import Array

TOLERANCE_PX = 1.5
"""How far the stairs of a slanted edge are off its line, in pixels, with what a network adds of its own."""

MIN_IOU = 0.85
"""An outline whose regular form agrees less with it is left alone: a circle and its square reach 0.83."""

_NEAR = np.radians(20)
_MIN_SHARE = 0.75
"""Part of the outline's length that must lie near the main direction or across it."""

_POLYGON = 3
"""Shapely's number of the type."""

_MAX_CORNERS = 200
"""Outlines with more corners are no single roof."""


def regularise(shapes: Array, tolerance_m: float) -> tuple[Array, Array]:
    """Give polygons right angles where their shape has them.

    Args:
        shapes: Valid shapely polygons in metres, shape (n,).
        tolerance_m: How far edges are expected to be off, in metres; shorter steps are evened out.

    Returns:
        The polygons, those changed that could be; and which were, bool, both of shape (n,).
    """
    import shapely

    simple = shapely.simplify(shapes, tolerance_m, preserve_topology=True)
    regular = np.array([_regular(shape, tolerance_m) for shape in simple], dtype=object)
    usable = shapely.is_valid(regular) & (shapely.get_type_id(regular) == _POLYGON)
    usable &= ~shapely.is_empty(regular)
    usable[usable] = _agree(shapes[usable], regular[usable])
    return np.where(usable, regular, shapes), usable


def _agree(shapes: Array, regular: Array) -> Array:
    import shapely

    both = shapely.area(shapely.intersection(shapes, regular))
    return np.asarray(both >= MIN_IOU * (shapely.area(shapes) + shapely.area(regular) - both))


def _regular(shape: Any, tolerance_m: float) -> Any:
    """The polygon of a simplified one with right angles; None where it has no main direction."""
    import shapely

    rings = [shapely.get_coordinates(ring)[:-1] for ring in shapely.get_rings(shape)]
    if not rings or sum(len(ring) for ring in rings) > _MAX_CORNERS:
        return None
    direction = _main_direction(rings)
    if direction is None:
        return None
    turn = np.array([[np.cos(direction), -np.sin(direction)], [np.sin(direction), np.cos(direction)]])
    made = [_squared(ring @ turn, tolerance_m) for ring in rings]
    if any(ring is None for ring in made):
        return None
    outer, *holes = [ring @ turn.T for ring in made if ring is not None]
    return shapely.Polygon(outer, holes)


def _main_direction(rings: list[Array]) -> float | None:
    """The angle that most of the outline lies along or across, in radians within a quarter turn."""
    sides = np.concatenate([np.roll(ring, -1, axis=0) - ring for ring in rings])
    lengths, angles = np.hypot(*sides.T), np.arctan2(sides[:, 1], sides[:, 0])
    # Four times the angle makes along and across the same.
    votes = (lengths * np.clip(np.cos(4 * (angles - angles[:, None])), 0, None)).sum(axis=1)
    near = _off(angles, angles[votes.argmax()]) <= _NEAR
    if lengths[near].sum() < _MIN_SHARE * lengths.sum():
        return None
    return float(np.angle((lengths[near] ** 2 * np.exp(4j * angles[near])).sum()) / 4)


def _off(angles: Array, direction: float) -> Array:
    """How far angles are from a direction or across it, in radians, at most an eighth of a turn."""
    return np.asarray(np.abs(np.angle(np.exp(4j * (angles - direction)))) / 4)


def _squared(ring: Array, tolerance_m: float) -> Array | None:
    """Corners of a ring whose sides are level and upright in turn, shape (n, 2); None where it is flat."""
    sides = _sides(ring)
    first = next((at for at, side in enumerate(sides) if side.level != sides[at - 1].level), None)
    if first is None:
        return None
    kept: list[_Side] = []
    for side in sides[first:] + sides[:first]:
        before = kept[-1] if kept else None
        if before is None or before.level != side.level:
            kept.append(side)
        elif abs(before.place - side.place) <= tolerance_m:
            kept[-1] = before.joined(side)
        else:
            kept += [_Side(not side.level, side.start, 0.0, 0.0), side]
    pairs = zip(kept, kept[1:] + kept[:1], strict=True)
    corners = [(two.place, one.place) if one.level else (one.place, two.place) for one, two in pairs]
    return np.array(corners) if len(corners) >= 4 else None


@dataclass(frozen=True)
class _Side:
    """One side of a ring, turned level or upright about its middle.

    level: Whether it is level.
    place: Its y where it is level, else its x.
    length: How far it reaches along its direction.
    start: Its x where it begins if it is level, else its y.
    """

    level: bool
    place: float
    length: float
    start: float

    def joined(self, other: _Side) -> _Side:
        """This one and the next as one, at their mean by length."""
        length = self.length + other.length
        place = (self.place * self.length + other.place * other.length) / length if length else self.place
        return _Side(self.level, place, length, self.start)


def _sides(ring: Array) -> list[_Side]:
    reach = np.roll(ring, -1, axis=0) - ring
    middle = ring + reach / 2
    found = []
    for (x, y), (across, down), (start_x, start_y) in zip(
        middle.tolist(), reach.tolist(), ring.tolist(), strict=True
    ):
        level = abs(across) >= abs(down)
        found.append(_Side(level, y, abs(across), start_x) if level else _Side(level, x, abs(down), start_y))
    return found
