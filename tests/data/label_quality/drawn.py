"""Labels on chips as tests draw them: positions in pixels of a settlement's chips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
import shapely

from fair_models.types import Json

Change = Callable[[list[Json]], Iterable[Json]]


def relabel(folder: Path, change: Change) -> None:
    """Write other labels into a folder in fAIr's layout."""
    path = folder / "input" / "labels.geojson"
    document = orjson.loads(path.read_bytes())
    document["features"] = list(change(document["features"]))
    path.write_bytes(orjson.dumps(document))


def shape_of(feature: Json) -> Any:
    return shapely.from_geojson(orjson.dumps(feature["geometry"]))


def feature(shape: Any, **properties: Any) -> Json:
    return {
        "type": "Feature",
        "properties": {"building": "yes", **properties},
        "geometry": orjson.loads(shapely.to_geojson(shape)),
    }


def middles(features: Sequence[Json]) -> list[tuple[float, float]]:
    return [(shape.x, shape.y) for shape in (shape_of(each).centroid for each in features)]
