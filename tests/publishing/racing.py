"""Processes that change and read one registry at once, and the order in which their changes came to count."""

from __future__ import annotations

import json
import multiprocessing
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

from pystac import Item

from fair_models.catalog.changes import transitions
from fair_models.catalog.items import assets, versions
from fair_models.catalog.items.tombstones import ARCHIVED, note
from fair_models.catalog.local import catalog as local
from fair_models.catalog.protocol import Catalog, Change
from fair_models.errors import Conflict, Corrupted, Invalid, NotFound
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId
from tests.publishing.world import World

SPAWN = multiprocessing.get_context("spawn")
"""New processes, not forks: a test process has threads and open connections by now."""

Operation = tuple[str, int | None]
"""What is done, and to which version."""

Outcomes = list[tuple[Operation, str]]
"""What came of operations: "done", or the name of the error."""

LOST = (Conflict, NotFound, Invalid)
"""What those may get who are not the first."""


class Journal:
    """Operations in the order in which their commits came to count, whoever made them.

    Written by whoever holds the catalogue's lock, so that it has the order of the commits themselves.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.operation: Operation = ("", None)

    def record(self, by: int) -> None:
        """From now on, each commit of this process is written down with the operation under way."""
        make = local.make

        def made(root: Path, change: Change, documents: Any) -> None:
            make(root, change, documents)
            kind, number = self.operation
            with self._path.open("a") as file:
                file.write(json.dumps([by, kind, number or _becomes_active(change)]) + "\n")

        local.make = made

    def read(self) -> list[tuple[int, str, int | None]]:
        """(process, operation, version) of all commits."""
        return [tuple(json.loads(line)) for line in self._path.read_text().splitlines()]


def _becomes_active(change: Change) -> int | None:
    active = [versions.split_id(item.id)[1] for item in change.put if not item.properties["deprecated"]]
    return active[0] if active else None


def run(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], *, watchers: int = 0) -> list[Any]:
    """Start a process for each of the arguments, all at once; their answers in order.

    Args:
        work: Is given its arguments, a barrier that lets all begin together, and what it is to look at: an
            event that is set when all but the watchers have ended.
        arguments: Of each process; the watchers are the last ones.
        watchers: How many of them only look.
    """
    barrier, ended, answers = SPAWN.Barrier(len(arguments)), SPAWN.Event(), SPAWN.Queue()
    processes = [
        SPAWN.Process(target=_answer, args=(answers, place, work, each, barrier, ended))
        for place, each in enumerate(arguments)
    ]
    for process in processes:
        process.start()
    found: dict[int, Any] = {}
    while len(found) < len(processes):
        place, failure, answer = answers.get(timeout=300)
        if failure:
            for process in processes:
                process.kill()
            raise AssertionError(f"process {place}: {failure}")
        found[place] = answer
        if len(found) == len(processes) - watchers:
            ended.set()
    for process in processes:
        process.join()
    return [found[place] for place in range(len(processes))]


def _answer(
    answers: Any,
    place: int,
    work: Callable[..., Any],
    arguments: tuple[Any, ...],
    barrier: Barrier,
    ended: Event,
) -> None:
    try:
        answers.put((place, "", work(*arguments, barrier, ended)))
    except BaseException:
        answers.put((place, traceback.format_exc(), None))
        raise


def outcome(operation: Callable[[], object]) -> str:
    """What comes of an operation. Any error but those of a loser goes through."""
    try:
        operation()
    except LOST as error:
        return type(error).__name__
    return "done"


# Reading


def faults(world: World, collection: CollectionId, name: str) -> list[str]:
    """What is wrong in what a reader sees now of a name, while others change it."""
    items = list(world.catalog.search(collection, name=name, order="version"))
    wrong = [*wrong_versions(world.catalog, collection, items)]
    for item in items:
        missing = [problem for problem in (_missing(world, item), _orphaned(world, item)) if problem]
        if missing and _is_there(world.catalog, collection, item.id):
            wrong.append(f"{item.id}: {'; '.join(missing)}")
    return wrong


def wrong_versions(catalog: Catalog, collection: CollectionId, items: Sequence[Item]) -> list[str]:
    """What is wrong with one snapshot of all versions of a name: who is active, and links between them."""
    active = [item.id for item in items if not item.properties["deprecated"]]
    ids, wrong = [item.id for item in items], []
    if len(active) > 1:
        wrong.append(f"{active} are active at once")
    if items and not active and not any(ARCHIVED in item.properties for item in items):
        buried = catalog.tombstones(collection, versions.split_id(ids[0])[0])  # of later, and they stay
        if not any(note(each)["was_active"] for each in buried):
            wrong.append(f"none of {ids} is active, and none was archived or deleted")
    for rel, neighbours in (
        (transitions.PREDECESSOR, [None, *ids]),
        (transitions.SUCCESSOR, [*ids[1:], None]),
    ):
        for item, neighbour in zip(items, neighbours, strict=False):
            found = [Path(link.href).stem for link in item.get_links(rel)]
            if found != ([neighbour] if neighbour else []):
                wrong.append(f"the {rel} of {item.id} is {found} in {ids}")
    for item in items:
        found = [Path(link.href).stem for link in item.get_links(transitions.LATEST)]
        if active and (found not in ([], active) or (item.id in active and not found)):
            wrong.append(f"the latest-version of {item.id} is {found}, active is {active}")
    return wrong


def _missing(world: World, item: Item) -> str:
    for key, asset in item.assets.items():
        try:
            if "file:checksum" in asset.extra_fields:
                world.store.fetch(assets.address(asset), asset.extra_fields["file:checksum"])
        except (NotFound, Corrupted, OSError) as error:
            return f"its asset {key}: {error}"
    return ""


def _orphaned(world: World, item: Item) -> str:
    """A parent that is neither an item nor a tombstone."""
    for collection, field in ((BASE_MODELS, "fair:base_model_id"), (DATASETS, "fair:dataset_id")):
        parent = item.properties.get(field)
        if item.collection_id != LOCAL_MODELS or _is_there(world.catalog, collection, parent):
            continue
        if parent not in [each.id for each in world.catalog.tombstones(collection)]:
            return f"its parent {parent} is neither an item nor a tombstone"
    return ""


def _is_there(catalog: Catalog, collection: CollectionId, item_id: str) -> bool:
    try:
        catalog.get(collection, item_id)
    except NotFound:
        return False
    return True
