"""Outlines of near objects: fewer vertices, and nothing between them or on each other."""

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fair_models.data.images.grid import Grid
from fair_models.inference.outlines import near_shapes, vectorise
from fair_models.inference.outlines.arcs import LONGEST_EDGE_PX, mesh_of
from fair_models.inference.outlines.features import Features, concatenate
from fair_models.inference.outlines.regions import Regions
from fair_models.inference.request import OutlineParams
from fair_models.types import Array
from tests.inference.outlines.test_marked_objects import cuts, in_strips

GRID = Grid("EPSG:32645", (0.3, 0.0, 353_000.0, 0.0, -0.3, 3_057_000.0), 700, 900)


def shapes_of(
    classes: Array, markers: Array, params: OutlineParams, seed: int = 0, reach_px: int = 10
) -> tuple[Array, Array, Array]:
    """Outlines with and without what is done to them, in strips of any height, and their classes."""
    pixel_m = 1.0, 1.0
    strips = cuts(len(classes), np.random.default_rng(seed))
    found = in_strips(classes, markers, strips, reach_px, near_shapes.near_px(params, pixel_m))
    found = [regions for regions in found if len(regions)]
    made = [near_shapes.shaped(each, group_of(each), pixel_m, params)[0] for each in found]
    nothing = [np.empty(0, object)]
    return (
        np.concatenate(nothing + made),
        np.concatenate(nothing + [each.outlines for each in found]),
        np.concatenate([np.empty(0, int)] + [each.classes for each in found]),
    )


def group_of(regions: Regions) -> Array:
    assert regions.group is not None
    return regions.group


def overlapping(shapes: Array) -> list[tuple[str, str]]:
    """Pairs of polygons that have some area in common."""
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = one < other
    one, other = one[pairs], other[pairs]
    apart = shapely.relate_pattern(shapes[one], shapes[other], "F********")
    return [(shapes[a].wkt, shapes[b].wkt) for a, b in zip(one[~apart], other[~apart], strict=True)]


@given(
    st.integers(1, 24),
    st.integers(1, 24),
    st.integers(1, 2),
    st.sampled_from([0.3, 0.6, 0.8, 0.95]),
    st.sampled_from([0, 0.02, 0.1, 0.3]),
    st.sampled_from([0.4, 1.0, 1.6, 3.0, 50.0]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=300, deadline=None)
@example(17, 15, 1, 0.6, 0.02, 3.0, False, 960984568)  # an object in the bay of another one, which was closed
def test_outlines_of_any_mask_in_any_strips_are_the_same_valid_and_apart(
    height: int,
    width: int,
    count: int,
    density: float,
    marked: float,
    simplify: float,
    regular: bool,
    seed: int,
) -> None:
    draw = np.random.default_rng(seed)
    shape = height, width
    classes = np.where(draw.random(shape) < density, draw.integers(1, count + 1, shape), 0).astype(np.uint8)
    params = OutlineParams(simplify_m=simplify, regularise=regular)

    markers = draw.random(shape) < marked

    found, exact, of_class = shapes_of(classes, markers, params, seed, 3)
    again, _, _ = shapes_of(classes, markers, params, seed + 1, 3)

    assert shapely.equals_exact(found, again, 0).all()
    assert shapely.is_valid(found).all()
    assert not shapely.is_empty(found).any()
    for index in range(1, count + 1):
        assert overlapping(found[of_class == index]) == []
    moved = min(max(simplify, 1.5 if regular else 0), near_shapes.MAX_MOVE_PX)
    assert (shapely.hausdorff_distance(found, exact) <= moved + 1e-9).all() or regular
    assert shapely.covers(shapely.buffer(exact, moved + 1e-6), found).all()


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([0, 0.1, 0.3]), st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_the_arcs_of_any_outlines_make_them_again(height: int, width: int, marked: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    classes = draw.choice(np.array([0, 1, 1, 1], np.uint8), (height, width))
    (found, rest) = in_strips(classes, draw.random((height, width)) < marked, [slice(0, height)])
    outlines = np.concatenate((found.outlines, rest.outlines))

    if len(outlines):
        mesh = mesh_of(outlines, np.zeros(len(outlines), int))
        assert shapely.equals(mesh.outlines(mesh.arcs), outlines).all()
        ends = [tuple(sorted((arc.coords[0], arc.coords[-1]))) for arc in mesh.arcs.lines()]
        assert all(arc.is_simple for arc in mesh.arcs.lines())
        assert len(ends) == len(mesh.arcs)


def slanted_houses() -> tuple[Array, Array]:
    """Two rows of houses, turned against the grid, that share their side walls, and their interiors."""
    classes, markers = np.zeros((120, 160), np.uint8), np.zeros((120, 160), bool)
    row, column = np.mgrid[:120, :160] + 0.5
    along, across = column * 0.96 + row * 0.28, row * 0.96 - column * 0.28
    for start in (40, 64, 88):
        for top in (20, 44):
            classes[(along >= start) & (along < start + 24) & (across >= top) & (across < top + 24)] = 1
            inside = (along >= start + 3) & (along < start + 21) & (across >= top + 3) & (across < top + 21)
            markers[inside] = True
    return classes, markers


def test_neighbours_share_the_walls_between_them_vertex_by_vertex() -> None:
    classes, markers = slanted_houses()

    found, exact, _ = shapes_of(classes, markers, OutlineParams(simplify_m=1.2))

    assert len(found) == 6
    assert shapely.coverage_is_valid(found)
    block = shapely.union_all(found)
    assert block.geom_type == "Polygon"
    assert len(block.interiors) == 0
    assert block.area == pytest.approx(shapely.area(found).sum(), abs=1e-9)
    assert shapely.get_num_coordinates(exact).min() > 40
    assert shapely.get_num_coordinates(found).max() <= 9
    assert shapely.area(found) == pytest.approx([24 * 24] * 6, rel=0.06)


def test_neighbours_stay_together_on_the_map() -> None:
    classes, markers = slanted_houses()

    found = on_the_map(classes, markers, OutlineParams(simplify_m=0.4))

    assert len(found) == 6
    assert shapely.coverage_is_valid(found.geometry)
    assert overlapping(found.geometry) == []
    assert len(shapely.union_all(found.geometry).interiors) == 0


def on_the_map(classes: Array, markers: Array, params: OutlineParams) -> Features:
    near_px = near_shapes.near_px(params, (0.3, 0.3))
    found = in_strips(classes, markers, [slice(0, len(classes))], 10, near_px)
    return concatenate(
        [vectorise.polygons(each, GRID, lambda points: points[:, 0], params) for each in found]
    )


@pytest.mark.parametrize("simplify", [0, 0.3])
def test_long_walls_get_their_further_vertices_once_for_both_sides(simplify: float) -> None:
    classes, markers = np.ones((700, 900), np.uint8), np.zeros((700, 900), bool)
    markers[5:300, 5:-5] = markers[310:600, 5:400] = markers[310:-5, 420:-5] = True

    found = on_the_map(classes, markers, OutlineParams(simplify_m=simplify))

    assert LONGEST_EDGE_PX < 700
    assert shapely.coverage_is_valid(found.geometry)
    assert shapely.get_num_coordinates(found.geometry).max() > 8
    assert len(shapely.union_all(found.geometry).interiors) == 0


def test_a_small_object_is_left_out_whether_others_touch_it_or_not() -> None:
    classes, markers = np.zeros((40, 60), np.uint8), np.zeros((40, 60), bool)
    classes[5:25, 5:25] = classes[10:12, 25:28] = classes[5:7, 40:43] = 1
    markers[7:23, 7:23] = markers[10:12, 26:28] = markers[5:7, 41] = True

    found = on_the_map(classes, markers, OutlineParams(min_area_m2=4))

    assert found.area_m2 == pytest.approx([20 * 20 * 0.09 + 2 * 0.09], rel=1e-2)


def test_only_outlines_that_share_no_edge_get_right_angles() -> None:
    classes, markers = slanted_houses()
    row, column = np.mgrid[:120, :160] + 0.5
    along, across = column * 0.96 + row * 0.28, row * 0.96 - column * 0.28
    classes[(along > 122) & (along < 150) & (across > 20) & (across < 50)] = 1
    params = OutlineParams(simplify_m=1.2, regularise=True)
    (found, rest) = in_strips(classes, markers, [slice(0, 120)], 10, near_shapes.near_px(params, (1, 1)))

    made, still = near_shapes.shaped(found, group_of(found), (1, 1), params)
    simple, none = near_shapes.shaped(found, group_of(found), (1, 1), OutlineParams(simplify_m=1.2))

    assert (len(found), len(rest), still, none) == (7, 0, 6, 0)
    alone = int(np.argmax(shapely.bounds(made)[:, 2]))
    assert [shapely.equals_exact(one, other, 0) for one, other in zip(made, simple, strict=True)].count(
        False
    ) == 1
    corners = shapely.get_coordinates(made[alone])
    sides = np.diff(corners, axis=0)
    turns = (sides * np.roll(sides, -1, axis=0)).sum(axis=1)
    assert len(corners) == 5
    assert turns == pytest.approx([0] * 4, abs=1e-6)
    assert shapely.coverage_is_valid(made)


def test_right_angles_are_not_given_where_they_would_reach_into_another_object() -> None:
    """A round pond's neighbour whose wall follows it closely keeps the edges of its pixels or near them."""
    classes = np.zeros((60, 80), np.uint8)
    row, column = np.mgrid[:60, :80] + 0.5
    classes[(row > 10) & (row < 40) & (column > 10) & (column < 40 + 3 * np.sin(row / 2))] = 1
    classes[(row > 10) & (row < 40) & (column > 42 + 3 * np.sin(row / 2)) & (column < 70)] = 1
    params = OutlineParams(simplify_m=0.5, regularise=True)

    found, _, _ = shapes_of(classes, np.zeros_like(classes, bool), params)

    assert len(found) == 2
    assert overlapping(found) == []


def test_objects_are_near_whose_outlines_may_meet_when_both_have_moved() -> None:
    assert near_shapes.near_px(OutlineParams(), (0.3, 0.3)) is None
    assert near_shapes.near_px(OutlineParams(simplify_m=0.3), (0.3, 0.3)) == 2
    assert near_shapes.near_px(OutlineParams(simplify_m=0.1), (0.3, 0.3)) == 0
    assert near_shapes.near_px(OutlineParams(simplify_m=1000), (0.3, 0.5)) == 2 * near_shapes.MAX_MOVE_PX
    assert near_shapes.near_px(OutlineParams(regularise=True), (0.5, 0.5)) == 3
