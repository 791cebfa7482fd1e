"""Each label is an object with a number of its own, drawn as the mask of classes is."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from fair_models.data.images.grid import Grid
from fair_models.data.samples import IGNORE
from fair_models.data.vectors import instances, labels
from fair_models.data.vectors.labels import Labels
from fair_models.errors import Invalid

PIXEL = 0.0001
GRID = Grid("EPSG:4326", (PIXEL, 0, 10.0, 0, -PIXEL, 20.0), 100, 100)
CLASSES = ["background", "building", "road"]


def box(left: float, top: float, right: float, bottom: float) -> shapely.Polygon:
    """A box in pixels of the grid."""
    return shapely.box(10 + left * PIXEL, 20 - bottom * PIXEL, 10 + right * PIXEL, 20 - top * PIXEL)


def known(
    *outlines: shapely.Geometry, names: list[str] | None = None, ignored: Labels | None = None
) -> Labels:
    shapes = np.array(outlines, dtype=object)
    return Labels(shapes, names or ["building"] * len(outlines), [{} for _ in outlines], ignored=ignored)


def mask_of(those: Labels, grid: Grid = GRID) -> np.ndarray:
    return labels.rasterise(those, grid.transform, grid.height, grid.width, grid.crs, CLASSES, IGNORE)


def numbered(those: Labels, grid: Grid = GRID, things: list[str] | None = None) -> np.ndarray:
    return instances.number(those, grid, mask_of(those, grid), CLASSES, things)


def test_buildings_that_touch_keep_two_numbers() -> None:
    found = numbered(known(box(10, 10, 20, 20), box(20, 10, 30, 20)))

    assert found.dtype == np.uint16
    assert (found[10:20, 10:20] == 1).all()
    assert (found[10:20, 20:30] == 2).all()
    assert (found > 0).sum() == 200


def test_where_labels_overlap_the_smaller_has_the_pixels() -> None:
    found = numbered(known(box(14, 14, 16, 16), box(10, 10, 20, 20)))

    assert (found[14:16, 14:16] == 2).all()
    assert (found == 1).sum() == 100 - 4


def test_of_equally_large_labels_the_later_has_the_pixels() -> None:
    found = numbered(known(box(10, 10, 20, 20), box(15, 10, 25, 20)))

    assert (found == 1).sum() == 50
    assert (found == 2).sum() == 100


def test_a_building_over_the_edge_keeps_its_part() -> None:
    found = numbered(known(box(-5, 40, 5, 50), box(95, 95, 120, 120)))

    assert (found[40:50, :5] > 0).all()
    assert (found[95:, 95:] > 0).all()
    assert set(np.unique(found)) == {0, 1, 2}


def test_what_the_edge_cuts_in_two_stays_one_object() -> None:
    angle = shapely.union_all([box(-5, 10, 5, 12), box(-5, 20, 5, 22), box(-5, 10, -3, 22)])

    found = numbered(known(angle))

    assert (found[10:12, :5] == 1).all()
    assert (found[20:22, :5] == 1).all()


def test_parts_of_a_multipolygon_that_lie_apart_are_objects_of_their_own() -> None:
    found = numbered(known(shapely.MultiPolygon([box(10, 10, 20, 20), box(30, 10, 40, 20)])))

    assert len(np.unique(found)) == 3


def test_a_building_over_the_antimeridian_is_one_object() -> None:
    grid = Grid("EPSG:4326", (PIXEL, 0, 180 - 50 * PIXEL, 0, -PIXEL, 20.0), 100, 100)
    north, south = 20 - 10 * PIXEL, 20 - 20 * PIXEL
    sides = [
        shapely.box(180 - 5 * PIXEL, south, 180, north),
        shapely.box(-180, south, -180 + 5 * PIXEL, north),
    ]

    found = numbered(known(shapely.MultiPolygon(sides)), grid)

    assert (found[10:20, 45:55] == 1).all()


def test_classes_that_are_no_things_have_no_number_and_cover_things_where_they_are_smaller() -> None:
    those = known(box(10, 10, 30, 30), box(0, 15, 40, 20), names=["building", "road"])

    found = numbered(those, things=["building"])
    both = numbered(those)

    assert not found[15:20].any()
    assert (found == 1).sum() == 400 - 100
    assert set(np.unique(both)) == {0, 1, 2}


def test_ground_that_is_ignored_has_no_number() -> None:
    those = known(box(10, 10, 20, 20), ignored=known(box(0, 0, 50, 50), names=["background"]))
    mask = mask_of(those)
    mask[:15] = IGNORE

    found = instances.number(those, GRID, mask, CLASSES)

    assert (found > 0).sum() == 50
    assert not found[mask == IGNORE].any()


def test_numbers_have_no_gap_where_labels_cover_no_pixel() -> None:
    found = numbered(known(box(10, 10, 10.2, 10.2), box(20, 20, 21, 21), box(30, 30, 33, 33)))

    assert set(np.unique(found)) == {0, 1, 2}
    assert found[31, 31] == 1


def test_more_objects_than_numbers_are_refused_with_the_next_step() -> None:
    grid = Grid("EPSG:4326", (PIXEL, 0, 10.0, 0, -PIXEL, 20.0), 300, 300)
    columns, rows = (each.ravel() for each in np.meshgrid(np.arange(300), np.arange(300)))
    west, north = 10 + columns * PIXEL, 20 - rows * PIXEL
    outlines = shapely.box(west, north - PIXEL, west + PIXEL, north)
    those = Labels(outlines, ["building"] * len(outlines), [{}] * len(outlines))

    with pytest.raises(Invalid, match=r"it has 90,000 objects, at most 65,535 .* use smaller chips"):
        instances.number(those, grid, mask_of(those, grid), CLASSES)


boxes = st.tuples(*(st.floats(-10, 110) for _ in range(4))).filter(
    lambda at: at[0] != at[2] and at[1] != at[3]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(boxes, st.sampled_from(CLASSES[1:])), min_size=1, max_size=8))
def test_every_pixel_of_a_thing_has_a_number_and_every_number_one_class(
    drawn: list[tuple[tuple[float, float, float, float], str]],
) -> None:
    those = known(
        *(box(min(x, u), min(y, v), max(x, u), max(y, v)) for (x, y, u, v), _ in drawn),
        names=[name for _, name in drawn],
    )
    mask = mask_of(those)

    found, only = numbered(those), numbered(those, things=["building"])

    assert np.array_equal(found > 0, mask > 0)
    assert np.array_equal(only > 0, mask == 1)
    for one in range(1, int(found.max()) + 1):
        assert len(np.unique(mask[found == one])) == 1


def test_labels_are_one_block_where_nine_of_ten_pictures_have_a_single_large_label() -> None:
    block, houses = np.ones((10, 10), np.uint16), np.zeros((10, 10), np.uint16)
    houses[:3, :3], houses[5:8, 5:8] = 1, 2
    empty = np.zeros((10, 10), np.uint16)

    def found(*numbers: np.ndarray) -> str | None:
        stacked = np.stack(numbers)
        masks = (stacked > 0).astype(np.uint8)
        return instances.blocks(stacked, masks, CLASSES, IGNORE)["building"].undivided("building")

    assert "in 9 of the 10 pictures" in (found(*[block] * 9, houses) or "")
    assert found(*[block] * 8, houses, houses) is None
    assert "in 1 of the 1 pictures" in (found(block, empty, empty) or "")
    assert found(empty) is None
    assert found(np.where(houses == 1, 1, 0).astype(np.uint16)) is None


def test_ground_that_is_ignored_does_not_make_a_block_smaller() -> None:
    numbers = np.zeros((1, 10, 10), np.uint16)
    numbers[:, :3] = 1
    masks = (numbers > 0).astype(np.uint8)

    without = instances.blocks(numbers, masks, CLASSES, IGNORE)
    masks[:, 5:] = IGNORE

    assert without["building"].blocks == 0
    assert instances.blocks(numbers, masks, CLASSES, IGNORE)["building"].blocks == 1
