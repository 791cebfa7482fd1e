"""Flows under Prefect's harness: names, results, artifacts, errors."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow

from fair_models.client import Client, LogLine, StateChange
from fair_models.client.requests import NAMED
from fair_models.errors import Invalid, NotFound
from fair_models.params import (
    AuditParams,
    CleanRunsParams,
    CollectFeedbackParams,
    FinetuneParams,
    IngestDatasetParams,
    PinParams,
    PredictParams,
    PromoteParams,
    RegisterModelParams,
    SliceDatasetParams,
)
from flows.audit import audit
from flows.clean_runs import clean_runs
from flows.collect_feedback import collect_feedback
from flows.finetune import finetune
from flows.ingest_dataset import ingest_dataset
from flows.pin import pin
from flows.predict import predict
from flows.promote import promote
from flows.register_model import register_model
from flows.slice_dataset import slice_dataset


def run(flow: Flow[..., Any], params: Any, name: str | None = None) -> str:
    """Run a flow here and wait for it. Returns the run's id."""
    with get_client(sync_client=True) as client:
        sent = {"params": params.model_dump(mode="json")}
        made = client.create_flow_run(flow, parameters=sent, name=name, tags=[NAMED] if name else [])
    run_flow(flow, flow_run=made, parameters={"params": params}, return_type="state")
    return str(made.id)


def ingest_params(town: Path, **changes: Any) -> IngestDatasetParams:
    values = {"name": "town-buildings", "title": "Town", "chips": str(town / "input"), **changes}
    return IngestDatasetParams.model_validate(values)


def test_ingesting_publishes_a_dataset_and_hands_its_row_back(
    client: Client, registry: Path, town: Path
) -> None:
    done = client.run(run(ingest_dataset, ingest_params(town)))
    row = client.result(done.id)
    assert done.state.is_completed
    assert done.name == "ingest town-buildings"
    assert (row["collection"], row["item"], row["version"]) == ("datasets", "town-buildings-v1", 1)
    assert json.loads(Path(row["href"]).read_text(encoding="utf-8"))["id"] == "town-buildings-v1"
    [card] = client.artifacts([done.id], key="dataset-card")
    assert "fair:chip_count" in card["data"]


def test_results_of_ingesting_and_slicing_note_what_was_left_out(
    client: Client, registry: Path, town: Path, tmp_path: Path
) -> None:
    shutil.copytree(town / "input", tmp_path / "chips")
    labels = tmp_path / "chips" / "labels.geojson"
    document = json.loads(labels.read_text(encoding="utf-8"))
    first, *others = document["features"]
    first["properties"] = {"kind": "shed"}
    for each in others:
        each["properties"] = {"kind": "building"}
    labels.write_text(json.dumps(document), encoding="utf-8")
    asked = ingest_params(town, chips=str(tmp_path / "chips"), class_property="kind")
    ingested = client.result(run(ingest_dataset, asked))
    item = json.loads(Path(ingested["href"]).read_text(encoding="utf-8"))
    west, south, east, north = item["bbox"]
    area = f"{west},{south},{west + 0.6 * (east - west)},{north}"
    asked_slice = SliceDatasetParams(dataset="town-buildings", name="western", area=area)
    sliced = client.result(run(slice_dataset, asked_slice))

    assert "1 labels without a class or of one that was not asked for" in ingested["notes"]
    assert "No licence was given" in ingested["notes"]
    assert sliced["notes"].startswith("8 of 16 chips of town-buildings-v1 belong to the slice")
    assert "4 chips that the area covers in part" in sliced["notes"]


def test_pins_and_cleaning_hand_their_rows_back(client: Client, registry: Path, town: Path) -> None:
    run(ingest_dataset, ingest_params(town))
    asked = PinParams(
        name="town-buildings", version=1, collection="datasets", reason="The flood of May", by="ana"
    )
    done = client.run(run(pin, asked))
    row = client.result(done.id)
    assert done.name == "pin town-buildings"
    assert (row["item"], row["pinned"], row["by"]) == ("town-buildings-v1", True, "ana")
    assert (row["published"], row["changed"]) == (True, True)
    assert not client.result(run(pin, asked))["changed"]

    cleaned = run(clean_runs, CleanRunsParams(keep_last=0))
    assert client.result(cleaned)["dry_run"]
    assert all(
        "stays" in each["what"] or "would be" in each["what"] for each in client.table(cleaned, "versions")
    )


def test_feedback_on_what_is_no_prediction_fails_with_the_next_step(client: Client, registry: Path) -> None:
    asked = CollectFeedbackParams(prediction="/nowhere", feedback="/nowhere", dataset="town-feedback")
    ended = client.run(run(collect_feedback, asked))
    assert ended.state.type == "FAILED"
    assert "There is no prediction at /nowhere. Name its folder" in ended.state.message


def test_a_name_that_the_caller_gave_is_kept(client: Client, registry: Path) -> None:
    assert (
        client.run(run(audit, AuditParams(digests=False), name="before the release")).name
        == "before the release"
    )


def test_an_audit_reports_what_it_checked(client: Client, registry: Path, town: Path) -> None:
    run(ingest_dataset, ingest_params(town))
    done = run(audit, AuditParams(rules=[]))
    row = client.result(done)
    assert (row["ok"], row["errors"], row["items"]) == (True, 0, 1)
    assert client.table(done, "findings") == []
    [report] = client.artifacts([done], key="report")
    assert report["data"].startswith("# Audit")


def test_following_a_run_shows_its_states_and_lines(client: Client, registry: Path, town: Path) -> None:
    events = list(client.follow(run(ingest_dataset, ingest_params(town))))
    [state] = [event for event in events if isinstance(event, StateChange)]
    lines = [event for event in events if isinstance(event, LogLine)]
    assert state.state.is_completed
    assert state.flow == "ingest-dataset"
    assert any("Finished in state" in line.message for line in lines)


@pytest.mark.parametrize(
    ("flow", "params", "error", "words"),
    [
        (register_model, RegisterModelParams(source="/nowhere"), NotFound, "/nowhere"),
        (
            ingest_dataset,
            IngestDatasetParams(name="some-data", title="T", chips="/nowhere"),
            Invalid,
            "/nowhere",
        ),
        (
            finetune,
            FinetuneParams(base_model="no-such-base", dataset="no-such-data", model_name="some-model"),
            NotFound,
            "no-such-base",
        ),
        (predict, PredictParams(model="no-such-model", imagery="/nowhere"), NotFound, "no-such-model"),
    ],
)
def test_bad_input_ends_a_run_with_the_reason_and_without_another_try(
    client: Client, registry: Path, flow: Any, params: Any, error: Any, words: str
) -> None:
    with pytest.raises(error, match=words):
        flow(params)
    [last, *_] = client.runs(limit=1)
    assert words in last.state.message


def test_a_model_that_was_never_trained_cannot_be_promoted(client: Client, registry: Path) -> None:
    with pytest.raises(NotFound, match="no-such-model"):
        promote(PromoteParams(model="no-such-model"))


def test_a_failed_run_stores_nothing(client: Client, registry: Path, town: Path) -> None:
    failed = client.run(run(ingest_dataset, ingest_params(town, keywords=["building", "nonsense"])))
    assert failed.state.type == "FAILED"
    assert "nonsense" in failed.state.message
    assert not (registry / "catalog" / "datasets").exists()
