"""Ids that other software dropped, found again by place: the polygon with the same outline and class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import STRtree

from fair_models.data.vectors import labels
from fair_models.data.vectors.polygons import Feature

_SAME = 0.99
"""Intersection over union from which on two outlines are the same polygon; below it lies no rounding."""


@dataclass(frozen=True)
class Predicted:
    """A polygon of a prediction, in longitude and latitude."""

    outline: shapely.Geometry
    class_name: str


def ids_at(
    features: Sequence[Feature], changes_class: Sequence[bool], predicted: Mapping[str, Predicted]
) -> list[list[str]]:
    """The ids of the predicted polygons that each feature is, by its outline and class.

    Args:
        features: Features without an id.
        changes_class: For each whether its class may be another than the predicted one; then one of the same
            class goes first.
        predicted: The prediction's polygons by id.

    Returns:
        For each feature: one id where it is recognised, none where nothing lies there, several where more
        than one polygon could be meant.
    """
    keys = list(predicted)
    tree = STRtree([predicted[key].outline for key in keys])
    return [
        _ids(feature, may_change, keys, predicted, tree)
        for feature, may_change in zip(features, changes_class, strict=True)
    ]


def _ids(
    feature: Feature, may_change: bool, keys: Sequence[str], predicted: Mapping[str, Predicted], tree: STRtree
) -> list[str]:
    if feature.outline is None:
        return []
    near = [keys[index] for index in tree.query(feature.outline, predicate="intersects")]
    same = [key for key in near if _is_same(feature.outline, predicted[key].outline)]
    said = labels.class_said(feature.properties)
    if said is None:
        return same
    of_class = [key for key in same if predicted[key].class_name.lower() == said.lower()]
    return of_class or (same if may_change else [])


def _is_same(one: shapely.Geometry, other: shapely.Geometry) -> bool:
    if shapely.equals(shapely.normalize(one), shapely.normalize(other)):
        return True
    one, other = shapely.make_valid(np.array([one, other], dtype=object))
    union = shapely.union(one, other).area
    return bool(union > 0 and shapely.intersection(one, other).area >= _SAME * union)
