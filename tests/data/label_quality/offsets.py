"""Labels that lie beside what chips show, and chips that show what is drawn."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely

from fair_models.data.images import antimeridian
from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import Grid, degrees_of, reproject
from fair_models.data.label_quality.registration import Registration
from fair_models.data.vectors import labels
from fair_models.data.vectors.labels import Labels


def shifted(outlines: np.ndarray, east_m: Any, north_m: Any) -> np.ndarray:
    """Outlines in longitude and latitude, each moved by so many metres (one number, or one for each)."""
    latitudes = shapely.get_y(shapely.centroid(outlines))
    east, north = degrees_of(latitudes, latitudes * 0 + east_m, latitudes * 0 + north_m)
    moved = [
        shapely.transform(outline, lambda places, by=(one, other): places + by)
        for outline, one, other in zip(outlines, east, north, strict=True)
    ]
    return antimeridian.normal(np.array(moved))


def beside(known: Labels, east_m: Any, north_m: Any) -> Labels:
    """The same labels, moved."""
    return replace(known, outlines=shifted(known.outlines, east_m, north_m), _projected={})


def metres_between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How far the middles of outlines lie east and north of those of others, in metres, shape (n, 2)."""
    from_, to = (shapely.get_coordinates(shapely.centroid(each)) for each in (other, one))
    east, north = degrees_of(from_[:, 1], np.ones(len(from_)), np.zeros(len(from_)))[0], None
    north = degrees_of(from_[:, 1], np.zeros(len(from_)), np.ones(len(from_)))[1]
    return (to - from_) / np.column_stack([east, north])


def errors_m(found: Registration, east_m: float, north_m: float) -> np.ndarray:
    """How far the certain estimates lie from the truth, in metres."""
    return np.array([np.hypot(each.east_m - east_m, each.north_m - north_m) for each in found.certain])


def write_beside(path: Path, target: Path, east_m: float, north_m: float) -> Path:
    """A GeoJSON file with all polygons of another, moved."""
    document = orjson.loads(path.read_bytes())
    outlines = np.array([shapely.geometry.shape(each["geometry"]) for each in document["features"]])
    for feature, outline in zip(document["features"], shifted(outlines, east_m, north_m), strict=True):
        feature["geometry"] = shapely.geometry.mapping(outline)
    target.write_bytes(orjson.dumps(document))
    return target


def read(path: Path) -> list[Any]:
    """Features of a GeoJSON file, each with a shapely geometry, without those that have no class."""
    features = orjson.loads(path.read_bytes())["features"]
    found = [{**each, "geometry": shapely.geometry.shape(each["geometry"])} for each in features]
    return [each for each in found if not each["properties"].get("ignored")]


def chip(name: str, grid: Grid) -> Chip:
    """A chip without a file."""
    return Chip(Path(f"{name}.tif"), name, grid.crs, grid.transform, grid.width, grid.height, 3, grid.gsd_m)


def chips(grid: Grid, rows: int, columns: int) -> list[Chip]:
    """Chips side by side, the first of which lies on a grid."""
    return [
        chip(f"{row}-{column}", grid.window(row * grid.height, column * grid.width, grid.height, grid.width))
        for row in range(rows)
        for column in range(columns)
    ]


def houses(on: Sequence[Chip], seed: int = 0, each: int = 12) -> Labels:
    """Rectangles of 6 to 14 m, turned anyhow, in several places of each chip; none touch."""
    rng = np.random.default_rng(seed)
    found: list[Any] = []
    for one in on:
        free = shapely.MultiPolygon()
        for _ in range(400):
            if shapely.get_num_geometries(free) >= each:
                break
            metres_to_px = np.linalg.inv(one.grid.axes_m)
            width, height, angle = rng.uniform(6, 14), rng.uniform(6, 14), rng.uniform(0, np.pi)
            corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
            turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
            middle = rng.uniform(0, (one.width, one.height))
            shape = shapely.Polygon(corners @ turn.T @ metres_to_px.T + middle)
            if shape.distance(free) > 4 or free.is_empty:
                free = shapely.MultiPolygon([*free.geoms, shape])
        for shape in free.geoms:
            places = one.grid.places(*shapely.get_coordinates(shape).T)
            found.append(shapely.Polygon(np.column_stack(reproject(one.crs, "EPSG:4326", *places))))
    return labels.of_outlines(list(antimeridian.normal(np.array(found))))


def drawn(known: Labels, one: Chip) -> np.ndarray:
    """What a chip shows of labels: 1 inside of them, 0 outside, float, shape (height, width)."""
    from rasterio import Affine
    from rasterio.features import rasterize

    outlines, _ = known.around(one.grid)
    inside = [outlines[label] for label in known.touching(one.grid)]
    shape = one.height, one.width
    if not inside:
        return np.zeros(shape)
    return np.asarray(
        rasterize(inside, out_shape=shape, transform=Affine(*one.transform), dtype=np.uint8), float
    )
