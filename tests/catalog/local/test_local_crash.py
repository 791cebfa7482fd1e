"""Processes killed within a commit, full disks, folders that may not be written."""

import json
import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pystac
import pytest
from pystac import Item

from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.local.index import Index
from fair_models.catalog.protocol import Change
from fair_models.errors import FairModelsError, Unavailable
from tests.children import in_child

MakeItem = Callable[..., Item]
NOBODY = 65534


def kill_at(count: int, after: bool) -> None:
    """End this process with SIGKILL before or after its `count`-th change of the disk or the index."""
    left = [count]

    def deadly(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return function(*args, **options)
            finally:
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        return call

    for name in ("fsync", "replace", "rename", "link", "mkdir", "unlink", "rmdir"):
        setattr(os, name, deadly(getattr(os, name)))
    for name in ("put", "sign"):
        setattr(Index, name, deadly(getattr(Index, name)))


def plain_items(root: Path) -> dict[str, bool]:
    """Deprecated or not, as a reader of the plain files sees it."""
    if not (root / "catalog.json").exists():
        return {}
    plain = pystac.Catalog.from_file(str(root / "catalog.json"))
    return {item.id: item.properties["deprecated"] for item in plain.get_child("local-models").get_items()}


def items(catalog: LocalCatalog) -> dict[str, bool]:
    return {item.id: item.properties["deprecated"] for item in catalog.search("local-models")}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("first", [True, False], ids=["first-publish", "second-publish"])
def test_a_kill_at_any_stage_leaves_the_old_or_the_new_state(
    tmp_path: Path, make_item: MakeItem, first: bool, after: bool
) -> None:
    template = tmp_path / "template"
    template.mkdir()
    old: dict[str, bool] = {}
    new = {"roofs-v1": False}
    change = Change(put=[make_item("roofs-v1")])
    if not first:
        LocalCatalog(template).commit(Change(put=[make_item("roofs-v1"), make_item("huts-v1")]))
        old = {"huts-v1": False, "roofs-v1": False}
        new = {"roofs-v1": True, "roofs-v2": False}
        change = Change(
            put=[make_item("roofs-v1", deprecated=True), make_item("roofs-v2")],
            remove=[("local-models", "huts-v1")],
        )

    seen: list[dict[str, bool]] = []
    for count in range(1, 200):
        root = tmp_path / f"{count}"
        shutil.copytree(template, root)
        LocalCatalog(root).search("local-models")  # an index that knows the copy

        def die(root: Path = root, count: int = count) -> str:
            kill_at(count, after)
            LocalCatalog(root).commit(change)
            return "alive"

        ended, said = in_child(die)
        if said == "alive":
            break
        assert ended == signal.SIGKILL, said

        unfinished = plain_items(root)
        assert first or [
            name for name, deprecated in unfinished.items() if not deprecated and "roofs" in name
        ]
        found = items(LocalCatalog(root))
        assert found in (old, new), (count, found)
        assert not list((root / ".journal").glob("*"))
        assert plain_items(root) == found
        folders = {path.name for path in (root / "local-models").glob("*/")} if found else set()
        assert folders == set(found)
        LocalCatalog(root).commit(change if found == old else Change())  # the same again completes it
        assert items(LocalCatalog(root)) == new
        seen.append(found)
        shutil.rmtree(root)

    assert said == "alive"
    assert len(seen) > 20
    assert seen[0] == old
    assert seen[-1] == new
    assert seen == sorted(seen, key=lambda found: found == new)  # one moment divides old from new


def test_a_reader_finishes_what_a_killed_writer_began(tmp_path: Path, make_item: MakeItem) -> None:
    catalog = LocalCatalog(tmp_path / "catalog")
    catalog.commit(Change(put=[make_item("roofs-v1")]))

    def die() -> str:
        from fair_models.catalog.local import journal

        journal.apply = lambda root: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment,return-value]
        catalog.commit(Change(put=[make_item("roofs-v1", deprecated=True), make_item("roofs-v2")]))
        return "alive"

    assert in_child(die)[0] == signal.SIGKILL
    assert plain_items(catalog.root) == {"roofs-v1": False}
    assert items(catalog) == {"roofs-v1": True, "roofs-v2": False}
    assert plain_items(catalog.root) == {"roofs-v1": True, "roofs-v2": False}


def content(folder: Path) -> dict[str, bytes]:
    """All STAC files, and whatever a failed write may have left."""
    kept = (path for path in folder.rglob("*") if path.is_file() and ".index" not in path.parts)
    return {str(path): path.read_bytes() for path in kept if not path.name.startswith(".lock")}


@pytest.mark.parametrize("limit", [2_000, 20_000, 40_000])
def test_a_full_disk_changes_nothing(tmp_path: Path, make_item: MakeItem, limit: int) -> None:
    """The kernel refuses files beyond a limit: those of the item, or those of the index."""
    catalog = LocalCatalog(tmp_path / "catalog")
    catalog.commit(Change(put=[make_item("roofs-v1")]))
    before = content(tmp_path)

    def fill() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            catalog.commit(
                Change(
                    put=[
                        make_item("roofs-v2", description="x" * 50_000),
                        make_item("roofs-v1", deprecated=True),
                    ]
                )
            )
        except FairModelsError as error:
            return f"{type(error).__name__}: {error}"
        return "written"

    ended, said = in_child(fill)
    assert ended == 0
    assert said.startswith("Unavailable: ")
    assert "free space" in said
    assert content(tmp_path) == before
    assert items(catalog) == {"roofs-v1": False}
    catalog.commit(Change(put=[make_item("roofs-v2")]))


def test_a_disk_too_full_for_an_index_can_still_be_read(tmp_path: Path, make_item: MakeItem) -> None:
    catalog = LocalCatalog(tmp_path / "catalog")
    catalog.commit(Change(put=[make_item("roofs-v1")]))
    shutil.rmtree(catalog.root / ".index")

    def fill() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
        return json.dumps(items(catalog))

    assert in_child(fill) == (0, '{"roofs-v1": false}')


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user can reach (pytest's own is private to root)."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_somebody_else(work: Callable[[], str], folder: Path) -> str:
    """Run something as a user who may read the folder, but not write to it."""

    def other() -> str:
        if os.getuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        return work()

    if os.getuid() != 0:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        return in_child(other)[1]
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize("with_index", [True, False])
def test_a_folder_that_may_not_be_written_can_be_read(
    open_folder: Path, make_item: MakeItem, with_index: bool
) -> None:
    catalog = LocalCatalog(open_folder / "catalog")
    catalog.commit(Change(put=[make_item("roofs-v1", deprecated=True), make_item("roofs-v2")]))
    if not with_index:
        shutil.rmtree(catalog.root / ".index")
    before = content(open_folder)
    said = as_somebody_else(lambda: json.dumps(items(catalog)), open_folder)
    assert json.loads(said) == {"roofs-v1": True, "roofs-v2": False}
    assert content(open_folder) == before


@pytest.mark.parametrize("existing", [True, False])
def test_a_folder_that_may_not_be_written_says_so(
    open_folder: Path, make_item: MakeItem, existing: bool
) -> None:
    catalog = LocalCatalog(open_folder / "catalog")
    if existing:
        catalog.commit(Change(put=[make_item("roofs-v1")]))
    before = content(open_folder)

    def write() -> str:
        catalog.commit(Change(put=[make_item("roofs-v2")]))
        return "written"

    said = as_somebody_else(write, open_folder)
    assert said.startswith(f"Unavailable: Cannot change the catalogue {catalog.root}: Permission denied")
    assert "permissions" in said
    assert content(open_folder) == before


def test_a_path_below_a_file_says_so(tmp_path: Path, make_item: MakeItem) -> None:
    (tmp_path / "file").write_text("in the way")
    catalog = LocalCatalog(tmp_path / "file" / "catalog")
    with pytest.raises(Unavailable, match="Cannot change the catalogue"):
        catalog.commit(Change(put=[make_item("roofs-v1")]))
    assert items(catalog) == {}
