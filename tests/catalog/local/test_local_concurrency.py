"""Several processes and threads on one catalogue."""

import multiprocessing
import threading
import traceback
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from pystac import Item

from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.protocol import Change
from fair_models.errors import Conflict

MakeItem = Callable[..., Item]
NAME = ("local-models", "roofs")
SPAWN = multiprocessing.get_context("spawn")
"""New processes, not forks: a test process has threads and open connections by now."""


def publish_next(catalog: LocalCatalog, make_item: MakeItem, by: str) -> None:
    """The next version of roofs, its predecessor deprecated; again where somebody was faster."""
    while True:
        current = list(catalog.search("local-models", name="roofs", deprecated=False))
        number = int(current[0].properties["version"]) if current else 0
        for item in current:
            item.properties["deprecated"] = True
        change = Change(
            put=[make_item(f"roofs-v{number + 1}", by=by), *current],
            expect={NAME: current[0].id if current else None},
        )
        try:
            return catalog.commit(change)
        except Conflict:
            continue


def _publish(root: Path, make_item: MakeItem, writer: int, count: int) -> None:
    catalog = LocalCatalog(root)
    try:
        for n in range(count):
            publish_next(catalog, make_item, f"{writer}-{n}")
    except Exception:
        (root.parent / f"writer-{writer}.txt").write_text(traceback.format_exc())
        raise


def _watch(root: Path, done: Event, faults: "multiprocessing.Queue[str]") -> None:
    catalog, looks = LocalCatalog(root), 0
    try:
        while not done.is_set():
            items = list(catalog.search("local-models", name="roofs", order="version"))
            current = [item.id for item in items if not item.properties["deprecated"]]
            numbers = [int(item.properties["version"]) for item in items]
            if len(current) != 1 or numbers != list(range(1, len(items) + 1)):
                faults.put(f"saw {current} of {numbers}")
            if len(catalog.collection("local-models").links) < len(items) + 2:
                faults.put("the collection knew less than the search before it")
            looks += 1
    except Exception:
        faults.put(traceback.format_exc())
    faults.put(f"looked {looks}")


def test_four_processes_lose_nothing_and_readers_always_see_one_current_item(
    tmp_path: Path, make_item: MakeItem
) -> None:
    root = tmp_path / "catalog"
    publish_next(LocalCatalog(root), make_item, "first")
    done, faults = SPAWN.Event(), SPAWN.Queue()
    readers = [SPAWN.Process(target=_watch, args=(root, done, faults)) for _ in range(2)]
    writers = [SPAWN.Process(target=_publish, args=(root, make_item, n, 10)) for n in range(4)]
    for process in readers + writers:
        process.start()
    for process in writers:
        process.join()
    done.set()
    said = [faults.get(timeout=60) for _ in readers]
    for process in readers:
        process.join()

    told = [path.read_text() for path in root.parent.glob("writer-*.txt")]
    assert [process.exitcode for process in writers] == [0] * 4, "\n".join(told)
    assert all(word.startswith("looked") and word != "looked 0" for word in said), said
    items = list(LocalCatalog(root).search("local-models", order="version"))
    assert [item.id for item in items] == [f"roofs-v{n}" for n in range(1, 42)]
    assert {item.properties["by"] for item in items} == {
        "first",
        *(f"{w}-{n}" for w in range(4) for n in range(10)),
    }
    assert len(LocalCatalog(root).collection("local-models").get_item_links()) == 41


@pytest.mark.parametrize("shared", [True, False])
def test_threads_lose_nothing(tmp_path: Path, make_item: MakeItem, shared: bool) -> None:
    root = tmp_path / "catalog"
    one = LocalCatalog(root)
    catalogs = [one if shared else LocalCatalog(root) for _ in range(4)]
    threads = [
        threading.Thread(
            target=lambda n=n: [publish_next(catalogs[n], make_item, f"{n}-{i}") for i in range(4)]
        )
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(one.search("local-models"))) == 16


def test_several_first_publishers_make_one_catalogue(tmp_path: Path, make_item: MakeItem) -> None:
    root = tmp_path / "catalog"
    processes = [SPAWN.Process(target=_publish, args=(root, make_item, n, 1)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [item.id for item in LocalCatalog(root).search("local-models")] == [
        f"roofs-v{n}" for n in range(1, 5)
    ]
