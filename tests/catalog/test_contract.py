"""What every adapter of the catalogue does. Each test runs with each of them."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pystac import Asset, Item, Link

from fair_models.catalog.items import search_fields, tombstones
from fair_models.catalog.protocol import Catalog, Change
from fair_models.errors import Conflict, Invalid, InvalidItem, NotFound
from fair_models.types import CollectionId

MakeItem = Callable[..., Item]
MADE = {"self", "root", "parent", "collection"}


def said(item: Item) -> dict[str, Any]:
    """All of an item but the links that follow from its place."""
    document = item.to_dict(include_self_link=False, transform_hrefs=False)
    document["links"] = [link for link in document["links"] if link["rel"] not in MADE]
    return document


def ids(items: Any) -> list[str]:
    return [item.id for item in items]


def put(catalog: Catalog, *items: Item) -> None:
    catalog.commit(Change(put=items))


def _with_unknown_fields(item: Item) -> None:
    item.extra_fields = {"x:top": {"deep": [1, None, {"ü": "ß"}]}, "conformsTo": ["a"]}
    item.properties |= {"x:float": 0.1 + 0.2, "x:big": 2**53 + 1, "x:empty": [], "x:null": None, "gsd": 3}
    item.assets["model"].extra_fields |= {"file:checksum": "1220" + "a" * 64, "x:nested": {"href": "../kept"}}
    item.add_link(
        Link("x:rel", "https://example.org", "text/html", "T", extra_fields={"method": "POST", "body": {}})
    )


def _without_datetime(item: Item) -> None:
    item.datetime = None
    item.properties |= {
        "start_datetime": "2026-01-01T00:00:00.000001Z",
        "end_datetime": "2026-02-01T00:00:00Z",
    }


def _with_microseconds(item: Item) -> None:
    item.datetime = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def _with_another_zone(item: Item) -> None:
    item.datetime = datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    item.properties["created"] = "2026-01-02T03:00:00+05:45"


def _without_place(item: Item) -> None:
    item.geometry, item.bbox = None, None


def _with_images(item: Item) -> None:
    for key, href in (
        ("training-runtime", "ghcr.io/org/name@sha256:" + "0" * 64),
        ("inference-runtime", "local:worker"),
    ):
        item.add_asset(key, Asset(href, roles=[f"mlm:{key}"]))
    item.add_asset("bare", Asset("/org/name", roles=["mlm:training-runtime"]))
    item.add_asset("typed", Asset("org/name", media_type="application/vnd.oci.image.index.v1+json"))
    item.add_asset("oci", Asset("oci://ghcr.io/org/name@sha256:1", roles=["x"]))


def _with_addresses(item: Item) -> None:
    for key, href in (
        ("s3", "s3://bucket/key/../kept.onnx"),
        ("https", "https://example.org/a b?q=%20#x"),
        ("absolute", "/data/with space/ü.tif"),
        ("file", "file:///data/x.tif"),
    ):
        item.add_asset(key, Asset(href))
    item.add_link(Link("derived_from", "/elsewhere/base-models/ramp-v1/ramp-v1.json"))


@pytest.mark.parametrize(
    "change",
    [
        _with_unknown_fields,
        _without_datetime,
        _with_microseconds,
        _with_another_zone,
        _without_place,
        _with_images,
        _with_addresses,
    ],
)
def test_an_item_comes_out_as_it_went_in(
    catalog: Catalog, make_item: MakeItem, change: Callable[[Item], None]
) -> None:
    item = make_item()
    change(item)
    before = said(item)
    put(catalog, item)

    assert said(catalog.get("local-models", "roofs-v1")) == before
    assert [said(found) for found in catalog.search("local-models")] == [before]
    assert said(item) == before  # nor did storing change what was given


def test_an_item_that_came_out_goes_in_again_unchanged(catalog: Catalog, make_item: MakeItem) -> None:
    put(catalog, make_item("ramp-v1", "base-models"), make_item())
    item = catalog.get("local-models", "roofs-v1")
    item.add_link(Link("derived_from", catalog.href("base-models", "ramp-v1")))
    put(catalog, item)

    again = catalog.get("local-models", "roofs-v1")
    assert said(again) == said(item)
    assert again.get_single_link("derived_from").href == catalog.get("base-models", "ramp-v1").get_self_href()


def test_nothing_is_found_where_nothing_was_put(catalog: Catalog) -> None:
    assert ids(catalog.search("base-models")) == []
    with pytest.raises(NotFound, match="base-models has no item ramp-v1"):
        catalog.get("base-models", "ramp-v1")


def test_an_empty_collection_covers_the_world_and_all_time(catalog: Catalog) -> None:
    collection = catalog.collection("datasets")
    assert collection.id == "datasets"
    assert collection.extent.spatial.bboxes == [[-180.0, -90.0, 180.0, 90.0]]
    assert collection.extent.temporal.intervals == [[None, None]]
    assert collection.license == "other"
    assert {"chips", "labels", "split"} <= set(collection.item_assets)


def test_an_unknown_id_names_the_nearest(catalog: Catalog, make_item: MakeItem) -> None:
    put(catalog, make_item("roofs-v1"), make_item("roofs-v2"), make_item("banepa-v1"))
    with pytest.raises(
        NotFound, match=r"no item roofs-v3: the nearest are roofs-v2, roofs-v1\. .*fair-models list"
    ):
        catalog.get("local-models", "roofs-v3")
    with pytest.raises(NotFound, match=r"no item bannepa-v1: the nearest are banepa-v1\."):
        catalog.get("local-models", "bannepa-v1")
    with pytest.raises(NotFound, match="no item xyz: nothing there is named like it"):
        catalog.get("local-models", "xyz")


def test_a_put_replaces_the_item_of_the_same_id(catalog: Catalog, make_item: MakeItem) -> None:
    put(catalog, make_item(title="first"))
    put(catalog, make_item(title="second", **{"mlm:tasks": ["object-detection"]}))

    (item,) = catalog.search("local-models")
    assert item.properties["title"] == "second"
    assert ids(catalog.search("local-models", tasks=["semantic-segmentation"])) == []


def test_a_remove_takes_the_item_out(catalog: Catalog, make_item: MakeItem) -> None:
    put(catalog, make_item("roofs-v1"), make_item("roofs-v2"))
    catalog.commit(Change(remove=[("local-models", "roofs-v1")]))
    assert ids(catalog.search("local-models")) == ["roofs-v2"]


def test_removing_what_is_not_there_changes_nothing(catalog: Catalog, make_item: MakeItem) -> None:
    with pytest.raises(NotFound, match="local-models has no item huts-v1"):
        catalog.commit(Change(put=[make_item()], remove=[("local-models", "huts-v1")]))
    assert ids(catalog.search("local-models")) == []


@pytest.mark.parametrize(
    ("expected", "found"), [(None, "roofs-v2"), ("roofs-v1", "roofs-v2"), ("roofs-v3", "roofs-v2")]
)
def test_a_wrong_expectation_is_a_conflict_and_changes_nothing(
    catalog: Catalog, make_item: MakeItem, expected: str | None, found: str
) -> None:
    put(catalog, make_item("roofs-v1", deprecated=True), make_item("roofs-v2"))
    with pytest.raises(Conflict, match=f"local-models/roofs is {found}, not {expected or 'none'}"):
        catalog.commit(Change(put=[make_item("roofs-v3")], expect={("local-models", "roofs"): expected}))
    assert ids(catalog.search("local-models")) == ["roofs-v1", "roofs-v2"]


def test_a_right_expectation_lets_the_change_through(catalog: Catalog, make_item: MakeItem) -> None:
    name = ("local-models", "roofs")
    catalog.commit(Change(put=[make_item("roofs-v1")], expect={name: None}))
    second = [make_item("roofs-v2"), make_item("roofs-v1", deprecated=True)]
    catalog.commit(Change(put=second, expect={name: "roofs-v1"}))
    catalog.commit(Change(put=[make_item("roofs-v2", deprecated=True)], expect={name: "roofs-v2"}))
    catalog.commit(Change(expect={name: None}))
    assert ids(catalog.search("local-models", deprecated=True)) == ["roofs-v1", "roofs-v2"]


def test_two_current_items_meet_no_expectation(catalog: Catalog, make_item: MakeItem) -> None:
    put(catalog, make_item("roofs-v1"), make_item("roofs-v2"))
    with pytest.raises(Conflict, match="is roofs-v1 and roofs-v2, not roofs-v2"):
        catalog.commit(Change(expect={("local-models", "roofs"): "roofs-v2"}))


def test_a_name_is_not_the_name_that_it_begins(catalog: Catalog, make_item: MakeItem) -> None:
    put(catalog, make_item("roofs-v1"), make_item("roofs-red-v1"), make_item("roofs-v1", "datasets"))
    assert ids(catalog.search("local-models", name="roofs")) == ["roofs-v1"]
    catalog.commit(Change(expect={("local-models", "roofs"): "roofs-v1", ("base-models", "roofs"): None}))


def test_search_finds_items_that_have_all_of_what_is_asked_for(catalog: Catalog, make_item: MakeItem) -> None:
    put(
        catalog,
        make_item("a-roofs-v1", keywords=["building", "polygon"], deprecated=True),
        make_item("b-roofs-v1", keywords=["building", "polygon"]),
        make_item("c-trees-v1", keywords=["tree"], **{"mlm:tasks": ["object-detection", "classification"]}),
        make_item("d-bare-v1", keywords=None, **{"mlm:tasks": None}),
        make_item("roofs-v1", "datasets", keywords=["building"]),
    )
    assert ids(catalog.search("local-models", keywords=["building", "polygon"])) == [
        "a-roofs-v1",
        "b-roofs-v1",
    ]
    assert ids(catalog.search("local-models", keywords=["building"], deprecated=False)) == ["b-roofs-v1"]
    assert ids(catalog.search("local-models", keywords=["building", "tree"])) == []
    assert ids(catalog.search("local-models", tasks=["classification"])) == ["c-trees-v1"]
    assert ids(catalog.search("local-models", tasks=["object-detection", "classification"])) == ["c-trees-v1"]
    assert ids(catalog.search("local-models", name="b-roofs", tasks=["semantic-segmentation"])) == [
        "b-roofs-v1"
    ]
    assert ids(catalog.search("local-models", keywords=['building" OR 1=1'])) == []
    assert ids(catalog.search("datasets", tasks=["segmentation"])) == ["roofs-v1"]


def test_search_orders_by_id_version_or_creation(catalog: Catalog, make_item: MakeItem) -> None:
    put(
        catalog,
        make_item("roofs-v10", created="2026-01-03T00:00:00Z"),
        make_item("roofs-v2", created="2026-01-02T00:00:00+01:00"),
        make_item("huts-v3", created="2026-01-01T23:30:00Z"),
        make_item("bare-v1"),
    )
    assert ids(catalog.search("local-models")) == ["bare-v1", "huts-v3", "roofs-v10", "roofs-v2"]
    assert ids(catalog.search("local-models", order="version")) == [
        "bare-v1",
        "huts-v3",
        "roofs-v2",
        "roofs-v10",
    ]
    assert ids(catalog.search("local-models", order="created")) == [
        "roofs-v2",
        "huts-v3",
        "roofs-v10",
        "bare-v1",
    ]


@pytest.mark.parametrize("order", ["id", "version", "created"])
def test_parts_of_a_search_are_together_the_whole_in_order(
    catalog: Catalog, make_item: MakeItem, order: Any
) -> None:
    names = ["roofs-v10", "roofs-v2", "huts-v3", "bare-v1", "roofs-old-v1", "Ahre-v1", "Zelt-v1"]
    times = ["2026-01-03T00:00:00Z", "2026-01-02T00:00:00+01:00", None, "no time", "2026-01-03T00:00:00Z"]
    for name, created in zip(names, [*times, None, None], strict=True):
        put(catalog, make_item(name, created=created))

    whole = list(catalog.search("local-models", order=order))
    parts: list[Item] = []
    while part := list(
        catalog.search("local-models", order=order, limit=2, after=place_of(parts[-1:], order))
    ):
        assert len(part) <= 2
        parts += part

    assert ids(parts) == ids(whole)
    assert ids(
        catalog.search("local-models", name="roofs", order="version", after=("roofs", 2, "roofs-v2"))
    ) == ["roofs-v10"]


def place_of(last: list[Item], order: Any) -> tuple[Any, ...] | None:
    """Where the last item of a part stands."""
    return search_fields.place("local-models", last[0].to_dict(), order) if last else None


def test_a_search_shows_things_as_they_were_when_it_was_made(catalog: Catalog, make_item: MakeItem) -> None:
    put(catalog, make_item("roofs-v1"))
    found = catalog.search("local-models", deprecated=False)
    put(catalog, make_item("roofs-v1", deprecated=True), make_item("roofs-v2"))
    assert ids(found) == ["roofs-v1"]


def test_the_address_of_an_item_is_known_before_it_is_there(catalog: Catalog, make_item: MakeItem) -> None:
    before = catalog.href("local-models", "roofs-v1")
    put(catalog, make_item())
    assert catalog.href("local-models", "roofs-v1") == before
    assert catalog.get("local-models", "roofs-v1").get_self_href() == before


def test_a_collection_follows_its_items(catalog: Catalog, make_item: MakeItem) -> None:
    put(
        catalog,
        make_item(
            "roofs-v1", box=[1, 2, 3, 4], when=datetime(2026, 1, 1, tzinfo=UTC), gsd=0.3, deprecated=True
        ),
        make_item(
            "trees-v1", box=[-5, 3, 2, 9], when=datetime(2025, 1, 1, tzinfo=UTC), gsd=0.6, keywords=["tree"]
        ),
        make_item("far-v1", "base-models", box=[100, 0, 101, 1]),
    )
    collection = catalog.collection("local-models")
    assert collection.extent.spatial.bboxes == [[-5, 2, 3, 9]]
    assert collection.extent.to_dict()["temporal"]["interval"] == [
        ["2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]
    ]
    assert collection.summaries.to_dict() == {
        "mlm:tasks": ["semantic-segmentation"],
        "keywords": ["building", "tree"],
        "deprecated": [False, True],
        "gsd": {"minimum": 0.3, "maximum": 0.6},
    }

    catalog.commit(Change(remove=[("local-models", "trees-v1"), ("local-models", "roofs-v1")]))
    collection = catalog.collection("local-models")
    assert collection.extent.spatial.bboxes == [[-180.0, -90.0, 180.0, 90.0]]
    assert collection.summaries.to_dict() == {}


def test_a_collection_over_the_antimeridian_has_a_box_with_west_beyond_east(
    catalog: Catalog, make_item: MakeItem
) -> None:
    item = make_item("fiji-v1")
    item.bbox = [177.0, -19.0, 10.0, -178.0, -16.0, 20.0]
    put(catalog, item)
    assert catalog.collection("local-models").extent.spatial.bboxes == [[177.0, -19.0, -178.0, -16.0]]
    put(catalog, make_item("samoa-v1", box=[-172.5, -14.0, -171.4, -13.4]))
    assert catalog.collection("local-models").extent.spatial.bboxes == [[177.0, -19.0, -171.4, -13.4]]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), datetime(2026, 1, 1), {1, 2}, 2**70, "\ud800"])
def test_what_is_not_json_is_refused(catalog: Catalog, make_item: MakeItem, value: object) -> None:
    with pytest.raises(Invalid, match="roofs-v1 is not valid: This cannot be written as JSON"):
        put(catalog, make_item("huts-v1"), make_item(**{"x:value": value}))
    assert ids(catalog.search("local-models")) == []


@pytest.mark.parametrize(
    "item_id", ["../roofs-v1", "a/b-v1", "", ".hidden-v1", "a\\b", "roofs v1", "x" * 300]
)
def test_an_id_that_is_no_file_name_is_refused(catalog: Catalog, make_item: MakeItem, item_id: str) -> None:
    with pytest.raises(InvalidItem, match="an id has letters"):
        put(catalog, make_item(item_id))


def test_an_item_of_no_collection_of_ours_is_refused(catalog: Catalog, make_item: MakeItem) -> None:
    with pytest.raises(InvalidItem, match="'models' is none of base-models, local-models, datasets"):
        put(catalog, make_item(collection="models"))


def test_a_link_to_an_object_without_an_address_is_refused(catalog: Catalog, make_item: MakeItem) -> None:
    item = make_item()
    item.add_link(Link("derived_from", make_item("ramp-v1", "base-models")))
    with pytest.raises(InvalidItem, match="derived_from leads to an object without an address"):
        put(catalog, item)


def test_a_change_that_names_an_item_twice_is_refused(catalog: Catalog, make_item: MakeItem) -> None:
    with pytest.raises(Invalid, match="local-models/roofs-v1 more than once"):
        catalog.commit(Change(put=[make_item()], remove=[("local-models", "roofs-v1")]))


def test_a_relative_address_is_meant_from_where_the_item_came(catalog: Catalog, make_item: MakeItem) -> None:
    item = make_item()
    item.add_asset("readme", Asset("./README.md"))
    item.set_self_href("https://example.org/models/roofs-v1.json")
    put(catalog, item)
    assert (
        catalog.get("local-models", "roofs-v1").assets["readme"].href
        == "https://example.org/models/README.md"
    )


def derived(item: Item, catalog: Catalog, parent: str) -> Item:
    item.add_link(Link("derived_from", catalog.href("base-models", parent)))
    return item


def grave(item: Item) -> Item:
    return tombstones.of(item, datetime(2026, 11, 21, tzinfo=UTC), "a reason", {})


def test_a_tombstone_is_found_as_such_and_not_as_an_item(catalog: Catalog, make_item: MakeItem) -> None:
    put(catalog, make_item("roofs-v1"), make_item("roofs-v2"))
    gone = catalog.get("local-models", "roofs-v1")
    catalog.commit(Change(remove=[("local-models", "roofs-v1")], tombstones=[grave(gone)]))

    assert ids(catalog.search("local-models")) == ["roofs-v2"]
    assert ids(catalog.tombstones("local-models")) == ["roofs-v1"]
    assert ids(catalog.tombstones("local-models", "roofs")) == ["roofs-v1"]
    assert ids(catalog.tombstones("local-models", "huts")) == []
    assert ids(catalog.tombstones("base-models")) == []
    (tombstone,) = catalog.tombstones("local-models")
    assert tombstones.note(tombstone)["reason"] == "a reason"
    assert tombstone.assets == {}
    with pytest.raises(
        NotFound, match=r"local-models/roofs-v1 was deleted on 2026-11-21T00:00:00Z \(a reason\)"
    ):
        catalog.get("local-models", "roofs-v1")


def test_tombstones_come_by_name_and_number_and_outlive_other_changes(
    catalog: Catalog, make_item: MakeItem
) -> None:
    names = ["roofs-v10", "roofs-v2", "huts-v1"]
    put(catalog, *(make_item(name) for name in names))
    for name in names:
        gone = catalog.get("local-models", name)
        catalog.commit(Change(remove=[("local-models", name)], tombstones=[grave(gone)]))
    put(catalog, make_item("roofs-v11"))

    assert ids(catalog.tombstones("local-models")) == ["huts-v1", "roofs-v2", "roofs-v10"]


def test_an_item_that_comes_back_has_no_tombstone(catalog: Catalog, make_item: MakeItem) -> None:
    put(catalog, make_item())
    gone = catalog.get("local-models", "roofs-v1")
    catalog.commit(Change(remove=[("local-models", "roofs-v1")], tombstones=[grave(gone)]))
    put(catalog, make_item())

    assert ids(catalog.tombstones("local-models")) == []
    assert ids(catalog.search("local-models")) == ["roofs-v1"]


def test_a_tombstone_without_a_removal_is_refused(catalog: Catalog, make_item: MakeItem) -> None:
    put(catalog, make_item())
    with pytest.raises(Invalid, match="tombstones of what it does not take out: roofs-v1"):
        catalog.commit(Change(tombstones=[grave(make_item())]))


def test_derivatives_are_named_by_a_link_or_by_a_field(catalog: Catalog, make_item: MakeItem) -> None:
    put(catalog, make_item("ramp-v1", "base-models"), make_item("ramp-v11", "base-models"))
    put(
        catalog,
        derived(make_item("roofs-v1"), catalog, "ramp-v1"),
        derived(make_item("roofs-v2", deprecated=True), catalog, "ramp-v11"),
        make_item("huts-v1", **{"fair:base_model_id": "ramp-v1"}),
        make_item("sheds-v1", description="not from ramp-v1"),
    )

    assert ids(catalog.derivatives("base-models", "ramp-v1")) == ["huts-v1", "roofs-v1"]
    assert ids(catalog.derivatives("base-models", "ramp-v11")) == ["roofs-v2"]
    assert ids(catalog.derivatives("datasets", "ramp-v1")) == []


def test_what_was_seen_must_still_be_so(catalog: Catalog, make_item: MakeItem) -> None:
    put(catalog, make_item("roofs-v1"), make_item("roofs-v2"))
    seen = [catalog.get("local-models", "roofs-v1")]
    catalog.commit(Change(put=[make_item("huts-v1")], seen=seen))

    put(catalog, make_item("roofs-v1", title="another"))
    with pytest.raises(Conflict, match="local-models/roofs-v1 is changed"):
        catalog.commit(Change(put=[make_item("huts-v2")], seen=seen))
    catalog.commit(Change(remove=[("local-models", "roofs-v1")]))
    with pytest.raises(Conflict, match="local-models/roofs-v1 is gone"):
        catalog.commit(Change(put=[make_item("huts-v2")], seen=seen))
    assert ids(catalog.search("local-models")) == ["huts-v1", "roofs-v2"]


def test_what_is_needed_must_be_there(catalog: Catalog, make_item: MakeItem) -> None:
    needs = [("base-models", "ramp-v1")]
    with pytest.raises(Conflict, match="base-models/ramp-v1 was deleted"):
        catalog.commit(Change(put=[make_item()], needs=needs))  # type: ignore[arg-type]
    put(catalog, make_item("ramp-v1", "base-models"))
    catalog.commit(Change(put=[make_item()], needs=needs))  # type: ignore[arg-type]
    assert ids(catalog.search("local-models")) == ["roofs-v1"]


def test_what_goes_unused_must_be_unused(catalog: Catalog, make_item: MakeItem) -> None:
    put(catalog, make_item("ramp-v1", "base-models"))
    put(catalog, derived(make_item("roofs-v1"), catalog, "ramp-v1"))
    key = ("base-models", "ramp-v1")
    change = Change(remove=[key], unused=[key])  # type: ignore[list-item]

    with pytest.raises(Conflict, match="roofs-v1 derives from base-models/ramp-v1 now"):
        catalog.commit(change)
    put(catalog, derived(make_item("roofs-v1", deprecated=True), catalog, "ramp-v1"))
    catalog.commit(change)
    assert ids(catalog.search("base-models")) == []


def test_a_name_is_held_by_one_at_a_time(catalog: Catalog) -> None:
    order: list[str] = []

    def hold(who: str, entered: threading.Event, leave: threading.Event) -> None:
        with catalog.exclusive("local-models", "roofs"):
            order.append(f"{who} in")
            entered.set()
            leave.wait(10)
            order.append(f"{who} out")

    first_in, second_in, go = threading.Event(), threading.Event(), threading.Event()
    first = threading.Thread(target=hold, args=("first", first_in, go))
    first.start()
    assert first_in.wait(10)
    second = threading.Thread(target=hold, args=("second", second_in, go))
    second.start()
    with catalog.exclusive("local-models", "huts"):
        order.append("another name")
    go.set()
    first.join()
    second.join()
    assert order == ["first in", "another name", "first out", "second in", "second out"]


def test_an_id_that_must_be_free_is_a_conflict_where_it_is_or_was_used(
    catalog: Catalog, make_item: MakeItem
) -> None:
    first, second = make_item("roofs-v1"), make_item("roofs-v2")
    put(catalog, first, second)
    catalog.commit(Change(remove=[("local-models", "roofs-v1")], tombstones=[grave(first)]))

    for taken in ("roofs-v1", "roofs-v2", "roofs"):
        with pytest.raises(Conflict, match="Somebody else was faster: roofs-v"):
            catalog.commit(Change(put=[make_item("roads-v1")], free=[("local-models", taken)]))
    assert ids(catalog.search("local-models")) == ["roofs-v2"]
    catalog.commit(Change(put=[make_item("roads-v1")], free=[("local-models", "roads-v1")]))


@pytest.mark.parametrize(("there", "new"), [("base-models", "local-models"), ("local-models", "base-models")])
def test_a_new_item_cannot_take_the_name_of_a_model_of_the_other_kind(
    catalog: Catalog, make_item: MakeItem, there: CollectionId, new: CollectionId
) -> None:
    put(catalog, make_item("roofs-v1", there, deprecated=True))
    for number in (1, 2):
        with pytest.raises(Conflict, match=f"{there}/roofs-v1.*one name means one model"):
            put(catalog, make_item(f"roofs-v{number}", new))
    assert ids(catalog.search(new)) == []
    put(catalog, make_item("roofs-v1", "datasets"), make_item("roof-v1", new), make_item("roofs-v2", there))


def test_two_kinds_of_model_cannot_come_in_together_under_one_name(
    catalog: Catalog, make_item: MakeItem
) -> None:
    with pytest.raises(Conflict, match="one name means one model"):
        put(catalog, make_item("roofs-v1", "base-models"), make_item("roofs-v2", "local-models"))


def test_of_two_that_publish_one_name_in_both_collections_at_once_one_wins(
    catalog: Catalog, make_item: MakeItem
) -> None:
    ready, refused = threading.Barrier(2), []

    def publish(collection: CollectionId) -> None:
        ready.wait(30)
        try:
            put(catalog, make_item("roofs-v1", collection))
        except Conflict as error:
            refused.append(str(error))

    kinds: tuple[CollectionId, ...] = ("base-models", "local-models")
    threads = [threading.Thread(target=publish, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert sum(len(ids(catalog.search(kind))) for kind in kinds) == 1


def test_names_that_clash_already_can_be_copied_and_changed_but_get_no_new_version(
    catalog: Catalog, make_item: MakeItem
) -> None:
    both = [make_item("roofs-v1", "base-models"), make_item("roofs-v1", "local-models")]
    catalog.commit(Change(put=both, as_found=True))
    put(catalog, make_item("roofs-v1", "local-models", deprecated=True))
    with pytest.raises(Conflict, match="one name means one model"):
        put(catalog, make_item("roofs-v2", "local-models"))
    catalog.commit(Change(remove=[("local-models", "roofs-v1")]))
    put(catalog, make_item("roofs-v2", "base-models"))
    assert ids(catalog.search("base-models")) == ["roofs-v1", "roofs-v2"]


def test_items_are_found_by_the_digest_of_a_file(catalog: Catalog, make_item: MakeItem) -> None:
    checksum = "1220" + "ab" * 32
    items = [make_item("roofs-v1"), make_item("roofs-v2"), make_item("town-v1", "datasets")]
    for item in items[1:]:
        item.assets["model"].extra_fields["file:checksum"] = checksum
    items[0].properties["note"] = f"it is not {checksum}"
    catalog.commit(Change(put=items))
    assert [each.id for each in catalog.holding(checksum)] == ["town-v1", "roofs-v2"]
    assert catalog.holding("1220" + "cd" * 32) == []
    catalog.commit(Change(remove=[("datasets", "town-v1")]))
    assert [each.id for each in catalog.holding(checksum)] == ["roofs-v2"]
