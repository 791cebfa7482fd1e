"""A prediction that found every label of a settlement, and what people may say of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely

from fair_models.inference.outlines.features import Features
from fair_models.inference.writing.geoparquet import GeoParquetSink
from fair_models.store.digests import checksum_file
from fair_models.types import Json


def predict(settlement: Path, folder: Path, model: str) -> Path:
    """Write a prediction as `predict` does, with the settlement's labels as what was found; ids from 1."""
    labels = orjson.loads((settlement / "input" / "labels.geojson").read_bytes())["features"]
    outlines = np.array([shapely.from_geojson(orjson.dumps(each["geometry"])) for each in labels])
    count = len(outlines)
    folder.mkdir(parents=True)
    path = folder / "predictions.parquet"
    sink = GeoParquetSink(path, ["background", "building"])
    found = Features(
        outlines,
        np.ones(count, np.int64),
        np.full(count, 0.9),
        np.zeros(count),
        np.array(["chip"] * count, object),
    )
    sink.write(found)
    sink.close()
    asset = {"href": f"./{path.name}", "file:checksum": checksum_file(path), "file:size": path.stat().st_size}
    item = {
        "type": "Feature",
        "id": "prediction-0123456789ab",
        "properties": {"fair:model_id": model, "fair:imagery": str(settlement / "input")},
        "assets": {"geoparquet": asset},
    }
    (folder / "prediction.json").write_bytes(orjson.dumps(item))
    return folder


def say(settlement: Path, path: Path, verdicts: Mapping[int, str | Json] | str, **members: Any) -> Path:
    """Write feedback: a verdict, or changes of the feature, by id; one verdict for all where it is text.

    `members` are those of the file; what stands under `also` are further features.
    """
    more = members.pop("also", [])
    features = orjson.loads((settlement / "input" / "labels.geojson").read_bytes())["features"]
    for number, feature in enumerate(features, start=1):
        said = verdicts if isinstance(verdicts, str) else verdicts.get(number)
        feature |= {"id": number, "properties": {}}
        if isinstance(said, str):
            feature["properties"] = {"verdict": said}
        elif said is not None:
            feature |= said
    path.write_bytes(orjson.dumps({"type": "FeatureCollection", **members, "features": [*features, *more]}))
    return path
