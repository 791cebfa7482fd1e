"""Areas by name: how they are called, and which chips and labels are theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import pytest
import shapely

from fair_models.data.images import tiles
from fair_models.data.images.chips import Chip
from fair_models.data.vectors import labels, mapped_area
from fair_models.data.vectors.mapped_area import NamedArea, chips_by_area
from fair_models.data.vectors.polygons import Feature
from fair_models.inference.imagery import areas
from tests.data.messy import placed

COLUMN, ROW = 386690, 220241


def feature(box: tuple[float, float, float, float], **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": shapely.geometry.mapping(shapely.box(*box)),
    }


def named(*features: Mapping[str, Any]) -> list[NamedArea]:
    document = {"type": "FeatureCollection", "features": list(features)}
    return areas.read(orjson.dumps(document).decode()).parts


def row(columns: int) -> list[Chip]:
    return [placed(COLUMN + x, ROW) for x in range(columns)]


def over(first: float, last: float) -> shapely.Polygon:
    """A polygon from one place to another among the columns of the row."""
    (west, east), (north, south) = tiles.lonlat(
        np.array([COLUMN + first, COLUMN + last]), np.array([ROW, ROW + 1]), 19
    )
    return shapely.box(west, south, east, north)


def test_names_come_from_name_then_id_then_the_place_in_the_file() -> None:
    found = named(
        feature((0, 0, 1, 1), name="Banepa", id=7),
        feature((2, 0, 3, 1), id=8),
        feature((4, 0, 5, 1)),
        {**feature((6, 0, 7, 1)), "id": "member"},
        feature((8, 0, 9, 1), NAME=12.0),
    )

    assert [area.name for area in found] == ["Banepa", "8", "area-3", "member", "12"]


@pytest.mark.parametrize("name", ["", "   ", None, True, "x" * 121, "hid\u200bden"])
def test_what_nobody_can_read_is_no_name(name: object) -> None:
    assert [area.name for area in named(feature((0, 0, 1, 1), name=name))] == ["area-1"]


def test_a_name_is_one_line_in_one_way_of_writing() -> None:
    [area] = named(feature((0, 0, 1, 1), name="Cafe\u0301\n  street"))
    assert area.name == "Café street"


def test_polygons_of_one_name_are_one_area() -> None:
    found = named(
        feature((0, 0, 1, 1), name="a"), feature((4, 0, 5, 1), name="b"), feature((2, 0, 3, 1), name="a")
    )

    assert [(area.name, area.polygon_count, area.outline.area) for area in found] == [
        ("a", 2, 2),
        ("b", 1, 1),
    ]


def test_a_default_name_that_is_taken_is_not_given_twice() -> None:
    found = named(feature((0, 0, 1, 1), name="area-2"), feature((2, 0, 3, 1)))

    assert len({area.name for area in found}) == 2


def test_features_without_a_polygon_are_no_areas() -> None:
    line = {
        "type": "Feature",
        "properties": {"name": "road"},
        "geometry": {"type": "LineString", "coordinates": [[0, 0], [1, 1]]},
    }
    assert [area.name for area in named(line, feature((0, 0, 1, 1)))] == ["area-1"]


def test_a_box_and_a_geometry_are_one_area() -> None:
    assert [area.name for area in areas.read("0,0,1,1").parts] == ["area-1"]
    both = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)])
    [area] = areas.read(shapely.to_geojson(both)).parts
    assert area.outline.equals(both)


def test_cells_of_a_large_grid_are_one_area() -> None:
    cells = [feature((x / 100, y / 100, (x + 1) / 100, (y + 1) / 100)) for x in range(23) for y in range(23)]

    [area] = named(*cells)

    assert (area.name, area.polygon_count) == ("area-1", 529)
    assert shapely.equals(shapely.normalize(area.outline), shapely.normalize(shapely.box(0, 0, 0.23, 0.23)))


def test_areas_are_written_so_that_the_same_are_read_with_their_holes() -> None:
    hole = shapely.Polygon(shapely.box(0, 0, 4, 4).exterior, [shapely.box(1, 1, 2, 2).exterior])
    before = [NamedArea("ring", hole), NamedArea("other", shapely.box(5, 0, 6, 1))]

    after = areas.read(orjson.dumps(mapped_area.document(before)).decode()).parts

    assert [area.name for area in after] == ["ring", "other"]
    assert all(one.outline.equals(other.outline) for one, other in zip(before, after, strict=True))
    assert mapped_area.document(after) == mapped_area.document(before)


def test_an_outline_is_written_in_one_way_from_whatever_corner_it_begins() -> None:
    one = shapely.Polygon([(0, 0), (1, 0), (1, 1), (0, 1)])
    other = shapely.Polygon([(1, 1), (1, 0), (0, 0), (0, 1)])
    assert mapped_area.geometry(one) == mapped_area.geometry(other)


def test_a_chip_belongs_to_the_area_that_has_most_of_its_ground() -> None:
    found = chips_by_area(row(4), [NamedArea("west", over(0, 1.4)), NamedArea("east", over(1.4, 4))])

    assert [len(names) for names in found.values()] == [1, 3]


def test_areas_that_share_an_edge_divide_the_chips_between_them() -> None:
    chips = row(4)

    found = chips_by_area(chips, [NamedArea("west", over(0, 2)), NamedArea("east", over(2, 4))])

    names = [chip.name for chip in chips]
    assert found == {"west": tuple(names[:2]), "east": tuple(names[2:])}


def test_of_areas_that_overlap_the_first_has_a_chip_that_both_have_whole() -> None:
    chips = row(3)

    found = chips_by_area(chips, [NamedArea("one", over(0, 2)), NamedArea("two", over(1, 3))])

    names = [chip.name for chip in chips]
    assert found == {"one": tuple(names[:2]), "two": tuple(names[2:])}


def test_an_area_smaller_than_a_chip_has_it_where_nothing_else_has_more_of_it() -> None:
    chips = row(2)
    small, large = NamedArea("small", over(0.4, 0.5)), NamedArea("large", over(0.6, 2))

    assert chips_by_area(chips, [small]) == {"small": (chips[0].name,)}
    assert chips_by_area(chips, [small, large]) == {"small": (), "large": tuple(chip.name for chip in chips)}


def test_chips_outside_of_all_areas_belong_to_none() -> None:
    found = chips_by_area(row(4), [NamedArea("west", over(0, 1)), NamedArea("touching", over(-1, 0))])

    assert found == {"west": (row(1)[0].name,), "touching": ()}


def test_a_hole_takes_a_chip_away() -> None:
    ring = shapely.difference(over(-1, 4), over(0.9, 2.1))

    found = chips_by_area(row(3), [NamedArea("ring", ring), NamedArea("hole", over(0.9, 2.1))])

    assert [len(names) for names in found.values()] == [2, 1]


def test_areas_over_the_antimeridian_have_the_chips_on_both_sides() -> None:
    size = 2**19
    chips = [placed((size - 2 + x) % size, ROW) for x in range(4)]
    width = 360 / size
    _, south, _, north = chips[0].grid.footprint.bounds
    around = areas.read(f"{180 - width},{south},{-180 + width},{north}").parts[0].outline
    west = shapely.box(180 - 2 * width, south, 180 - width, north)

    found = chips_by_area(chips, [NamedArea("west", west), NamedArea("around", around)])

    names = [chip.name for chip in chips]
    assert found == {"west": tuple(names[:1]), "around": tuple(names[1:3])}


def test_labels_are_counted_in_each_area_that_they_reach_into_and_not_where_they_touch() -> None:
    known = labels.of_outlines([over(0.2, 0.4), over(0.8, 1.2), over(2, 3)])

    counts = mapped_area.label_counts(
        known, [NamedArea("a", over(0, 1)), NamedArea("b", over(1, 2)), NamedArea("c", over(5, 6))]
    )

    assert counts == {"a": 2, "b": 1, "c": 0}


def test_ground_outside_that_is_known_is_not_kept_twice() -> None:
    known = labels.of_outlines([over(0, 1)])

    assert len(mapped_area.joined(known, labels.of_outlines([over(0, 1)]))) == 1
    assert len(mapped_area.joined(known, labels.of_outlines([over(0.2, 0.8)]))) == 1
    assert len(mapped_area.joined(known, labels.of_outlines([over(0.5, 1.5)]))) == 2


def test_a_feature_without_properties_has_a_default_name() -> None:
    assert [area.name for area in mapped_area.named([Feature(over(0, 1))])] == ["area-1"]
