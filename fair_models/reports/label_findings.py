"""What the report on a dataset's labels found, as a table and in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fair_models.catalog.items.dataset import DatasetItem
from fair_models.data.label_quality.report import DOUBTS, KINDS

TITLE = "Labels: on how many chips something was found, and how many labels have it"


def rows(item: DatasetItem) -> list[dict[str, Any]]:
    """One row for each finding that there is, worst first; none where nobody looked, or nothing was found."""
    said: Mapping[str, Any] = item.label_report or {}
    chips, labels, general = (said.get(name, {}) for name in ("chips", "labels", "general"))
    return [
        {
            "finding": kind,
            "chips": "all" if kind in general else chips.get(kind, 0),
            "labels": labels.get(kind),
            "doubtful": kind in DOUBTS,
            "means": words,
        }
        for kind, words in KINDS.items()
        if kind in chips or kind in labels or kind in general
    ]


def left_out(item: DatasetItem) -> list[dict[str, Any]]:
    """One row for each chip that was left out, as far as the item lists them."""
    listed: Mapping[str, str] = (item.left_out or {}).get("chips", {})
    return [{"chip": name, "why": reason} for name, reason in listed.items()]


def sentences(item: DatasetItem) -> list[str]:
    """What is to be said beside the table: chips in doubt, chips left out, and what was not judged."""
    said = item.label_report
    if said is None:
        return []
    told = [f"{said['doubtful']} of {item.properties['fair:chip_count']} chips have labels in doubt"]
    if item.left_out:
        told.append(f"{item.left_out['count']} chips are left out of training and evaluation")
    if "checked_with" in said:
        told.append(f"Where objects are was told by {said['checked_with']}")
    return [*told, *(f"Not judged: {name}, because {why}" for name, why in said["not_judged"].items())]
