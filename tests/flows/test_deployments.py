"""What the server publishes, and how it answers wrong requests."""

from typing import Any

import httpx
import pytest
from prefect.flows import load_flow_from_entrypoint

from deployments.deploy import CHECKOUT, deploy, read
from fair_models.client import Client
from fair_models.errors import InvalidParameters, NotFound
from fair_models.params import PromoteParams
from flows.runtime.definition import published_schema

FINETUNE = {"base_model": "some-base", "dataset": "some-data", "model_name": "some-model"}


@pytest.fixture
def deployed(api: httpx.Client) -> dict[str, dict[str, Any]]:
    found: list[dict[str, Any]] = api.post("/deployments/filter", json={}).json()
    return {entry["name"]: entry for entry in found}


def test_each_deployed_schema_equals_the_schema_of_the_imported_flow(
    deployed: dict[str, dict[str, Any]],
) -> None:
    assert len(deployed) == len(read(CHECKOUT / "prefect.yaml")["deployments"])
    for entry in deployed.values():
        flow: Any = load_flow_from_entrypoint(entry["entrypoint"])
        assert entry["parameter_openapi_schema"] == published_schema(flow)
        assert entry["enforce_parameter_schema"]


def test_flows_that_wait_have_no_limit_and_trainings_have(api: httpx.Client) -> None:
    control, train = (api.get(f"/work_pools/{name}").json() for name in ("control", "train"))
    assert control["concurrency_limit"] is None
    assert train["concurrency_limit"] == 2


def test_only_trainings_and_shared_out_shards_take_a_place_in_limited_pools(
    deployed: dict[str, dict[str, Any]],
) -> None:
    limited = {name: entry["work_pool_name"] for name, entry in deployed.items()}
    assert {name: pool for name, pool in limited.items() if pool != "control"} == {
        "train": "train",
        "predict-shards": "predict",
        "cut-chips": "predict",
    }


def test_the_audit_runs_daily(deployed: dict[str, dict[str, Any]]) -> None:
    [schedule] = deployed["audit"]["schedules"]
    assert schedule["active"]
    assert schedule["schedule"]["cron"] == "15 3 * * *"
    assert schedule["schedule"]["timezone"] == "UTC"


def test_deploying_again_changes_nothing(api: httpx.Client, deployed: dict[str, dict[str, Any]]) -> None:
    deploy("local")
    again = {entry["name"]: entry for entry in api.post("/deployments/filter", json={}).json()}
    assert {name: entry["id"] for name, entry in again.items()} == {
        name: entry["id"] for name, entry in deployed.items()
    }
    assert len(again["audit"]["schedules"]) == 1


def automations(api: httpx.Client) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in api.post("/automations/filter", json={}).json()}


def test_runs_without_a_sign_of_life_are_noticed_after_three_missed_ones(
    api: httpx.Client, deployed: dict[str, dict[str, Any]]
) -> None:
    [found] = [each for name, each in automations(api).items() if "sign of life" in name]
    beats = {
        entry["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] for entry in deployed.values()
    }
    assert found["enabled"]
    assert found["actions"][0]["state"] == "CRASHED"
    assert {3 * int(beat) for beat in beats} == {found["trigger"]["within"]}
    assert found["trigger"]["after"] == ["prefect.flow-run.heartbeat"]  # none, and nobody waits
    assert found["trigger"]["expect"] == ["prefect.flow-run.*"]


def test_the_automations_are_about_the_runs_of_our_deployments_alone(
    api: httpx.Client, deployed: dict[str, dict[str, Any]]
) -> None:
    ours = {f"prefect.deployment.{entry['id']}" for entry in deployed.values()}
    made = automations(api).values()
    assert len(made) == 2
    for each in made:
        related = each["trigger"]["match_related"]
        assert related["prefect.resource.role"] == "deployment"
        assert set(related["prefect.resource.id"]) == ours


def test_deploying_again_leaves_an_automation_alone_and_mends_one_that_was_changed(
    api: httpx.Client,
) -> None:
    before = automations(api)
    deploy("local")
    assert automations(api) == before  # written again, an automation forgets the runs that it waits for
    changed, *_ = before.values()
    body = {key: changed[key] for key in ("name", "trigger", "actions")}
    body["trigger"] = {**body["trigger"], "within": 4321}
    assert api.put(f"/automations/{changed['id']}", json=body).status_code == 204
    assert api.post("/automations/", json=body).status_code == 201  # a double
    deploy("local")
    after = automations(api)
    assert len(api.post("/automations/filter", json={}).json()) == len(before)
    assert {name: each["trigger"]["within"] for name, each in after.items()} == {
        name: each["trigger"]["within"] for name, each in before.items()
    }


def test_no_path_of_this_machine_is_stored(deployed: dict[str, dict[str, Any]]) -> None:
    assert {entry["path"] for entry in deployed.values()} == {None}
    assert {str(entry["pull_steps"]) for entry in deployed.values()} == {
        "[{'deployments.checkout.enter': {}}]"
    }


@pytest.mark.parametrize(
    "parameters",
    [
        {"params": FINETUNE, "unknown": 1},
        {"params": {**FINETUNE, "unknown": 1}},
        {"params": {**FINETUNE, "seed": -1}},
        {"params": {**FINETUNE, "seed": True}},
        {"params": {**FINETUNE, "model_name": "../../etc"}},
        {"params": {**FINETUNE, "overrides": {"training.epochs": [1]}}},
        {"params": {key: value for key, value in FINETUNE.items() if key != "dataset"}},
        {},
    ],
)
def test_rest_answers_wrong_parameters_with_409(
    api: httpx.Client, deployed: dict[str, dict[str, Any]], parameters: dict[str, Any]
) -> None:
    path = f"/deployments/{deployed['finetune']['id']}/create_flow_run"
    assert api.post(path, json={"parameters": parameters}).status_code == 409


def test_the_client_lists_everything_that_is_wrong_before_a_run_is_created(
    api: httpx.Client, client: Client
) -> None:
    before = api.post("/flow_runs/count", json={}).json()
    wrong = {**FINETUNE, "seed": -1, "title": "a/b", "unknown": 1, "overrides": {"training.epochs": [1]}}
    with pytest.raises(InvalidParameters) as raised:
        client.start("finetune", wrong)
    assert len(raised.value.reasons) == 4
    for words in (
        "params.seed",
        "params.title",
        "params: has unknown, which is not known here",
        "training.epochs",
    ):
        assert words in str(raised.value)
    assert api.post("/flow_runs/count", json={}).json() == before


def test_the_client_refuses_numbers_that_json_does_not_have(api: httpx.Client, client: Client) -> None:
    with pytest.raises(InvalidParameters, match=r"params\.gate\.minimum\.fair:building_iou: nan"):
        client.start(
            "promote", {"model": "some-model", "gate": {"minimum": {"fair:building_iou": float("nan")}}}
        )


def test_a_deployment_that_does_not_exist_is_answered_with_those_that_do(
    api: httpx.Client, client: Client
) -> None:
    with pytest.raises(NotFound, match="finetune"):
        client.start("finetun", FINETUNE)


def test_a_run_that_nobody_has_taken_up_is_cancelled_at_once(api: httpx.Client, client: Client) -> None:
    run = client.start("promote", PromoteParams(model="some-model"), name="mine", tags=["model:some-model"])
    assert client.cancel(run.id).state.type == "CANCELLED"
    assert client.cancel(run.id).state.type == "CANCELLED"


def test_runs_are_found_by_deployment_and_tag(api: httpx.Client, client: Client) -> None:
    run = client.start("predict", {"model": "some-model", "imagery": "x"}, tags=["model:tagged"])
    assert run.id in [each.id for each in client.runs("predict")]
    assert [each.id for each in client.runs(tags=["model:tagged", "prediction"])] == [run.id]
    assert client.runs("audit") == []  # those that the schedule plans are no runs yet


def test_a_run_without_a_result_says_why(api: httpx.Client, client: Client) -> None:
    run = client.start("promote", PromoteParams(model="some-model"))
    with pytest.raises(NotFound, match="has no result: it is scheduled"):
        client.result(run.id)


@pytest.mark.parametrize("run_id", ["nonsense", "00000000-0000-0000-0000-000000000000"])
def test_a_run_that_does_not_exist_is_not_found(client: Client, run_id: str) -> None:
    with pytest.raises(NotFound, match=run_id):
        client.state(run_id)
