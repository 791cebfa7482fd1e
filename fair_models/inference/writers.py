"""Features as files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import orjson

from fair_models.inference.features import Features
from fair_models.store.atomic import sync_file, temporary_beside, told_as_unavailable

_CHUNK = 1000


def write_geojson(features: Features, classes: Sequence[str], path: Path) -> None:
    """Write features as GeoJSON (RFC 7946): one feature a line, ids from 1 in the order of the features.

    Each has the properties `class`, `confidence` (0 to 1, four decimals), `area_m2` (two decimals) and
    `source`. No features are an empty collection. The same features give the same bytes. The file appears
    whole or not at all.

    Args:
        features: What was found.
        classes: Class names; the position is the index.
        path: The file. An existing one is replaced.

    Raises:
        Unavailable: The disk is full, read-only or not ours to write.
    """
    temporary = temporary_beside(path)
    with told_as_unavailable(f"write {path}"):
        try:
            with temporary.open("xb") as file:
                _write_collection(features, classes, file)
            sync_file(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _write_collection(features: Features, classes: Sequence[str], file: BinaryIO) -> None:
    file.write(b'{"type":"FeatureCollection","features":[')
    for start in range(0, len(features), _CHUNK):
        chunk = features.select(np.arange(start, min(start + _CHUNK, len(features))))
        lines = b",\n".join(orjson.dumps(feature) for feature in _as_json(chunk, classes, start + 1))
        file.write((b",\n" if start else b"\n") + lines)
    file.write(b"\n]}\n")


def _as_json(features: Features, classes: Sequence[str], first_id: int) -> Iterator[dict[str, object]]:
    import shapely

    for offset, geometry in enumerate(shapely.to_geojson(features.geometry)):
        yield {
            "type": "Feature",
            "id": first_id + offset,
            "geometry": orjson.Fragment(geometry),
            "properties": {
                "class": classes[features.classes[offset]],
                "confidence": round(float(features.confidence[offset]), 4),
                "area_m2": round(float(features.area_m2[offset]), 2),
                "source": features.source[offset],
            },
        }
