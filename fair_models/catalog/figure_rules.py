"""What the figures of a model's item must fulfil that JSON Schema cannot say."""

from __future__ import annotations

from typing import Any

from fair_models.catalog.items import model_classes
from fair_models.json_schema import sentences
from fair_models.types import Json


def metrics_are_there(item: Json) -> list[str]:
    """A local model says a number, or null for not measured, for each metric of its specification.

    Only the main metric and its baseline have to be there: databases drop nulls, so what is absent is null.
    """
    properties = item["properties"]
    keys = [entry["key"] for entry in properties["fair:metrics_spec"]]
    reasons = [
        f"properties.{key}: is {sentences.shown(properties.get(key))}, should be the metric's value"
        for place, key in enumerate(keys)
        if (place == 0 and key not in properties) or not _is_number_or_null(properties.get(key))
    ]
    reasons += [
        f"properties.fair:baseline: lacks {key}, which fair:metrics_spec names"
        for key in keys[:1]
        if key not in properties["fair:baseline"]
    ]
    return reasons


def metrics_are_unique(item: Json) -> list[str]:
    """Each metric is specified once."""
    keys = [entry["key"] for entry in item["properties"]["fair:metrics_spec"]]
    return [
        f"properties.fair:metrics_spec: specifies {key} twice"
        for key in dict.fromkeys(keys)
        if keys.count(key) > 1
    ]


def intervals_are_in_order(item: Json) -> list[str]:
    """The lower end of an interval is no larger than the upper one."""
    return [
        f"properties.fair:metrics_spec: {entry['key']} has the interval {sentences.shown(ends)}, "
        "should be its lower end, then its upper"
        for entry in item["properties"]["fair:metrics_spec"]
        if (ends := entry.get("interval")) and ends[0] > ends[1]
    ]


def class_figures_name_classes(item: Json) -> list[str]:
    """The table of classes has each class once at most, and neither it nor the confusion has others."""
    properties = item["properties"]
    known, reasons = model_classes.of_properties(properties)
    if reasons:  # another rule tells them
        return []
    rows = [row["class"] for row in properties.get("fair:class_metrics", [])]
    confusion = properties.get("fair:confusion", {})
    told = {"fair:class_metrics": rows, "fair:confusion": [*confusion, *_columns(confusion)]}
    found = [
        f"properties.{field}: names {', '.join(foreign)}, the classes are {', '.join(known)}"
        for field, names in told.items()
        if (foreign := sorted(set(names) - set(known)))
    ]
    twice = [name for name in dict.fromkeys(rows) if rows.count(name) > 1]
    return found + [f"properties.fair:class_metrics: has {name} twice" for name in twice]


def _columns(confusion: Json) -> list[str]:
    return [name for row in confusion.values() for name in row]


def _is_number_or_null(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
