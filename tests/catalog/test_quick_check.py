"""The quick validator never says yes where the thorough one says no."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fair_models.catalog.schemas import extensions, official, own
from fair_models.json_schema import checker as quick_check
from fair_models.types import Json
from tests.catalog.item_factory import base_item, changed, dataset_item, local_item, raw, without

ITEMS = {"base-model": raw(base_item()), "dataset": raw(dataset_item()), "local-model": raw(local_item())}
WRONG: tuple[Any, ...] = (
    None,
    -1,
    1e300,
    True,
    "",
    "x y/é\n",
    [],
    {},
    ["a"],
    {"a": 1},
    "2026-13-40T00:00:00Z",
)


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in children:
        yield from leaves(value, (*path, key))


def broken(document: Json, count: int) -> Iterator[Json]:
    """Copies with one place changed or taken away, chosen by a seed."""
    chosen = random.Random(1)
    paths = list(leaves(document))
    for _ in range(count):
        path = chosen.choice(paths)
        yield (
            without(document, *path)
            if chosen.random() < 0.2
            else changed(document, path, chosen.choice(WRONG))
        )


@pytest.mark.parametrize("profile", ITEMS)
def test_complete_items_are_accepted_at_once_by_their_profile(profile: str) -> None:
    assert quick_check.accepts(own.quick(profile), ITEMS[profile])


@pytest.mark.parametrize("profile", ITEMS)
def test_both_validators_agree_on_broken_items_about_the_profile(profile: str) -> None:
    refused = 0
    for document in broken(ITEMS[profile], 120):
        thorough = not list(own.validator(profile).iter_errors(document))
        assert quick_check.accepts(own.quick(profile), document) == thorough, document
        refused += not thorough
    assert refused > 30


@pytest.mark.shared
@pytest.mark.parametrize("profile", ITEMS)
def test_no_broken_item_is_accepted_that_an_official_schema_refuses(
    profile: str, shared_schemas: Path
) -> None:
    refused = 0
    item = ITEMS[profile]
    for address in dict.fromkeys([extensions.ITEM, *item["stac_extensions"]]):
        built = official._built(shared_schemas, address)
        assert built.quick is not None
        assert built.validator is not None
        assert built.quick.is_valid(item)
        for document in broken(item, 25):
            if next(built.validator.iter_errors(document), None) is not None:
                refused += 1
                assert not quick_check.accepts(built.quick, document)
    assert refused > 10


def test_a_schema_with_a_pattern_that_only_python_knows_is_left_to_python() -> None:
    assert quick_check.build("a.json", {"a.json": {"pattern": "(?#note)a"}}, formats=False) is None


def test_schemas_of_several_drafts_are_left_to_python() -> None:
    """It would read all by the rules of one."""
    old = {"$schema": quick_check.DRAFT_7, "allOf": [{"$ref": "b.json"}]}
    new = {"$schema": quick_check.DRAFT_2020, "prefixItems": [{"type": "string"}]}
    assert quick_check.build("a.json", {"a.json": old, "b.json": new}, formats=False) is None
    check = quick_check.build("b.json", {"b.json": new}, formats=False)
    assert quick_check.accepts(check, ["a"])
    assert not quick_check.accepts(check, [1])
