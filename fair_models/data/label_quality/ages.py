"""Whether labels are of the same time as the imagery."""

from __future__ import annotations

from datetime import datetime

from fair_models.data.label_quality.report import Finding

APART_YEARS = 1.0
"""Labels and imagery whose times lie further apart show different states of the ground."""

_DAYS_PER_YEAR = 365.25


def compare(labels: datetime | None, imagery: tuple[datetime, datetime] | None) -> tuple[list[Finding], str]:
    """Compare the time of labels with that of the imagery.

    Args:
        labels: Of when the labels are: the time of their data, or of the newest edit.
        imagery: When the first and the last of the images were taken.

    Returns:
        What was found, at most one; and why nothing can be said, empty where something can.
    """
    if labels is None and imagery is None:
        return [], "nothing says of when the labels and the imagery are"
    if labels is None:
        return [], "nothing says of when the labels are"
    if imagery is None:
        return [], "nothing says of when the imagery was taken"
    first, last = imagery
    if (newer := _years(last, labels)) >= APART_YEARS:
        reason = (
            f"Labels are of {labels:%Y-%m-%d}, {newer:.1f} years newer than the imagery ({last:%Y-%m-%d}): "
            "what was built since is labelled, and not to be seen"
        )
        return [Finding("newer_labels", reason)], ""
    if (older := _years(labels, first)) >= APART_YEARS:
        reason = (
            f"Labels are of {labels:%Y-%m-%d}, {older:.1f} years older than the imagery ({first:%Y-%m-%d}): "
            "what was built since is to be seen, and not labelled"
        )
        return [Finding("older_labels", reason)], ""
    return [], ""


def _years(earlier: datetime, later: datetime) -> float:
    return (later - earlier).days / _DAYS_PER_YEAR
