"""A local server with workers, started by the command line, as a backend uses it: plain HTTP."""

from __future__ import annotations

import json
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

PROJECT = Path(__file__).resolve().parent.parent.parent
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
PATIENCE_S = 480
"""Far longer than anything that tests wait for takes, on a machine with much else to do."""

MANY_EPOCHS = {"training.epochs": 500}


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

    def ask(self, deployment: str, parameters: dict[str, Any], key: str | None = None) -> httpx.Response:
        """Ask for a run, as curl would."""
        deployed = self.send("GET", f"/deployments/name/{deployment}/{deployment}").json()["id"]
        body = {"parameters": parameters, "idempotency_key": key or str(uuid.uuid4())}
        return self.send("POST", f"/deployments/{deployed}/create_flow_run", body)

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Send a request again while the server is busy: it says so, or nothing for a minute."""
        answer: httpx.Response = until(lambda: self._unless_busy(method, path, body))
        return answer

    def _unless_busy(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response | None:
        try:
            answer = self.http.request(method, path, json=body)
        except httpx.TimeoutException:
            return None
        return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

    def start(self, deployment: str, params: dict[str, Any], key: str | None = None) -> str:
        answer = self.ask(deployment, {"params": params}, key)
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

    def do(self, deployment: str, params: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        """Ask for a run, wait until it has completed, read its result."""
        return self.outcome(self.start(deployment, params, key))

    def outcome(self, run: str) -> dict[str, Any]:
        """Wait until a run has completed, read its result."""
        state = self.wait(run)
        assert state["type"] == "COMPLETED", state["message"]
        return self.result(run)

    def child(self, run: str, *types: str) -> str | None:
        """The run that a run started, once it is running, or in one of these states."""
        state = {"type": {"any_": types or ["RUNNING"]}}
        wanted = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}, "state": state}}
        found = self.send("POST", "/flow_runs/filter", wanted).json()
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
        time.sleep(0.2)
    return found


def processes() -> Iterator[psutil.Process]:
    """Every process that can be looked at."""
    for process in psutil.process_iter():
        try:
            process.cmdline()
        except psutil.Error:
            continue
        yield process


def flow_run_of(process: psutil.Process) -> str | None:
    """The flow run that a process runs."""
    try:
        return process.environ().get("PREFECT__FLOW_RUN_ID")
    except psutil.Error:
        return None


def asked(registered: tuple[str, str], model: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a fine-tuning."""
    base, dataset = registered
    return {"base_model": base, "dataset": dataset, "model_name": model, "overrides": overrides}
