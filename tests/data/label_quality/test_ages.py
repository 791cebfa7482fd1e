"""Labels that are of another time than the imagery."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fair_models.data.label_quality import ages

IMAGERY = datetime(2018, 3, 1, tzinfo=UTC), datetime(2018, 9, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("labels", "kind", "years"),
    [
        (datetime(2026, 3, 1, tzinfo=UTC), "newer_labels", "7.5 years newer"),
        (datetime(2015, 3, 1, tzinfo=UTC), "older_labels", "3.0 years older"),
    ],
)
def test_labels_of_another_time_are_told_with_the_years_between(
    labels: datetime, kind: str, years: str
) -> None:
    (finding,), why = ages.compare(labels, IMAGERY)
    assert finding.kind == kind
    assert years in finding.reason
    assert why == ""


@pytest.mark.parametrize("labels", [datetime(2018, 6, 1, tzinfo=UTC), datetime(2019, 8, 1, tzinfo=UTC)])
def test_labels_of_the_same_time_are_right(labels: datetime) -> None:
    assert ages.compare(labels, IMAGERY) == ([], "")


def test_what_is_not_known_is_not_judged_and_says_so() -> None:
    assert "labels and the imagery" in ages.compare(None, None)[1]
    assert "when the labels are" in ages.compare(None, IMAGERY)[1]
    assert "when the imagery was taken" in ages.compare(IMAGERY[0], None)[1]
