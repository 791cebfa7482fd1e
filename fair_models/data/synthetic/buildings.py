"""Buildings of an invented settlement and what stands between them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import shapely
from shapely import Point, Polygon

from fair_models.data.synthetic.roads import grow_roads, point_on
from fair_models.data.synthetic.settlement import STYLES, Building, Clutter, Hamlets, Settlement, Wing


def plan(width_m: float, height_m: float, rng: np.random.Generator, built_share: float = 1.0) -> Settlement:
    """Invent a settlement of this size. The same generator state gives the same plan.

    Args:
        width_m: From west to east.
        height_m: From north to south.
        rng: Where all chance comes from.
        built_share: Share of the area where buildings may stand; the rest keeps its roads, yards and cars.
    """
    settlement = Settlement(width_m, height_m)
    if built_share < 1:
        # A generator of its own: a place that is built everywhere stays as it always was.
        settlement.hamlets = Hamlets.scattered(width_m, height_m, built_share, rng.spawn(1)[0])
    grow_roads(settlement, rng)
    site = _Site(settlement)
    for lot in _lots(settlement, rng):
        _use_lot(settlement, site, lot, rng)
    _scatter_farms(settlement, site, rng)
    _scatter_tarps(settlement, site, rng)
    _plant_trees(settlement, site, rng)
    return settlement


class _Site:
    """What ground is taken."""

    def __init__(self, settlement: Settlement) -> None:
        self._shapes: list[Polygon] = []
        self._bounds = np.empty((0, 4))
        for road in settlement.roads:
            self.take(road.line.buffer(road.width_m / 2))

    def is_free(self, shape: Polygon, gap_m: float) -> bool:
        """Whether nothing lies within `gap_m` of the shape."""
        west, north, east, south = shape.bounds
        boxes = self._bounds[: len(self._shapes)]
        apart = (boxes[:, 0] > east + gap_m) | (boxes[:, 2] < west - gap_m)
        apart |= (boxes[:, 1] > south + gap_m) | (boxes[:, 3] < north - gap_m)
        return not any(shapely.dwithin(self._shapes[index], shape, gap_m) for index in np.flatnonzero(~apart))

    def take(self, shape: Polygon) -> None:
        """Nothing else may be built here."""
        if len(self._shapes) == len(self._bounds):
            self._bounds = np.resize(self._bounds, (2 * len(self._bounds) + 64, 4))
        self._bounds[len(self._shapes)] = shape.bounds
        self._shapes.append(shape)


def _lots(settlement: Settlement, rng: np.random.Generator) -> Iterator[Wing]:
    """Plots along both sides of the roads, up to three rows deep, denser towards the centre."""
    for road in settlement.roads:
        for side in (-1, 1):
            along = rng.uniform(3, 9)
            while along < road.line.length - 3:
                here, angle = point_on(road.line, along)
                crowded = settlement.crowding(here.x, here.y)
                frontage, setback = (
                    rng.uniform(8, 17),
                    road.width_m / 2 + rng.uniform(1.0, 2.5 + 4 * (1 - crowded)),
                )
                for row in range(3):
                    depth = rng.uniform(7.5, 13)
                    if rng.random() < (0.25 + 0.85 * crowded) * 0.8**row:
                        yield Wing(here.x, here.y, 0, 0, angle + rng.normal(0, 0.03)).part(
                            0, side * (setback + depth / 2), frontage, depth
                        )
                    setback += depth + rng.uniform(1.0, 6.0)
                along += frontage + rng.uniform(0.6, 2.0 + 14 * (1 - crowded))


def _use_lot(settlement: Settlement, site: _Site, lot: Wing, rng: np.random.Generator) -> None:
    """A building mostly; now and then a hall, a parking place or a bare yard."""
    chance = rng.random()
    if chance < 0.03:
        _build(settlement, site, [lot.part(0, 0, rng.uniform(26, 44), rng.uniform(12, 18))], "hall", rng)
        return
    if chance < 0.09:
        wide = lot.part(0, 0, lot.length * rng.uniform(1.1, 1.9), lot.width * rng.uniform(1.0, 1.6))
        if site.is_free(wide.outline, 0.5):
            site.take(wide.outline)
            kind = "parking" if rng.random() < 0.55 else "yard"
            settlement.clutter.append(Clutter(wide, kind))
            _park_cars(settlement, wide, rng)
        return
    for scale in (1.0, 0.8, 0.6):
        smaller = lot.part(0, 0, lot.length * scale, lot.width * scale)
        if _build(settlement, site, _wings(smaller, rng), "house", rng):
            return


def _wings(lot: Wing, rng: np.random.Generator) -> list[Wing]:
    """A ground plan within the lot: rectangle, L, T, or rooms around a courtyard."""
    length, width, chance = lot.length, lot.width, rng.random()
    if chance < 0.62 or min(length, width) < 7.5:
        return [lot.part(0, 0, length, width * rng.uniform(0.7, 1.0))]
    main = width * rng.uniform(0.42, 0.55)
    back = lot.part(0, -(width - main) / 2, length, main)
    if chance < 0.80:
        side = rng.choice([-1.0, 1.0])
        short = length * rng.uniform(0.35, 0.5)
        return [
            back,
            lot.part(side * (length - short) / 2, main / 2 - 0.01, width - main, short, math.pi / 2),
        ]
    if chance < 0.88:
        return [back, lot.part(0, main / 2 - 0.01, width - main, length * 0.4, math.pi / 2)]
    thick = min(length, width) * 0.27
    inner = width - 2 * thick + 0.02
    return [
        lot.part(0, -(width - thick) / 2, length, thick),
        lot.part(0, (width - thick) / 2, length, thick),
        lot.part(-(length - thick) / 2, 0, inner, thick, math.pi / 2),
        lot.part((length - thick) / 2, 0, inner, thick, math.pi / 2),
    ]


def _build(
    settlement: Settlement, site: _Site, wings: list[Wing], use: str, rng: np.random.Generator
) -> bool:
    outline = shapely.union_all([wing.outline for wing in wings])
    here = outline.centroid
    crowded = settlement.crowding(here.x, here.y)
    gap = 0.5 if rng.random() < crowded else 1.5
    if not isinstance(outline, Polygon) or not site.is_free(outline, gap):
        return False
    if settlement.hamlets is not None and not settlement.hamlets.hold(here.x, here.y):
        return False
    shares = np.array([share for _, share in STYLES])
    style = str(rng.choice([name for name, _ in STYLES], p=shares / shares.sum()))
    if use == "hall":
        style = str(rng.choice(["tin-grey", "tin-blue", "tin-red"]))
    elif len(wings) == 4 or (style == "thatch" and crowded > 0.6):
        style = "concrete"
    storeys = 1 + rng.poisson(1.4 * crowded) if style == "concrete" else 1 + (rng.random() < 0.35)
    height = 3.0 * min(storeys, 5) + rng.uniform(0, 1)
    site.take(outline)
    settlement.buildings.append(Building(outline, wings, style, height))
    return True


def _scatter_farms(settlement: Settlement, site: _Site, rng: np.random.Generator) -> None:
    """Houses and sheds away from the roads."""
    for _ in range(int(settlement.width_m * settlement.height_m / 1200)):
        x, y = rng.uniform(-3, settlement.width_m + 3), rng.uniform(-3, settlement.height_m + 3)
        wing = Wing(x, y, rng.uniform(4, 12), rng.uniform(3, 8), rng.uniform(0, math.pi))
        _build(settlement, site, [wing], "farm", rng)


def _park_cars(settlement: Settlement, place: Wing, rng: np.random.Generator) -> None:
    for across in np.arange(-place.width / 2 + 2, place.width / 2 - 1.5, 2.8):
        for along in (-place.length / 4, place.length / 4):
            if rng.random() < 0.3:
                car = place.part(along + rng.normal(0, 0.3), across, 4.4, 1.8, rng.normal(0, 0.05))
                settlement.clutter.append(Clutter(car, "car"))


def _scatter_tarps(settlement: Settlement, site: _Site, rng: np.random.Generator) -> None:
    """Tarps and pools in yards, cars on the roads."""
    for _ in range(int(settlement.width_m * settlement.height_m / 900)):
        x, y = rng.uniform(0, settlement.width_m), rng.uniform(0, settlement.height_m)
        wing = Wing(x, y, rng.uniform(3, 8), rng.uniform(2, 5), rng.uniform(0, math.pi))
        if rng.random() < 0.25 + settlement.crowding(x, y) and site.is_free(wing.outline, 0.3):
            site.take(wing.outline)
            settlement.clutter.append(Clutter(wing, "pool" if rng.random() < 0.1 else "tarp"))
    for road in settlement.roads:
        for along in np.arange(rng.uniform(5, 40), road.line.length, 35):
            if road.width_m > 4 and rng.random() < 0.6:
                here, angle = point_on(road.line, float(along))
                lane = Wing(here.x, here.y, 0, 0, angle).part(
                    0, rng.choice([-1, 1]) * road.width_m / 4, 4.4, 1.8
                )
                settlement.clutter.append(Clutter(lane, "car"))


def _plant_trees(settlement: Settlement, site: _Site, rng: np.random.Generator) -> None:
    """Groves, rows along field edges, single trees in yards; some hang over a roof's edge."""
    area = settlement.width_m * settlement.height_m
    spots: list[tuple[float, float]] = []
    for _ in range(int(area / 3500)):
        x, y = rng.uniform(0, settlement.width_m), rng.uniform(0, settlement.height_m)
        count = int(rng.integers(4, 22) * (1.15 - settlement.crowding(x, y)))
        spots += [tuple(spot) for spot in rng.normal((x, y), rng.uniform(4, 11), (count, 2))]
    for _ in range(int(area / 9000)):
        x, y, angle = (
            rng.uniform(0, settlement.width_m),
            rng.uniform(0, settlement.height_m),
            rng.uniform(0, 6.3),
        )
        steps = np.arange(0, rng.uniform(20, 70), 4.5)
        spots += [(x + s * math.cos(angle) + rng.normal(0, 0.6), y + s * math.sin(angle)) for s in steps]
    spots += [
        tuple(spot)
        for spot in rng.uniform((0, 0), (settlement.width_m, settlement.height_m), (int(area / 320), 2))
    ]
    for x, y in spots:
        radius = float(np.clip(rng.gamma(5.0, 0.42), 0.9, 4.8))
        if site.is_free(Point(x, y).buffer(radius * 0.75), 0.0):
            settlement.trees.append((float(x), float(y), radius))
