"""The picture of the report: what it shows, and that it fits however chips lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fair_models.data.images import chips
from fair_models.data.images.chips import Chip
from fair_models.data.label_quality import contact_sheet, glimpses
from fair_models.data.label_quality.report import DOUBTS, KINDS, ChipReport, Cover, Finding, LabelReport
from fair_models.data.vectors import labels
from fair_models.data.vectors.labels import Labels

RED, GREEN = np.array([214, 39, 40]), np.array([126, 190, 130])


@pytest.fixture
def found(settlement: Path) -> list[Chip]:
    return chips.find(settlement / "input")


@pytest.fixture
def known(settlement: Path) -> Labels:
    return labels.read(settlement / "input" / "labels.geojson", ["building"])


def report(found: list[Chip], doubtful: int) -> LabelReport:
    reason = (
        "labels of building cover 2.0% of the chip, where about 30.0% is to be expected (limit 60% of that)"
    )
    return LabelReport(
        [
            ChipReport(
                chip.name,
                5,
                cover=Cover(0.02, 0.3, 0.28, 0.0),
                findings=[Finding("missing_labels", reason)] if number < doubtful else [],
            )
            for number, chip in enumerate(found)
        ],
        5 * len(found),
    )


def near(picture: np.ndarray, colour: np.ndarray) -> int:
    """How many pixels have a colour, as far as JPEG keeps it."""
    return int((np.abs(picture.astype(int) - colour).max(axis=-1) < 30).sum())


def drawn(path: Path, found: list[Chip], known: Labels, doubtful: int, left_out: list[str]) -> np.ndarray:
    contact_sheet.draw(
        "town", report(found, doubtful), found, known, glimpses.of_chips(found), {}, left_out, path
    )
    return np.asarray(Image.open(path))


def test_it_is_1200_pixels_wide_and_shows_doubt_in_its_colour(
    found: list[Chip], known: Labels, tmp_path: Path
) -> None:
    none = drawn(tmp_path / "none.jpg", found, known, 0, [])
    some = drawn(tmp_path / "some.jpg", found, known, 3, [])

    assert none.shape[1] == some.shape[1] == 1200
    assert near(some, RED) > 2000 > 50 > near(none, RED)
    assert near(none, GREEN) > near(some, GREEN) > 0
    assert some.shape[0] > none.shape[0] + 200  # the worst chips from near


def test_chips_that_were_left_out_are_crossed_out(found: list[Chip], known: Labels, tmp_path: Path) -> None:
    plain = drawn(tmp_path / "plain.jpg", found, known, 1, [])
    crossed = drawn(tmp_path / "crossed.jpg", found, known, 1, [found[0].name])
    changed = np.abs(plain.astype(int) - crossed).max(axis=-1) > 60
    assert 50 < changed.sum() < 0.02 * changed.size


def test_many_chips_in_doubt_show_the_worst_alone(found: list[Chip], known: Labels, tmp_path: Path) -> None:
    eight = drawn(tmp_path / "eight.jpg", found, known, 8, [])
    all_of_them = drawn(tmp_path / "all.jpg", found, known, 12, [])
    assert eight.shape == all_of_them.shape


def test_chips_that_lie_far_apart_stand_side_by_side(settlement: Path, known: Labels, tmp_path: Path) -> None:
    found = chips.find(settlement / "input")
    far = [found[0], *(chip for chip in chips.find(settlement / "prediction" / "input"))]
    moved = [
        Chip(
            **{
                **vars(chip),
                "transform": (*chip.transform[:2], chip.transform[2] + 3.0 * number, *chip.transform[3:]),
            }
        )
        for number, chip in enumerate(far)
    ]
    picture = drawn(tmp_path / "far.jpg", moved, known, 0, [])
    assert picture.shape[0] < 700
    assert near(picture, GREEN) > 500


def test_what_puts_a_chip_in_doubt_gives_it_its_colour_before_anything_else() -> None:
    assert set(list(KINDS)[: len(DOUBTS)]) == DOUBTS
