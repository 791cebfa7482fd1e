"""Objects found strip by strip, against those of the whole block."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import rasterize

from fair_models.inference.instances import growth
from fair_models.inference.outlines.marked_objects import InstanceFinder
from fair_models.inference.outlines.regions import RegionFinder, Regions
from fair_models.inference.windowing import mask_runs
from fair_models.types import Array


def cuts(length: int, draw: np.random.Generator) -> Iterator[slice]:
    at = 0
    while at < length:
        end = int(draw.integers(at + 1, length + 1))
        yield slice(at, end)
        at = end


def in_strips(
    classes: Array,
    markers: Array,
    strips: Iterable[slice],
    reach_px: int = 3,
    near_px: int | None = None,
    probability: Array | None = None,
    holes: bool = True,
) -> list[Regions]:
    """What each strip ends, and then the block's end."""
    height, width = classes.shape
    probability = np.ones(classes.shape, np.float32) if probability is None else probability
    finder = InstanceFinder(width, reach_px, near_px, holes)
    found = []
    for rows in strips:
        runs, inside = (
            mask_runs.of_mask(each[rows], probability[rows], rows.start)
            for each in (classes, classes * markers)
        )
        found.append(finder.add(runs, inside, rows.stop))
    return [*found, finder.end(height)]


def told(found: Sequence[Regions]) -> list[tuple[str, int, float, list[int]]]:
    return [
        (outline.wkt, int(index), round(float(confidence), 9), first)
        for regions in found
        for outline, index, confidence, first in zip(
            regions.outlines, regions.classes, regions.confidence, regions.first.tolist(), strict=True
        )
    ]


@given(
    st.integers(1, 18),
    st.integers(1, 18),
    st.integers(1, 3),
    st.sampled_from([0.3, 0.6, 0.8, 0.95]),
    st.sampled_from([0, 0.02, 0.1, 0.4]),
    st.integers(0, 4),
    st.sampled_from([None, 0, 1, 3]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=400, deadline=None)
def test_any_mask_in_any_strips_gives_the_objects_of_the_whole_block(
    height: int,
    width: int,
    count: int,
    density: float,
    marked: float,
    reach_px: int,
    near_px: int | None,
    seed: int,
) -> None:
    draw = np.random.default_rng(seed)
    shape = height, width
    classes = np.where(draw.random(shape) < density, draw.integers(1, count + 1, shape), 0).astype(np.uint8)
    markers = draw.random(shape) < marked
    probability = draw.random(shape).astype(np.float32)

    strips = in_strips(classes, markers, cuts(height, draw), reach_px, near_px, probability)
    whole = in_strips(classes, markers, [slice(0, height)], reach_px, near_px, probability)

    assert told(strips) == told(whole)
    outlines = [(outline, at) for at, (outline, *_) in enumerate(_shapes(strips), start=1)]
    drawn = rasterize(outlines, out_shape=shape, dtype="int32") if outlines else np.zeros(shape, np.int32)
    assert (growth.in_order(drawn) == growth.number_objects(classes, markers, reach_px)).all()
    assert all(shapely.is_valid(regions.outlines).all() for regions in strips)


def _shapes(found: Sequence[Regions]) -> list[tuple[shapely.Polygon, int]]:
    return [
        (outline, index)
        for regions in found
        for outline, index in zip(regions.outlines, regions.classes.tolist(), strict=True)
    ]


def test_without_markers_objects_are_connected_regions_in_the_order_of_regions() -> None:
    draw = np.random.default_rng(3)
    classes = (draw.random((40, 50)) < 0.6).astype(np.uint8)
    finder = RegionFinder(50)
    regions = [finder.add(mask_runs.of_mask(classes, np.ones((40, 50), np.float32)), 40), finder.end(40)]

    found = in_strips(classes, np.zeros((40, 50), bool), [slice(0, 40)])

    assert told(found) == told(regions)


@pytest.mark.parametrize(("near_px", "groups"), [(None, 4), (0, 3), (1, 2), (2, 2), (3, 1)])
def test_objects_with_few_pixels_between_them_are_one_group(near_px: int | None, groups: int) -> None:
    picture = """
##.#.....
##.#.....
....##...
.........
.........
.........
....#....
"""
    classes = np.array([[sign == "#" for sign in row] for row in picture.split()], np.uint8)

    found = in_strips(classes, np.zeros_like(classes, bool), [slice(0, 3), slice(3, 7)], 0, near_px)

    assert sum(len(set(regions.group.tolist())) for regions in found if regions.group is not None) == groups


ISLANDS = """
###############
#.....#...#...#
#.###.#...#.2.#
#.#.#.#...#...#
#.###.#...#...#
#.....#...#...#
###############
"""


@pytest.mark.parametrize("strips", [[7], [1, 2, 4], [1] * 7, [4, 3]])
def test_holes_that_hold_an_object_of_their_class_are_not_filled(strips: list[int]) -> None:
    classes = np.array([[".#2".index(sign) for sign in row] for row in ISLANDS.split()], np.uint8)
    ends = np.cumsum(strips).tolist()
    rows = [slice(end - height, end) for end, height in zip(ends, strips, strict=True)]

    found = in_strips(classes, np.zeros_like(classes, bool), rows, holes=False)

    outlines = [outline for regions in found for outline in regions.outlines]
    island, tank, house = sorted(outlines, key=lambda outline: outline.area if outline.area != 1 else 15)
    assert (island.area, len(island.interiors)) == (9, 0)
    assert tank.area == 1
    assert [shapely.Polygon(hole).bounds for hole in house.interiors] == [(1, 1, 6, 6)]


def test_a_hole_that_a_neighbour_fills_stays() -> None:
    classes = np.ones((9, 9), np.uint8)
    markers = np.zeros((9, 9), bool)
    markers[4, 4] = markers[0] = markers[-1] = markers[:, 0] = markers[:, -1] = True

    (_, found) = in_strips(classes, markers, [slice(0, 9)], 2, holes=False)

    assert sorted(len(outline.interiors) for outline in found.outlines) == [0, 1]
    assert shapely.area(found.outlines).sum() == 81


def test_classes_make_groups_of_their_own() -> None:
    classes = np.array([[1, 1, 2, 2]], np.uint8)

    (_, found) = in_strips(classes, np.zeros_like(classes, bool), [slice(0, 1)], near_px=5)

    assert found.group is not None
    assert found.group.tolist() == [0, 1]


def test_groups_come_as_soon_as_no_pixel_can_join_them() -> None:
    classes = np.zeros((8, 6), np.uint8)
    classes[0, :2] = classes[2, 3] = classes[6, 0] = 1
    strips = [slice(row, row + 1) for row in range(8)]

    apart = in_strips(classes, np.zeros_like(classes, bool), strips, near_px=None)
    near = in_strips(classes, np.zeros_like(classes, bool), strips, near_px=1)

    assert [len(regions) for regions in apart] == [0, 1, 0, 1, 0, 0, 0, 1, 0]
    assert [len(regions) for regions in near] == [0, 0, 0, 0, 2, 0, 0, 0, 1]


def test_what_is_kept_between_strips_is_what_reaches_the_seam() -> None:
    """Else memory would grow with the block."""
    finder = InstanceFinder(2000, 3, 1)
    kept = []
    for strip in range(20):
        classes = np.zeros((50, 2000), np.uint8)
        classes[5:44:4, ::3] = 1
        classes[45:, 1000:1010] = classes[:4, 1000:1010] = 1
        ones = np.ones(classes.shape, np.float32)
        runs, markers = (
            mask_runs.of_mask(each, ones, 50 * strip) for each in (classes, classes * (ones > 0))
        )
        assert len(finder.add(runs, markers, 50 * (strip + 1))) >= 6660
        kept.append(finder.kept_runs)

    assert set(kept) == {5}
