"""The ZenML stack that the settings ask for: made once, changed with the wish, and really used."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from fair_models.errors import Invalid
from fair_models.settings import current
from fair_models.training import launch
from fair_models.training.ledger import open_ledger
from fair_models.training.process import stack
from fair_models.training.process.environment import zenml_client
from tests.training.conftest import MakeConfig

ARRANGE = """
import json
from fair_models.settings import current
from fair_models.training.process import stack
from fair_models.training.process.environment import zenml_client
client = zenml_client(current())
stack.arrange(client, current())
active = client.active_stack_model
print(json.dumps({kind.value: held[0].configuration for kind, held in active.components.items() if held}))
"""


@pytest.fixture
def client(home_for_tests: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """ZenML's client; afterwards the stack is ZenML's own again."""
    opened = zenml_client(current())
    yield opened
    for name in ("FAIR_ZENML_ARTIFACTS", "FAIR_ZENML_TRACKER"):
        monkeypatch.delenv(name, raising=False)
    stack.arrange(opened, current())


def paths(client: Any) -> list[str]:
    return [
        each.configuration["path"]
        for each in client.list_stack_components(type="artifact_store").items
        if each.name != stack.DEFAULT
    ]


def test_without_a_wish_it_is_the_stack_of_zenml_itself(client: Any) -> None:
    assert stack.arrange(client, current()) == "default"
    assert client.active_stack_model.name == "default"


def test_arranging_again_changes_nothing(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIR_ZENML_ARTIFACTS", "s3://somewhere/once")
    assert stack.arrange(client, current()) == "fair-models"
    made = client.active_stack_model
    stack.arrange(client, current())
    assert client.active_stack_model.updated == made.updated
    assert paths(client).count("s3://somewhere/once") == 1


def test_a_changed_wish_changes_the_stack_and_keeps_the_former_place_readable(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ZENML_ARTIFACTS", "s3://somewhere/before")
    monkeypatch.setenv("FAIR_ZENML_TRACKER", "mlflow")
    stack.arrange(client, current())
    first = client.active_stack_model
    assert {kind.value for kind, held in first.components.items() if held} == {
        "orchestrator",
        "artifact_store",
        "experiment_tracker",
    }
    monkeypatch.setenv("FAIR_ZENML_ARTIFACTS", "s3://somewhere/after")
    monkeypatch.setenv("FAIR_ZENML_TRACKER", "none")
    stack.arrange(client, current())
    second = client.active_stack_model
    assert second.id == first.id
    held = {kind.value: held[0] for kind, held in second.components.items() if held}
    assert set(held) == {"orchestrator", "artifact_store"}
    assert held["artifact_store"].configuration["path"] == "s3://somewhere/after"
    assert {"s3://somewhere/before", "s3://somewhere/after"} <= set(paths(client))


def test_a_place_that_is_no_bucket_is_refused(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIR_ZENML_ARTIFACTS", "gs://elsewhere")
    with pytest.raises(Invalid, match="no s3://bucket"):
        stack.arrange(client, current())


def test_a_tracker_with_a_login_names_zenmls_secret_and_holds_none(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ZENML_TRACKER", "mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    with pytest.raises(Invalid, match="zenml secret create fair-models-mlflow"):
        stack.arrange(client, current())


def test_two_processes_that_arrange_it_at_once_end_with_one_stack(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ZENML_ARTIFACTS", "s3://somewhere/together")
    command = [sys.executable, "-c", ARRANGE]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert {json.loads(each)["artifact_store"]["path"] for each in said} == {"s3://somewhere/together"}
    assert paths(client).count("s3://somewhere/together") == 1
    assert client.list_stacks(name=stack.NAME).total == 1


def test_what_the_steps_of_a_training_hand_on_lies_in_the_bucket(
    client: Any, s3_bucket: str, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAIR_ZENML_ARTIFACTS", f"s3://{s3_bucket}/some/prefix")
    version = launch.run(make_config(model_name="bucket-roofs", training={"epochs": 1}))
    held = boto3.client("s3").list_objects_v2(Bucket=s3_bucket)["Contents"]
    keys = [each["Key"] for each in held]
    assert any(key.startswith("some/prefix/export_onnx/onnx/") for key in keys)
    assert all(key.startswith("some/prefix/") for key in keys)
    onnx = open_ledger(current()).fetch("bucket-roofs", version.number, "onnx", tmp_path)
    assert onnx.stat().st_size > 0
