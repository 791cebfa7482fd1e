"""Outlines, confidences and areas, against implementations that are obviously right."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from fair_models.data.images.grid import Grid
from fair_models.inference.imagery.georeference import areas_m2, on_map
from fair_models.inference.outlines import vectorise
from fair_models.inference.outlines.features import Features, concatenate
from fair_models.inference.outlines.regions import RegionFinder
from fair_models.inference.outlines.vectorise import boxes_and_points, scored
from fair_models.inference.request import OutlineParams
from fair_models.inference.windowing import mask_runs
from fair_models.inference.windowing.detections import FoundObjects, Mask
from fair_models.inference.windows import Rectangle
from fair_models.types import Array
from tests.inference.tiny import blobs

GRID = Grid("EPSG:32645", (0.3, 0.0, 353_000.0, 0.0, -0.3, 3_057_000.0), 120, 160)


def polygons(mask: Mask, grid: Grid, source_at: vectorise.SourceAt, params: OutlineParams) -> Features:
    height, width = mask.classes.shape
    finder = RegionFinder(width)
    strips = [finder.add(mask_runs.of_mask(mask.classes, mask.probability), height), finder.end(height)]
    return concatenate([vectorise.polygons(regions, grid, source_at, params) for regions in strips])


def names(points: Array) -> Array:
    return np.array([f"{int(column)},{int(row)}" for column, row in points], dtype=object)


def random_mask(seed: int, height: int = 120, width: int = 160) -> Mask:
    classes = np.digitize(blobs(height, width, seed, smooth=2.0)[0], [110, 150]).astype(np.uint8)
    probability = np.random.default_rng(seed).uniform(0.3, 1, (height, width)).astype(np.float32)
    return Mask(classes, probability)


def slow_regions(classes: Array) -> list[set[tuple[int, int]]]:
    """Pixels of each region by flooding, in the order of the rows in which they end, then of first pixels."""
    left = {(int(row), int(column)) for row, column in np.argwhere(classes > 0)}
    regions = []
    for start in sorted(left):
        if start not in left:
            continue
        left.remove(start)
        region, border = {start}, [start]
        while border:
            row, column = border.pop()
            for near in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if near in left and classes[near] == classes[start]:
                    left.remove(near)
                    region.add(near)
                    border.append(near)
        regions.append(region)
    return sorted(regions, key=lambda region: (max(region)[0], min(region)))


@pytest.mark.parametrize("seed", range(3))
def test_polygons_are_the_unions_of_their_pixels(seed: int) -> None:
    mask = random_mask(seed)

    found = polygons(mask, GRID, names, OutlineParams())

    regions = slow_regions(mask.classes)
    pixel_m2 = geodesic_area(on_map(np.array([shapely.box(0, 0, 160, 120)]), GRID)[0]) / (160 * 120)
    assert len(found) == len(regions) > 10
    for index, region in enumerate(regions):
        first = min(region)
        union = shapely.union_all([shapely.box(column, row, column + 1, row + 1) for row, column in region])
        (expected,) = on_map(np.array([union]), GRID)
        assert shapely.hausdorff_distance(found.geometry[index], expected) < 2e-9
        assert len(found.geometry[index].interiors) == len(expected.interiors)
        assert found.classes[index] == mask.classes[first]
        assert found.confidence[index] == pytest.approx(
            np.mean([mask.probability[pixel] for pixel in region], dtype=np.float64), abs=1e-6
        )
        assert found.source[index] == f"{first[1]},{first[0]}"
        assert found.area_m2[index] == pytest.approx(len(region) * pixel_m2, rel=1e-5)
    assert shapely.is_valid(found.geometry).all()


def geodesic_area(polygon: shapely.Polygon) -> float:
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(shapely.orient_polygons(polygon))
    return float(area)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=7, max_size=7), min_size=7, max_size=7),
    st.sampled_from([0.0, 0.4, 1.0]),
)
def test_polygons_of_any_mask_are_valid_and_counter_clockwise(rows: list[list[int]], simplify: float) -> None:
    classes = np.array(rows, np.uint8)

    found = polygons(Mask(classes, np.ones((7, 7), np.float32)), GRID, names, OutlineParams(0, simplify))

    parts = shapely.get_parts(found.geometry)
    assert len(found) == len(slow_regions(classes))
    assert shapely.is_valid(found.geometry).all()
    assert shapely.is_ccw(shapely.get_exterior_ring(parts)).all()
    holes = [hole for part in parts for hole in part.interiors]
    assert not shapely.is_ccw(holes).any()


def test_a_hole_is_kept() -> None:
    classes = np.ones((9, 9), np.uint8)
    classes[3:6, 3:6] = 0

    found = polygons(Mask(classes, np.ones((9, 9), np.float32)), GRID, names, OutlineParams())

    assert shapely.get_num_interior_rings(found.geometry).tolist() == [1]
    assert found.area_m2[0] == pytest.approx(72 * 0.09, rel=2e-3)


def test_features_below_the_least_area_are_left_out() -> None:
    classes = np.zeros((20, 20), np.uint8)
    classes[0:2, 0:2] = 1
    classes[5:15, 5:15] = 1

    found = polygons(Mask(classes, np.ones((20, 20), np.float32)), GRID, names, OutlineParams(min_area_m2=1))

    assert found.source.tolist() == ["5,5"]


def test_simplifying_leaves_fewer_vertices_near_where_they_were() -> None:
    mask = random_mask(7)
    exact = polygons(mask, GRID, names, OutlineParams())
    simple = polygons(mask, GRID, names, OutlineParams(simplify_m=0.6))

    before, after = (shapely.get_num_coordinates(found.geometry).sum() for found in (exact, simple))
    assert after < before / 2
    degrees = shapely.hausdorff_distance(exact.geometry, simple.geometry)
    assert (
        0.3 < degrees.max() * 111_320 < 0.9
    )  # GEOS may move the corner where a ring begins a little further


def test_a_mask_without_features_gives_none() -> None:
    empty = Mask(np.zeros((5, 5), np.uint8), np.zeros((5, 5), np.float32))

    assert len(polygons(empty, GRID, names, OutlineParams(simplify_m=1))) == 0


def test_long_edges_bend_with_the_projection() -> None:
    """The straight edge of a strip 60 km long in UTM lies up to 40 m from a straight line in degrees."""
    far = Grid("EPSG:32645", (10.0, 0.0, 253_000.0, 0.0, -10.0, 6_657_000.0), 10, 6000)
    found = polygons(
        Mask(np.ones((10, 6000), np.uint8), np.ones((10, 6000), np.float32)), far, names, OutlineParams()
    )

    (expected,) = on_map(np.array([shapely.segmentize(shapely.box(0, 0, 6000, 10), 1)]), far)
    assert shapely.hausdorff_distance(found.geometry[0], expected) * 111_320 < 1


@pytest.mark.parametrize("latitude_m", [500_000, 3_000_000, 7_000_000])
def test_areas_agree_with_geodesic_ones_from_the_equator_to_the_arctic(latitude_m: float) -> None:
    grid = Grid("EPSG:32645", (0.3, 0.0, 353_000.0, 0.0, -0.3, latitude_m), 300, 300)
    shapes = shapely.box([0, 50], [0, 50], [100, 220], [100, 90])

    placed = on_map(shapes, grid)

    assert areas_m2(shapes, grid) == pytest.approx([geodesic_area(shape) for shape in placed], rel=1e-5)


def test_boxes_become_polygons_and_points_points() -> None:
    boxes = FoundObjects(np.array([[0, 0, 10, 20]], float), np.array([0.7]), np.array([1]))
    points = FoundObjects(np.array([[5, 5]], float), np.array([0.8]), np.array([2]))

    box = boxes_and_points(boxes, GRID, names, OutlineParams())
    point = boxes_and_points(points, GRID, names, OutlineParams(min_area_m2=100))

    assert box.geometry[0].geom_type == "Polygon"
    assert box.area_m2[0] == pytest.approx(200 * 0.09, rel=2e-3)
    assert point.geometry[0].geom_type == "Point"
    assert point.confidence.tolist() == [0.8]
    assert point.source.tolist() == ["5,5"]


def test_each_source_with_scores_is_outlined_with_its_class() -> None:
    scores = {"a": {"none": 0.2, "roof": 0.8}, "b": {"none": 0.7, "roof": 0.3}, "c": {"roof": 0.1}}
    areas = {name: Rectangle(0, 50 * index, 50, 50) for index, name in enumerate(scores)}

    found: Features = scored(scores, areas, GRID, ["none", "roof"], 0.5)

    assert found.classes.tolist() == [1, 0, 0]
    assert found.confidence == pytest.approx([0.8, 0.7, 0.9])
    assert found.source.tolist() == ["a", "b", "c"]
    assert found.area_m2 == pytest.approx([2500 * 0.09] * 3, rel=2e-3)
