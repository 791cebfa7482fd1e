"""Roads of an invented settlement: main roads, streets off them, lanes and paths off those."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import LineString, Point

from fair_models.data.synthetic.settlement import Road, Settlement


@dataclass(frozen=True)
class _Kind:
    """A kind of side road: how far apart, how long (least and most) and how wide."""

    spacing_m: tuple[float, float]
    length_m: tuple[float, float]
    width_m: float


def grow_roads(settlement: Settlement, rng: np.random.Generator) -> None:
    """Main roads across the scene, then streets off them and lanes off the streets."""
    width, height = settlement.width_m, settlement.height_m
    mains = max(1, round(height / 260))
    for number in range(mains):
        x = np.arange(-30.0, width + 36.0, 6.0)
        middle = height * (number + 0.5) / mains
        swing = height / mains * rng.uniform(0.08, 0.16)
        y = middle + swing * np.sin(2 * np.pi * x / rng.uniform(350, 600) + rng.uniform(0, 6.3))
        settlement.roads.append(Road(LineString(np.column_stack([x, y])), rng.uniform(7.0, 8.5), "asphalt"))
    for kind in (
        _Kind((38, 74), (90, 260), 5.0),
        _Kind((34, 70), (40, 150), 3.6),
        _Kind((50, 110), (25, 70), 2.2),
    ):
        grown = settlement.roads[mains:] or settlement.roads
        for parent in list(grown):
            _branch(settlement, parent, kind, rng)


def _branch(settlement: Settlement, parent: Road, kind: _Kind, rng: np.random.Generator) -> None:
    for side in (-1, 1):
        along = rng.uniform(8, kind.spacing_m[1])
        while along < parent.line.length - 5:
            start, angle = point_on(parent.line, along)
            heading = angle + side * (math.pi / 2 + rng.normal(0, 0.12))
            line = _walk(settlement, parent, start, heading, rng.uniform(*kind.length_m), rng)
            if line is not None:
                paved = "asphalt" if rng.random() < 0.4 else "dirt"
                surface = "path" if kind.width_m < 3 else paved
                settlement.roads.append(Road(line, kind.width_m * rng.uniform(0.85, 1.15), surface))
            along += rng.uniform(*kind.spacing_m)


def _walk(
    settlement: Settlement, parent: Road, start: Point, heading: float, reach: float, rng: np.random.Generator
) -> LineString | None:
    """A winding line that ends where it meets another road or the scene. None where it gets too short."""
    others = [road.line for road in settlement.roads if road is not parent]
    points, bend = [(start.x, start.y)], 0.0
    for _ in range(int(reach / 6)):
        bend = 0.8 * bend + rng.normal(0, 0.025)
        heading += bend
        x, y = points[-1][0] + 6 * math.cos(heading), points[-1][1] + 6 * math.sin(heading)
        points.append((x, y))
        here = Point(x, y)
        if others and min(shapely.distance(np.array(others), here)) < 9:
            near = others[int(np.argmin(shapely.distance(np.array(others), here)))]
            end = near.interpolate(near.project(here))
            points.append((end.x, end.y))
            break
        if not (-12 < x < settlement.width_m + 12 and -12 < y < settlement.height_m + 12):
            break
        if len(points) > 5 and shapely.distance(parent.line, here) < 14:
            return None
    return LineString(points) if len(points) > 5 else None


def point_on(line: LineString, along: float) -> tuple[Point, float]:
    """The point at a distance along a line, and the line's direction there."""
    here, ahead = line.interpolate(along), line.interpolate(along + 1.0)
    return here, math.atan2(ahead.y - here.y, ahead.x - here.x)
