"""Every operation on what is published: what it needs, and what it does to items, links, stages and bytes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

import pystac
import pytest

from fair_models.audit.audit_run import audit
from fair_models.catalog.changes import edits
from fair_models.catalog.items import tombstones
from fair_models.catalog.items.tombstones import note
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.errors import Conflict, Corrupted, Invalid, NotFound, Unavailable
from fair_models.params import AuditParams, PromoteParams, RetireParams
from fair_models.publishing.commit import Plan
from fair_models.publishing.promote import promote
from fair_models.publishing.retire import retire
from fair_models.store.local import LocalStore
from fair_models.store.protocol import StoredFile
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS
from tests.publishing.file_ledger import FileLedger
from tests.publishing.world import BASE, CATALOG_URL, DATASET, MODEL, World, broken, unsettled

V1, V2, V3 = (f"{MODEL}-v{number}" for number in (1, 2, 3))


@pytest.fixture(params=["local", "pgstac"])
def world(request: pytest.FixtureRequest, home: Path) -> World:
    """A base model, a dataset, and three completed versions of which two were published in turn."""
    if request.param == "pgstac":
        home.mkdir()
        (home / CATALOG_URL).write_text(request.getfixturevalue("shared_pgstac_url"))
    made = World.at(home)
    made.register(1)
    made.ingest(1)
    for _ in range(3):
        train(made)
    made.promote(1)
    made.promote(2)
    return made


def train(world: World) -> None:
    assert isinstance(world.ledger, FileLedger)
    world.ledger.add(MODEL)


def latest(world: World) -> dict[str, str]:
    """Where `latest-version` leads, by the id of the item that says it."""
    found = world.catalog.search(LOCAL_MODELS, order="version")
    return {item.id: Path(link.href).stem for item in found for link in item.get_links(edits.LATEST)}


def chain(world: World) -> list[tuple[str, str]]:
    """(version, its successor) of all versions."""
    found = world.catalog.search(LOCAL_MODELS, order="version")
    links = [(item.id, link) for item in found for link in item.get_links(edits.SUCCESSOR)]
    return [(item_id, Path(link.href).stem) for item_id, link in links]


def files(world: World) -> list[str]:
    return sorted(world.store.hrefs())


@pytest.fixture(autouse=True)
def nothing_is_broken(world: World) -> object:
    yield
    assert broken(world) == []
    assert unsettled(world) == []


def test_promote_brings_the_version_in_and_deprecates_the_current_one(world: World) -> None:
    world.promote(3)

    assert world.items() == {V1: False, V2: False, V3: True}
    assert world.stages() == {1: "archived", 2: "archived", 3: "production"}
    assert chain(world) == [(V1, V2), (V2, V3)]
    assert latest(world) == {V2: V3, V3: V3}


def test_rolling_back_makes_the_old_version_active_and_changes_no_number(world: World) -> None:
    before = files(world)

    item = world.promote(1)

    assert (item.id, item.properties["version"]) == (V1, "1")
    assert world.items() == {V1: True, V2: False}
    assert world.stages() == {1: "production", 2: "archived", 3: "none"}
    assert latest(world) == {V1: V1, V2: V1}
    assert chain(world) == [(V1, V2)]
    assert files(world) == before


def test_after_a_roll_back_the_next_version_follows_by_number(world: World) -> None:
    world.promote(1)
    world.promote(3)

    assert world.items() == {V1: False, V2: False, V3: True}
    assert chain(world) == [(V1, V2), (V2, V3)]
    assert latest(world) == {V2: V3, V3: V3}


def test_what_is_deleted_while_bytes_are_stored_leaves_none_of_them(world: World) -> None:
    world.ingest(2)
    assert isinstance(world.ledger, FileLedger)
    made = world.ledger.add(MODEL, dataset=2)
    before = files(world)

    class MeanwhileDeleted:
        """A store that is slow: somebody else deletes the dataset before the first file is there."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.store, name)

        def put(self, key: str, source: Path) -> StoredFile:
            with suppress(NotFound):
                world.retire("delete", 2, DATASET, collection=DATASETS)
            return world.store.put(key, source)

    slow = replace(world, store=cast(LocalStore, MeanwhileDeleted()))
    with pytest.raises(Conflict, match=f"{DATASET}-v2"):
        slow.promote(made.number)
    assert set(files(world)) < set(before)
    assert world.items() == {V1: False, V2: True}


def test_rolling_back_needs_the_right_bytes(world: World) -> None:
    weights = Path(world.catalog.get(LOCAL_MODELS, V1).assets["checkpoint"].href)
    right = weights.read_bytes()
    weights.chmod(0o644)
    weights.write_bytes(b"other")

    with pytest.raises(Corrupted, match=f"{V1} cannot become active again, its asset checkpoint"):
        world.promote(1)
    assert world.items() == {V1: False, V2: True}
    weights.write_bytes(right)


def test_rolling_back_happens_only_by_number(world: World) -> None:
    world.retire("archive", 2)
    world.retire("delete", 1)
    assert isinstance(world.ledger, FileLedger)
    world.ledger.delete(MODEL, 3)

    with pytest.raises(Conflict, match=rf"{V2}, the newest completed .* it was archived\. .*--version 2"):
        world.promote()
    assert world.items() == {V2: False}
    world.promote(2)
    assert world.items() == {V2: True}


def test_a_gate_does_not_go_with_a_roll_back(world: World) -> None:
    with pytest.raises(Invalid, match=f"{V1} was published before, and evaluated then"):
        world.promote(1, minimum={"fair:building_iou": 0.5})
    assert world.items() == {V1: False, V2: True}


def test_rolling_back_works_without_zenmls_version(world: World) -> None:
    assert isinstance(world.ledger, FileLedger)
    world.ledger.delete(MODEL, 1)
    world.promote(1)
    assert world.items() == {V1: True, V2: False}
    assert world.stages() == {2: "archived", 3: "none"}
    world.promote(2)
    world.retire("delete", 1)


def test_archiving_leaves_items_links_and_bytes(world: World) -> None:
    before, links = files(world), (chain(world), latest(world))

    done = world.retire("archive", 2)

    assert done.items == (V2,)
    assert world.items() == {V1: False, V2: False}
    assert world.stages() == {1: "archived", 2: "archived", 3: "none"}
    assert (chain(world), latest(world)) == links
    assert files(world) == before


def test_archiving_again_changes_nothing(world: World) -> None:
    world.retire("archive", 2)
    before = world.catalog.get(LOCAL_MODELS, V2).to_dict()

    assert world.retire("archive", 2).effects == ()
    assert world.catalog.get(LOCAL_MODELS, V2).to_dict() == before


def test_archiving_a_deprecated_version_leaves_the_active_one(world: World) -> None:
    assert world.retire("archive", 1).effects == ()
    assert world.items() == {V1: False, V2: True}


def test_archiving_a_name_archives_what_is_active(world: World) -> None:
    world.retire("archive")
    assert world.items() == {V1: False, V2: False}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_was_archived_becomes_active_by_promoting_it_or_the_next(world: World, number: int) -> None:
    world.retire("archive", 2)
    world.promote(number)

    assert [item_id for item_id, active in world.items().items() if active] == [f"{MODEL}-v{number}"]
    assert all(tombstones.ARCHIVED not in item.properties for item in world.catalog.search(LOCAL_MODELS))


def test_deleting_takes_item_stage_and_bytes_and_leaves_a_tombstone(world: World) -> None:
    item = world.catalog.get(LOCAL_MODELS, V1)

    world.retire("delete", 1, reason="trained on wrong labels")

    assert world.items() == {V2: True}
    assert world.stages() == {2: "production", 3: "none"}
    assert chain(world) == []
    assert not [href for href in files(world) if f"/{MODEL}/v1/" in href]
    (tombstone,) = world.catalog.tombstones(LOCAL_MODELS, MODEL)
    said = note(tombstone)
    assert tombstone.id == V1
    assert (said["reason"], said["forced"], said["was_active"]) == ("trained on wrong labels", False, False)
    assert said["files"]["checkpoint"] == item.assets["checkpoint"].extra_fields["file:checksum"]
    with pytest.raises(NotFound, match=rf"{V1} was deleted on .* \(trained on wrong labels\)"):
        world.catalog.get(LOCAL_MODELS, V1)


def test_deleting_between_two_versions_joins_them(world: World) -> None:
    world.promote(3)
    world.retire("delete", 2)

    assert chain(world) == [(V1, V3)]
    assert latest(world) == {V3: V3}
    third = world.catalog.get(LOCAL_MODELS, V3)
    assert Path(third.get_single_link(edits.PREDECESSOR).href).stem == V1


def test_deleting_the_active_version_leaves_none_active(world: World) -> None:
    world.retire("delete", 2)
    assert world.items() == {V1: False}
    assert latest(world) == {}
    world.promote(3)
    assert world.items() == {V1: False, V3: True}
    assert chain(world) == [(V1, V3)]


def test_a_deleted_number_is_never_published_again(world: World) -> None:
    assert isinstance(world.ledger, FileLedger)
    world.ledger.delete(MODEL, 3)
    world.retire("delete", 2)
    world.ledger.add(MODEL)  # takes the number 2 again, as ZenML does

    with pytest.raises(Conflict, match=f"{V2} was deleted on"):
        world.promote(2)
    assert world.items() == {V1: False}
    world.ledger.delete(MODEL, 2)


def test_the_next_base_model_does_not_take_the_number_of_a_deleted_one(world: World) -> None:
    world.register(2)
    world.retire("delete", 2, name=BASE, collection=BASE_MODELS)

    from fair_models.catalog.items import versions

    assert versions.next_number(world.catalog, BASE_MODELS, BASE) == 3
    with pytest.raises(Conflict, match=f"{BASE}-v2 was deleted .* publish it as {BASE}-v3"):
        world.register(2)


def test_deleting_a_model_leaves_nothing_of_it_but_tombstones(world: World) -> None:
    done = world.retire("delete")

    assert world.items() == {}
    assert world.stages() == {}
    assert MODEL not in world.ledger.models()
    assert not [href for href in files(world) if f"/{MODEL}/" in href]
    assert [each.id for each in world.catalog.tombstones(LOCAL_MODELS)] == [V1, V2]
    assert f"ZenML {V3}" in [effect.target for effect in done.effects]
    assert world.retire("delete").effects == ()


def test_deleting_a_model_again_leaves_what_was_trained_since(world: World) -> None:
    world.retire("delete")
    assert isinstance(world.ledger, FileLedger)
    world.ledger.reserve(MODEL, 3)
    world.ledger.add(MODEL, created="2999-01-01T00:00:00+00:00")

    world.retire("delete")
    assert world.stages() == {4: "none"}
    world.promote(4)
    assert world.items() == {f"{MODEL}-v4": True}


def test_a_model_in_training_is_not_deleted(world: World) -> None:
    assert isinstance(world.ledger, FileLedger)
    world.ledger.add(MODEL, status="running")

    with pytest.raises(Conflict, match=f"{MODEL}-v4 is being trained. Cancel that first"):
        world.retire("delete")
    assert world.items() == {V1: False, V2: True}


@pytest.mark.parametrize(("collection", "name"), [(BASE_MODELS, BASE), (DATASETS, DATASET)])
def test_what_active_items_derive_from_is_not_deleted(world: World, collection: str, name: str) -> None:
    with pytest.raises(Conflict, match=f"from {collection}/{name}-v1 derive local-models/{V2}. Archive"):
        world.retire("delete", 1, name=name, collection=collection)
    assert world.items(collection) == {f"{name}-v1": True}  # type: ignore[arg-type]

    world.retire("archive", 2)
    world.retire("delete", 1, name=name, collection=collection)
    assert world.items(collection) == {}  # type: ignore[arg-type]


def test_a_forced_deletion_keeps_lineage_readable_and_shared_bytes(world: World) -> None:
    world.retire("delete", 1, name=BASE, collection=BASE_MODELS, force=True, reason="licence withdrawn")

    local = world.catalog.get(LOCAL_MODELS, V2)
    (tombstone,) = world.catalog.tombstones(BASE_MODELS)
    said = note(tombstone)
    assert said["forced"] is True
    assert said["derived"] == [f"local-models/{V1}", f"local-models/{V2}"]
    parent = next(link for link in local.get_links("derived_from") if BASE in link.href)
    assert parent.href == tombstone.get_self_href()
    in_files = isinstance(world.catalog, LocalCatalog)  # tombstones in pgstac are served to nobody
    plain = pystac.Item.from_file(parent.href) if in_files else tombstone
    assert plain.properties["title"] == "Roofs"
    assert plain.properties["fair:tombstone"]["reason"] == "licence withdrawn"
    assert not [href for href in files(world) if "/roofs-unet/v1/checkpoint" in href]

    world.retire("delete")
    assert not [href for href in files(world) if "/roofs-unet/v1/source-code" in href]


def test_a_promotion_from_a_base_model_that_was_deleted_is_refused(world: World) -> None:
    world.retire("delete", 1, name=BASE, collection=BASE_MODELS, force=True)
    with pytest.raises(NotFound, match=f"base-models/{BASE}-v1 was deleted on"):
        world.promote(3)


@pytest.mark.parametrize(
    "params",
    [
        PromoteParams(model=MODEL, version=3, dry_run=True),
        PromoteParams(model=MODEL, version=1, dry_run=True),
        RetireParams(name=MODEL, version=2, dry_run=True),
        RetireParams(name=MODEL, action="delete", dry_run=True),
    ],
    ids=["promote", "roll-back", "archive", "delete"],
)
def test_a_dry_run_says_what_would_change_and_changes_nothing(
    world: World, params: PromoteParams | RetireParams
) -> None:
    def snapshot() -> dict[str, bytes]:
        kept = (path for path in world.root.rglob("*") if path.is_file() and "lock" not in path.name)
        found = {str(path): path.read_bytes() for path in kept if ".index" not in str(path)}
        items = world.catalog.search(LOCAL_MODELS)
        return found | {item.id: str(item.to_dict(transform_hrefs=False)).encode() for item in items}

    told: list[Plan] = []
    before = snapshot()
    if isinstance(params, PromoteParams):
        promote(params, world.catalog, world.store, world.ledger, told.append)
    else:
        retire(params, world.catalog, world.store, world.ledger, told.append)

    assert snapshot() == before
    (plan,) = told
    assert plan.effects


def test_the_plan_names_bytes_items_and_stages(world: World) -> None:
    told: list[Plan] = []
    params = RetireParams(name=MODEL, version=2, action="delete", dry_run=True)
    retire(params, world.catalog, world.store, world.ledger, told.append)

    said = [f"{effect.target} {effect.effect}" for effect in told[0].effects]
    assert f"local-models/{V2} goes out, a tombstone stays" in said
    assert f"local-models/{V1} loses its successor-version" in said
    assert f"ZenML {V2} is deleted" in said
    assert len([each for each in said if each.endswith("is deleted") and "/store/" in each]) == 3


def test_what_is_not_there_is_not_retired(world: World) -> None:
    with pytest.raises(NotFound, match=f"has no {MODEL}-v9; it has {V1}, {V2}"):
        world.retire("archive", 9)
    with pytest.raises(NotFound, match="nothing called elsewhere"):
        world.retire("delete", name="elsewhere")
    world.retire("delete", 1)
    with pytest.raises(NotFound, match=f"{V1} was deleted on .* nothing to archive"):
        world.retire("archive", 1)


def test_latest_version_leads_to_the_active_one_after_rolling_back_and_forth(world: World) -> None:
    for number in (3, 1, 3):
        world.promote(number)
    train(world)
    world.promote(4)

    assert latest(world) == {V3: f"{MODEL}-v4", f"{MODEL}-v4": f"{MODEL}-v4"}


def test_latest_version_leads_to_the_active_one_after_the_newest_was_deleted(world: World) -> None:
    train(world)
    train(world)
    for number in (3, 4, 1, 3):
        world.promote(number)
    world.retire("delete", 4)
    world.promote(5)

    assert latest(world) == {V3: f"{MODEL}-v5", f"{MODEL}-v5": f"{MODEL}-v5"}


def test_after_deleting_what_was_archived_none_is_active_on_purpose(world: World) -> None:
    world.retire("archive", 2)
    world.retire("delete", 2)

    (tombstone,) = world.catalog.tombstones(LOCAL_MODELS, MODEL)
    assert note(tombstone)["was_active"] is True
    found = audit(world.catalog, world.store, world.ledger, AuditParams(rules=["no-active-version"]))
    assert list(found.findings) == []


def test_an_interrupted_deletion_takes_what_was_kept_of_a_deleted_parent_too(world: World) -> None:
    world.retire("delete", 1, name=BASE, collection=BASE_MODELS, force=True)

    class Full(LocalStore):
        def delete(self, href: str) -> None:
            raise Unavailable("not now")

    assert isinstance(world.store, LocalStore)
    with pytest.raises(Unavailable, match="not now"):
        replace(world, store=Full(world.store.root)).retire("delete")
    assert [href for href in files(world) if "/roofs-unet/v1/source-code" in href]

    world.retire("delete")
    assert not [href for href in files(world) if f"/{BASE}/" in href or f"/{MODEL}/" in href]


def test_a_version_that_was_made_after_the_deletion_is_another_one(world: World) -> None:
    """As when its number was taken again between the deletion and the next training."""
    assert isinstance(world.ledger, FileLedger)
    world.ledger.delete(MODEL, 3)
    world.retire("delete", 2)
    world.ledger.add(MODEL, created="2999-01-01T00:00:00+00:00")

    world.retire("delete", 2)
    assert world.stages() == {1: "archived", 2: "none"}
    with pytest.raises(Conflict, match=f"{V2} was deleted"):
        world.promote(2)
