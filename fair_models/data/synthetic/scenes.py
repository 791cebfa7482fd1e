"""Small scenes out of nothing but a seed, each a place of its own: quick to make by the hundred.

A settlement is planned as a whole, which takes long for hundreds of chips. These are scattered: some roofs,
often a road, trees. They are painted as settlements are, and lie in the same part of the Sahara.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import orjson
import shapely
from shapely import LineString, Point, Polygon

from fair_models.data.images import chip_files, tiles
from fair_models.data.synthetic.picture import paint
from fair_models.data.synthetic.sample import PLACE, rings
from fair_models.data.synthetic.settlement import ROOF_TAGS, STYLES, Building, Road, Settlement, Wing
from fair_models.errors import Invalid
from fair_models.types import Json

ZOOM = 19
COLUMNS = 64
MAX_SCENES = 64 * 256
CLASS_PROPERTY = "class"
"""Property of a label that says whether it is a "building" or a "road"."""

_TRIES = 60


def make_scenes(folder: Path, *, seed: int, count: int, size_px: int = 64) -> Path:
    """Write scenes as chips (GeoTIFF, zoom 19, 68 m wide) and the outlines of their buildings and roads.

    The same arguments give the same bytes, and scene number n is the same however many there are.

    Args:
        folder: Where to write OAM-{x}-{y}-{z}.tif and labels.geojson; made if missing.
        seed: Everything random derives from it.
        count: How many, 1 to 16384.
        size_px: Width and height of a chip in pixels, 32 to 512.

    Returns:
        The folder.

    Raises:
        Invalid: A number is out of its range.
    """
    if not (1 <= count <= MAX_SCENES and 32 <= size_px <= 512):
        raise Invalid(
            f"Scenes cannot be made: count is {count}, use 1 to {MAX_SCENES}; "
            f"size_px is {size_px}, use 32 to 512"
        )
    corner = tiles.at(*PLACE, ZOOM)
    features: list[Json] = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        tile = tiles.Tile(corner.x + number % COLUMNS, corner.y + number // COLUMNS, ZOOM)
        _, latitude = tiles.lonlat(0, tile.y + 0.5, ZOOM)
        width_m = tile.width_m * math.cos(math.radians(float(latitude)))
        scene = _plan(width_m, rng)
        pixels = paint(scene, size_px / width_m, rng)
        chip_files.write(folder / f"{tile.name}.tif", tile, pixels, coding=chip_files.JPEG)
        features += _features(scene, tile, width_m)
    document = {"type": "FeatureCollection", "name": "labels", "features": features}
    (folder / "labels.geojson").write_bytes(orjson.dumps(document) + b"\n")
    return folder


def _plan(width_m: float, rng: np.random.Generator) -> Settlement:
    scene = Settlement(width_m, width_m)
    taken: list[Polygon] = []
    if rng.random() < 0.6:
        road = _road(width_m, rng)
        scene.roads.append(road)
        taken.append(road.line.buffer(road.width_m / 2))
    middle = rng.uniform(0.1, 0.9, 2) * width_m
    spread = rng.uniform(0.12, 0.45) * width_m
    style = int(rng.integers(len(STYLES)))
    count_of_buildings = int(rng.choice([0, *range(1, 13)]))
    for _ in range(_TRIES):
        if len(scene.buildings) == count_of_buildings:
            break
        building = _building(middle, spread, style, rng)
        roof = building.outline
        inside = shapely.box(2, 2, width_m - 2, width_m - 2).contains(roof)
        if inside and not any(shapely.dwithin(each, roof, 1.5) for each in taken):
            scene.buildings.append(building)
            taken.append(roof)
    for _ in range(int(rng.integers(0, 7))):
        x, y, radius = *rng.uniform(0, width_m, 2), rng.uniform(1.2, 3.2)
        if not any(shapely.dwithin(each, Point(x, y), radius) for each in taken):
            scene.trees.append((x, y, radius))
    return scene


def _road(width_m: float, rng: np.random.Generator) -> Road:
    """From one side of the scene to another, slightly bent."""
    sides = rng.choice(4, 2, replace=False)
    along = rng.uniform(0.15, 0.85, 2) * width_m
    ends = [_on_side(int(side), float(at), width_m) for side, at in zip(sides, along, strict=True)]
    bend = (np.mean(ends, axis=0) + rng.normal(0, 0.04, 2) * width_m).tolist()
    surface = "asphalt" if rng.random() < 0.5 else "dirt"
    return Road(LineString([ends[0], bend, ends[1]]), float(rng.uniform(4, 8)), surface)


def _on_side(side: int, at: float, width_m: float) -> tuple[float, float]:
    """A point a little beyond the north, east, south or west side."""
    return ((at, -4.0), (width_m + 4.0, at), (at, width_m + 4.0), (-4.0, at))[side]


def _building(middle: np.ndarray, spread: float, style: int, rng: np.random.Generator) -> Building:
    x, y = middle + rng.normal(0, spread, 2)
    own = style if rng.random() < 0.7 else int(rng.integers(len(STYLES)))
    length, width = rng.uniform(7, 16), rng.uniform(5, 9)
    wing = Wing(float(x), float(y), float(length), float(width), float(rng.uniform(0, math.pi)))
    return Building(wing.outline, [wing], STYLES[own][0], float(rng.uniform(3, 7)))


def _features(scene: Settlement, tile: tiles.Tile, width_m: float) -> list[Json]:
    found = [
        (building.outline, {"building": "yes", "roof:material": ROOF_TAGS[building.style][0]}, "building")
        for building in scene.buildings
    ]
    frame = shapely.box(0, 0, width_m, width_m)
    for road in scene.roads:
        # A road that goes on in the next scene would be a label there, where it is not painted.
        surface = shapely.intersection(
            road.line.buffer(road.width_m / 2, cap_style="flat"), frame.buffer(-0.05)
        )
        found += [
            (part, {"highway": "track" if road.surface == "dirt" else "residential"}, "road")
            for part in shapely.get_parts([surface])
        ]
    return [
        {
            "type": "Feature",
            "properties": {**tags, CLASS_PROPERTY: name},
            "geometry": {"type": "Polygon", "coordinates": rings(outline, tile, width_m)},
        }
        for outline, tags, name in found
    ]
