"""Trainings that are cancelled, whose process is killed, or whose worker dies. Real server and workers."""

from __future__ import annotations

import json
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from fair_models.store.atomic import UNFINISHED
from tests.flows.backend import MANY_EPOCHS, Backend, asked, flow_run_of, processes, until

LIMIT_S = 240
"""From the request to cancel to a training that is over: seconds on a quiet machine; the report says it."""

LEAST_S = 10
"""The shortest time without an event that the server can be told to wait for."""

pytestmark = [pytest.mark.service, pytest.mark.proof]


def started(backend: Backend, registered: tuple[str, str], model: str) -> tuple[str, str]:
    """A fine-tuning and its training, in the midst of its epochs."""
    run = backend.start("finetune", asked(registered, model, MANY_EPOCHS))
    training = until(lambda: backend.child(run))
    until(lambda: backend.epochs(training))
    return run, training


def states(backend: Backend, run: str) -> list[tuple[str, datetime]]:
    """Every state of a run, in order, and when it came."""
    found = backend.send("GET", f"/flow_run_states/?flow_run_id={run}").json()
    pairs = [(str(each["type"]), datetime.fromisoformat(each["timestamp"])) for each in found]
    return sorted(pairs, key=lambda pair: pair[1])


def seconds_to_end(backend: Backend, asked_of: str, training: str) -> float:
    """From the request to cancel a run to the end of its training."""
    [asked_at] = [time for state, time in states(backend, asked_of) if state == "CANCELLING"]
    [ended_at] = [time for state, time in states(backend, training) if state == "CANCELLED"]
    return (ended_at - asked_at).total_seconds()


def note(record_property: Callable[[str, object], None], seconds: float) -> float:
    """Write into the report how long a training took to end."""
    record_property("seconds from the request to cancel to the end of the training", round(seconds, 1))
    return seconds


def published(backend: Backend) -> set[Path]:
    """Every item, and every file that the registry holds."""
    found = [path for name in ("store", "catalog") for path in (backend.home / name).rglob("[!.]*.*")]
    return {path for path in found if "/." not in str(path)}


def unfinished(backend: Backend) -> list[Path]:
    """What a training left half written, or in the temporary folder."""
    parts = backend.home.rglob(f"*{UNFINISHED}")
    return [*parts, *(backend.home.parent / "tmp").glob("fair-*")]


def is_free(backend: Backend, model: str) -> bool:
    """Whether the next training of a model can begin."""
    answer = backend.send("GET", f"/v2/concurrency_limits/train-{model}")
    return bool(answer.json()["active_slots"] == 0)


def process_of(run: str) -> psutil.Process:
    [process] = [each for each in processes() if flow_run_of(each) == run]
    return process


def worker(backend: Backend, pool: str) -> psutil.Process:
    noted = json.loads((backend.home / "run" / f"worker-{pool}.json").read_text(encoding="utf-8"))
    return psutil.Process(noted["pid"])


@pytest.mark.parametrize(("which", "how"), [("finetune", "command"), ("train", "rest")])
def test_a_cancelled_training_ends_in_time_and_leaves_nothing(
    backend: Backend,
    registered: tuple[str, str],
    which: str,
    how: str,
    record_property: Callable[[str, object], None],
) -> None:
    model = f"cancelled-by-{how}"
    before = published(backend)
    run, training = started(backend, registered, model)
    target = run if which == "finetune" else training
    if how == "command":
        done = backend.command("cancel", target, "--json")
        assert done.returncode == 0, done.stderr
    else:
        state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        assert backend.send("POST", f"/flow_runs/{target}/set_state", state).status_code == 201
    until(lambda: backend.state(training)["type"] == "CANCELLED")
    assert backend.wait(run)["type"] == "CANCELLED"
    assert note(record_property, seconds_to_end(backend, target, training)) < LIMIT_S
    assert "CRASHED" not in [state for state, _ in states(backend, training)]
    until(lambda: is_free(backend, model))
    assert unfinished(backend) == []
    assert published(backend) == before
    until(lambda: backend.versions(model)[0]["status"] == "cancelled")


def test_a_training_that_is_cancelled_before_it_begins_ends_in_time(
    backend: Backend, registered: tuple[str, str], record_property: Callable[[str, object], None]
) -> None:
    run = backend.start("finetune", asked(registered, "early-roofs", MANY_EPOCHS))
    training = until(lambda: backend.child(run, "PENDING", "RUNNING"))
    backend.command("cancel", training)
    until(lambda: backend.state(training)["type"] == "CANCELLED")
    assert note(record_property, seconds_to_end(backend, training, training)) < LIMIT_S
    assert backend.wait(run)["type"] == "CANCELLED"


def test_a_training_whose_process_is_killed_can_never_be_promoted(
    backend: Backend, registered: tuple[str, str]
) -> None:
    run, training = started(backend, registered, "killed-roofs")
    process_of(training).send_signal(signal.SIGKILL)
    assert backend.wait(training)["type"] == "CRASHED"
    assert backend.wait(run)["type"] == "FAILED"
    until(lambda: backend.versions("killed-roofs")[0]["status"] == "failed")
    refused = backend.command("promote", "killed-roofs", "--version", "1")
    assert refused.returncode == 1
    assert "failed" in refused.stderr


@contextmanager
def waiting(backend: Backend, within_s: int) -> Iterator[None]:
    """Let the server wait less long for a sign of life than in `deployments/automations.yaml`."""
    made: list[dict[str, Any]] = backend.send("POST", "/automations/filter", {}).json()
    [found] = [each for each in made if "sign of life" in each["name"]]
    body = {key: found[key] for key in ("name", "description", "trigger", "actions")}
    shorter = {**body, "trigger": {**body["trigger"], "within": within_s}}
    assert backend.send("PUT", f"/automations/{found['id']}", shorter).status_code == 204
    yield
    assert backend.send("PUT", f"/automations/{found['id']}", body).status_code == 204


def give_last_sign(backend: Backend, run: str) -> None:
    """Let the sign of life that a run gave come once more, now: between two of its own 30 s go by."""
    resource = f"prefect.flow-run.{run}"
    wanted = {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": {"id": [resource]}}
    ask = {"filter": wanted, "limit": 1}
    [found] = until(lambda: backend.send("POST", "/events/filter", ask).json()["events"])
    kept = {key: found[key] for key in ("event", "resource", "related", "payload")}
    now = {"id": str(uuid.uuid4()), "occurred": datetime.now(UTC).isoformat()}
    assert backend.http.post("/events", json=[{**kept, **now}]).status_code == 204


def test_when_the_workers_die_their_runs_are_noticed_and_can_be_started_again(
    backend: Backend, registered: tuple[str, str]
) -> None:
    base, dataset = registered
    request = ["finetune", base, dataset, "orphan-roofs", "--set", "training.epochs=5"]
    request += ["--idempotency-key", "orphan", "--json"]
    run = json.loads(backend.command(*request, "--no-wait").stdout)["run"]["id"]
    training = until(lambda: backend.child(run))
    until(lambda: backend.epochs(training))
    for process in (
        worker(backend, "control"),
        worker(backend, "train"),
        process_of(run),
        process_of(training),
    ):
        process.kill()

    with waiting(backend, LEAST_S):
        for each in (run, training):
            give_last_sign(backend, each)
        for each in (run, training):
            assert backend.wait(each)["type"] == "CRASHED"
            assert "no sign of life" in backend.state(each)["message"]
    again = backend.command("up", "--json")
    assert json.loads(again.stdout)["started"] == ["worker-control", "worker-train"]
    told = backend.command(*request)
    assert told.returncode == 1
    assert "crashed" in json.loads(told.stdout)["error"]["message"]
    done = backend.command(*request, "--again")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["version"] == 2
    assert [version["status"] for version in backend.versions("orphan-roofs")] == ["failed", "completed"]
    assert is_free(backend, "orphan-roofs")
