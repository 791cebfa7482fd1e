"""A process killed at every step of every operation: nothing is wrong then, the same again completes it."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fair_models.contract import checks
from fair_models.publishing.register.register import register_base_model
from fair_models.publishing.workspace import folders_left, work_folder
from fair_models.types import BASE_MODELS
from tests.catalog.local.test_local_crash import kill_at
from tests.children import in_child
from tests.publishing import dying
from tests.publishing.file_ledger import FileLedger
from tests.publishing.world import BASE, MODEL, World, broken, unsettled

pytestmark = pytest.mark.proof


@dataclass(frozen=True)
class Operation:
    """One thing that is done to a registry.

    run: The operation.
    before: What was done to the registry before, after a base model, a dataset and three trainings.
    least: Points that there are at the least, so that a wrapper that no longer counts is noticed.
    """

    run: Callable[[World], object]
    before: tuple[Callable[[World], object], ...]
    least: int


def promoted(*numbers: int) -> tuple[Callable[[World], object], ...]:
    return tuple(lambda world, number=number: world.promote(number) for number in numbers)  # type: ignore[misc]


OPERATIONS = {
    "register": Operation(lambda world: world.register(2), (), 28),
    "ingest": Operation(lambda world: world.ingest(2), (), 26),
    "promote-first": Operation(lambda world: world.promote(1), (), 60),
    "promote-next": Operation(lambda world: world.promote(2), promoted(1), 60),
    "roll-back": Operation(lambda world: world.promote(1), promoted(1, 2), 36),
    "archive": Operation(lambda world: world.retire("archive", 2), promoted(1, 2), 22),
    "delete-old": Operation(lambda world: world.retire("delete", 1), promoted(1, 2), 52),
    "delete-active": Operation(lambda world: world.retire("delete", 2), promoted(1, 2), 52),
    "delete-model": Operation(lambda world: world.retire("delete"), promoted(1, 2), 80),
    "force-delete": Operation(
        lambda world: world.retire("delete", 1, name=BASE, collection=BASE_MODELS, force=True),
        promoted(1),
        40,
    ),
}


def prepared(root: Path, operation: Operation) -> None:
    world = World.at(root)
    world.register(1)
    world.ingest(1)
    assert isinstance(world.ledger, FileLedger)
    for _ in range(3):
        world.ledger.add(MODEL)
    for step in operation.before:
        step(world)


def killed_everywhere(tmp_path: Path, template: Path, run: Callable[[World], object]) -> int:
    """Kill an operation before and after each of its calls, and run it again. Returns how often it was."""
    undisturbed, root = tmp_path / "undisturbed", tmp_path / "registry"
    dying.copy(template, undisturbed)
    run(World.at(undisturbed))
    began, wanted = dying.content(template), dying.content(undisturbed)

    def work(countdown: dying.Countdown) -> None:
        run(World.at(root).wrapped(lambda of: dying.Deadly(of, countdown)))

    count = 0
    completed: list[dict[str, bytes]] = []
    dying.copy(template, root)
    for point in dying.points(work):
        if dying.content(root) != began:
            shutil.rmtree(root)
            dying.copy(template, root)
        dying.die(work, point)
        count += 1

        left = dying.content(root)
        assert broken(World.at(root)) == [], point
        if left not in completed:  # most points leave what another one left: reading changes nothing
            run(World.at(root))
            world = World.at(root)
            assert dying.content(root) == wanted, point
            assert broken(world) == [], point
            assert unsettled(world) == [], point
            completed.append(left)

    assert completed[0] == began
    assert completed[-1] == wanted
    with work_folder("last") as folder:
        assert folders_left() == [folder]
    return count


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_kill_anywhere_leaves_nothing_wrong_and_the_same_again_completes_it(
    tmp_path: Path, name: str
) -> None:
    operation, template = OPERATIONS[name], tmp_path / "template"
    prepared(template, operation)
    assert killed_everywhere(tmp_path, template, operation.run) >= operation.least


def test_so_does_a_kill_while_a_contribution_is_registered(
    tmp_path: Path, contribution: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is checked and exported once: neither asks the catalogue or the store."""
    checked = checks.check(contribution, tmp_path / "checked")
    monkeypatch.setattr(checks, "check", lambda folder, work_folder, random_start: checked)
    template = tmp_path / "template"
    template.mkdir()

    def register(world: World) -> None:
        assert register_base_model(str(contribution), world.catalog, world.store).id == "tiny-v1"

    assert killed_everywhere(tmp_path, template, register) >= 30


@pytest.mark.parametrize("name", ["promote-next", "delete-old"])
def test_so_does_a_kill_before_any_change_of_the_disk(tmp_path: Path, name: str) -> None:
    """Within a call too: half a file, half a commit, half of what a deletion takes away."""
    operation = OPERATIONS[name]
    template, undisturbed, root = (tmp_path / each for each in ("template", "undisturbed", "registry"))
    prepared(template, operation)
    dying.copy(template, undisturbed)
    operation.run(World.at(undisturbed))
    wanted = dying.content(undisturbed)

    for count in range(1, 500):
        dying.copy(template, root)

        def die(count: int = count) -> str:
            kill_at(count, after=False)
            operation.run(World.at(root))
            return "alive"

        ended, said = in_child(die)
        if said == "alive":
            break
        assert ended == signal.SIGKILL, said
        assert broken(World.at(root)) == [], count
        operation.run(World.at(root))
        assert dying.content(root) == wanted, count
        assert broken(World.at(root)) == [], count
        shutil.rmtree(root)

    assert said == "alive"
    assert count > 40
    assert unsettled(World.at(root)) == []
    assert folders_left() == []
