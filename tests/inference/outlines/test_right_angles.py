"""Right angles where a shape has them, and nothing where it has not."""

import numpy as np
import pytest
import shapely
from shapely import affinity

from fair_models.inference.outlines.right_angles import MIN_IOU, regularise
from fair_models.inference.outlines.vectorise import shaped
from fair_models.inference.request import OutlineParams
from fair_models.types import Array

L_SHAPE = shapely.Polygon([(0, 0), (20, 0), (20, 8), (9, 8), (9, 16), (0, 16)])
PIXEL_M = 0.3


def as_pixels(shape: shapely.Geometry) -> shapely.Polygon:
    """The outline of the pixels whose middle lies in a shape, in metres."""
    west, south, east, north = shape.bounds
    xs, ys = np.arange(west, east, PIXEL_M), np.arange(south, north, PIXEL_M)
    x, y = (grid.ravel() for grid in np.meshgrid(xs, ys))
    inside = shapely.contains_xy(shape, x + PIXEL_M / 2, y + PIXEL_M / 2)
    return shapely.union_all(shapely.box(x, y, x + PIXEL_M, y + PIXEL_M)[inside], grid_size=1e-6)


def one(shape: shapely.Geometry) -> tuple[shapely.Polygon, bool]:
    shapes, changed = regularise(np.array([shape], dtype=object), 1.5 * PIXEL_M)
    return shapes[0], bool(changed[0])


def corner_angles(ring: shapely.LinearRing) -> Array:
    places = shapely.get_coordinates(ring)[:-1]
    before, after = places - np.roll(places, 1, axis=0), np.roll(places, -1, axis=0) - places
    cosines = (before * after).sum(axis=1) / (np.hypot(*before.T) * np.hypot(*after.T))
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def iou(one: shapely.Geometry, other: shapely.Geometry) -> float:
    return float(one.intersection(other).area / one.union(other).area)


@pytest.mark.parametrize("turn", [0, 7, 30, 45, 61, 88])
@pytest.mark.parametrize(("roof", "corners"), [(shapely.box(0, 0, 14, 9), 4), (L_SHAPE, 6)])
def test_a_turned_roof_of_pixels_gets_its_corners_back(
    roof: shapely.Polygon, corners: int, turn: float
) -> None:
    truth = affinity.rotate(roof, turn)

    regular, changed = one(as_pixels(truth))

    assert changed
    assert corner_angles(regular.exterior) == pytest.approx(90, abs=1e-6)
    assert len(regular.exterior.coords) - 1 == corners
    assert iou(regular, truth) > 0.94


def test_a_courtyard_is_turned_with_its_roof() -> None:
    truth = affinity.rotate(shapely.box(0, 0, 20, 20) - shapely.box(6, 6, 14, 12), 20)

    regular, changed = one(as_pixels(truth))

    assert changed
    (court,) = regular.interiors
    assert corner_angles(court) == pytest.approx(90, abs=1e-6)
    assert iou(regular, truth) > 0.93


@pytest.mark.parametrize(
    "shape",
    [
        shapely.Point(0, 0).buffer(8),
        shapely.Polygon([(0, 0), (20, 0), (10, 17)]),
        shapely.LineString([(0, 0), (10, 3), (14, 12), (25, 30)]).buffer(2),
        shapely.Polygon([(0, 0), (30, 0), (30, 1), (0, 8)]),
    ],
    ids=["pond", "triangle", "bend", "wedge whose sides are nearly level"],
)
def test_what_has_no_right_angles_stays_as_it_is(shape: shapely.Polygon) -> None:
    pixels = as_pixels(shape)

    regular, changed = one(pixels)

    assert not changed
    assert regular.equals(pixels)


def test_shapes_are_judged_one_by_one_and_keep_their_order() -> None:
    rng = np.random.default_rng(3)
    truth = [affinity.rotate(shapely.box(0, 0, *rng.uniform(6, 25, 2)), rng.uniform(0, 90)) for _ in range(8)]
    truth[3] = shapely.Point(0, 0).buffer(7)
    pixels = np.array([as_pixels(shape) for shape in truth], dtype=object)

    shapes, changed = regularise(pixels, 1.5 * PIXEL_M)

    assert changed.tolist() == [True] * 3 + [False] + [True] * 4
    assert all(iou(made, given) >= MIN_IOU for made, given in zip(shapes, pixels, strict=True))
    assert shapely.is_valid(shapes).all()


@pytest.mark.parametrize("seed", range(5))
def test_any_shape_gives_a_valid_polygon(seed: int) -> None:
    rng = np.random.default_rng(seed)
    blobs = [
        shapely.union_all([shapely.Point(*rng.uniform(0, 12, 2)).buffer(rng.uniform(1, 5)) for _ in range(4)])
        for _ in range(20)
    ]
    parts = [part for blob in blobs for part in shapely.get_parts(blob)]
    pixels = np.array([max(shapely.get_parts(as_pixels(part)), key=shapely.area) for part in parts])

    shapes, _ = regularise(pixels, 1.5 * PIXEL_M)

    assert shapely.is_valid(shapes).all()
    assert (shapely.get_type_id(shapes) == 3).all()


def test_pixels_that_are_wider_than_high_are_measured_on_the_ground() -> None:
    """A roof turned by 30°, on pixels of 0.6 by 0.3 m: in pixels its corners are not right."""
    truth = affinity.rotate(shapely.box(0, 0, 18, 12), 30)
    in_pixels = affinity.scale(as_pixels(truth), 1 / 0.6, 1 / 0.3, origin=(0, 0))

    (made,) = shaped(np.array([in_pixels]), (0.6, 0.3), OutlineParams(regularise=True))

    assert corner_angles(affinity.scale(made, 0.6, 0.3, origin=(0, 0)).exterior) == pytest.approx(90)
    assert np.abs(corner_angles(made.exterior) - 90).max() > 5


def test_filled_holes_are_gone_and_kept_ones_are_not() -> None:
    court = shapely.box(0, 0, 20, 20) - shapely.box(6, 6, 14, 12)

    (kept,) = shaped(np.array([court]), (1, 1), OutlineParams())
    (filled,) = shaped(np.array([court]), (1, 1), OutlineParams(holes=False))

    assert kept.equals(court)
    assert filled.equals(shapely.box(0, 0, 20, 20))
