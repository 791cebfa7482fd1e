"""Leaves out what is mapped already, so that only new features remain."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fair_models.data.images import antimeridian
from fair_models.data.vectors import geojson, polygons
from fair_models.data.vectors.osm import census, origin
from fair_models.data.vectors.osm.tags import Query, rules
from fair_models.errors import InvalidFeatures, InvalidLabels
from fair_models.inference.outlines.features import Features, concatenate
from fair_models.types import Array

logger = logging.getLogger(__name__)

MAX_FEATURES = geojson.MAX_FEATURES
"""Existing features around the imagery that are held in memory, with 0.5 to 2 kB each."""

_FEATURES_COMPARED = 5_000


class Exclusion:
    """Existing features, and how much of a new one they may cover.

    Args:
        path: A file of polygons, see `data.polygons`; other geometries cover nothing and are counted in
            `mended`.
        ratio: New features of which more than this part of the area is covered are left out, 0 to 1. New
            points are left out where they lie in an existing polygon.
        bounds: West, south, east, north of the imagery, west > east over the antimeridian: what lies outside
            is not held.
        classes: What is predicted. Of data of OpenStreetMap only polygons with the tags of these classes
            count, as building=* of building. Default: all its polygons.
        may_be_empty: Whether data of OpenStreetMap may have nothing with these tags, as the answer to the
            question for them.

    Raises:
        InvalidFeatures: The file is missing, of another kind, broken, or has too many features there.
        Unavailable: The file cannot be read.
    """

    def __init__(
        self,
        path: Path,
        ratio: float,
        bounds: Sequence[float],
        classes: Sequence[str] = (),
        *,
        may_be_empty: bool = False,
    ) -> None:
        import shapely

        self.ratio = ratio
        self.left_out = 0
        self._shapes, self.mended = _existing(path, bounds, classes, may_be_empty)
        self._tree = shapely.STRtree(self._shapes)

    def __len__(self) -> int:
        """How many existing features are held."""
        return len(self._shapes)

    def new(self, features: Features) -> Features:
        """The features that are not mapped yet, in their order; counts the others in `left_out`."""
        kept = [
            self._new(features.select(np.arange(start, min(start + _FEATURES_COMPARED, len(features)))))
            for start in range(0, len(features), _FEATURES_COMPARED)
        ]
        return concatenate(kept)

    def _new(self, features: Features) -> Features:
        covered = self._covered(features.geometry)
        self.left_out += int(covered.sum())
        return features.select(~covered)

    def _covered(self, shapes: Array) -> Array:
        """Which shapes existing ones cover by more than the ratio, bool, shape (n,).

        Areas are compared in degrees: within one feature a square degree is the same everywhere.
        """
        import shapely

        new, old = self._tree.query(shapes, predicate="intersects")
        pieces = shapely.intersection(shapes[new], self._shapes[old])
        areas = shapely.area(pieces)
        whole = shapely.area(shapes)
        together, largest = np.zeros(len(shapes)), np.zeros(len(shapes))
        np.add.at(together, new, areas)
        np.maximum.at(largest, new, areas)
        covered = largest > self.ratio * whole
        covered[new] |= whole[new] == 0
        # Several existing ones may overlap each other: only then is their union needed.
        for index in np.flatnonzero(~covered & (together > self.ratio * whole)):
            covered[index] = shapely.union_all(pieces[new == index]).area > self.ratio * whole[index]
        return np.asarray(covered)


def _existing(
    path: Path, bounds: Sequence[float], classes: Sequence[str], may_be_empty: bool
) -> tuple[Array, Counter[str]]:
    """Polygons around the imagery, and what happened to those of the whole file on reading."""
    import shapely

    if not path.exists():
        raise InvalidFeatures(
            str(path), ["there is no such file; name one with polygons, such as a GeoJSON or GeoParquet"]
        )
    around = antimeridian.box(*bounds)
    shapely.prepare(around)
    held: list[Any] = []
    counts: Counter[str] = Counter()
    total = 0
    west, south, east, north = bounds
    query = Query(rules(classes) if classes else None, (west, south, east, north) if west < east else None)
    try:
        for outlines, happened in polygons.batches(path, query):
            counts.update(happened)
            total += len(outlines)
            held += outlines[shapely.intersects(around, outlines)].tolist()
            if len(held) > MAX_FEATURES:
                raise InvalidFeatures(
                    str(path),
                    [
                        f"it has more than {MAX_FEATURES:,} polygons around the imagery; cut it to a "
                        "smaller area"
                    ],
                )
        if classes and not total and not may_be_empty and (reason := _without_tags(path, query)):
            raise InvalidFeatures(str(path), [reason])
    except InvalidLabels as error:
        raise InvalidFeatures(str(path), error.reasons) from error
    for sentence in polygons.repair_sentences(counts):
        logger.warning("Existing features %s: %s", path.name, sentence)
    logger.info("%d of %d existing polygons lie around the imagery", len(held), total)
    return np.array(held, dtype=object), counts


def _without_tags(path: Path, query: Query) -> str:
    """Why data of OpenStreetMap has nothing of what is predicted, there or elsewhere; empty where it has."""
    if query.rules is None or origin.of_file(path) is None:
        return ""
    counted = census.of_file(path, query)
    if counted.wanted:
        return ""
    asked = query.rules.told(query.rules.classes)
    return (
        f"none of its polygons has the tags of what is predicted ({asked}), they have "
        f"{counted.told or 'none'}; export the features to leave out as a GeoPackage of their own, of which "
        "all polygons count"
    )
