"""What is told of how far labels lie beside the imagery."""

import math

from fair_models.data.label_quality.registration import NOTICED_M, Neighbourhood, Registration


def _neighbourhood(east_m: float, north_m: float, *chips: str, why: str = "") -> Neighbourhood:
    return Neighbourhood(chips, east_m, north_m, 0.1, 60, not why, why)


def test_labels_on_the_imagery_give_no_note():
    on_it = Registration([_neighbourhood(0.1, -0.2, "a"), _neighbourhood(0.0, NOTICED_M - 0.01, "b")])

    assert on_it.note(moved=False) == ""
    assert on_it.facts(moved=True) == {
        "neighbourhoods": 2,
        "certain": 2,
        "beside": 0,
        "moved": False,
        "east_m": 0.05,
        "north_m": 0.27,
        "worst_m": 0.74,
        "error_m": 0.1,
    }


def test_the_note_says_how_far_where_and_what_to_do():
    found = Registration(
        [
            _neighbourhood(2.8, -0.4, "a"),
            _neighbourhood(3.0, -0.5, "b"),
            _neighbourhood(-7.0, 7.0, "c", why="no edges"),
        ]
    )

    assert found.note(moved=False) == (
        "Labels lie 2.9 m east and 0.5 m south of the imagery in 2 of 3 neighbourhoods; ingest again with "
        "--align to move them"
    )
    assert found.note(moved=True) == (
        "Labels lay 2.9 m east and 0.5 m south of the imagery in 2 of 3 neighbourhoods; they were moved onto "
        "it"
    )
    assert found.facts(moved=True)["moved"]


def test_an_uncertain_estimate_is_neither_told_nor_counted():
    weak = Registration([_neighbourhood(5.0, 5.0, "a", why="hardly any edges")])

    assert weak.note(moved=False) == ""
    assert weak.facts(moved=True) == {"neighbourhoods": 1, "certain": 0, "beside": 0, "moved": False}


def test_a_chip_has_the_offset_of_its_neighbourhood():
    found = Registration([_neighbourhood(3.0, 4.0, "a", "b"), _neighbourhood(0.0, 0.0, "c")])

    one = found.of_chip("b")
    assert one is not None
    assert math.isclose(one.offset_m, 5.0)
    assert found.of_chip("d") is None


def test_of_labels_that_all_lie_beside_the_imagery_small_offsets_count_too():
    all_beside = Registration([_neighbourhood(1.0, 0.0, "a"), _neighbourhood(NOTICED_M - 0.1, 0.0, "b")])
    one_beside = Registration([_neighbourhood(1.0, 0.0, "a"), _neighbourhood(0.4, 0.0, "b")])

    assert len(all_beside.beside) == 2
    assert [each.chips for each in one_beside.beside] == [("a",)]
