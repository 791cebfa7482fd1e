"""The backend's library against a real server: requests, states in its words, lines, results, cancelling."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import httpx
import pytest
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from typer.testing import CliRunner

from fair_models.cli.app import app
from fair_models.client import Client, FlowRun
from fair_models.client.requests import DEPLOYMENTS
from fair_models.errors import Invalid, InvalidParameters, NotFound
from fair_models.outcomes import PublishedItem
from fair_models.params import FinetuneParams, IngestDatasetParams, PromoteParams
from fair_models.training.config.run_config import RunConfig
from flows.ingest_dataset import ingest_dataset

PROMOTE = PromoteParams(model="some-model")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MANY = 450

pytestmark = pytest.mark.usefixtures("api")


@pytest.fixture
def command(prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The command line, against the server of the tests."""
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    return CliRunner()


def put(api: httpx.Client, run: FlowRun, state: dict[str, Any]) -> None:
    """Bring a run into a state, as a worker or the server would."""
    answer = api.post(f"/flow_runs/{run.id}/set_state", json={"state": state, "force": True})
    assert answer.status_code in {200, 201}


def write(
    api: httpx.Client, run_id: str, times: list[datetime], words: str = "line", level: int = 20
) -> None:
    """Write log lines of a run, as its process would."""
    lines = [
        {
            "name": "fair_models.tests",
            "level": level,
            "message": f"{words} {number}",
            "timestamp": time.isoformat(),
            "flow_run_id": run_id,
        }
        for number, time in enumerate(times)
    ]
    assert api.post("/logs/", json=lines).status_code == 201


def child_of(api: httpx.Client, run: FlowRun) -> str:
    """A run that another one started."""
    flow = api.get(f"/flow_runs/{run.id}").json()["flow_id"]
    task = {"flow_run_id": run.id, "task_key": "child", "dynamic_key": str(uuid.uuid4())}
    parent = api.post("/task_runs/", json=task).json()["id"]
    body = {"flow_id": flow, "parent_task_run_id": parent, "state": {"type": "SCHEDULED"}}
    return str(api.post("/flow_runs/", json=body).json()["id"])


def test_each_kind_of_parameters_is_sent_to_the_deployment_that_takes_it(client: Client) -> None:
    for kind, name in DEPLOYMENTS.items():
        schema = client.deployment(name)["parameter_openapi_schema"]
        assert schema["properties"]["params"]["$ref"].endswith(f"/{kind.__name__}")


def test_a_request_is_submitted_once_under_its_key(client: Client) -> None:
    first = client.submit(PROMOTE, idempotency_key="submitted", tags=["model:some-model"])
    second = client.submit(PROMOTE, idempotency_key="submitted")
    assert (first.flow, first.found, second.id, second.found) == ("promote", False, first.id, True)
    assert first.parameters == {"params": {"model": "some-model"}}


def test_parameters_of_no_deployment_say_how_they_are_started(client: Client) -> None:
    with pytest.raises(Invalid, match="start"):
        client.submit(RunConfig.model_construct())  # type: ignore[arg-type]


def test_wrong_parameters_are_one_error_with_all_reasons_and_no_run(
    client: Client, api: httpx.Client
) -> None:
    before = api.post("/flow_runs/count", json={}).json()
    wrong = {"base_model": "Some Base", "dataset": "d", "model_name": "some-model", "seed": -1, "sed": 1}
    with pytest.raises(InvalidParameters) as raised:
        client.start("finetune", wrong)
    said = {reason.partition(":")[0] for reason in raised.value.reasons}
    assert said == {"params", "params.base_model", "params.dataset", "params.seed"}
    with pytest.raises(InvalidParameters, match=r"params\.seed"):
        client.submit(FinetuneParams.model_construct(**{**wrong, "base_model": "b"}))
    assert api.post("/flow_runs/count", json={}).json() == before


def test_a_run_is_told_in_the_words_of_the_backend(client: Client, api: httpx.Client) -> None:
    run = client.submit(PROMOTE)
    said = [client.status(run.id)]
    for state in (
        {"type": "SCHEDULED", "name": "Late"},
        {"type": "PENDING"},
        {"type": "PENDING", "name": "InfrastructurePending"},
        {"type": "RUNNING"},
        {"type": "PAUSED", "state_details": {"pause_timeout": "2100-01-01T00:00:00Z"}},
        {"type": "SCHEDULED", "name": "AwaitingRetry"},
        {"type": "RUNNING", "name": "Retrying"},
        {"type": "CANCELLING"},
        {"type": "CRASHED"},
    ):
        put(api, run, state)
        said.append(client.status(run.id))
    assert " ".join(said) == (
        "submitted submitted provisioning provisioning running running retrying retrying stopping failed"
    )


def test_what_was_started_anew_under_its_key_is_retried(client: Client, api: httpx.Client) -> None:
    first = client.submit(PROMOTE, idempotency_key="retried")
    put(api, first, {"type": "FAILED", "message": "broken"})
    assert client.status(first.id) == "failed"
    second = client.submit(PROMOTE, idempotency_key="retried", again=True)
    assert (client.status(first.id), client.status(second.id)) == ("retried", "submitted")
    put(api, second, {"type": "CANCELLED"})
    assert (client.status(first.id), client.status(second.id)) == ("retried", "stopped")


def test_waiting_ends_with_the_run_or_after_its_time(client: Client, api: httpx.Client) -> None:
    run = client.submit(PROMOTE)
    with pytest.raises(TimeoutError, match="is submitted after 0 s; it continues"):
        client.wait(run.id, timeout_s=0)
    put(api, run, {"type": "COMPLETED"})
    assert client.wait(run.id, timeout_s=0).state.is_completed


def test_more_lines_than_a_page_are_all_told_once_even_those_of_one_moment(
    client: Client, api: httpx.Client
) -> None:
    run = client.submit(PROMOTE)
    write(api, run.id, [NOON] * MANY, "same")
    write(api, run.id, [NOON + timedelta(seconds=number) for number in range(1, MANY)], "later")
    lines = client.logs(run.id)
    assert len(lines) == len({line.message for line in lines}) == 2 * MANY - 1
    assert [line.time for line in lines] == sorted(line.time for line in lines)
    last = [f"later {number}" for number in range(MANY - 251, MANY - 1)]
    assert [line.message for line in client.logs(run.id, tail=250)] == last
    assert client.logs(run.id, tail=0) == []
    since = NOON + timedelta(seconds=MANY - 2)
    assert [line.message for line in client.logs(run.id, since=since)] == last[-2:]
    assert [line.message for line in client.logs(run.id, since=since, tail=1)] == last[-1:]


def test_lines_have_a_level_and_those_of_runs_that_were_started_count(
    client: Client, api: httpx.Client
) -> None:
    run = client.submit(PROMOTE, name="parent")
    grandchild = child_of(api, client.run(child_of(api, run)))
    write(api, run.id, [NOON], "asked")
    write(api, grandchild, [NOON + timedelta(seconds=1)], "did", level=30)
    assert [line.message for line in client.logs(run.id)] == ["asked 0", "did 0"]
    assert [line.message for line in client.logs(run.id, level=30)] == ["did 0"]
    assert [line.run_name for line in client.logs(run.id, children=False)] == ["parent"]


def test_a_time_without_a_zone_and_a_negative_tail_are_refused(client: Client) -> None:
    run = client.submit(PROMOTE)
    with pytest.raises(Invalid, match="time zone"):
        client.logs(run.id, since=datetime(2026, 1, 1))
    with pytest.raises(Invalid, match="-1"):
        client.logs(run.id, tail=-1)


def test_cancelling_what_is_over_stops_the_runs_that_it_left_behind(
    client: Client, api: httpx.Client
) -> None:
    run = client.submit(PROMOTE)
    child = child_of(api, run)
    grandchild = child_of(api, client.run(child))
    put(api, run, {"type": "CRASHED"})
    assert client.cancel(run.id).state.status == "failed"
    assert [client.status(each) for each in (child, grandchild)] == ["stopped", "stopped"]


def test_a_run_that_nobody_has_taken_up_is_stopped_at_once(client: Client) -> None:
    run = client.submit(PROMOTE)
    assert client.cancel(run.id).state.status == "stopped"


def ran(flow: Flow[..., Any], params: Any) -> str:
    """Run a flow here and wait for it. Returns the run's id."""
    with get_client(sync_client=True) as server:
        made = server.create_flow_run(flow, parameters={"params": params.model_dump(mode="json")})
    run_flow(flow, flow_run=made, parameters={"params": params}, return_type="state")
    return str(made.id)


def test_results_are_typed_and_name_their_files(
    client: Client, registry: Path, town: Path, command: CliRunner
) -> None:
    values = {"name": "town-buildings", "title": "Town", "chips": str(town / "input")}
    planned = client.results(ran(ingest_dataset, IngestDatasetParams(**values, dry_run=True)))
    assert planned.files == {}
    run = ran(ingest_dataset, IngestDatasetParams(**values))
    found = client.results(run)
    assert isinstance(found.outcome, PublishedItem)
    assert found.outcome.item == "town-buildings-v1"
    assert json.loads(Path(found.files["href"]).read_text(encoding="utf-8"))["id"] == "town-buildings-v1"
    said = json.loads(command.invoke(app, ["results", run, "--links", "60", "--json"]).stdout)
    linked = Path(url2pathname(urlparse(said["files"]["href"]).path))
    assert linked.samefile(found.files["href"])


def test_a_run_without_a_result_says_where_it_stands(client: Client) -> None:
    run = client.submit(PROMOTE)
    with pytest.raises(NotFound, match="scheduled"):
        client.results(run.id)


def test_the_command_line_tells_status_and_lines(
    client: Client, api: httpx.Client, command: CliRunner
) -> None:
    run = client.submit(PROMOTE, name="asked for", idempotency_key="told")
    now = datetime.now(UTC)
    write(api, run.id, [now - timedelta(hours=3)], "old", level=40)
    write(api, run.id, [now - timedelta(minutes=1)], "new")
    put(api, run, {"type": "FAILED", "message": "broken"})
    client.submit(PROMOTE, idempotency_key="told", again=True)
    assert "retried" in command.invoke(app, ["status", run.id]).stdout
    assert json.loads(command.invoke(app, ["status", run.id, "--json"]).stdout)["run"]["status"] == "retried"
    assert "asked for: error: old 0" in command.invoke(app, ["logs", run.id]).stdout
    [line] = json.loads(command.invoke(app, ["logs", run.id, "--since", "2h", "--json"]).stdout)
    assert (line["message"], line["level"]) == ("new 0", "INFO")
    assert command.invoke(app, ["logs", run.id, "--tail", "1"]).stdout.count("\n") == 1
    refused = command.invoke(app, ["logs", run.id, "--since", "yesterday"])
    assert (refused.exit_code, "2h" in refused.stderr) == (2, True)
