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


def test_edits_count_in_the_place_of_the_time_of_the_data() -> None:
    """An extract of today holds what was mapped long ago."""
    edits = [datetime(year, 6, 1, tzinfo=UTC) for year in (2012, 2013, 2015)]
    (finding,), _ = ages.compare(datetime(2026, 1, 1, tzinfo=UTC), IMAGERY, edits)
    assert finding.kind == "older_labels"
    assert "edited from 2012-06-01 to 2015-06-01, 2.7 years older" in finding.reason


def test_edits_after_the_imagery_are_counted() -> None:
    edits = [datetime(year, 6, 1, tzinfo=UTC) for year in (2012, 2020, 2024)]
    (finding,), _ = ages.compare(datetime(2026, 1, 1, tzinfo=UTC), IMAGERY, edits)
    assert finding.kind == "newer_labels"
    assert "2 of 3 of them a year or more after it" in finding.reason
