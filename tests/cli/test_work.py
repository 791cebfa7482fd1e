"""How versions, ranges and tags are typed."""

from __future__ import annotations

from typing import Any

import pytest

from fair_models.cli.commands.work import exact_references, parse_range, parse_tag
from fair_models.errors import Invalid


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["roofs"], ["roofs"]),
        (["roofs", "1", "2"], ["roofs-v1", "roofs-v2"]),
        (["roofs-v1", "unet"], ["roofs-v1", "unet"]),
        (["roofs", "3", "unet", "sheds", "1"], ["roofs-v3", "unet", "sheds-v1"]),
    ],
)
def test_numbers_are_versions_of_the_name_before_them(typed: list[str], meant: list[str]) -> None:
    assert list(exact_references(typed)) == meant


def test_a_number_without_a_name_is_refused() -> None:
    with pytest.raises(Invalid, match="a version without a model"):
        list(exact_references(["1", "roofs"]))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("training.augment", {}),
        ("training.rate=0.001..0.1", {"least": 0.001, "most": 0.1}),
        ("training.rate=0.001..0.1:log:5", {"least": 0.001, "most": 0.1, "log": True, "points": 5}),
        ("training.rate=..0.1", {"most": 0.1}),
        ("training.width=8,16", {"values": [8, 16]}),
        ("training.loss=dice", {"values": ["dice"]}),
    ],
)
def test_ranges_and_values_are_told_apart(typed: str, meant: dict[str, Any]) -> None:
    assert parse_range(typed) == (typed.partition("=")[0], meant)


@pytest.mark.parametrize("typed", ["a=1..2..3", "a=x..y", "a=1..2:often"])
def test_what_is_no_range_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(Invalid, match=r"0\.001\.\.0\.1:log"):
        parse_range(typed)


def test_a_tag_has_one_value_or_several() -> None:
    assert parse_tag("building=school,hospital") == ("building", ["school", "hospital"])
    with pytest.raises(Invalid, match="NAME=VALUE"):
        parse_tag("school")
