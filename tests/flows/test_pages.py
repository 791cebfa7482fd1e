"""What the page of a run shows of the run that works for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect import flow
from prefect.artifacts import create_progress_artifact, create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Crashed

from fair_models.client.follower import REPEATED
from flows.runtime import artifacts, hooks
from flows.tasks import registry
from tests.publishing.memory_ledger import a_config


def test_the_page_of_who_asked_links_the_training_and_repeats_its_metrics(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"metric": "fair:building_iou", "value": 0.5}]

    @flow
    def training() -> None:
        create_table_artifact(key="metrics", table=rows)
        create_progress_artifact(progress=40.0, key="training", description="epoch 2 of 5: loss 0.3")

    said: list[tuple[float, str]] = []
    show = artifacts.ProgressBar.show
    monkeypatch.setattr(registry, "_REPEAT_S", 0.0)

    def noting(bar: Any, done: float, total: float, told: str) -> None:
        said.append((done / total, told))
        show(bar, done, total, told)

    monkeypatch.setattr(artifacts.ProgressBar, "show", noting)

    def trained_by(
        base: Any, config: Any, began: Callable[[FlowRun], None], meanwhile: Callable[[], None]
    ) -> str:
        with get_client(sync_client=True) as client:
            began(client.read_flow_run(UUID(of(training(return_state=True)))))
        meanwhile()
        return "trained"

    monkeypatch.setattr(registry, "run_train", trained_by)

    @flow
    def asking() -> str:
        config = a_config("roofs", "roofs-unet-v1", "banepa-buildings-v1")
        train: Any = registry.train_in_runtime
        return str(train(None, config))

    run = of(asking(return_state=True))
    wanted = {"artifacts": {"flow_run_id": {"any_": [run]}}}
    shown = {each["key"]: each["data"] for each in api.post("/artifacts/filter", json=wanted).json()}
    assert "/runs/flow-run/" in shown["training-run"]
    assert said == [(0.4, "epoch 2 of 5: loss 0.3"), (1.0, "roofs is trained")]
    assert float(shown[REPEATED]) == 100
    assert shown["metrics"].replace(" ", "") == str(rows).replace("'", '"').replace(" ", "")


def test_the_page_of_a_run_whose_process_was_ended_says_why(api: httpx.Client) -> None:
    @flow
    def training() -> None:
        """Over at once."""

    state = training(return_state=True)
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(of(state)))
        prefects: Any = Crashed(message="Execution was aborted by Python system exit call.")
        client.set_flow_run_state(run.id, prefects, force=True)
        hooks.say_why(training, run, prefects)
        said = client.read_flow_run(run.id).state
        assert said is not None
        assert said.is_crashed()
        assert said.message is not None
        assert said.message.startswith("Its process was asked to end (signal TERM)")


def test_a_run_that_was_cancelled_or_completed_keeps_what_its_page_says(api: httpx.Client) -> None:
    @flow
    def training() -> None:
        """Over at once."""

    state = training(return_state=True)
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(of(state)))
        hooks.say_why(training, run, Crashed(message="Execution was aborted by Python system exit call."))
        said = client.read_flow_run(run.id).state
        assert said is not None
        assert said.is_completed()


def of(state: Any) -> str:
    return str(state.state_details.flow_run_id)
