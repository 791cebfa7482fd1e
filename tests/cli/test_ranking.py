"""How the answers to sentences and images are shown."""

from __future__ import annotations

from typing import Any

import pytest

from fair_models.cli import output
from fair_models.cli.commands import ranking
from fair_models.errors import Invalid


def _row(query: str, name: str, longitude: float | None, latitude: float | None) -> dict[str, Any]:
    return {
        "query": query,
        "rank": 1,
        "name": name,
        "score": 0.5,
        "longitude": longitude,
        "latitude": latitude,
    }


def test_places_are_told_to_the_metre() -> None:
    (row,) = ranking._readable([_row("a house", "a", 85.51891234, 27.6)])
    assert (row["longitude"], row["latitude"]) == ("85.51891", "27.60000")


def test_columns_that_tell_nothing_are_left_out() -> None:
    captions = [_row("a.tif", name, None, None) for name in ("a house", "a road")]
    assert list(ranking._readable(captions)[0]) == ["rank", "name", "score"]

    both = [*captions, _row("a house", "a", 85.5, 27.6)]
    assert list(ranking._readable(both)[0]) == ["query", "rank", "name", "score", "longitude", "latitude"]
    assert ranking._readable(both)[0]["longitude"] is None


def test_nothing_asked_is_told_as_that() -> None:
    with pytest.raises(Invalid, match=r"no query. Give --text, --image or --batch"):
        ranking._queries([], [], None)


def test_a_title_wider_than_its_table_stays_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_rows("Most similar, by a-model-of-a-long-name-v12", [{"rank": 1}], "Nothing")
    assert capsys.readouterr().out.splitlines()[0] == "Most similar, by a-model-of-a-long-name-v12"
