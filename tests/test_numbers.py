"""The one rule by which people see numbers."""

import pytest

from fair_models import numbers


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "–"),
        (0.0, "0"),
        (1.0, "1"),
        (0.7, "0.7"),
        (0.880654747199537, "0.881"),
        (0.0103, "0.0103"),
        (0.9996, "1"),
        (250.5, "250"),
        (999.7, "1,000"),
        (35618.3, "35,618"),
        (0.00001234, "1.23e-05"),
        (-0.5004, "-0.5"),
        (143, "143"),
        (2147483647, "2147483647"),
    ],
)
def test_a_measured_number_has_at_most_three_significant_digits_and_a_count_has_all(
    value: float | None, told: str
) -> None:
    assert numbers.shown(value) == told


def test_a_number_beside_its_bound_has_four_so_that_the_two_differ() -> None:
    assert (numbers.shown(0.6998), numbers.compared(0.6998)) == ("0.7", "0.6998")


def test_an_interval_stands_in_brackets_where_there_is_one() -> None:
    assert numbers.with_interval(0.7421, 0.7009, 0.778) == "0.742 [0.701, 0.778]"
    assert numbers.with_interval(0.7421, None, None) == "0.742"
    assert numbers.with_interval(None, 0.1, 0.2) == "–"


@pytest.mark.parametrize(("seconds", "told"), [(89.4, "89 s"), (90, "2 min"), (5400, "1.5 h")])
def test_a_time_has_the_unit_that_people_would_use(seconds: float, told: str) -> None:
    assert numbers.duration(seconds) == told
