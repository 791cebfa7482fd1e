"""Searches as STAC APIs know them. Each test runs with each adapter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pystac import Item, Link

from fair_models.catalog.protocol import Catalog, Change
from fair_models.catalog.search import filters, geometry
from fair_models.catalog.search.query import (
    EVERYTHING,
    OWNER,
    VISIBILITY,
    ItemSearch,
    SortKey,
    Viewer,
)
from fair_models.errors import Invalid
from fair_models.types import CollectionId

MakeItem = Callable[..., Item]
ALL: tuple[CollectionId, ...] = ("base-models", "local-models", "datasets")


def day(number: int) -> datetime:
    return datetime(2026, 1, number, tzinfo=UTC)


@pytest.fixture
def filled(catalog: Catalog, make_item: MakeItem) -> Catalog:
    """Six items: two private ones, one across the antimeridian, one with a span of time."""
    spanning = make_item("span-v1", when=day(6), title="Long", gsd=0.1)
    spanning.datetime = None
    spanning.properties |= {"start_datetime": "2026-01-06T00:00:00Z", "end_datetime": "2026-01-20T00:00:00Z"}
    fiji = make_item("fiji-v1", when=day(5), box=[179.0, -19.0, -179.0, -17.0], title="Fiji", gsd=2)
    fiji.geometry = {
        "type": "MultiPolygon",
        "coordinates": [
            [[[179, -19], [180, -19], [180, -17], [179, -17], [179, -19]]],
            [[[-180, -19], [-179, -19], [-179, -17], [-180, -17], [-180, -19]]],
        ],
    }
    hidden = {OWNER: "ann", VISIBILITY: "private"}
    catalog.commit(
        Change(
            put=[
                make_item("roofs-v1", when=day(1), title="Roofs of Banepa", gsd=0.3, **{"fair:iou": 0.7}),
                make_item("roads-v1", when=day(2), title="Röads", keywords=["road", "line"], gsd=0.5),
                make_item("area-v1", "datasets", when=day(3), description="what ROOFS look like"),
                make_item("ann-v1", when=day(4), title="Ann's roofs", box=[10.0, 50.0, 11.0, 51.0], **hidden),
                fiji,
                spanning,
            ]
        )
    )
    return catalog


def found(catalog: Catalog, **asked: Any) -> list[str]:
    asked = {"collections": ALL, "limit": 100, **asked}
    return [item["id"] for item in catalog.find(ItemSearch(**asked)).items]


def by(catalog: Catalog, text: str, **asked: Any) -> list[str]:
    return sorted(found(catalog, condition=filters.of_text(text), **asked))


def test_the_newest_come_first_and_hidden_items_are_not_there(filled: Catalog) -> None:
    assert found(filled) == ["span-v1", "fiji-v1", "area-v1", "roads-v1", "roofs-v1"]
    assert found(filled, viewer=Viewer("ben")) == found(filled)
    assert "ann-v1" in found(filled, viewer=Viewer("ann"))
    assert "ann-v1" in found(filled, viewer=EVERYTHING)
    assert "ann-v1" in found(filled, viewer=Viewer("ben", frozenset({("local-models", "ann")})))
    assert "ann-v1" not in found(filled, viewer=Viewer("ben", frozenset({("datasets", "ann")})))
    assert found(filled, ids=["ann-v1"]) == []
    assert filled.find(ItemSearch(ALL)).matched == 5
    assert filled.find(ItemSearch(ALL, viewer=EVERYTHING)).matched == 6


def test_a_page_gives_the_items_themselves(filled: Catalog, make_item: MakeItem) -> None:
    item = make_item("all-v1", **{"x:null": None, "x:deep": {"a": [1, {"b": None}]}, "x:float": 0.1 + 0.2})
    filled.commit(Change(put=[item]))
    (given,) = filled.find(ItemSearch(ALL, ids=["all-v1"])).items
    assert given["properties"] == item.to_dict(transform_hrefs=False)["properties"]
    assert given["assets"]["model"]["href"] == "/far/away/all-v1.onnx"
    assert [link["rel"] for link in given["links"]] == ["license"]


def test_only_collections_that_are_named_are_looked_into(filled: Catalog) -> None:
    assert found(filled, collections=["datasets"]) == ["area-v1"]
    assert found(filled, collections=[]) == []
    assert found(filled, collections=["datasets"], ids=["roofs-v1"]) == []
    assert found(filled, ids=[]) == []


@pytest.mark.parametrize(
    "order", [[], [SortKey("title")], [SortKey("gsd", True), SortKey("id")], [SortKey("x")]]
)
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_together_are_everything_once(filled: Catalog, order: list[SortKey], limit: int) -> None:
    asked: dict[str, Any] = {"order": order} if order else {}
    whole, pages, after = found(filled, **asked), list[str](), None
    while True:
        page = filled.find(ItemSearch(ALL, limit=limit, after=after, **asked))
        pages += [item["id"] for item in page.items]
        after = page.next
        if after is None:
            break
        assert len(page.items) == limit
    assert pages == whole
    assert len(whole) == 5


def test_what_is_added_or_deleted_meanwhile_moves_nothing_to_another_page(
    filled: Catalog, make_item: MakeItem
) -> None:
    first = filled.find(ItemSearch(ALL, limit=2))
    filled.commit(Change(put=[make_item("new-v1", when=day(25))], remove=[("local-models", "fiji-v1")]))
    second = filled.find(ItemSearch(ALL, limit=2, after=first.next))
    assert [item["id"] for item in second.items] == ["area-v1", "roads-v1"]


def test_items_are_ordered_by_any_field_and_those_without_it_come_last(filled: Catalog) -> None:
    assert found(filled, order=[SortKey("gsd")]) == ["span-v1", "roofs-v1", "roads-v1", "fiji-v1", "area-v1"]
    assert found(filled, order=[SortKey("gsd", True)])[-1] == "area-v1"
    assert found(filled, order=[SortKey("title")])[:3] == ["fiji-v1", "span-v1", "roofs-v1"]
    assert found(filled, order=[SortKey("id", True)]) == [
        "span-v1",
        "roofs-v1",
        "roads-v1",
        "fiji-v1",
        "area-v1",
    ]
    assert found(filled, order=[SortKey("collection"), SortKey("datetime")])[0] == "area-v1"
    assert found(filled, order=[SortKey("end_datetime", True)])[0] == "span-v1"


@pytest.mark.parametrize(
    ("start", "end", "ids"),
    [
        (day(2), day(3), ["area-v1", "roads-v1"]),
        (day(2), day(2), ["roads-v1"]),
        (None, day(1), ["roofs-v1"]),
        (day(15), None, ["span-v1"]),
        (day(10), day(12), ["span-v1"]),
        (day(21), None, []),
    ],
)
def test_an_interval_finds_what_it_touches(
    filled: Catalog, start: datetime | None, end: datetime | None, ids: list[str]
) -> None:
    asked = {"start": start and start.timestamp(), "end": end and end.timestamp()}
    assert sorted(found(filled, **asked)) == ids


BANEPA = {"area-v1", "roads-v1", "roofs-v1", "span-v1"}


@pytest.mark.parametrize(
    ("box", "ids"),
    [
        ([85.0, 27.0, 86.0, 28.0], BANEPA),
        ([85.0, 27.0, -100.0, 86.0, 28.0, 100.0], BANEPA),
        ([85.52, 27.63, 85.521, 27.631], BANEPA),
        ([-10.0, -10.0, 10.0, 10.0], set()),
        ([179.5, -18.5, 179.6, -18.4], {"fiji-v1"}),
        ([-179.6, -18.5, -179.5, -18.4], {"fiji-v1"}),
        ([170.0, -20.0, -170.0, -10.0], {"fiji-v1"}),
        ([-178.0, -20.0, 178.0, -10.0], set()),
        ([-180.0, -90.0, 180.0, 90.0], BANEPA | {"fiji-v1"}),
        ([10.1, 50.1, 10.2, 50.2], set()),
    ],
)
def test_a_box_finds_what_it_touches(filled: Catalog, box: list[float], ids: set[str]) -> None:
    assert set(found(filled, area=geometry.of_box(box))) == ids


def test_the_shape_of_an_item_counts_and_not_its_box(catalog: Catalog, make_item: MakeItem) -> None:
    corner = make_item("corner-v1", box=[0.0, 0.0, 10.0, 10.0])
    corner.geometry = {"type": "Polygon", "coordinates": [[[0, 0], [10, 0], [0, 10], [0, 0]]]}
    catalog.commit(Change(put=[corner]))
    assert found(catalog, area=geometry.of_box([8, 8, 9, 9])) == []
    assert found(catalog, area=geometry.of_box([1, 1, 2, 2])) == ["corner-v1"]
    line = geometry.of_json({"type": "LineString", "coordinates": [[9, 9], [20, 20]]})
    assert found(catalog, area=line) == []
    assert found(catalog, condition=filters.of_text("S_WITHIN(geometry, BBOX(-1, -1, 11, 11))")) == [
        "corner-v1"
    ]
    assert found(catalog, condition=filters.of_text("S_CONTAINS(geometry, POINT(1 1))")) == ["corner-v1"]
    assert found(catalog, condition=filters.of_text("S_DISJOINT(geometry, POINT(9 9))")) == ["corner-v1"]


def test_an_item_without_a_place_is_everywhere(catalog: Catalog, make_item: MakeItem) -> None:
    item = make_item("anywhere-v1")
    item.geometry, item.bbox = None, None
    catalog.commit(Change(put=[item]))
    page = catalog.find(ItemSearch(ALL, area=geometry.of_box([1, 1, 2, 2])))
    assert [each["geometry"] for each in page.items] == [None]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('"fair:iou" > 0.5', ["roofs-v1"]),
        ('"fair:iou" > 0.9', []),
        ('NOT "fair:iou" > 0.9', ["roofs-v1"]),
        ("gsd BETWEEN 0.3 AND 0.5", ["roads-v1", "roofs-v1"]),
        ("gsd IN (0.1, 2)", ["fiji-v1", "span-v1"]),
        ("gsd * 2 + 1 = 5", ["fiji-v1"]),
        ("gsd / 2 < 0.1", ["span-v1"]),
        ("gsd / 0 > 1", []),
        ("gsd = 2 OR gsd = 0.1 AND title = 'Long'", ["fiji-v1", "span-v1"]),
        ("title = 'Fiji'", ["fiji-v1"]),
        ("title <> 'Fiji'", ["roads-v1", "roofs-v1", "span-v1"]),
        ("title > 'R'", ["roads-v1", "roofs-v1"]),
        ("title = gsd", []),
        ("title = title", ["fiji-v1", "roads-v1", "roofs-v1", "span-v1"]),
        ("title LIKE 'R%'", ["roads-v1", "roofs-v1"]),
        ("title LIKE 'r%'", []),
        ("title LIKE '_iji'", ["fiji-v1"]),
        ("CASEI(title) = CASEI('FIJI')", ["fiji-v1"]),
        ("CASEI(title) LIKE CASEI('RÖ%')", ["roads-v1"]),
        ("ACCENTI(title) = 'Roads'", ["roads-v1"]),
        ("title IS NULL", ["area-v1"]),
        ("title IS NOT NULL AND gsd IS NULL", []),
        ("deprecated = false AND gsd = 2", ["fiji-v1"]),
        ("deprecated = true", []),
        ("NOT deprecated AND gsd = 2", ["fiji-v1"]),
        ("A_CONTAINS(keywords, ('road', 'line'))", ["roads-v1"]),
        ("A_OVERLAPS(keywords, ('road', 'tree'))", ["roads-v1"]),
        ("A_CONTAINEDBY(keywords, ('road', 'line', 'x'))", ["roads-v1"]),
        ("A_EQUALS(keywords, ('line', 'road'))", ["roads-v1"]),
        ("NOT A_CONTAINS(keywords, ('building'))", ["roads-v1"]),
        ("A_CONTAINS(title, ('Fiji'))", []),
        ("id = 'fiji-v1'", ["fiji-v1"]),
        ("id LIKE 'ro%' AND collection = 'local-models'", ["roads-v1", "roofs-v1"]),
        ("collection = 'datasets'", ["area-v1"]),
        ("datetime > TIMESTAMP('2026-01-05T12:00:00Z')", ["span-v1"]),
        ("datetime = TIMESTAMP('2026-01-05T00:00:00Z')", ["fiji-v1"]),
        ("datetime <= '2026-01-01T00:00:00Z'", ["roofs-v1"]),
        ("datetime < DATE('2026-01-02')", ["roofs-v1"]),
        ("T_AFTER(datetime, TIMESTAMP('2026-01-05T12:00:00Z'))", ["span-v1"]),
        ("T_BEFORE(datetime, TIMESTAMP('2026-01-02T00:00:00Z'))", ["roofs-v1"]),
        ("T_INTERSECTS(datetime, INTERVAL('2026-01-10', '..'))", ["span-v1"]),
        (
            "T_DURING(datetime, INTERVAL('2026-01-01T12:00:00Z', '2026-01-03T12:00:00Z'))",
            ["area-v1", "roads-v1"],
        ),
        ("S_INTERSECTS(geometry, POINT(179.5 -18))", ["fiji-v1"]),
        ("S_INTERSECTS(POINT(179.5 -18), geometry)", ["fiji-v1"]),
        ("version = '1' AND gsd = 2", ["fiji-v1"]),
        ("version = 1", []),
        ("nothing = 'here'", []),
        ("title = 'x'' OR 1=1 --'", []),
        ("\"%s\" = '%s' OR title = '100%'", []),
    ],
)
def test_conditions_mean_the_same_everywhere(filled: Catalog, text: str, ids: list[str]) -> None:
    assert by(filled, text) == ids


@pytest.mark.parametrize(
    "tree",
    [
        {"op": "=", "args": [{"property": "gsd"}, {"property": "title"}, 1]},
        {"op": "=", "args": [1, "x"]},
        {"op": "=", "args": [{"property": "title"}, None]},
        {"op": "=", "args": [{"property": "title"}, {"a": 1}]},
        {"op": "like", "args": [{"property": "title"}, 1]},
        {"op": "like", "args": [{"property": "title"}, "%a" * 30]},
        {"op": "like", "args": [{"property": "title"}, "a\\"]},
        {"op": "a_contains", "args": [{"property": "keywords"}, [1]]},
        {"op": "a_contains", "args": ["x", ["x"]]},
        {"op": "in", "args": [{"property": "title"}, "x"]},
        {"op": "in", "args": [{"property": "title"}, []]},
        {"op": "s_intersects", "args": [{"property": "title"}, {"type": "Point", "coordinates": [1, 2]}]},
        {"op": "s_intersects", "args": [{"property": "geometry"}, {"type": "Point", "coordinates": ["x"]}]},
        {"op": "s_intersects", "args": [{"property": "geometry"}, "POINT(1 1)"]},
        {"op": "t_after", "args": [{"property": "datetime"}, {"timestamp": "yesterday"}]},
        {"op": "t_after", "args": [{"property": "datetime"}, 5]},
        {"op": ">", "args": [{"property": "datetime"}, "yesterday"]},
        {"op": "+", "args": [1, 2]},
        {"op": "and", "args": ["x"]},
        {"op": "not", "args": [5]},
        {"op": "=", "args": [{"op": "+", "args": ["a", 1]}, 2]},
        {"op": "=", "args": [{"property": "title"}, "a\0b"]},
        {"op": "=", "args": [{"property": "gsd"}, 10**400]},
    ],
)
def test_a_condition_that_compares_what_cannot_be_compared_is_refused(catalog: Catalog, tree: Any) -> None:
    with pytest.raises(Invalid):
        catalog.find(ItemSearch(ALL, condition=filters.checked(tree)))


def test_free_text_looks_at_id_title_description_and_keywords(filled: Catalog) -> None:
    assert sorted(found(filled, words=["roofs"])) == ["area-v1", "roofs-v1"]
    assert sorted(found(filled, words=["FIJI", "line"])) == ["fiji-v1", "roads-v1"]
    assert found(filled, words=["röads"]) == ["roads-v1"]
    assert found(filled, words=["ann"]) == []
    assert found(filled, words=["%"]) == []


@pytest.mark.parametrize(
    "after", ["", "x", "W10", "WzFd", "é", "bnVsbA", "W251bGwsbnVsbCxudWxsXQ", "WyJ4IiwieSIsInoiXQ=="]
)
def test_a_token_that_is_none_of_ours_is_refused(filled: Catalog, after: str) -> None:
    with pytest.raises(Invalid):
        filled.find(ItemSearch(ALL, after=after, order=[SortKey("gsd")]))


def test_links_lead_to_items_of_the_catalogue_and_not_to_hidden_ones(
    catalog: Catalog, make_item: MakeItem
) -> None:
    seen = make_item("seen-v1", "datasets")
    hidden = make_item("hidden-v1", "datasets", **{OWNER: "ann", VISIBILITY: "private"})
    catalog.commit(Change(put=[seen, hidden]))
    child = make_item("child-v1", **{"fair:dataset_id": "hidden-v1", "fair:base_model_id": "gone-v1"})
    for parent in (seen, hidden):
        child.add_link(Link("derived_from", catalog.href("datasets", parent.id), title=parent.id))
    catalog.commit(Change(put=[child]))

    def parents(viewer: Viewer) -> list[str]:
        (item,) = catalog.find(ItemSearch(ALL, ids=["child-v1"], viewer=viewer)).items
        assert ("fair:dataset_id" in item["properties"]) == (viewer.owner == "ann")
        assert item["properties"]["fair:base_model_id"] == "gone-v1"
        return [link["href"] for link in item["links"] if link["rel"] == "derived_from"]

    assert parents(Viewer()) == ["collections/datasets/items/seen-v1"]
    assert parents(Viewer("ann")) == [
        "collections/datasets/items/seen-v1",
        "collections/datasets/items/hidden-v1",
    ]


def test_a_collection_sums_up_what_everybody_sees(filled: Catalog) -> None:
    described = filled.describe("local-models")
    assert "links" not in described
    (box,) = described["extent"]["spatial"]["bbox"]
    assert box[0] == pytest.approx(85.5189)  # the narrowest around Banepa and Fiji, and not as far as Ann's
    assert described["summaries"]["gsd"] == {"minimum": 0.1, "maximum": 2}
    assert described["extent"]["temporal"]["interval"][0][0] == "2026-01-01T00:00:00Z"


def test_what_is_changed_or_taken_out_is_found_so(filled: Catalog, make_item: MakeItem) -> None:
    filled.commit(
        Change(put=[make_item("roofs-v1", when=day(1), gsd=9)], remove=[("local-models", "roads-v1")])
    )
    assert by(filled, "gsd = 9") == ["roofs-v1"]
    assert by(filled, "gsd = 0.3 OR gsd = 0.5") == []
    assert found(filled, words=["banepa"]) == []
