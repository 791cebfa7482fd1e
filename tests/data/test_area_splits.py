"""Whole areas are held out: which, what is left beside them, and what is refused."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from fair_models.data import area_splits
from fair_models.data.area_splits import by_whole_areas
from fair_models.data.images.chips import Chip
from fair_models.data.splits import Split
from fair_models.errors import Invalid
from tests.data.messy import placed

EDGES = (0, 2, 5, 9, 10)
"""Columns at which areas begin and end: a (2), b (3), c (4), d (1)."""


def town() -> list[Chip]:
    """10 x 2 chips."""
    return [placed(386690 + x, 220241 + y) for x in range(EDGES[-1]) for y in range(2)]


def areas(chips: list[Chip]) -> dict[str, list[str]]:
    """Four areas side by side, of 4, 6, 8 and 2 chips."""
    found: dict[str, list[str]] = {name: [] for name in "abcd"}
    for chip in chips:
        assert chip.tile is not None
        column = chip.tile.x - 386690
        number = sum(column >= edge for edge in EDGES[1:-1])
        found["abcd"[number]].append(chip.name)
    return found


def split_of(
    chips: list[Chip], *held_out: str, seed: int = 0, buffer_m: float = 0.0, **more: object
) -> Split:
    return by_whole_areas(chips, areas(chips), 0.25, seed, buffer_m, held_out, **more)  # type: ignore[arg-type]


def test_all_chips_of_the_named_areas_are_held_out_and_all_others_train() -> None:
    chips = town()

    split = split_of(chips, "d", "b")

    own = areas(chips)
    assert set(split.held_out) == {*own["b"], *own["d"]}
    assert set(split.train) == {*own["a"], *own["c"]}
    assert (split.method, split.held_out_areas, split.left_out) == ("whole-areas", ("b", "d"), ())


def test_one_area_after_the_other_holds_out_each_chip_once() -> None:
    chips = town()

    held_out = [name for area in "abcd" for name in split_of(chips, area).held_out]

    assert sorted(held_out) == sorted(chip.name for chip in chips)


def test_a_buffer_leaves_out_what_lies_beside_the_held_out_area() -> None:
    chips = town()
    by_name = {chip.name: chip for chip in chips}

    split = split_of(chips, "b", buffer_m=10)

    columns = {tile.x - 386690 for name in split.left_out if (tile := by_name[name].tile)}
    assert columns == {1, 5}
    assert set(split.held_out) == set(areas(chips)["b"])


@given(seed=st.integers(0, 2**31 - 1), ratio=st.floats(0.05, 0.5))
@settings(deadline=None, max_examples=40)
def test_areas_that_are_drawn_are_held_out_whole_and_come_near_the_ratio(seed: int, ratio: float) -> None:
    chips = town()
    own = areas(chips)

    split = by_whole_areas(chips, own, ratio, seed, 0)

    assert {name for name, each in own.items() if set(each) <= set(split.held_out)} == set(
        split.held_out_areas
    )
    assert not set(split.train) & set(split.held_out)
    assert split.train
    near = min(
        abs(sum(len(own[name]) for name in some) - ratio * len(chips))
        for count in (1, 2, 3)
        for some in combinations(own, count)
    )
    assert abs(len(split.held_out) - ratio * len(chips)) == pytest.approx(near)


def test_seeds_draw_several_areas_and_the_same_seed_the_same() -> None:
    chips = town()

    drawn = [split_of(chips, seed=seed) for seed in range(12)]

    assert len({split.held_out_areas for split in drawn}) > 1
    assert drawn == [split_of(chips[::-1], seed=seed) for seed in range(12)]


def test_what_is_drawn_has_labels_on_both_sides() -> None:
    chips = town()
    labelled = {*areas(chips)["a"], *areas(chips)["d"]}

    for seed in range(12):
        split = split_of(chips, seed=seed, labelled=labelled)
        assert labelled & set(split.held_out)
        assert labelled & set(split.train)


@pytest.mark.parametrize(
    ("held_out", "reason"),
    [
        (("e",), "no area e; there are a, b, c, d"),
        (("a", "b", "c", "d"), "all areas are held out"),
        (("a", "north"), "no area north"),
    ],
)
def test_areas_that_cannot_be_held_out_are_refused(held_out: tuple[str, ...], reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        split_of(town(), *held_out)


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(Invalid, match=r"no area Banepa West; did you mean Banepa west"):
        area_splits.require_areas(["Banepa west", "Panauti"], ["Banepa West"])


@pytest.mark.parametrize("names", [[], ["only"]])
def test_fewer_than_two_areas_are_refused(names: list[str]) -> None:
    with pytest.raises(Invalid, match="at least 2 are needed"):
        area_splits.require_areas(names, [])


def test_an_area_without_chips_is_refused_by_name() -> None:
    chips = town()
    with pytest.raises(Invalid, match="No chip belongs to lake"):
        by_whole_areas(chips, {**areas(chips), "lake": []}, 0.25, 0, 0, ["a"])


def test_held_out_background_alone_is_refused_because_it_measures_nothing() -> None:
    chips = town()
    with pytest.raises(Invalid, match="No chip of b has a label"):
        split_of(chips, "b", labelled=set(areas(chips)["a"]))


def test_training_on_background_alone_is_refused() -> None:
    chips = town()
    with pytest.raises(Invalid, match="no chip with a label is left to learn from"):
        split_of(chips, "a", labelled=set(areas(chips)["a"]))


def test_a_buffer_over_everything_is_refused() -> None:
    with pytest.raises(Invalid, match="buffer of 1000 m no chip is left"):
        split_of(town(), "b", buffer_m=1000)


def test_a_split_is_read_as_it_was_written_with_its_areas(tmp_path: Path) -> None:
    split = split_of(town(), "b", buffer_m=10)

    split.write(tmp_path / "split.json")

    assert Split.read(tmp_path / "split.json") == split
    assert split.spec()["held_out_areas"] == ["b"]
    assert split.spec()["held_out"] == 6
    assert "areas" not in split.spec()
    assert split.area_counts()[0] == {"name": "a", "chips": 4, "train": 2, "held_out": 0}


def test_a_chip_in_two_areas_makes_no_split(tmp_path: Path) -> None:
    split = split_of(town(), "b")
    twice = Split(**{**vars(split), "areas": {**split.areas, "e": split.areas["a"]}})
    twice.write(tmp_path / "split.json")

    with pytest.raises(Invalid, match="more than one area"):
        Split.read(tmp_path / "split.json")


def test_held_out_and_training_chips_share_no_ground_where_areas_overlap() -> None:
    """Chips of two zooms: of an area in the other zoom some lie on chips of the held-out one."""
    coarse = town()
    fine = [placed(2 * 386690 + x, 2 * 220241 + y, 20) for x in range(20) for y in range(4)]
    own = {"coarse": [chip.name for chip in coarse[:8]], "rest": [chip.name for chip in coarse[8:]]}
    own["fine"] = [chip.name for chip in fine]

    split = by_whole_areas([*coarse, *fine], own, 0.25, 0, 0, ["coarse"])

    outlines = {chip.name: chip.grid.footprint for chip in [*coarse, *fine]}
    train, held_out = (
        shapely.union_all([outlines[name] for name in side]) for side in (split.train, split.held_out)
    )
    assert shapely.intersection(train, held_out).area < 1e-3 * held_out.area
    assert set(split.left_out) <= set(own["fine"])
    assert split.left_out
