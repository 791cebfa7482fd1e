"""Deploying to pools of type kubernetes, on a real server without a cluster."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.deploy import CHECKOUT, base_job_template, deploy, deploy_to, read
from deployments.register import digest, register
from fair_models.client import Client

PREFIX = "cluster-"


@pytest.fixture(scope="module")
def cluster(api: httpx.Client) -> Iterator[dict[str, dict[str, Any]]]:
    """Deployments by name, in the pools of kubernetes.yaml. The session's own pools stay as they are."""
    place = read(CHECKOUT / "deployments" / "kubernetes.yaml")
    entries = read(CHECKOUT / "prefect.yaml")["deployments"]
    place["work_pools"] = {f"{PREFIX}{name}": pool for name, pool in place["work_pools"].items()}
    place["work_pool_of"] = {
        each["name"]: PREFIX + place["work_pool_of"].get(each["name"], each["work_pool"]["name"])
        for each in entries
    }
    deploy_to(place)
    deploy_to(place)  # again changes nothing
    yield {each["name"]: each for each in api.post("/deployments/filter", json={}).json()}
    deploy("local")


def test_each_flow_has_its_pool(cluster: dict[str, dict[str, Any]]) -> None:
    pools = {name: each["work_pool_name"].removeprefix(PREFIX) for name, each in cluster.items()}
    assert pools["train"] == "train"
    assert pools["predict-shards"] == "predict"
    assert pools["audit"] == "audit"
    assert {pools[name] for name in ("finetune", "promote", "predict")} == {"control"}


def test_pools_start_jobs_with_our_template_and_their_limits(
    api: httpx.Client, cluster: dict[str, dict[str, Any]]
) -> None:
    place = read(CHECKOUT / "deployments" / "kubernetes.yaml")
    for name, pool in place["work_pools"].items():
        made = api.get(f"/work_pools/{PREFIX}{name}").json()
        assert made["type"] == "kubernetes"
        assert made["concurrency_limit"] == pool.get("concurrency_limit")
        assert made["base_job_template"] == base_job_template(place, pool)
    assert api.get(f"/work_pools/{PREFIX}control").json()["concurrency_limit"] is None


def test_runs_start_in_the_folder_of_the_image(cluster: dict[str, dict[str, Any]]) -> None:
    steps = [{"prefect.deployments.steps.set_working_directory": {"directory": "/app"}}]
    assert all(each["pull_steps"] == steps for each in cluster.values())


def test_a_pool_of_another_type_is_told_before_it_is_misused(api: httpx.Client) -> None:
    place = read(CHECKOUT / "deployments" / "kubernetes.yaml")
    place["work_pools"] = {"control": place["work_pools"]["control"]}
    before = api.get("/work_pools/control").json()
    with pytest.raises(SystemExit, match="exists with type process, and kubernetes is asked for"):
        deploy_to(place)
    assert api.get("/work_pools/control").json() == before


def test_a_merged_contribution_is_asked_for_once(
    api: httpx.Client, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "roof_dots"
    folder.mkdir()
    (folder / "stac-item.json").write_text("{}")
    key = f"register-{folder.name}-{digest(folder)}"
    run = client.start("register-model", {"source": "/app/models/roof_dots"}, idempotency_key=key)
    client.cancel(run.id)  # no worker is here to take it up
    [told] = register([folder], "/app", client)
    assert run.id in told
    assert "cancelled" in told.lower()
    (folder / "stac-item.json").write_text("{ }")
    assert digest(folder) not in key
