"""What a run makes belongs to whom its tags name, which its parameters cannot say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow, Task
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.tasks import task as plain_task

from fair_models import ownership
from fair_models.client import Client
from fair_models.ownership import Ownership
from fair_models.params import IngestDatasetParams, PinParams, SliceDatasetParams
from flows.ingest_dataset import ingest_dataset
from flows.runtime.definition import flow
from flows.slice_dataset import slice_dataset

pytestmark = pytest.mark.service

AMINA = Ownership("amina", "bikash", "private")


def run(made: Flow[..., Any], params: Any, tags: list[str]) -> tuple[str, Any]:
    """Run a flow here as a run with these tags. Returns the run's id and its state."""
    with get_client(sync_client=True) as client:
        sent = {"params": params.model_dump(mode="json")}
        begun = client.create_flow_run(made, parameters=sent, tags=tags)
    return str(begun.id), run_flow(made, flow_run=begun, parameters={"params": params}, return_type="state")


def ingest(town: Path) -> IngestDatasetParams:
    return IngestDatasetParams.model_validate(
        {"name": "town-buildings", "title": "Town", "chips": str(town / "input")}
    )


def test_a_dataset_belongs_to_whom_the_run_is_for_and_nobody_else_makes_its_next_version(
    client: Client, registry: Path, town: Path
) -> None:
    done, _ = run(ingest_dataset, ingest(town), ["2-ingest", *AMINA.tags()])
    item = json.loads(Path(client.result(done)["href"]).read_text(encoding="utf-8"))
    assert [item["properties"][field] for field in ownership.FIELDS] == ["amina", "bikash", "private"]

    west, south, east, north = item["bbox"]
    area = f"{west},{south},{west + 0.6 * (east - west)},{north}"
    taking = SliceDatasetParams(dataset="town-buildings", name="town-buildings", area=area)
    refused, _ = run(slice_dataset, taking, Ownership("chandra", "chandra").tags())
    ended = client.run(refused)
    assert ended.state.type == "FAILED"
    assert "This name is taken" in ended.state.message
    assert not list(registry.rglob("town-buildings-v2.json"))


def test_tags_that_contradict_themselves_end_the_run(client: Client, registry: Path, town: Path) -> None:
    begun, _ = run(ingest_dataset, ingest(town), ["owner:amina", "owner:bikash"])
    assert client.run(begun).state.type == "FAILED"
    assert not list(registry.rglob("town-buildings-v1.json"))


def test_tasks_of_a_run_work_for_the_same_account_in_threads_too(prefect_api: str) -> None:
    seen: list[Ownership] = []

    def note() -> None:
        seen.append(ownership.current())

    noting: Task[[], None] = plain_task(note)

    @flow(run_name="pin {params.name}")
    def working(params: PinParams) -> None:
        note()
        noting()
        noting.submit().result()

    asked = PinParams(name="roofs", version=1, reason="To see whose it is", by="ana")
    _, state = run(working, asked, AMINA.tags())
    assert state.is_completed(), state
    assert seen == [AMINA] * 3
    assert ownership.current() == Ownership()
