"""Regions found strip by strip, against those of the whole mask."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from fair_models.inference.outlines.regions import RegionFinder
from fair_models.inference.windowing import mask_runs
from fair_models.types import Array
from tests.inference import plain

SPIRAL = """
###########
..........#
#########.#
#.......#.#
#.#####.#.#
#.#...#.#.#
#.#.###.#.#
#.#.....#.#
#.#######.#
#.........#
###########"""
COMB_DOWN = """
#########
#.#.#.#.#
#.#.#.#.#
#.#.#.#.#
#.#.#.#.#"""
COMB_UP = """
#.#.#.#.#
#.#.#.#.#
#.#.#.#.#
#########"""
HOLES_THAT_TOUCH = """
.###.
#.###
##.#.
.####
###.#"""
RINGS_IN_RINGS = """
#########
#.......#
#.#####.#
#.#...#.#
#.#.#.#.#
#.#...#.#
#.#####.#
#.......#
#########"""
A_HOLE_ON_EACH_SEAM = """
#######
#.###.#
#.#.###
###.#.#
#.###.#
#.#.###
#######"""
CLASSES_SIDE_BY_SIDE = """
##22##22
22##22##
#22##22#
########
2.2.2.2.
22222222"""


def mask_of(picture: str) -> Array:
    rows = picture.strip().splitlines()
    return np.array([[".#2".index(sign) for sign in row] for row in rows], np.uint8)


def cuts(length: int, draw: np.random.Generator) -> Iterator[slice]:
    at = 0
    while at < length:
        end = int(draw.integers(at + 1, length + 1))
        yield slice(at, end)
        at = end


def in_strips(
    classes: Array, probability: Array, strips: Sequence[slice], columns: Sequence[slice]
) -> list[plain.Region]:
    height, width = classes.shape
    finder = RegionFinder(width)
    found = []
    for rows in strips:
        parts = [
            mask_runs.of_mask(classes[rows, across], probability[rows, across], rows.start, across.start)
            for across in columns
        ]
        found.append(finder.add(mask_runs.joined(parts), rows.stop))
    found.append(finder.end(height))
    return [
        plain.Region(outline, int(index), float(confidence), (int(row), int(column)), -1)
        for regions in found
        for outline, index, confidence, (column, row) in zip(
            regions.outlines, regions.classes, regions.confidence, regions.first, strict=True
        )
    ]


def assert_same(found: Sequence[plain.Region], expected: Sequence[plain.Region]) -> None:
    """In the same order, with the same vertices in the same order."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.outline.is_valid
        assert shapely.equals_exact(one.outline, other.outline, 0)
        assert (one.index, one.first) == (other.index, other.first)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-9)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 100])
@pytest.mark.parametrize(
    "picture",
    [
        SPIRAL,
        COMB_DOWN,
        COMB_UP,
        HOLES_THAT_TOUCH,
        RINGS_IN_RINGS,
        A_HOLE_ON_EACH_SEAM,
        CLASSES_SIDE_BY_SIDE,
        "#",
        ".",
        "#.#.#",
    ],
)
def test_regions_over_seams_are_those_of_the_whole_mask(picture: str, rows: int) -> None:
    classes = mask_of(picture)
    height, width = classes.shape
    probability = np.random.default_rng(0).random((height, width)).astype(np.float32)
    strips = [slice(at, min(at + rows, height)) for at in range(0, height, rows)]

    found = in_strips(classes, probability, strips, [slice(0, width // 2), slice(width // 2, width)])

    assert_same(found, plain.regions(classes, probability))


@given(
    st.integers(1, 16),
    st.integers(1, 16),
    st.integers(1, 3),
    st.sampled_from([0.3, 0.5, 0.6, 0.8, 0.95]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=400, deadline=None)
def test_any_mask_in_any_strips_gives_the_regions_of_the_whole_mask(
    height: int, width: int, classes: int, density: float, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    shape = height, width
    mask = np.where(draw.random(shape) < density, draw.integers(1, classes + 1, shape), 0).astype(np.uint8)
    probability = draw.random(shape).astype(np.float32)

    found = in_strips(mask, probability, list(cuts(height, draw)), list(cuts(width, draw)))

    assert_same(found, plain.regions(mask, probability))


def test_regions_come_as_soon_as_they_end() -> None:
    classes = mask_of("#..#\n#..#\n...#\n.#.#")
    finder = RegionFinder(4)

    came = []
    for row in range(4):
        strip = mask_runs.of_mask(classes[row : row + 1], np.ones((1, 4), np.float32), row)
        came.append(finder.add(strip, row + 1).first.tolist())
    came.append(finder.end(4).first.tolist())

    assert came == [[], [], [[0, 0]], [], [[3, 0], [1, 3]]]


def test_what_is_kept_between_strips_is_what_reaches_the_seam() -> None:
    """Else memory would grow with the block."""
    finder = RegionFinder(2000)
    kept = []
    for strip in range(20):
        classes = np.zeros((50, 2000), np.uint8)
        classes[5:45:4, ::3] = 1
        classes[45:, 1000:1010] = classes[:5, 1000:1010] = 1
        found = finder.add(
            mask_runs.of_mask(classes, np.ones(classes.shape, np.float32), 50 * strip), 50 * (strip + 1)
        )
        assert len(found) >= 6660
        kept.append(finder.kept_edges)

    assert set(kept) == {3}
