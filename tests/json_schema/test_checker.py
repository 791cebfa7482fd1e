"""Documents are judged as by jsonschema, an independent validator; sentences say what is wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from fair_models.catalog.schemas import extensions, official, own
from fair_models.json_schema import sentences
from fair_models.json_schema.checker import DRAFT_7, DRAFT_2020, Checker
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


def by_jsonschema(kind: Any, address: str, schemas: Json, **options: Any) -> Any:
    """The same schema in jsonschema's validator."""
    resources = [(name, Resource.from_contents(schema)) for name, schema in schemas.items()]
    return kind({"$ref": address}, registry=Registry().with_resources(resources), **options)


@pytest.mark.parametrize("profile", ITEMS)
def test_complete_items_keep_their_profile(profile: str) -> None:
    assert own.checker(profile).is_valid(ITEMS[profile])
    assert list(own.checker(profile).violations(ITEMS[profile])) == []


@pytest.mark.parametrize("profile", ITEMS)
def test_broken_items_are_judged_as_by_jsonschema_about_the_profile(profile: str) -> None:
    schemas = {f"{part}.json": own.read(part) for part in own._PARTS}
    other = by_jsonschema(
        Draft202012Validator, f"{profile}.json", schemas, format_checker=FormatChecker(formats=["date-time"])
    )
    refused = 0
    for document in broken(ITEMS[profile], 120):
        is_right = other.is_valid(document)
        assert own.checker(profile).is_valid(document) is is_right, document
        assert bool(list(own.checker(profile).violations(document))) is not is_right
        refused += not is_right
    assert refused > 30


@pytest.mark.shared
@pytest.mark.parametrize("profile", ITEMS)
def test_broken_items_are_judged_as_by_jsonschema_about_the_official_schemas(
    profile: str, shared_schemas: Path
) -> None:
    refused = 0
    item = ITEMS[profile]
    for address in dict.fromkeys([extensions.ITEM, *item["stac_extensions"]]):
        checker = official._built(shared_schemas, address).checker
        schemas, _ = official._closure(official._cache(shared_schemas), address)
        other = by_jsonschema(Draft7Validator, address, schemas)
        assert checker is not None
        assert checker.is_valid(item)
        for document in broken(item, 25):
            is_right = other.is_valid(document)
            assert checker.is_valid(document) is is_right
            refused += not is_right
    assert refused > 10


@pytest.mark.parametrize("schema", [{"pattern": "(?#note)a"}, {"type": "shoe"}, {"$ref": "elsewhere.json"}])
def test_what_is_no_schema_for_everybody_is_refused(schema: Json) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Checker("file:///a.json", {"file:///a.json": schema})


def test_schemas_of_several_drafts_are_each_read_by_their_own_rules() -> None:
    old = {"$schema": DRAFT_7, "allOf": [{"$ref": "b.json"}]}
    new = {"$schema": DRAFT_2020, "prefixItems": [{"type": "string"}]}
    checker = Checker("file:///a.json", {"file:///a.json": old, "file:///b.json": new})
    assert checker.is_valid(["a"])
    assert not checker.is_valid([1])


def test_schemas_that_lead_to_themselves_end() -> None:
    loops = {
        "file:///a.json": {"allOf": [{"$ref": "b.json"}]},
        "file:///b.json": {"allOf": [{"$ref": "a.json"}]},
    }
    assert Checker("file:///a.json", loops).is_valid({})


def told(schema: Json, document: Any) -> list[str]:
    return sentences.sentences(Checker("file:///a.json", {"file:///a.json": schema}).violations(document))


@pytest.mark.parametrize(
    ("schema", "document", "said"),
    [
        ({"type": ["integer", "null"]}, "x", "the item: is 'x', should be a whole number or null"),
        (
            {"anyOf": [{"type": "boolean"}, {"type": "integer"}, {"type": "number"}, {"type": "string"}]},
            [],
            "the item: is [], should be true or false, a number or text",
        ),
        ({"required": ["a"]}, {}, "a: is missing"),
        (
            {
                "properties": {
                    "properties": {"required": ["a"], "properties": {"a": {"description": "A. B."}}}
                }
            },
            {"properties": {}},
            "properties.a: is missing (A)",
        ),
        (
            {"properties": {"colour": {}}, "additionalProperties": False},
            {"color": 1},
            "the item: has color, which is not known here; did you mean colour?",
        ),
        ({"properties": {"a": False}}, {"a": 1}, "a: is 1, should not be there"),
        ({"items": {"exclusiveMinimum": 0}}, [1, 0], "[1]: is 0, should be more than 0"),
        (
            {"properties": {"a": {"description": "Words.", "items": {"pattern": "^b$"}}}},
            {"a": ["b", "b\n"]},
            "a[1]: is 'b\\n', which does not match what is allowed: Words.",
        ),
        ({"pattern": "^b$"}, "c", "the item: is 'c', which does not match ^b$"),
        ({"propertyNames": {"pattern": "^b$"}}, {"c": 1}, "the item: is 'c', which does not match ^b$"),
        ({"enum": ["a", "b"]}, "c", "the item: is 'c', should be one of 'a', 'b'"),
        ({"const": True}, 1, "the item: is 1, should be true"),
        ({"maxLength": 2}, "abc", "the item: has 3 characters, should have at most 2"),
        ({"not": {"required": ["a"]}}, {"a": 1}, "the item: has what it may not have: ['a']"),
        ({"contains": {"const": 1}}, [], "the item: lacks an entry like 1"),
        (
            {"oneOf": [{"type": "integer"}, {"type": "number"}]},
            1,
            "the item: is 1, which fits more than one of the forms that it may have",
        ),
        ({"multipleOf": 2}, 3, "the item: is wrong: 3 is not a multiple of 2"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "b: is missing"),
    ],
)
def test_each_keyword_of_json_schema_becomes_a_sentence(schema: Json, document: Any, said: str) -> None:
    assert told(schema, document) == [said]


def test_what_json_does_not_have_is_told() -> None:
    [found] = told({"properties": {"a": {"type": "string"}}}, {"a": object()})
    assert found.startswith("the item: holds what JSON does not have")
