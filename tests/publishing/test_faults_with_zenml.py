"""A process killed at every change that publishing makes in ZenML, on its real database."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.synthetic import make_settlement
from fair_models.params import FinetuneParams, IngestDatasetParams
from fair_models.publishing.datasets import ingest
from fair_models.publishing.register.register import register_base_model
from fair_models.settings import current
from fair_models.store.local import LocalStore
from fair_models.training import launch
from fair_models.training.finetune_plan import plan_run
from fair_models.training.ledger import open_ledger
from fair_models.training.process.environment import zenml_client
from tests.publishing import dying, tiny_contribution
from tests.publishing.world import World, broken, unsettled

pytestmark = pytest.mark.proof

MODEL = "killed-roofs"
GATE = {"override_reason": tiny_contribution.UNTRAINED}
CHANGES = ("set_stage", "delete", "delete_model", "reserve")


@dataclass(frozen=True)
class Operation:
    """One thing that is done to a registry.

    run: The operation.
    before: Versions that were promoted before, in this order.
    least: Points that there are at the least.
    """

    run: Callable[[World], object]
    before: tuple[int, ...]
    least: int


OPERATIONS = {
    "promote-first": Operation(lambda world: world.promote(1, MODEL, **GATE), (), 4),
    "promote-next": Operation(lambda world: world.promote(2, MODEL, **GATE), (1,), 4),
    "roll-back": Operation(lambda world: world.promote(1, MODEL), (1, 2), 4),
    "archive": Operation(lambda world: world.retire("archive", 2, MODEL), (1, 2), 4),
    "delete-version": Operation(lambda world: world.retire("delete", 2, MODEL), (1, 2), 4),
    "delete-model": Operation(lambda world: world.retire("delete", None, MODEL), (1,), 12),
    "reserve": Operation(lambda world: world.ledger.reserve(MODEL, 5), (), 12),
}


@dataclass(frozen=True)
class Registry:
    """Two trained versions in the session's ZenML, and a base model and a dataset in a folder.

    template: The folder.
    database: ZenML's database file, and a copy of it.
    """

    template: Path
    database: Path
    kept: Path

    def at(self, root: Path) -> World:
        """The registry of a copy of the folder."""
        ledger = open_ledger(current())
        return World(root, LocalCatalog(root / "catalog"), LocalStore(root / "store"), ledger)

    def keep(self) -> None:
        """Remember ZenML as it is now."""
        _closed()
        shutil.copyfile(self.database, self.kept)

    def restore(self) -> None:
        """Make ZenML what it was when it was kept."""
        _closed()
        shutil.copyfile(self.kept, self.database)


def _closed() -> None:
    """No connection is open, so that the file is whole and a forked process opens its own."""
    zenml_client(current()).zen_store.engine.dispose()


@pytest.fixture(autouse=True)
def home(home_for_tests: Path) -> Path:
    """ZenML's state belongs to the session."""
    return home_for_tests


@pytest.fixture(scope="module")
def registry(home_for_tests: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    template = folder / "template"
    catalog, store = LocalCatalog(template / "catalog"), LocalStore(template / "store")
    base = register_base_model(str(tiny_contribution.write(folder)), catalog, store)
    make_settlement(folder / "town", seed=3, columns=4, rows=2, size_px=64, prediction_columns=0)
    dataset = ingest(
        IngestDatasetParams(name="town", title="Town", chips=str(folder / "town")), catalog, store
    )
    wish = FinetuneParams(
        base_model=base.id,
        dataset=dataset.id,
        model_name=MODEL,
        overrides={"training.epochs": 1, "training.precision": "float32"},
    )
    config = plan_run(base, dataset, wish).model_copy(update={"threads": 1})
    for _ in range(2):
        launch.run(config)
    database = Path(zenml_client(current()).zen_store.engine.url.database)
    made = Registry(template, database, folder / "kept.db")
    made.keep()
    shutil.copyfile(made.kept, folder / "trained.db")
    yield made
    shutil.copyfile(folder / "trained.db", made.kept)
    made.restore()


@pytest.fixture(autouse=True)
def as_trained(registry: Registry) -> Iterator[None]:
    """Each operation begins with two versions of no stage."""
    trained = registry.kept.read_bytes()
    yield
    registry.kept.write_bytes(trained)
    registry.restore()


def counted(countdown: dying.Countdown) -> None:
    """Count ZenML's own commits too, those that change something: one call of ours may make several."""
    dialect: Any = zenml_client(current()).zen_store.engine.dialect
    commit = dialect.do_commit

    def counting(connection: Any) -> None:
        if connection.in_transaction:
            countdown.call("Zenml.commit", commit, connection)
        else:
            commit(connection)

    dialect.do_commit = counting


def state(world: World) -> tuple[dict[str, bytes], dict[int, str], list[tuple[int, str]]]:
    """Files, stages, and all numbers that ZenML has, those that are only reserved among them."""
    client = zenml_client(current())
    models = client.list_models(name=MODEL).items
    numbers = [
        (each.number, each.name)
        for model in models
        for each in client.list_model_versions(model=model.id, size=100).items
    ]
    return dying.content(world.root), world.stages(MODEL), sorted(numbers)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_kill_at_any_change_in_zenml_is_completed_by_the_same_again(
    registry: Registry, tmp_path: Path, name: str
) -> None:
    operation = OPERATIONS[name]
    template, root = tmp_path / "template", tmp_path / "registry"
    dying.copy(registry.template, template)
    for number in operation.before:
        registry.at(template).promote(number, MODEL, **GATE)
    registry.keep()
    dying.copy(template, root)
    operation.run(registry.at(root))
    wanted = state(registry.at(root))

    def again_from_before() -> None:
        shutil.rmtree(root)
        dying.copy(template, root)
        registry.restore()

    def work(countdown: dying.Countdown) -> None:
        counted(countdown)
        world = registry.at(root)
        ledger = dying.Deadly(world.ledger, countdown, CHANGES)
        operation.run(World(root, world.catalog, world.store, ledger))  # type: ignore[arg-type]

    again_from_before()
    found = list(dying.points(work))
    for point in found:
        again_from_before()
        dying.die(work, point)

        assert broken(registry.at(root)) == [], point
        operation.run(registry.at(root))
        world = registry.at(root)
        assert state(world) == wanted, point
        assert broken(world) == [], point
        assert unsettled(world) == [], point

    assert len(found) >= operation.least
