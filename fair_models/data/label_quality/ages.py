"""Whether labels are of the same time as the imagery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fair_models.data.images.acquisition import Period
from fair_models.data.label_quality.report import Finding

APART_YEARS = 1.0
"""Labels and imagery whose times lie further apart show different states of the ground."""

_DAYS_PER_YEAR = 365.25


def compare(
    labels: datetime | None, imagery: Period | None, edits: Sequence[datetime] = ()
) -> tuple[list[Finding], str]:
    """Compare the time of labels with that of the imagery.

    Args:
        labels: Of when the labels are: the time of their data.
        imagery: When the first and the last of the images were taken.
        edits: When labels were changed last, oldest first, of those that say so; the newest one counts in the
            place of the time of their data.

    Returns:
        What was found, at most one; and why nothing can be said, empty where something can.
    """
    newest = edits[-1] if edits else labels
    if newest is None and imagery is None:
        return [], "nothing says of when the labels and the imagery are"
    if newest is None:
        return [], "nothing says of when the labels are"
    if imagery is None:
        return [], "nothing says of when the imagery was taken"
    first, last = imagery
    since = f"edited from {edits[0]:%Y-%m-%d} to {newest:%Y-%m-%d}" if edits else f"of {newest:%Y-%m-%d}"
    if (newer := _years(last, newest)) >= APART_YEARS:
        late = sum(_years(last, each) >= APART_YEARS for each in edits)
        many = f"{late} of {len(edits)} of them a year or more after it; " if late else ""
        reason = (
            f"Labels are {since}, {newer:.1f} years newer than the imagery ({last:%Y-%m-%d}): {many}what was "
            "built since is labelled, and not to be seen"
        )
        return [Finding("newer_labels", reason)], ""
    if (older := _years(newest, first)) >= APART_YEARS:
        reason = (
            f"Labels are {since}, {older:.1f} years older than the imagery ({first:%Y-%m-%d}): what was "
            "built since is to be seen, and not labelled"
        )
        return [Finding("older_labels", reason)], ""
    return [], ""


def _years(earlier: datetime, later: datetime) -> float:
    return (later - earlier).days / _DAYS_PER_YEAR
