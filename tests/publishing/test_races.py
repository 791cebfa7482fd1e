"""Eight processes at once on one registry: nothing is lost, one wins, nobody sees anything broken."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest
from pystac import Item

from fair_models.catalog.changes import transitions
from fair_models.catalog.changes.transitions import Transition
from fair_models.catalog.items import base_models, versions
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.errors import Conflict
from fair_models.publishing import cleanup
from fair_models.publishing.commit import NewVersion, ignore_plan, publish
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId
from tests.catalog.item_factory import base_files, template
from tests.publishing import racing
from tests.publishing.expected import Expected, Family, Refused, Trained
from tests.publishing.file_ledger import FileLedger, content
from tests.publishing.racing import Journal, Operation, Outcomes
from tests.publishing.world import BASE, DATASET, MODEL, World, broken, unsettled

pytestmark = pytest.mark.proof

PROCESSES, OPERATIONS, ROUNDS, IN_STEP = 8, 25, 40, 12
MOMENT = datetime(2026, 11, 21, tzinfo=UTC)
TRAINED = 12
"""Versions that are there at the beginning, from three versions of the base model in turn."""

KINDS = {
    "promote": 9,
    "promote-newest": 1,
    "archive": 2,
    "archive-all": 1,
    "delete": 2,
    "register": 2,
    "register-chosen": 2,
    "ingest": 1,
    "delete-base": 1,
    "train": 2,
    "read": 2,
}
"""Operations, and how often each is drawn."""


def begin(root: Path) -> World:
    world = World.at(root)
    for number in (1, 2, 3):
        world.register(number)
    world.ingest(1)
    for number in range(1, TRAINED + 1):
        ledger(world).add(MODEL, base=1 + number % 3, status="failed" if number % 5 == 0 else "completed")
    return world


def ledger(world: World) -> FileLedger:
    assert isinstance(world.ledger, FileLedger)
    return world.ledger


def register(world: World, number: int, by: int) -> Item:
    """A version of the base model that differs from those of other processes."""
    folder = world.root / "registered" / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name in ("checkpoint.safetensors", "model.onnx", "source-code.zip", "readme.md"):
        files[name.partition(".")[0]] = folder / name
        (folder / name).write_bytes(content(name, number))
    new = NewVersion(
        BASE_MODELS,
        BASE,
        number,
        files,
        lambda stored: base_models.build(template(title=f"Roofs by {by}"), number, stored, MOMENT),
    )
    return publish(new, world.catalog, world.store, tell=ignore_plan, dry_run=False)


def draw(world: World, chance: random.Random) -> Operation:
    """What to do next, and to which version: one of the last few, so that several want the same."""
    kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
    highest = max(world.stages(), default=1)
    if kind in ("promote", "archive", "delete"):
        return kind, chance.randint(1, highest)
    if kind == "delete-base":
        return kind, chance.randint(1, versions.next_number(world.catalog, BASE_MODELS, BASE))
    if kind == "register-chosen":
        return kind, versions.next_number(world.catalog, BASE_MODELS, BASE)
    if kind == "ingest":
        return kind, versions.next_number(world.catalog, DATASETS, DATASET)
    return kind, None


def perform(world: World, journal: Journal, operation: Operation, by: int) -> object:
    kind, number = operation
    match kind:
        case "promote":
            return world.promote(number)
        case "promote-newest":
            return world.promote()
        case "archive" | "delete":
            return world.retire(kind, number)
        case "archive-all":
            return world.retire("archive")
        case "delete-base":
            return world.retire("delete", number, BASE, collection=BASE_MODELS)
        case "ingest":
            return world.ingest(number or 0)
        case "register-chosen":
            with world.catalog.exclusive(BASE_MODELS, BASE):
                return register(world, number or 0, by)
        case "register":
            with world.catalog.exclusive(BASE_MODELS, BASE):
                number = versions.next_number(world.catalog, BASE_MODELS, BASE)
                journal.operation = kind, number
                return register(world, number, by)
        case "train":
            with world.catalog.exclusive(LOCAL_MODELS, MODEL):
                ledger(world).reserve(MODEL, versions.next_number(world.catalog, LOCAL_MODELS, MODEL) - 1)
                made = ledger(world).add(MODEL, base=1)
                journal.operation = kind, made.number
                return made
        case "read":
            wrong = [fault for each in NAMES for fault in racing.faults(world, *each)]
            assert not wrong, wrong
            return None
    raise AssertionError(f"{kind} is no operation")


NAMES: list[tuple[CollectionId, str]] = [(BASE_MODELS, BASE), (DATASETS, DATASET), (LOCAL_MODELS, MODEL)]


def work(root: Path, by: int, barrier: Barrier, ended: Event) -> Outcomes:
    chance, done, journal = random.Random(by), [], Journal(root / "journal")
    world = replace(World.at(root), root=root / f"process-{by}")  # files of its own to put
    journal.record(by)
    barrier.wait()
    for _ in range(OPERATIONS):
        operation = journal.operation = draw(world, chance)
        came = racing.outcome(lambda operation=operation: perform(world, journal, operation, by))
        done.append((journal.operation, came))
    return done


def watch(root: Path, by: int, barrier: Barrier, ended: Event) -> int:
    """Read on and on; how often."""
    world, looks = World.at(root), 0
    barrier.wait()
    while not ended.is_set():
        wrong = [fault for each in NAMES for fault in racing.faults(world, *each)]
        assert not wrong, wrong
        looks += 1
    return looks


def take_part(root: Path, by: int, barrier: Barrier, ended: Event) -> Outcomes | int:
    return (work if by < PROCESSES else watch)(root, by, barrier, ended)


def replayed(world: World, commits: list[tuple[int, str, int | None]]) -> Expected:
    """What the table makes of the commits in their order. None of them may have been against it."""
    expected = Expected()
    for number in (1, 2, 3):
        expected.publish(expected.bases, number)
    expected.publish(expected.datasets, 1)
    for number in range(1, 1000):  # those that were trained meanwhile are from the first base model
        base = 1 + number % 3 if number <= TRAINED else 1
        status = "failed" if number <= TRAINED and number % 5 == 0 else "completed"
        expected.ledger[number] = Trained(status, 0, base, 1)
    for by, kind, number in commits:
        refused = apply(expected, kind, number)
        assert refused is None, f"{kind} {number} by process {by} counts, against the table: {refused}"
    return expected


def apply(expected: Expected, kind: str, number: int | None) -> Refused:
    match kind:
        case "promote" | "promote-newest":
            return expected.promote(number)
        case "archive" | "archive-all":
            return expected.archive(expected.models, number)
        case "delete":
            return expected.delete(expected.models, number, force=False)
        case "delete-base":
            return expected.delete(expected.bases, number, force=False)
        case "register" | "register-chosen":
            return expected.publish(expected.bases, number or 0)
        case "ingest":
            return expected.publish(expected.datasets, number or 0)
    raise AssertionError(f"{kind} commits nothing")


def check_family(world: World, collection: CollectionId, name: str, family: Family) -> None:
    catalog = world.catalog
    items = list(catalog.search(collection, name=name, order="version"))
    active = {versions.split_id(item.id)[1]: not item.properties["deprecated"] for item in items}
    assert active == family.active
    buried = catalog.tombstones(collection, name)
    assert {versions.split_id(each.id)[1] for each in buried} == set(family.deleted)
    assert racing.wrong_versions(catalog, collection, items) == []


def test_eight_processes_at_once_lose_nothing_and_readers_see_nothing_broken(tmp_path: Path) -> None:
    root = tmp_path / "registry"
    world = begin(root)
    started = sorted(world.stages())

    answers = racing.run(take_part, [(root, by) for by in range(PROCESSES + 1)], watchers=1)

    outcomes: list[Outcomes] = answers[:PROCESSES]
    assert [len(each) for each in outcomes] == [OPERATIONS] * PROCESSES
    assert answers[-1] > 0
    came = Counter((kind, end) for each in outcomes for (kind, _), end in each)
    assert all(came[kind, "done"] for kind in ("promote", "archive", "delete", "register", "train")), came
    assert not {kind for kind in ("register", "train", "read") if came[kind, "Conflict"]}, came

    commits = Journal(root / "journal").read()
    expected = replayed(world, commits)
    check_family(world, LOCAL_MODELS, MODEL, expected.models)
    check_family(world, BASE_MODELS, BASE, expected.bases)
    check_family(world, DATASETS, DATASET, expected.datasets)
    for item in world.catalog.search(BASE_MODELS, name=BASE):  # whoever was the first is in it
        of = versions.split_id(item.id)[1]
        winners = [by for by, kind, number in commits if "register" in kind and number == of]
        assert [f"Roofs by {by}" for by in winners] in ([item.properties["title"]], []), winners
    trained = [number for each in outcomes for (kind, number), _ in each if kind == "train"]
    assert len(trained) == len(set(trained)), trained
    left = set(started).union(trained) - set(expected.models.deleted)  # type: ignore[arg-type]
    assert set(world.stages()) == left
    assert broken(world) == []
    assert unsettled(world) == []
    named = {href for href in cleanup.referenced(world.catalog) if href.startswith("/")}
    assert set(world.store.hrefs()) == named


# A base model is deleted while a version that was trained from it is promoted


def contend(root: Path, by: int, barrier: Barrier, ended: Event) -> list[str]:
    world, chance, done = World.at(root), random.Random(by), []
    for number in range(1, ROUNDS + 1):
        barrier.wait()
        time.sleep(chance.random() * 0.1)
        if by == 0:
            done.append(racing.outcome(lambda: world.promote(number)))  # noqa: B023 - called at once
        else:
            options = {"collection": BASE_MODELS, "force": number % 4 == 0}
            done.append(racing.outcome(lambda: world.retire("delete", number, BASE, **options)))  # noqa: B023
        barrier.wait()
        wrong = racing.faults(world, LOCAL_MODELS, MODEL)
        assert not wrong, wrong
    return done


def test_a_base_model_is_deleted_or_what_derives_from_it_is_promoted_but_never_both(tmp_path: Path) -> None:
    root = tmp_path / "registry"
    world = World.at(root)
    world.ingest(1)
    for number in range(1, ROUNDS + 1):
        world.register(number)
        ledger(world).add(MODEL, base=number)

    promoted, deleted = racing.run(contend, [(root, by) for by in range(2)])

    there, parents = world.items(), world.items(BASE_MODELS)
    for number, ends in enumerate(zip(promoted, deleted, strict=True), start=1):
        assert (f"{MODEL}-v{number}" in there) == (ends[0] == "done")
        assert (f"{BASE}-v{number}" not in parents) == (ends[1] == "done")
        assert ends.count("done") == 1 or (number % 4 == 0 and ends == ("done", "done")), (number, ends)
    assert "done" in promoted
    assert "done" in deleted
    assert broken(world) == []
    assert unsettled(world) == []


# Compare-and-set alone


def item(number: int, by: int) -> Item:
    return base_models.build(
        template(title=f"Roofs by {by}"), number, base_files(f"base-models/{BASE}/v{number}"), MOMENT
    )


def plan(catalog: LocalCatalog, chance: random.Random, by: int) -> tuple[Operation, Transition]:
    known = list(catalog.search(BASE_MODELS, name=BASE, order="version"))
    kind = chance.choices(["publish", "next", "roll-back", "archive", "delete"], [2, 4, 4, 1, 3])[0]
    if kind in ("publish", "next") or not known:
        free = versions.next_number(catalog, BASE_MODELS, BASE)
        number = free if kind == "next" else chance.randint(max(1, free - 6), free + 2)
        return ("publish", number), transitions.publishing(catalog, item(number, by))
    active = [each for each in known if not each.properties["deprecated"]]
    chosen = chance.choice(active if active and kind == "delete" else known)
    number = versions.split_id(chosen.id)[1]
    if kind == "roll-back":
        return (kind, number), transitions.rolling_back(catalog, chosen)
    if kind == "archive":
        return (kind, number), transitions.archiving(catalog, [chosen], MOMENT)
    return (kind, number), transitions.deleting(catalog, [chosen], MOMENT)


def commit_at_once(root: Path, by: int, barrier: Barrier, ended: Event) -> list[str]:
    catalog, chance, done = LocalCatalog(root), random.Random(by), []
    journal = Journal(root.parent / "journal")
    journal.record(by)

    for turn in range(IN_STEP + OPERATIONS):
        if turn < IN_STEP:
            barrier.wait()
        planned = transitions.NOTHING  # where there is none, as it is refused
        with suppress(Conflict):
            journal.operation, planned = plan(catalog, chance, by)
        if turn < IN_STEP:
            barrier.wait()  # all have planned on the same state
        else:
            time.sleep(chance.random() * 0.05)  # what was planned on is several changes old, mostly
        if planned.effects:
            done.append(racing.outcome(lambda planned=planned: catalog.commit(planned.change)))
        items = list(catalog.search(BASE_MODELS, name=BASE, order="version"))
        wrong = racing.wrong_versions(catalog, BASE_MODELS, items)
        assert not wrong, wrong
    return done


def test_compare_and_set_alone_lets_no_plan_count_that_is_out_of_date(tmp_path: Path) -> None:
    root = tmp_path / "catalog"
    catalog, family = LocalCatalog(root), Family()
    for number in range(1, 7):
        transitions.publish(catalog, item(number, number))
        family.lead(number)

    answers = racing.run(commit_at_once, [(root, by) for by in range(PROCESSES)])

    came = Counter(end for each in answers for end in each)
    assert sum(came.values()) > PROCESSES * OPERATIONS / 2
    assert {"done", "Conflict"} <= set(came) <= {"done", "Conflict", "NotFound"}
    winners = {number: number for number in family.active}
    for by, kind, number in Journal(root.parent / "journal").read():
        assert number is not None
        if kind == "publish":
            assert number not in {*family.active, *family.deleted}, f"{number} was published twice"
            family.lead(number)
            winners[number] = by
        elif kind == "roll-back":
            family.lead(number)
        elif kind == "archive":
            family.active[number] = False
        else:
            family.bury(number, 0)
    check_family(World.at(tmp_path), BASE_MODELS, BASE, family)
    for found in catalog.search(BASE_MODELS):
        assert found.properties["title"] == f"Roofs by {winners[versions.split_id(found.id)[1] or 0]}"
