"""The whole life of a model as a backend sees it: a real server, real process workers, plain HTTP."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.flows.backend import MANY_EPOCHS, PROJECT, Backend, asked, until

FEW_EPOCHS = {"training.epochs": 2}

pytestmark = pytest.mark.service


def run_document(backend: Backend, town: Path) -> dict[str, Any]:
    """Run the Python lines of docs/tutorials/backend.md in order. Returns what their names stand for."""
    text = (PROJECT / "docs" / "tutorials" / "backend.md").read_text(encoding="utf-8")
    [contribution, *_] = sorted((PROJECT / "models").glob("unet*/stac-item.json"))
    lines = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    for written, here in (
        ("http://127.0.0.1:4200/api", str(backend.http.base_url)),
        ("/srv/fair-models/models/unet_segmentation", str(contribution.parent)),
        ("/srv/data/town", str(town)),
    ):
        assert written in lines
        lines = lines.replace(written, here)
    names: dict[str, Any] = {}
    exec(compile(lines, "docs/tutorials/backend.md", "exec"), names)
    return names


def test_the_documents_python_takes_a_model_through_its_whole_life(
    backend: Backend, registered: tuple[str, str], town: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_HOME", str(backend.home))
    ran = run_document(backend, town)
    trained = ran["trained"].model_dump()
    assert (trained["model"], trained["version"]) == ("town-roofs", 1)
    assert 0 <= trained["value"] <= 1
    assert sum(line.message.startswith("epoch ") for line in ran["lines"]) == 2
    assert ran["latest"] == ran["lines"][-20:]
    assert not ran["errors"]
    assert ran["links"]["href"].startswith("file://")

    published = ran["published"].model_dump()
    found = ran["predicted"].outcome.model_dump()
    item = backend.item("local-models", published["item"])
    assert item.id == "town-roofs-v1"
    assert item.properties["deprecated"] is False
    assert item.properties["mlm:hyperparameters"]["training.epochs"] == 2
    assert item.properties[trained["metric"]] == pytest.approx(trained["value"])
    vectors = json.loads(Path(found["vectors"]).read_text(encoding="utf-8"))
    assert vectors["type"] == "FeatureCollection"
    assert len(vectors["features"]) == found["features"]
    assert Path(found["preview"]).is_file()
    again = ran["repeated"].model_dump()
    assert (again["same"], again["features"]) == (True, found["features"])
    assert again["folder"] != found["folder"]
    assert ran["findings"] == []


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


@pytest.mark.proof
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
        # Where the tests themselves run in the background of a shell, the signal would be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
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
