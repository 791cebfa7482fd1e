"""The doctor and a real server: pools, workers, deployments, and blocks that flows would follow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.local_store import LocalStore
from deployments.deploy import CHECKOUT, deploy, deploy_to, read
from fair_models.doctor import server
from fair_models.errors import FairModelsError
from fair_models.settings import current
from tests.flows.backend import PROJECT

pytestmark = pytest.mark.service


@pytest.fixture
def reached(api: httpx.Client, prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> httpx.Client:
    """A server with everything deployed and no worker."""
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    monkeypatch.chdir(PROJECT)
    return api


def test_a_server_answers_with_its_version(reached: httpx.Client) -> None:
    assert server.api(current()).startswith("version 3.")


def test_a_pool_without_a_worker_is_told_until_one_is_online(reached: httpx.Client) -> None:
    with pytest.raises(FairModelsError, match=r"No worker of work pool control nor .*train is online"):
        server.pools(current())
    pools = {each["work_pool_name"] for each in found(reached)}
    for pool in pools:
        reached.post(f"/work_pools/{pool}/workers/heartbeat", json={"name": "doctors-own"}).raise_for_status()
    assert server.pools(current()) == ", ".join(f"{pool}: 1 online" for pool in sorted(pools))
    for pool in pools:
        reached.delete(f"/work_pools/{pool}/workers/doctors-own").raise_for_status()


def test_a_deployment_of_another_version_is_told(reached: httpx.Client) -> None:
    assert "of this version" in server.deployments(current())
    [old] = [each for each in found(reached) if each["name"] == "promote"]
    schema = old["parameter_openapi_schema"]
    del schema["definitions"]["PromoteParams"]["properties"]["gate"]
    reached.patch(f"/deployments/{old['id']}", json={"parameter_openapi_schema": schema}).raise_for_status()
    try:
        with pytest.raises(FairModelsError, match=r"^promote: what is deployed takes other parameters"):
            server.deployments(current())
    finally:
        deploy("local")
    assert "of this version" in server.deployments(current())


def test_a_pool_of_the_settings_to_which_nothing_is_deployed_is_told(
    reached: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_TRAIN_POOL", "apart")
    with pytest.raises(FairModelsError, match=r"train is not deployed to work pool apart, .*also_in"):
        server.deployments(current())
    place = read(CHECKOUT / "deployments" / "local.yaml")
    place["work_pools"]["apart"] = place["work_pools"]["train"]
    deploy_to({**place, "also_in": {"train": ["apart"]}})
    try:
        assert "of this version" in server.deployments(current())
    finally:
        [apart] = [each for each in found(reached) if each["name"] == "train-apart"]
        reached.delete(f"/deployments/{apart['id']}").raise_for_status()
        reached.delete("/work_pools/apart").raise_for_status()


def test_the_doctor_follows_the_blocks_that_flows_follow(
    reached: httpx.Client, prefect_api: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", "from fair_models.cli import main; main()", "doctor"]
    environment = {**os.environ, "FAIR_HOME": str(tmp_path / "home"), "PREFECT_API_URL": prefect_api}
    environment.pop("ZENML_CONFIG_PATH", None)
    LocalStore(folder=tmp_path / "named by a block").save("default", overwrite=True)
    try:
        done = subprocess.run(
            command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
        )
    finally:
        LocalStore.delete("default")
    assert f"works  store: put, fetched and deleted a file in {tmp_path / 'named by a block'}" in done.stdout
    assert done.returncode == 1  # no worker is online


def found(api: httpx.Client) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = api.post("/deployments/filter", json={}).json()
    return entries
