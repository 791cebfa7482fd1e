"""What data of OpenStreetMap holds, for messages where nothing of it is what was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import shapely

from fair_models.data.vectors import geojson, vector_files
from fair_models.data.vectors.osm import extracts, overpass, snapshots
from fair_models.data.vectors.osm.tags import OWN, Query, all_of, value
from fair_models.types import BBox, Json

_MOST = 100_000
_NO_FEATURE = frozenset({"type", "source", "created_by", "note", *OWN})
_SHOWN = 8


@dataclass
class Census:
    """What was seen of a file, at most some hundred thousand features of it.

    keys: Polygons by the keys that they have.
    values: Polygons by the tags of the keys that were asked for.
    wanted: Polygons that are wanted, wherever they lie.
    bounds: West, south, east, north of those. None where there are none.
    """

    keys: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    wanted: int = 0
    bounds: BBox | None = None

    @property
    def told(self) -> str:
        """The tags that there are with the number of polygons, in words."""
        asked = {name.partition("=")[0] for name in self.values}
        others = [(f"{key}=*", count) for key, count in self.keys.most_common() if key not in asked]
        found = [*self.values.most_common(_SHOWN - 2), *others][:_SHOWN]
        return ", ".join(f"{name} ({count:,})" for name, count in found)


def of_file(path: Path, query: Query) -> Census:
    """Count the polygons of a file by their tags.

    Args:
        path: Data of OpenStreetMap.
        query: What was asked for.

    Raises:
        InvalidLabels: It cannot be read.
        Unavailable: It cannot be opened now.
    """
    return count(_polygons(path, replace(query, rules=None, around=None)), query)


def count(polygons: Iterable[tuple[Mapping[str, Any], Any]], query: Query) -> Census:
    """Count polygons by their tags.

    Args:
        polygons: Properties and shape of each.
        query: What was asked for.
    """
    found = Census()
    for properties, shape in polygons:
        tags = all_of(properties)
        found.keys.update(key for key in tags if key not in _NO_FEATURE and tags[key] is not None)
        found.values.update(
            f"{key}={said}" for key in query.keys if (said := value(properties, key)) is not None
        )
        if query.wants(properties) and shape is not None:
            found.wanted += 1
            west, south, east, north = (float(each) for each in shapely.bounds(shape))
            if found.bounds is not None:
                w, s, e, n = found.bounds
                west, south, east, north = min(w, west), min(s, south), max(e, east), max(n, north)
            found.bounds = west, south, east, north
    return found


def _polygons(path: Path, query: Query) -> Iterator[tuple[Json, Any]]:
    with vector_files.unpacked(path) as listed:
        for file, form in listed:
            if form == "osm-xml" or form == "osm-pbf":
                rows = extracts.layer_rows(path, file, form, query, extracts.POLYGONS, _MOST)
                yield from zip(rows.properties, rows.shapes, strict=True)
            elif form == "json":
                for feature in _features(geojson.document(file), str(path), query):
                    shape, _ = geojson.shape(feature["geometry"])
                    if shape is not None:
                        yield feature["properties"], shape


def _features(document: Any, name: str, query: Query) -> list[Json]:
    """Features of an answer of a service; none of other GeoJSON."""
    if overpass.is_answer(document):
        return overpass.features(document, name, query)
    return snapshots.features(document, query) if snapshots.is_answer(document) else []
