"""Lists by conditions, in order and page by page: the same from every adapter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pystac import Item

from fair_models.catalog import query
from fair_models.catalog.protocol import Catalog, Change
from fair_models.choices import Choice, Page, walk
from fair_models.conditions import parse
from fair_models.errors import Invalid

MakeItem = Callable[..., Item]
IOU = "fair:building_iou"


@pytest.fixture
def filled(catalog: Catalog, make_item: MakeItem) -> Catalog:
    """Three names, of which one has a version that is deprecated."""
    catalog.commit(
        Change(
            put=[
                make_item("roofs-v1", deprecated=True, created="2026-01-01T00:00:00Z", **{IOU: 0.5}),
                make_item(
                    "roofs-v2",
                    created="2026-01-04T00:00:00Z",
                    **{
                        IOU: 0.7,
                        "mlm:pretrained": True,
                        "fair:pinned": {"reason": "r", "by": "b", "at": "t"},
                    },
                ),
                make_item("huts-v1", created="2026-01-03T00:00:00Z", keywords=["tree"], **{IOU: 0.6}),
                make_item("bare-v1", keywords=None, **{"mlm:tasks": ["classification"], IOU: None}),
                make_item("town-v1", "datasets", created="2026-01-05T00:00:00Z"),
            ]
        )
    )
    return catalog


def found(catalog: Catalog, *where: str, **values: Any) -> list[str]:
    choice = Choice.of(where, **{"collections": ["local-models"], **values})
    return [item.id for item in query.every(catalog, choice)]


CONDITIONS: dict[str, set[str]] = {
    "name contains OO": {"roofs-v2"},
    "name contains v2": set(),
    "id = huts-v1 or bare-v1": {"huts-v1", "bare-v1"},
    "id = roofs": set(),
    "task = classification": {"bare-v1"},
    "keyword = building, tree": {"roofs-v2", "huts-v1"},
    "trained": {"roofs-v2"},
    "pinned": {"roofs-v2"},
    f"{IOU} > 0.6": {"roofs-v2"},
    f"{IOU} < 0.7": {"huts-v1"},
    f"({IOU} >= 0.6 AND name <> 'huts')": {"roofs-v2"},
    f"({IOU} > 0.6 OR 'no' = name OR keywords IS NULL)": {"roofs-v2", "bare-v1"},
    f"{IOU} IS NULL": {"bare-v1"},
    f"{IOU} BETWEEN 0.55 AND 0.65": {"huts-v1"},
    "A_CONTAINS(keywords, ('tree'))": {"huts-v1"},
    "CASEI(name) LIKE CASEI('%OO%')": {"roofs-v2"},
    "created > TIMESTAMP('2026-01-03T12:00:00Z')": {"roofs-v2"},
    "created < '2026-01-03T12'": {"huts-v1"},
    '"mlm:pretrained" = TRUE': {"roofs-v2"},
    "number % 2 = 0": {"roofs-v2"},
    "title = 3": set(),
}


def test_a_condition_and_its_opposite_share_everything_out(filled: Catalog) -> None:
    for where, wanted in CONDITIONS.items():
        assert set(found(filled, where)) == wanted, where
        assert set(found(filled, f"not {where}")) == {"roofs-v2", "huts-v1", "bare-v1"} - wanted, where


def test_a_short_form_is_cql2_with_fewer_signs(filled: Catalog) -> None:
    for short, written in {
        "name contains A_% or b": r"name LIKE '%a\_\%%' OR name LIKE '%b%'",
        "not id = huts-v1 or bare-v1": "NOT (id IN ('huts-v1', 'bare-v1'))",
        "task = classification": "A_OVERLAPS(tasks, ('classification'))",
        "keyword = building, tree": "A_OVERLAPS(keywords, ('building', 'tree'))",
        f"{IOU} > 0.6": f"{IOU} > 0.6",
    }.items():
        assert parse(short).text == written
        assert parse(written).text == written
    assert found(filled, "name contains _") == []


def test_all_conditions_must_hold_and_deprecated_versions_are_asked_for(filled: Catalog) -> None:
    assert found(filled, "not pinned", "not task = classification") == ["huts-v1"]
    assert found(filled, "name contains roofs", deprecated=True) == ["roofs-v1"]
    both = Choice(collections=("local-models",), deprecated=None)
    assert [item.id for item in query.every(filled, both)] == ["bare-v1", "huts-v1", "roofs-v1", "roofs-v2"]


ORDERS = {
    "name": ["town-v1", "bare-v1", "huts-v1", "roofs-v2"],
    "id": ["town-v1", "bare-v1", "huts-v1", "roofs-v2"],
    "newest": ["town-v1", "roofs-v2", "huts-v1", "bare-v1"],
    IOU: ["roofs-v2", "huts-v1", "bare-v1", "town-v1"],
    f"-{IOU}": ["huts-v1", "roofs-v2", "bare-v1", "town-v1"],
}


def test_pages_of_any_size_are_together_the_list_in_its_order(filled: Catalog) -> None:
    for order, wanted in ORDERS.items():
        for limit in (1, 2, 100):
            choice = Choice(collections=("datasets", "local-models"), order=order, limit=limit)
            cursors = []

            def page_of(choice: Choice, seen: list[Any] = cursors) -> Page[Item]:
                seen.append(choice.cursor)
                return query.page(filled, choice)

            assert [item.id for item in walk(choice, page_of)] == wanted, (order, limit)
            assert len(cursors) == -(-len(wanted) // limit)


@pytest.mark.parametrize("order", ["name", "newest"])
def test_what_is_added_or_deleted_meanwhile_moves_nothing_to_another_page(
    filled: Catalog, make_item: MakeItem, order: str
) -> None:
    choice = Choice(collections=("local-models",), order=order, limit=2)
    first = query.page(filled, choice)
    seen = [item.id for item in first.found]
    filled.commit(
        Change(put=[make_item("aaa-v1", created="2026-02-01T00:00:00Z")], remove=[("local-models", seen[-1])])
    )
    rest = query.page(filled, choice.model_copy(update={"cursor": first.next}))

    assert [item.id for item in rest.found] == {"name": ["roofs-v2"], "newest": ["bare-v1"]}[order]
    assert rest.next is None


def test_more_than_a_chunk_is_read_in_chunks(
    catalog: Catalog, make_item: MakeItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "CHUNK", 3)
    catalog.commit(Change(put=[make_item(f"roofs-v{number}") for number in range(1, 12)]))
    assert found(catalog, limit=4) == [f"roofs-v{number}" for number in range(1, 12)]
    assert found(catalog, "id = roofs-v10", order="newest") == ["roofs-v10"]


class TestCursors:
    """Cursors are opaque, and are looked at before they are believed."""

    choice = Choice(collections=("local-models",), limit=1)

    @pytest.mark.parametrize("cursor", ["", "!", "bm9uc2Vuc2U", "eyJhIjoxfQ", "W10", "AAAA", "W1tbXV1d", "é"])
    def test_what_is_no_cursor_is_refused(self, cursor: str) -> None:
        with pytest.raises(Invalid, match="none that fair-models made, or it was cut"):
            self.choice.model_copy(update={"cursor": cursor}).after()

    def test_a_cursor_of_another_list_is_refused(self) -> None:
        cursor = self.choice.cursor_at((0, "roofs", 1, "roofs-v1"))
        larger = self.choice.model_copy(update={"cursor": cursor, "limit": 7})
        assert larger.after() == (0, "roofs", 1, "roofs-v1")
        for other in ({"order": "id"}, {"where": ("pinned",)}, {"deprecated": None}):
            with pytest.raises(Invalid, match="belongs to another list"):
                larger.model_copy(update=other).after()

    def test_a_changed_cursor_is_refused(self) -> None:
        for key in ((0, "roofs", "1", "roofs-v1"), (0, "roofs"), (None, "roofs", 1, "roofs-v1")):
            with pytest.raises(Invalid, match="was changed"):
                self.choice.model_copy(update={"cursor": self.choice.cursor_at(key)}).after()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = roofs", "roofs is no field .* single quotes, 'roofs'. There are CQL2"),
        ("name contains ", "is no condition"),
        ("fair:iou >=", "is no condition: it breaks off"),
        ("fair:iou > much", "much is no field"),
        ("fair:iou > nan", "nan is no field"),
        ("size > 3", "size is no field"),
        ("titel = 'x'", "titel is no field .did you mean title"),
        ("S_INTERSECTS(fair:place, POINT(1 2))", "s_intersects cannot be asked here"),
        ("trained AND " * 200 + "pinned", "longer than 2000 characters"),
        ("not", "is no condition"),
        ("trained twice", "is no condition: it cannot be read at 'twice'"),
        ("id = ,", "is no condition"),
    ],
)
def test_what_is_no_condition_is_told_with_those_that_there_are(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"order": "size"}, "order is 'size'. It takes: name: by name and number"),
        ({"limit": 0}, "limit is 0. It takes: Largest number on a page, 1 to 1000"),
        ({"collections": ["models"]}, "collections is 'models'. It takes: Where to look"),
    ],
)
def test_a_wrong_list_is_told(values: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        Choice.of([], **values)
