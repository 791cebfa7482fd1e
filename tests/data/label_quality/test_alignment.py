"""Labels that are moved onto the imagery."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import shapely

from fair_models.data.images import antimeridian
from fair_models.data.images.grid import WEB_MERCATOR, Grid, degrees_of
from fair_models.data.label_quality.alignment import EAST, NORTH, count_moved, moved, require_movable
from fair_models.data.label_quality.registration import Neighbourhood, Registration
from fair_models.data.vectors import labels
from fair_models.data.vectors.labels import Labels
from fair_models.errors import InvalidLabels
from tests.data.label_quality import offsets
from tests.data.label_quality.offsets import metres_between

GRID = Grid("EPSG:4326", (1e-6, 0, 10.0, 0, -1e-6, 20.0), 600, 600)
"""Chips of some 60 m."""

CHIPS = offsets.chips(GRID, 1, 3)


def _registration(*offsets_m: tuple[float, float] | None) -> Registration:
    """The offset of each chip; None where it is not certain."""
    return Registration(
        [
            Neighbourhood([chip.name], *(offset or (5.0, 5.0)), 0.1, 50, offset is not None, "")
            for chip, offset in zip(CHIPS, offsets_m, strict=True)
        ]
    )


def _house(chip: int, across: float = 0.5, width: float = 0.1) -> shapely.Polygon:
    """A square in the middle of a chip's height; sizes are parts of a chip."""
    west = 10.0 + 6e-4 * (chip + across - width / 2)
    return shapely.box(west, 20.0 - 3.3e-4, west + 6e-4 * width, 20.0 - 2.7e-4)


def _labels(*outlines: shapely.Polygon) -> Labels:
    return Labels(
        np.array(outlines), ["building"] * len(outlines), [{"id": at} for at in range(len(outlines))]
    )


def test_each_label_is_moved_back_by_the_offset_of_its_neighbourhood_and_says_so():
    known = _labels(_house(0), _house(1), _house(2))
    found = moved(known, _registration((3.0, 1.0), None, (-2.0, 0.0)), CHIPS)

    assert np.allclose(metres_between(found.outlines, known.outlines), [(-3, -1), (0, 0), (2, 0)], atol=1e-3)
    assert [each.get(EAST) for each in found.properties] == [-3.0, None, 2.0]
    assert [each.get(NORTH) for each in found.properties] == [-1.0, None, 0.0]
    assert [each["id"] for each in found.properties] == [0, 1, 2]
    assert count_moved(found.properties) == 2
    assert known.properties[0] == {"id": 0}


def test_shapes_stay_exactly_as_they_are():
    court = _house(0, width=0.3).buffer(-2e-5).exterior
    known = _labels(shapely.Polygon(_house(0, width=0.3).exterior, [court]))
    found = moved(known, _registration((3.0, -2.0), None, None), CHIPS)

    before, after = (shapely.get_coordinates(each.outlines) for each in (known, found))
    assert np.allclose(after - before, (after - before)[0], atol=1e-12)
    assert shapely.is_valid(found.outlines).all()


def test_labels_that_share_an_edge_still_share_it_where_offsets_differ():
    row = [_house(0, across=0.95 + 0.1 * at) for at in range(3)]  # over the seam of two chips
    known = _labels(*row)
    found = moved(known, _registration((3.0, 0.0), (1.0, 0.0), None), CHIPS)

    assert shapely.touches(found.outlines[0], found.outlines[1])
    assert shapely.touches(found.outlines[1], found.outlines[2])
    assert len({each[EAST] for each in found.properties}) == 1
    assert shapely.area(shapely.union_all(found.outlines)) == pytest.approx(
        sum(shapely.area(found.outlines)), rel=1e-9
    )


def test_in_a_row_over_more_than_a_neighbourhood_each_label_has_its_own_offset():
    chips = offsets.chips(GRID, 1, 6)
    edges = [10.0 + 3e-4 * at for at in range(13)]
    row = [shapely.box(west, 20.0 - 3.3e-4, east, 20.0 - 2.7e-4) for west, east in itertools.pairwise(edges)]
    registration = Registration(
        [
            Neighbourhood([chip.name for chip in some], east_m, 0.0, 0.1, 50, True)
            for some, east_m in ((chips[:3], 3.0), (chips[3:], 1.5))
        ]
    )
    found = moved(_labels(*row), registration, chips)

    assert [each[EAST] for each in found.properties] == [-3.0] * 6 + [-1.5] * 6


def test_labels_beside_all_chips_stay_and_those_at_their_edge_move_with_them():
    at_the_edge = shapely.box(10.0 - 3e-5, 20.0 - 3.3e-4, 10.0 - 1e-5, 20.0 - 2.7e-4)
    far = shapely.box(9.9, 19.9, 9.901, 19.901)
    found = moved(_labels(at_the_edge, far), _registration((-3.0, 0.0), None, None), CHIPS)

    assert [EAST in each for each in found.properties] == [True, False]


def test_ground_to_ignore_is_moved_and_the_area_stays():
    known = (
        _labels(_house(0))
        .ignoring(labels.of_outlines([_house(0, across=0.2), _house(1)]))
        .without(labels.of_outlines([_house(0, across=0.8)]))
    )
    found = moved(known, _registration((3.0, 0.0), None, None), CHIPS)

    assert found.ignored is not None
    assert known.ignored is not None
    assert np.allclose(
        metres_between(found.ignored.outlines, known.ignored.outlines), [(-3, 0), (0, 0)], atol=1e-3
    )
    assert found.outside is known.outside


def test_a_second_move_adds_to_the_first():
    once = moved(_labels(_house(0)), _registration((3.0, 1.0), None, None), CHIPS)
    twice = moved(once, _registration((-1.0, 1.0), None, None), CHIPS)

    assert twice.properties[0][EAST] == -2.0
    assert twice.properties[0][NORTH] == -2.0


@pytest.mark.parametrize("stated", ["far", None, [1], True])
def test_what_a_file_says_of_moves_otherwise_does_no_harm(stated: object):
    known = _labels(_house(0))
    known.properties[0][EAST] = stated  # type: ignore[index]
    found = moved(known, _registration((3.0, 0.0), None, None), CHIPS)

    assert found.properties[0][EAST] in (-3.0, -2.0)
    assert count_moved(found.properties) == 1


def test_where_nothing_is_beside_the_imagery_the_labels_are_the_same_ones():
    known = _labels(_house(0))

    assert moved(known, _registration((0.2, 0.1), None, (0.0, 0.3)), CHIPS) is known


def test_labels_move_over_the_antimeridian():
    grid = Grid(WEB_MERCATOR, (0.2, 0, 20037508.34 - 60, 0, -0.2, 100.0), 600, 600)
    chips = offsets.chips(grid, 1, 1)
    one_degree_m = 1 / degrees_of(np.zeros(1), np.ones(1), np.zeros(1))[0][0]
    west = shapely.box(180 - 6 / one_degree_m, -1e-4, 180 - 1 / one_degree_m, 0)
    known = labels.of_outlines(
        [west, antimeridian.box(180 - 2 / one_degree_m, 1e-4, -180 + 2 / one_degree_m, 2e-4)]
    )
    registration = Registration([Neighbourhood([chips[0].name], -4.0, 0.0, 0.1, 50, True)])
    found = moved(known, registration, chips)

    places = shapely.get_coordinates(found.outlines)
    assert np.abs(places[:, 0]).max() <= 180
    assert shapely.area(found.outlines) == pytest.approx(shapely.area(known.outlines), rel=1e-6)
    whole = antimeridian.near(found.outlines, 180.0)
    assert shapely.bounds(whole[0])[2] == pytest.approx(180 + 3 / one_degree_m, abs=1e-9)


def test_masks_are_refused_with_what_to_do(tmp_path: Path):
    with pytest.raises(InvalidLabels, match="Leave --align out, or give the labels as polygons"):
        require_movable(tmp_path)
    require_movable(tmp_path / "labels.geojson")
