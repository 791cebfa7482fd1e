"""The whole life of a model as a backend sees it: a real server, real process workers, plain HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pystac
import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
PATIENCE_S = 600
FEW_EPOCHS = {"training.epochs": 2}
MANY_EPOCHS = {"training.epochs": 500}

pytestmark = pytest.mark.service


class Backend:
    """What a backend does: HTTP requests, and reading the catalogue."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        self.environment = environment
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{environment['FAIR_PREFECT_PORT']}/api", timeout=60
        )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line against this server."""
        command = [sys.executable, "-c", "from fair_models.cli import main; main()", *arguments]
        return subprocess.run(
            command, cwd=PROJECT, env=self.environment, capture_output=True, text=True, check=False
        )

    def ask(self, deployment: str, parameters: dict[str, Any]) -> httpx.Response:
        """Ask for a run, as curl would."""
        deployed = self.send("GET", f"/deployments/name/{deployment}/{deployment}").json()["id"]
        body = {"parameters": parameters, "idempotency_key": str(uuid.uuid4())}
        return self.send("POST", f"/deployments/{deployed}/create_flow_run", body)

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Send a request again while the server says that its database is busy."""
        answer: httpx.Response = until(lambda: self._unless_busy(method, path, body))
        return answer

    def _unless_busy(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response | None:
        answer = self.http.request(method, path, json=body)
        return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

    def start(self, deployment: str, params: dict[str, Any]) -> str:
        answer = self.ask(deployment, {"params": params})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def state(self, run: str) -> dict[str, Any]:
        state: dict[str, Any] = self.send("GET", f"/flow_runs/{run}").json()["state"]
        return state

    def wait(self, run: str) -> dict[str, Any]:
        """Poll a run until it is over."""
        until(lambda: self.state(run)["type"] in FINAL)
        return self.state(run)

    def result(self, run: str) -> dict[str, Any]:
        wanted = {"flow_run_id": {"any_": [run]}, "key": {"any_": ["result"]}}
        [artifact] = self.send("POST", "/artifacts/filter", {"artifacts": wanted}).json()
        [row] = json.loads(artifact["data"])
        return dict(row)

    def do(self, deployment: str, params: dict[str, Any]) -> dict[str, Any]:
        """Ask for a run, wait until it has completed, read its result."""
        run = self.start(deployment, params)
        state = self.wait(run)
        assert state["type"] == "COMPLETED", state["message"]
        return self.result(run)

    def child(self, run: str) -> str | None:
        """The run that a run started, once it is running."""
        wanted = {"parent_flow_run_id": {"any_": [run]}, "state": {"type": {"any_": ["RUNNING"]}}}
        found = self.send("POST", "/flow_runs/filter", {"flow_runs": wanted}).json()
        return str(found[0]["id"]) if found else None

    def epochs(self, run: str) -> int:
        """How many epochs a training has told of."""
        wanted = {"flow_run_id": {"any_": [run]}}
        lines = self.send("POST", "/logs/filter", {"logs": wanted, "limit": 200}).json()
        return sum(line["message"].startswith("epoch ") for line in lines)

    def versions(self, model: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.command("versions", model, "--json").stdout)
        return found

    def item(self, collection: str, name: str) -> pystac.Item:
        """An item, read with plain pystac from the files."""
        catalog = pystac.Catalog.from_file(str(self.home / "catalog" / "catalog.json"))
        item = catalog.get_child(collection).get_item(name)  # type: ignore[union-attr]
        assert item is not None
        return item


def until(ready: Callable[[], Any]) -> Any:
    """Wait for something; give up after a long time."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := ready()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.5)
    return found


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A local server with workers and deployments, started by the command line."""
    home = tmp_path_factory.mktemp("backend") / "home"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = str(unused.getsockname()[1])
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "ZENML_"))
    }
    made = Backend(home, {**inherited, "FAIR_HOME": str(home), "FAIR_PREFECT_PORT": port})
    started = made.command("up", "--json")
    try:
        assert started.returncode == 0, started.stderr
        yield made
    finally:
        stopped = made.command("down", "--json")
    assert {"server", "worker-control", "worker-train"} <= set(json.loads(stopped.stdout)["stopped"])
    assert psutil.pid_exists(os.getpid())
    assert not any(str(home) in " ".join(process.cmdline()) for process in _processes())


def _processes() -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            process.cmdline()
        except psutil.Error:
            continue
        yield process


@pytest.fixture(scope="module")
def registered(backend: Backend, town: Path) -> tuple[str, str]:
    """A base model and a dataset."""
    [contribution, *_] = sorted((PROJECT / "models").glob("*/stac-item.json"), reverse=True)
    base = backend.do("register-model", {"source": str(contribution.parent)})
    data = backend.do(
        "ingest-dataset", {"name": "town-buildings", "title": "Town", "chips": str(town / "input")}
    )
    return base["item"], data["item"]


def asked(registered: tuple[str, str], model: str, overrides: dict[str, Any]) -> dict[str, Any]:
    base, dataset = registered
    return {"base_model": base, "dataset": dataset, "model_name": model, "overrides": overrides}


def test_a_backend_takes_a_model_through_its_whole_life(
    backend: Backend, registered: tuple[str, str], town: Path
) -> None:
    trained = backend.do("finetune", asked(registered, "town-roofs", FEW_EPOCHS))
    assert (trained["model"], trained["version"]) == ("town-roofs", 1)
    assert 0 <= trained["value"] <= 1

    published = backend.do("promote", {"model": "town-roofs"})
    found = backend.do("predict", {"model": "town-roofs", "imagery": str(town / "prediction" / "input")})

    item = backend.item("local-models", published["item"])
    assert item.id == "town-roofs-v1"
    assert item.properties["deprecated"] is False
    assert item.properties["mlm:hyperparameters"]["training.epochs"] == 2
    assert item.properties[trained["metric"]] == pytest.approx(trained["value"])
    vectors = json.loads(Path(found["vectors"]).read_text(encoding="utf-8"))
    assert vectors["type"] == "FeatureCollection"
    assert len(vectors["features"]) == found["features"]
    assert Path(found["preview"]).is_file()
    assert backend.do("audit", {})["ok"]


def test_a_training_is_repeated_from_its_logged_config(backend: Backend, registered: tuple[str, str]) -> None:
    done = backend.command("rerun", "town-roofs", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["version"] == 2
    first, second = backend.versions("town-roofs")
    assert second["metrics"] == first["metrics"]


def test_the_next_version_takes_the_place_of_the_first(backend: Backend, registered: tuple[str, str]) -> None:
    published = backend.do("promote", {"model": "town-roofs", "version": 2})
    assert (published["item"], published["replaced"]) == ("town-roofs-v2", "town-roofs-v1")
    assert backend.item("local-models", "town-roofs-v1").properties["deprecated"] is True
    assert [version["stage"] for version in backend.versions("town-roofs")] == ["archived", "production"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"params": {"model": "town-roofs", "version": 0}},
        {"params": {"model": "town-roofs", "unknown": 1}},
        {"params": {"model": "town-roofs"}, "unknown": 1},
    ],
)
def test_wrong_and_unknown_parameters_get_409(backend: Backend, parameters: dict[str, Any]) -> None:
    answer = backend.ask("promote", parameters)
    assert answer.status_code == 409
    assert "Validation failed" in answer.json()["detail"]


def test_hyperparameters_that_the_model_does_not_allow_end_before_a_training_begins(
    backend: Backend, registered: tuple[str, str]
) -> None:
    overrides = {"training.epochs": True, "training.nonsense": 1}
    run = backend.start("finetune", asked(registered, "never-roofs", overrides))
    state = backend.wait(run)
    assert state["type"] == "FAILED"
    assert "training.epochs" in state["message"]
    assert "training.nonsense" in state["message"]
    wanted = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
    assert backend.send("POST", "/flow_runs/count", wanted).json() == 0


def test_a_cancelled_fine_tuning_takes_its_training_with_it(
    backend: Backend, registered: tuple[str, str]
) -> None:
    run = backend.start("finetune", asked(registered, "cancelled-roofs", MANY_EPOCHS))
    training = until(lambda: backend.child(run))
    until(lambda: backend.epochs(training))
    done = backend.command("cancel", run, "--json")
    assert done.returncode == 0, done.stderr
    until(lambda: backend.state(run)["type"] == "CANCELLED")
    until(lambda: backend.state(training)["type"] == "CANCELLED")
    until(lambda: backend.versions("cancelled-roofs")[0]["status"] == "failed")
    refused = backend.command("promote", "cancelled-roofs", "--version", "1")
    assert refused.returncode == 1
    assert "failed" in refused.stderr
    limit = "/v2/concurrency_limits/train-cancelled-roofs"
    until(lambda: backend.send("GET", limit).json()["active_slots"] == 0)


def test_a_training_whose_process_is_killed_can_never_be_promoted(
    backend: Backend, registered: tuple[str, str]
) -> None:
    run = backend.start("finetune", asked(registered, "killed-roofs", MANY_EPOCHS))
    training = until(lambda: backend.child(run))
    until(lambda: backend.epochs(training))
    [process] = [each for each in _processes() if _flow_run_of(each) == training]
    process.send_signal(signal.SIGKILL)
    assert backend.wait(training)["type"] == "CRASHED"
    assert backend.wait(run)["type"] == "FAILED"
    until(lambda: backend.versions("killed-roofs")[0]["status"] == "failed")


def _flow_run_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("PREFECT__FLOW_RUN_ID")
    except psutil.Error:
        return None


def test_starting_the_server_again_starts_nothing(backend: Backend) -> None:
    again = backend.command("up", "--json")
    assert json.loads(again.stdout)["started"] == []


def test_the_command_line_follows_a_run_and_prints_one_json_document(backend: Backend) -> None:
    done = backend.command("audit", "--no-digests", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert answer["run"]["state"]["type"] == "COMPLETED"
    assert answer["result"]["ok"] is True
    assert answer["findings"] == []


def test_a_run_is_started_without_waiting_and_followed_later(backend: Backend) -> None:
    started = json.loads(backend.command("audit", "--no-digests", "--no-wait", "--json").stdout)
    followed = backend.command("follow", started["run"]["id"])
    assert followed.returncode == 0
    assert "audit completed" in followed.stderr
    assert "errors" in followed.stdout


def test_stopping_to_follow_leaves_the_run_going(backend: Backend, registered: tuple[str, str]) -> None:
    run = backend.start("finetune", asked(registered, "followed-roofs", MANY_EPOCHS))
    until(lambda: backend.child(run))
    command = [sys.executable, "-c", "from fair_models.cli import main; main()", "follow", run]
    following = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=backend.environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert following.stderr is not None
    for line in following.stderr:
        if "running" in line:
            break
    following.send_signal(signal.SIGINT)
    said = following.stderr.read()
    assert following.wait() == 130
    assert f"fair-models cancel {run}" in said
    assert backend.state(run)["type"] == "RUNNING"
    backend.command("cancel", run)
    until(lambda: backend.state(run)["type"] == "CANCELLED")
