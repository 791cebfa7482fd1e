"""Pins: where they are, and what they hold up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fair_models.catalog import validation
from fair_models.catalog.items import pins
from fair_models.errors import Conflict, NotFound
from fair_models.params import PinParams
from fair_models.publishing.pins import Pinned, pin
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS
from tests.publishing.file_ledger import FileLedger
from tests.publishing.world import BASE, DATASET, MODEL, World, broken, unsettled

V1, V2 = f"{MODEL}-v1", f"{MODEL}-v2"


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    """Version 1 is published, version 2 is not."""
    made = World.at(home)
    made.register(1)
    made.ingest(1)
    assert isinstance(made.ledger, FileLedger)
    made.ledger.add(MODEL)
    made.ledger.add(MODEL)
    made.promote(1)
    yield made
    assert broken(made) == []
    assert unsettled(made) == []


def put(world: World, version: int, name: str = MODEL, **values: object) -> Pinned:
    said = {"reason": "the flood of May", "by": "ana", "name": name, "version": version, **values}
    return pin(PinParams.model_validate(said), world.catalog, world.ledger)


def test_a_published_version_is_pinned_in_its_item(world: World) -> None:
    done = put(world, 1)

    item = world.catalog.get(LOCAL_MODELS, V1)
    assert item.properties[pins.FIELD] == {"reason": "the flood of May", "by": "ana", "at": done.pin.at}  # type: ignore[union-attr]
    assert done.published
    assert [each.target for each in done.effects] == [f"local-models/{V1}"]
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    assert world.ledger.get(MODEL, 1).pin is None
    assert put(world, 1).effects == ()
    assert put(world, 1, by="ben").pin.by == "ben"  # type: ignore[union-attr]


def test_an_unpublished_version_is_pinned_in_zenml_and_stays_so_when_it_is_published(world: World) -> None:
    done = put(world, 2)
    assert (done.published, world.ledger.get(MODEL, 2).pin) == (False, done.pin)

    assert pins.of(world.promote(2)) == done.pin
    put(world, 2, pinned=False)
    assert pins.of(world.catalog.get(LOCAL_MODELS, V2)) is None
    assert world.ledger.get(MODEL, 2).pin is None


@pytest.mark.parametrize(("collection", "name"), [(BASE_MODELS, BASE), (DATASETS, DATASET)])
def test_base_models_and_datasets_can_be_pinned_too(world: World, collection: str, name: str) -> None:
    put(world, 1, name, collection=collection)
    with pytest.raises(Conflict, match=f"{name}-v1 is pinned by ana since .*: the flood of May"):
        world.retire("delete", None, name, collection=collection, force=True)


def test_nothing_deletes_a_pinned_version_and_what_goes_with_it_stays(world: World) -> None:
    world.promote(2)
    put(world, 1)
    for number in (None, 1):
        with pytest.raises(Conflict, match=f"Nothing was deleted: {V1} is pinned by ana .*fair-models unpin"):
            world.retire("delete", number, force=True)
    assert world.items() == {V1: False, V2: True}

    world.retire("archive", 1)
    put(world, 1, pinned=False)
    world.retire("delete", 1)
    assert world.items() == {V2: True}


def test_a_model_is_not_deleted_while_an_unpublished_version_of_it_is_pinned(world: World) -> None:
    put(world, 2)
    with pytest.raises(Conflict, match=f"{V2} is pinned by ana"):
        world.retire("delete", force=True)
    assert world.items() == {V1: True}


def test_publishing_a_pinned_version_again_changes_nothing(world: World) -> None:
    put(world, 1)
    before = world.catalog.get(LOCAL_MODELS, V1).to_dict()
    world.promote(1)
    world.promote(2)
    world.promote(1)
    assert world.catalog.get(LOCAL_MODELS, V1).properties[pins.FIELD] == before["properties"][pins.FIELD]


@pytest.mark.parametrize(
    ("name", "version", "collection", "message"),
    [
        (MODEL, 9, LOCAL_MODELS, "has no version 9"),
        ("huts", 1, LOCAL_MODELS, "No model is called huts"),
        (BASE, 7, BASE_MODELS, f"base-models has no item {BASE}-v7"),
    ],
)
def test_what_is_not_there_cannot_be_pinned(
    world: World, name: str, version: int, collection: str, message: str
) -> None:
    with pytest.raises(NotFound, match=message):
        put(world, version, name, collection=collection)


def test_a_deleted_version_cannot_be_pinned(world: World) -> None:
    world.retire("delete", 1)
    with pytest.raises(NotFound, match=f"{V1} was deleted"):
        put(world, 1)
