"""What the page of a run shows of the run that works for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun

from flows.tasks import registry
from tests.publishing.memory_ledger import a_config


def test_the_page_of_who_asked_links_the_training_and_repeats_its_metrics(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"metric": "fair:building_iou", "value": 0.5}]

    @flow
    def training() -> None:
        create_table_artifact(key="metrics", table=rows)

    def trained_by(base: Any, config: Any, began: Callable[[FlowRun], None]) -> str:
        with get_client(sync_client=True) as client:
            began(client.read_flow_run(of(training(return_state=True))))
        return "trained"

    monkeypatch.setattr(registry, "run_train", trained_by)

    @flow
    def asking() -> str:
        config = a_config("roofs", "roofs-unet-v1", "banepa-buildings-v1")
        return registry.train_in_runtime(None, config)  # type: ignore[arg-type, return-value]

    run = of(asking(return_state=True))
    wanted = {"artifacts": {"flow_run_id": {"any_": [run]}}}
    shown = {each["key"]: each["data"] for each in api.post("/artifacts/filter", json=wanted).json()}
    assert "/runs/flow-run/" in shown["training-run"]
    assert shown["metrics"].replace(" ", "") == str(rows).replace("'", '"').replace(" ", "")


def of(state: Any) -> str:
    return str(state.state_details.flow_run_id)
