"""A georeferenced settlement out of nothing but a seed, in the folder layout that fAIr uses.

For the demo, for tests and for trying things out without imagery of one's own. It lies in the Sahara,
where no map shows buildings that could be mixed up with it, at the latitude of Nepal's valleys, so that
its pixels have their usual size on the ground.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import orjson
import shapely
from shapely import Polygon

from fair_models.data.images import chip_files, tiles
from fair_models.data.synthetic.buildings import plan
from fair_models.data.synthetic.picture import paint
from fair_models.data.synthetic.settlement import ROOF_TAGS, Settlement
from fair_models.errors import Invalid
from fair_models.types import Array, Json

PLACE = (5.40, 27.60)
"""Longitude and latitude of the top left corner."""


def make_settlement(
    folder: Path,
    *,
    seed: int,
    columns: int = 8,
    rows: int = 6,
    zoom: int = 19,
    size_px: int = 256,
    prediction_columns: int = 2,
    built_share: float = 1.0,
    classes: Sequence[str] = ("building",),
) -> Path:
    """Write chips and labels of an invented settlement.

    The layout is fAIr's: `input/OAM-{x}-{y}-{z}.tif` (GeoTIFF, EPSG:4326) with `input/labels.geojson`
    (CRS84), and `prediction/input/` with chips that adjoin them in the east, without labels. The same
    arguments give the same bytes.

    Args:
        folder: Where to write; made if missing. Chips of the same names are replaced.
        seed: Everything random derives from it.
        columns: Chips from west to east, 1 to 64.
        rows: Chips from north to south, 1 to 64.
        zoom: Zoom of the tiles; with 256 px chips 19 is 0.26 m per pixel here.
        size_px: Width and height of a chip in pixels.
        prediction_columns: Further columns of chips for prediction, 0 to 64.
        built_share: Share of the area where buildings may stand, 0.05 to 1. With 0.2 about half of the chips
            of zoom 19 hold none.
        classes: What is labelled, of `CLASSES`. With several, each label has the property `class`.

    Returns:
        The folder.

    Raises:
        Invalid: A number is out of its range, or there is no such class.
    """
    _check(columns, rows, zoom, size_px, prediction_columns, built_share)
    if unknown := [name for name in classes if name not in CLASSES] or not classes:
        raise Invalid(f"A settlement has no labels of {unknown}; it has {', '.join(CLASSES)}")
    rng = np.random.default_rng(seed)
    corner = tiles.at(*PLACE, zoom)
    _, latitude = tiles.lonlat(0, corner.y + rows / 2, zoom)
    tile_m = corner.width_m * math.cos(math.radians(float(latitude)))
    town = plan(tile_m * (columns + prediction_columns), tile_m * rows, rng, built_share)
    picture = paint(town, size_px / tile_m, rng)

    for tile, pixels in _cut(picture, corner, size_px):
        part = "input" if tile.x < corner.x + columns else "prediction/input"
        chip_files.write(folder / part / f"{tile.name}.tif", tile, pixels, coding=chip_files.JPEG)
    labels = _labels(town, corner, tile_m, columns * tile_m, classes)
    (folder / "input" / "labels.geojson").write_bytes(orjson.dumps(labels) + b"\n")
    return folder


def _check(
    columns: int, rows: int, zoom: int, size_px: int, prediction_columns: int, built_share: float
) -> None:
    allowed = {
        "columns": (columns, 1, 64),
        "rows": (rows, 1, 64),
        "zoom": (zoom, 17, 21),
        "size_px": (size_px, 64, 1024),
        "prediction_columns": (prediction_columns, 0, 64),
        "built_share": (built_share, 0.05, 1),
    }
    wrong = [
        f"{name} is {value}, use {low} to {high}"
        for name, (value, low, high) in allowed.items()
        if not low <= value <= high
    ]
    if wrong:
        raise Invalid(f"The settlement cannot be made: {'; '.join(wrong)}")


def _cut(picture: Array, corner: tiles.Tile, size_px: int) -> Iterator[tuple[tiles.Tile, Array]]:
    for row in range(picture.shape[0] // size_px):
        for column in range(picture.shape[1] // size_px):
            window = picture[row * size_px : (row + 1) * size_px, column * size_px : (column + 1) * size_px]
            yield tiles.Tile(corner.x + column, corner.y + row, corner.z), window


def _labels(
    town: Settlement, corner: tiles.Tile, tile_m: float, width_m: float, classes: Sequence[str]
) -> Json:
    """What touches the labelled part, as OpenStreetMap would have it."""
    area = shapely.box(0, 0, width_m, town.height_m)
    mapped = [
        (outline, tags, name)
        for name in classes
        for outline, tags in _OUTLINES[name](town)
        if shapely.intersects(outline, area)
    ]
    features = [
        {
            "type": "Feature",
            "properties": {**tags, **({"class": name} if len(classes) > 1 else {}), "id": number},
            "geometry": {"type": "Polygon", "coordinates": rings(outline, corner, tile_m)},
        }
        for number, (outline, tags, name) in enumerate(mapped, start=1)
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    return {"type": "FeatureCollection", "name": "labels", "crs": crs, "features": features}


def _buildings(town: Settlement) -> Iterator[tuple[Polygon, Json]]:
    for building in town.buildings:
        yield (
            building.outline,
            {
                "building": "yes",
                "roof:material": ROOF_TAGS[building.style][0],
                "roof:shape": ROOF_TAGS[building.style][1],
                "building:levels": int(building.height_m // 3),
            },
        )


def _roads(town: Settlement) -> Iterator[tuple[Polygon, Json]]:
    """Surfaces of roads, within the settlement."""
    whole = shapely.box(0, 0, town.width_m, town.height_m)
    for road in town.roads:
        kind = {"asphalt": "residential", "dirt": "track"}.get(road.surface, road.surface)
        surface = shapely.intersection(road.line.buffer(road.width_m / 2, cap_style="flat"), whole)
        for part in shapely.get_parts([surface]):
            if isinstance(part, Polygon) and not part.is_empty:
                yield part, {"highway": kind}


def _trees(town: Settlement) -> Iterator[tuple[Polygon, Json]]:
    """Crowns as circles of sixteen corners."""
    for x, y, radius in town.trees:
        yield shapely.Point(x, y).buffer(radius, quad_segs=4), {"natural": "tree"}


_OUTLINES: Mapping[str, Callable[[Settlement], Iterator[tuple[Polygon, Json]]]] = {
    "building": _buildings,
    "road": _roads,
    "tree": _trees,
}

CLASSES = tuple(_OUTLINES)
"""What can be labelled."""


def rings(outline: Polygon, corner: tiles.Tile, tile_m: float) -> list[list[list[float]]]:
    """An outline in metres as rings in degrees to 8 decimals (a millimetre), the outer one counter-clockwise.

    RFC 7946 wants it so. x and y count from the top left corner of the tile.
    """
    upright = shapely.transform(
        outline,
        lambda metres: np.column_stack(
            tiles.lonlat(corner.x + metres[:, 0] / tile_m, corner.y + metres[:, 1] / tile_m, corner.z)
        ),
    )
    turned = shapely.geometry.polygon.orient(upright)
    return [np.round(ring.coords, 8).tolist() for ring in (turned.exterior, *turned.interiors)]
