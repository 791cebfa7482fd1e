"""The flow `audit`: its report as artifacts and files, and the event that operators can wait for."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from fair_models.client import Client
from fair_models.errors import Invalid
from fair_models.params import AuditParams
from fair_models.settings import current
from flows.audit import audit
from flows.ingest_dataset import ingest_dataset
from flows.runtime.announcements import AUDIT_FAILED, AUDIT_FINISHED
from tests.flows.test_flows import ingest_params, run

ITEM = Path("catalog", "datasets", "town-buildings-v1", "town-buildings-v1.json")


def events_of(prefect_api: str, run_id: str) -> list[dict[str, Any]]:
    """What an audit announced; events reach the server a moment after their run has ended."""
    wanted = {"filter": {"event": {"name": [AUDIT_FINISHED, AUDIT_FAILED]}}}
    for _ in range(300):
        answer = httpx.post(f"{prefect_api}/events/filter", json=wanted).raise_for_status().json()
        found = [
            event
            for event in answer["events"]
            if f"prefect.flow-run.{run_id}" in {each["prefect.resource.id"] for each in event["related"]}
        ]
        if found:
            return found
        time.sleep(0.1)
    return []


def test_a_clean_audit_announces_itself_and_keeps_its_report(
    client: Client, registry: Path, town: Path, prefect_api: str
) -> None:
    run(ingest_dataset, ingest_params(town))
    run_id = run(audit, AuditParams(digests=True))
    row = client.result(run_id)
    assert (row["ok"], row["errors"], row["repairs"]) == (True, 0, 0)

    report = Path(row["report"])
    assert report.parent == current().audits_folder
    assert json.loads(report.read_text(encoding="utf-8"))["checked"]["datasets"] == 1
    assert report.with_suffix(".md").read_text(encoding="utf-8").startswith("# Audit")

    [event] = events_of(prefect_api, run_id)
    assert event["event"] == AUDIT_FINISHED
    assert event["resource"]["prefect.resource.id"] == "fair-models.audit"
    assert {name: event["payload"][name] for name in ("errors", "items", "report")} == {
        "errors": 0,
        "items": 1,
        "report": str(report),
    }


def test_an_audit_that_finds_errors_announces_a_failure_with_its_rules(
    client: Client, registry: Path, town: Path, prefect_api: str, tmp_path: Path
) -> None:
    run(ingest_dataset, ingest_params(town))
    document = json.loads((registry / ITEM).read_text(encoding="utf-8"))
    document["properties"]["version"] = "7"
    (registry / ITEM).write_text(json.dumps(document), encoding="utf-8")

    destination = tmp_path / "found.md"
    run_id = run(audit, AuditParams(report=str(destination)))
    row = client.result(run_id)
    assert (row["ok"], row["errors"], row["report"]) == (False, 1, str(destination))
    assert "version-numbers" in destination.read_text(encoding="utf-8")
    rules = ["version-numbers", "index"]  # nothing has noticed yet that the file was edited
    assert [finding["rule"] for finding in client.table(run_id, "findings")] == rules
    [event] = events_of(prefect_api, run_id)
    assert event["event"] == AUDIT_FAILED
    assert event["payload"]["rules"] == {"version-numbers": 1, "index": 1}


def test_an_audit_says_what_it_repaired(client: Client, registry: Path, town: Path) -> None:
    run(ingest_dataset, ingest_params(town))
    collection = registry / "catalog" / "datasets" / "collection.json"
    document = json.loads(collection.read_text(encoding="utf-8"))
    collection.write_text(json.dumps({**document, "extent": {}}), encoding="utf-8")

    run_id = run(audit, AuditParams(repair=True))
    row = client.result(run_id)
    assert (row["ok"], row["errors"], row["repairs"]) == (True, 0, 1)
    [repair] = client.table(run_id, "repairs")
    assert (repair["rule"], repair["item"]) == ("collections", "datasets/collection.json")
    assert json.loads(collection.read_text(encoding="utf-8"))["extent"] == document["extent"]


def test_a_report_of_an_unknown_format_is_refused(registry: Path, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"report\.pdf ends in neither"):
        audit(AuditParams(report=str(tmp_path / "report.pdf")))
