"""Disks that are full and folders that may not be written: a clear error, and nothing is changed."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.synthetic import make_settlement
from fair_models.errors import FairModelsError
from fair_models.params import IngestDatasetParams
from fair_models.publishing.datasets import ingest
from fair_models.publishing.register.register import register_base_model
from fair_models.store.local import LocalStore
from tests.catalog.local.test_local_crash import as_somebody_else
from tests.children import in_child
from tests.publishing import dying, tiny_contribution
from tests.publishing.file_ledger import FileLedger
from tests.publishing.world import MODEL, World, broken, content, unsettled

Work = Callable[[World], object]

OPERATIONS: dict[str, Work] = {
    "register": lambda world: world.register(2),
    "ingest": lambda world: world.ingest(2),
    "promote": lambda world: world.promote(2),
    "roll-back": lambda world: world.promote(1),
    "archive": lambda world: world.retire("archive"),
    "delete": lambda world: world.retire("delete", 1),
}


PROJECT = Path(__file__).resolve().parents[2]

INPUT = {
    "register": ["checkpoint.safetensors", "model.onnx", "source-code.zip", "readme.md"],
    "ingest": ["chips.zip", "labels.geojson", "split.json"],
}


@pytest.fixture
def open_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that another user can reach (pytest's own is private to root)."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    monkeypatch.setenv("FAIR_HOME", str(folder / "home"))
    yield folder / "home"
    shutil.rmtree(folder)


def prepared(root: Path, published: int = 1) -> World:
    world = World.at(root)
    world.register(1)
    world.ingest(1)
    assert isinstance(world.ledger, FileLedger)
    for number in range(1, 4):
        world.ledger.add(MODEL)
        if number <= published:
            world.promote(number)
    for operation, names in INPUT.items():  # not written when the disk is full
        for name in names:
            path = root / "input" / operation / "2" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content(name, 2))
    return world


def told(work: Callable[[], object]) -> str:
    try:
        work()
    except FairModelsError as error:
        return f"{type(error).__name__}: {error}"
    return "done"


def with_files_up_to(limit: int, work: Callable[[], object]) -> str:
    """What is told where the kernel refuses files of more than some bytes, as a full disk does."""

    def limited() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return told(work)

    ended, said = in_child(limited)
    assert ended == 0, ended
    return said


REGISTER = """
import resource, signal, sys
from pathlib import Path
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.publishing.register.register import register_base_model
from fair_models.store.local import LocalStore
from tests.publishing.test_full_disk import told
limit, contribution, home = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
catalog, store = LocalCatalog(home / "catalog"), LocalStore(home / "store")
print(told(lambda: register_base_model(contribution, catalog, store)))
"""


def registered_with_files_up_to(limit: int, contribution: Path, home: Path) -> str:
    """The same for a contribution, in a new process: torch does not work in one that was forked."""
    command = [sys.executable, "-B", "-c", REGISTER, str(limit), str(contribution), str(home)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def is_clear(said: str) -> bool:
    return said.startswith("Unavailable: ") and "free space" in said and "try again" in said


@pytest.mark.proof
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_disk_that_fills_up_at_any_file_changes_nothing(tmp_path: Path, name: str) -> None:
    """Limits from no byte at all to all that the operation writes: each is reached by another file."""
    work, template, root = OPERATIONS[name], tmp_path / "template", tmp_path / "registry"
    prepared(template, published=1 if name == "promote" else 2)
    before = dying.content(template)

    refused = []
    for limit in (0, 24, 250, 1_000, 2_000, 9_000, 60_000, 10_000_000):
        dying.copy(template, root)
        said = with_files_up_to(limit, lambda: work(World.at(root)))
        assert said == "done" or is_clear(said), (limit, said)
        if said == "done":
            assert dying.content(root) != before
        else:
            refused.append(said.partition(":")[2].split("/")[0])
            assert dying.content(root) == before, limit
            assert broken(World.at(root)) == []
            work(World.at(root))
        assert unsettled(World.at(root)) == []
        shutil.rmtree(root)

    assert said == "done"
    assert len(refused) > 3


@pytest.mark.parametrize("room", range(4))
def test_a_store_that_fills_up_at_a_file_keeps_none_of_those_before_it(tmp_path: Path, room: int) -> None:
    world = prepared(tmp_path)
    for n, name in enumerate(INPUT["register"]):  # each is larger than the index, and than the one before
        (tmp_path / "input" / "register" / "2" / name).write_bytes(bytes(500_000 + 100_000 * n))
    before = dying.content(tmp_path)

    said = with_files_up_to(450_000 + 100_000 * room, lambda: world.register(2))

    assert said.startswith("Unavailable: Cannot store base-models/roofs-unet/v2/"), said
    assert Path(INPUT["register"][room]).stem in said
    assert is_clear(said)
    assert dying.content(tmp_path) == before
    assert not list((tmp_path / "store").rglob("*.part"))
    world.register(2)
    assert unsettled(world) == []


@pytest.fixture
def town(open_home: Path) -> IngestDatasetParams:
    folder = open_home.parent / "town"
    make_settlement(folder, seed=3, columns=4, rows=2, size_px=64, prediction_columns=0)
    return IngestDatasetParams(name="town", title="Town", chips=str(folder))


def there(home: Path) -> dict[str, bytes]:
    return {**dying.content(home / "catalog"), **dying.content(home / "store")}


def test_chips_are_not_ingested_on_a_full_disk(open_home: Path, town: IngestDatasetParams) -> None:
    catalog, store = LocalCatalog(open_home / "catalog"), LocalStore(open_home / "store")
    said = {}
    for limit in (0, 1_000, 3_000, 10_000, 100_000, 200_000, 10_000_000):
        said[limit] = with_files_up_to(limit, lambda: ingest(town, catalog, store))
        if said[limit] == "done":
            break
        assert is_clear(said[limit]), (limit, said)
        assert there(open_home) == {}, limit
    assert said[limit] == "done"
    assert len(said) > 4


@pytest.mark.proof
def test_a_contribution_is_not_registered_on_a_full_disk(open_home: Path) -> None:
    contribution = tiny_contribution.write(open_home.parent)
    catalog, store = LocalCatalog(open_home / "catalog"), LocalStore(open_home / "store")
    for limit in (1_000, 20_000):  # no room for its archive; for its files, but not for the index
        said = registered_with_files_up_to(limit, contribution, open_home)
        assert is_clear(said), (limit, said)
        assert there(open_home) == {}, limit
    assert register_base_model(str(contribution), catalog, store).id == "tiny-v1"


def test_a_contribution_is_not_registered_where_no_home_can_be_made(open_home: Path) -> None:
    contribution = tiny_contribution.write(open_home.parent)
    catalog, store = LocalCatalog(open_home / "catalog"), LocalStore(open_home / "store")
    open_home.write_text("a file in the way")
    said = told(lambda: register_base_model(str(contribution), catalog, store))
    assert is_clear(said)
    assert f"{open_home}/" in said
    assert "Not a directory" in said


def test_a_home_that_may_not_be_written_says_so(open_home: Path, town: IngestDatasetParams) -> None:
    home = open_home
    world = prepared(home, published=2)
    before = dying.content(home)
    works: dict[str, Work] = {
        **OPERATIONS,
        "chips": lambda world: ingest(town, world.catalog, world.store),
    }
    for name, work in works.items():
        said = as_somebody_else(lambda work=work: told(lambda: work(World.at(home))), home.parent)  # type: ignore[misc]
        assert said.startswith("Unavailable: Cannot "), (name, said)
        assert f"{home}/" in said, (name, said)
        assert "Permission denied" in said, (name, said)
        assert "Check the free space and the permissions" in said, (name, said)
        assert dying.content(home) == before, name
    assert unsettled(world) == []
