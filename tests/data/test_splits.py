from pathlib import Path

import numpy as np
import orjson
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from fair_models.data import splits
from fair_models.data.images import chips
from fair_models.data.splits import CUTS, Split, by_area
from fair_models.errors import Invalid
from tests.data.messy import placed


def block(columns: int, rows: int) -> list[chips.Chip]:
    return [placed(386690 + x, 220241 + y) for x in range(columns) for y in range(rows)]


def metres_apart(one: list[chips.Chip], other: list[chips.Chip]) -> float:
    """Distance in a plane that fits around Kathmandu."""

    def outlines(of: list[chips.Chip]) -> shapely.Geometry:
        return shapely.transform(
            shapely.union_all([chip.grid.footprint for chip in of]),
            lambda lonlat: lonlat * (111_195 * np.cos(np.radians(27.63)), 111_195),
        )

    return float(shapely.distance(outlines(one), outlines(other)))


@settings(deadline=None)
@given(
    columns=st.integers(2, 7),
    rows=st.integers(2, 7),
    ratio=st.floats(0.05, 0.5),
    seed=st.integers(0, 40),
    buffer_m=st.sampled_from([0.0, 5.0, 60.0]),
)
def test_every_chip_is_on_one_side_and_the_sides_keep_their_distance(
    columns: int, rows: int, ratio: float, seed: int, buffer_m: float
) -> None:
    found = block(columns, rows)
    try:
        split = by_area(found, ratio, seed, buffer_m)
    except Invalid:
        assert buffer_m > 0
        return
    by_name = {chip.name: chip for chip in found}

    assert sorted([*split.train, *split.held_out, *split.left_out]) == sorted(by_name)
    assert split.train
    assert len(split.held_out) == max(1, round(ratio * len(found)))
    assert buffer_m > 0 or not split.left_out
    apart = metres_apart([by_name[name] for name in split.train], [by_name[name] for name in split.held_out])
    assert apart >= buffer_m - 1e-3


@given(seed=st.integers(0, 2**31 - 1), ratio=st.floats(0.1, 0.5))
@settings(deadline=None, max_examples=30)
def test_the_held_out_chips_are_one_block(seed: int, ratio: float) -> None:
    found = block(5, 6)

    split = by_area(found, ratio, seed, 0)

    held_out = shapely.union_all(
        [chip.grid.footprint.buffer(1e-7) for chip in found if chip.name in set(split.held_out)]
    )
    assert held_out.geom_type == "Polygon"


def test_the_same_seed_gives_the_same_split_in_whatever_order_the_chips_come() -> None:
    found = block(5, 6)

    assert by_area(found, 0.25, 3, 10) == by_area(found[::-1], 0.25, 3, 10)


def test_each_seed_takes_another_side_or_corner() -> None:
    found = block(6, 8)

    assert [by_area(found, 0.25, seed, 0).cut for seed in range(8)] == list(CUTS)
    assert len({by_area(found, 0.25, seed, 0).held_out for seed in range(8)}) == 8


def test_seed_0_holds_out_the_south() -> None:
    found = block(6, 8)

    split = by_area(found, 0.25, 0, 0)

    assert {name.split("-")[2] for name in split.held_out} == {"220247", "220248"}
    assert (len(split.train), len(split.held_out), len(split.left_out)) == (36, 12, 0)


def test_a_chip_that_shows_the_ground_of_a_held_out_one_does_not_train() -> None:
    """Chips of two zooms over one area, resampled to one resolution."""
    coarse = block(4, 4)
    fine = [placed(2 * 386690 + x, 2 * 220241 + y, 20) for x in range(8) for y in range(8)]
    found = [*coarse, *fine]

    split = by_area(found, 0.3, 0, 0)
    by_name = {chip.name: chip.grid.footprint for chip in found}
    train = shapely.union_all([by_name[name] for name in split.train])
    held_out = shapely.union_all([by_name[name] for name in split.held_out])

    assert split.left_out
    assert train.intersection(held_out).area < 1e-6 * held_out.area


def test_where_one_side_would_have_no_labels_another_cut_is_taken() -> None:
    found = block(4, 4)
    northern = {chip.name for chip in found if chip.tile and chip.tile.y < 220243}

    split = by_area(found, 0.25, 0, 0, northern)

    assert split.cut == "west"
    assert northern & set(split.train)
    assert northern & set(split.held_out)


def test_too_few_chips_are_refused_with_the_number_that_is_needed() -> None:
    with pytest.raises(Invalid, match=r"3 chips are too few to split by area, at least 4 are needed"):
        by_area(block(3, 1), 0.25, 0, 0)


def test_a_buffer_that_leaves_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(Invalid, match=r"16 chips \(16 with labels\) .* buffer of 1000 m .* smaller buffer"):
        by_area(block(4, 4), 0.25, 0, 1000)


def test_labels_on_a_single_chip_cannot_be_split() -> None:
    found = block(4, 4)

    with pytest.raises(Invalid, match=r"\(1 with labels\).*add chips or labels"):
        by_area(found, 0.25, 0, 0, {found[5].name})


def test_a_split_that_is_written_is_read_back(tmp_path: Path) -> None:
    split = by_area(block(4, 4), 0.25, 1, 20)

    split.write(tmp_path / "split.json")

    assert Split.read(tmp_path / "split.json") == split
    assert split.spec()["train"] == len(split.train)


@pytest.mark.parametrize(
    "change",
    [
        {"train": None},
        {"train": "all"},
        {"seed": "south"},
        {"method": "random"},
        {"held_out": ["OAM-386690-220241-19"], "train": ["OAM-386690-220241-19"]},
    ],
)
def test_a_broken_split_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "split.json"
    by_area(block(4, 4), 0.25, 1, 20).write(path)
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), **change}))

    with pytest.raises(Invalid, match=r"split\.json .*ingest the dataset again"):
        Split.read(path)


@pytest.mark.shared
def test_banepa_is_split_as_it_was_measured(shared_data: Path) -> None:
    """12 of 48 chips, those south of tile row 220246."""
    split = by_area(chips.find(shared_data / "chips"), 0.25, 0, 0)

    assert len(split.held_out) == 12
    assert all(int(name.split("-")[2]) > 220246 for name in split.held_out)
    assert all(int(name.split("-")[2]) <= 220246 for name in split.train)
    assert splits.by_area(chips.find(shared_data / "chips"), 0.25, 0, 30).left_out
