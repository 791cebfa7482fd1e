"""Work goes to the runtime that an item names, with what it and the settings ask for and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pystac
import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.states import Failed

from deployments.deploy import CHECKOUT, read
from fair_models import ownership
from fair_models.catalog.items import assets
from fair_models.errors import Invalid, NotFound
from fair_models.ownership import Ownership
from flows.runtime.resources import ALLOWED
from flows.runtime.runtimes import submit, wait

IMAGE = f"ghcr.io/hotosm/fair-unet@sha256:{'a' * 64}"
CLUSTER = read(CHECKOUT / "deployments" / "kubernetes" / "base-job-template.yaml")["variables"]["properties"]
JOB = {"command": "{{ command }}", "env": "{{ env }}"}
GIB = 2**30
pytestmark = pytest.mark.service


@flow
def shape(params: dict[str, Any]) -> None:
    """Never started: no worker serves the pools."""


MADE_POOLS = ("here", "cluster", "no-gpu")


@pytest.fixture(scope="module")
def server(prefect_api: str) -> Iterator[SyncPrefectClient]:
    """A server with a deployment in a pool of processes, and one in a pool that looks like the cluster's."""
    with get_client(sync_client=True) as client:
        processes = {"variables": {"properties": {"env": {}, "command": {}}}, "job_configuration": JOB}
        as_cluster = {"variables": {"type": "object", "properties": CLUSTER}, "job_configuration": JOB}
        for pool, template in (("here", processes), ("cluster", as_cluster)):
            client.create_work_pool(
                WorkPoolCreate(name=pool, type="process", base_job_template=template), overwrite=True
            )
            client.create_deployment(
                flow_id=client.create_flow(shape),
                name=pool,
                work_pool_name=pool,
                enforce_parameter_schema=False,
            )
        yield client
        for made in client.read_deployments():  # the server is everybody's
            if made.work_pool_name in MADE_POOLS:
                client.delete_deployment(made.id)
        for name in MADE_POOLS:
            client.delete_work_pool(name)


def test_a_run_that_a_run_starts_is_for_the_same_account(server: SyncPrefectClient) -> None:
    whose = Ownership("amina", "bikash", "private")
    with ownership.acting_for(whose):
        started = submit(
            "shape/here", model(), assets.TRAINING_RUNTIME, {"params": {}}, "roofs", ["model:roofs"]
        )
    tags = server.read_flow_run(started.id).tags
    assert ownership.of_tags(tags) == whose
    assert "model:roofs" in tags


def model(image: str = assets.LOCAL_RUNTIME, properties: dict[str, Any] | None = None) -> pystac.Item:
    """A model whose runtimes are this image."""
    item = pystac.Item("roofs-v1", None, None, datetime(2026, 1, 1, tzinfo=UTC), properties or {})
    href = image if image.startswith("local:") else f"oci://{image}"
    for role in assets.RUNTIMES:
        item.add_asset(assets.KEYS[role], pystac.Asset(href, roles=[role]))
    return item


def received(
    server: SyncPrefectClient,
    item: pystac.Item,
    deployment: str = "shape/cluster",
    role: str = assets.TRAINING_RUNTIME,
) -> dict[str, Any]:
    """The job variables with which a run reaches its pool."""
    run = submit(deployment, item, role, {"params": {}}, "roofs", ["model:roofs"])
    return dict(server.read_flow_run(run.id).job_variables or {})


def test_a_local_runtime_runs_in_the_workers_own_environment(server: SyncPrefectClient) -> None:
    assert received(server, model(), "shape/here") == {}


def test_an_image_becomes_the_image_of_the_job(server: SyncPrefectClient) -> None:
    assert received(server, model(IMAGE)) == {"image": IMAGE}


def test_a_pool_of_processes_refuses_an_image_and_starts_nothing(server: SyncPrefectClient) -> None:
    before = len(server.read_flow_runs())
    with pytest.raises(Invalid, match="work pool here starts none"):
        received(server, model(IMAGE), "shape/here")
    assert len(server.read_flow_runs()) == before


def test_memory_is_what_the_pool_gives_and_what_the_model_needs_on_top(server: SyncPrefectClient) -> None:
    item = model(IMAGE, {"mlm:memory_size": GIB})
    trained = received(server, item)
    predicted = received(server, item, role=assets.INFERENCE_RUNTIME)
    assert (trained["memory_request"], trained["memory_limit"]) == ("6144Mi", "8192Mi")
    assert (predicted["memory_request"], predicted["memory_limit"]) == ("3072Mi", "5120Mi")


def test_an_accelerator_becomes_gpus_on_the_nodes_that_the_settings_name(
    server: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ACCELERATOR_NODES", '{"cuda": {"gpu": "nvidia"}}')
    item = model(IMAGE, {"mlm:accelerator": "cuda", "mlm:accelerator_count": 2})
    assert received(server, item) == {"image": IMAGE, "gpu_count": 2, "node_selector": {"gpu": "nvidia"}}
    assert "gpu_count" not in received(server, model(IMAGE, {"mlm:accelerator": "amd64"}))


def test_a_model_that_needs_a_gpu_is_refused_by_a_pool_without(server: SyncPrefectClient) -> None:
    without = {name: each for name, each in CLUSTER.items() if name != "gpu_count"}
    template = {"variables": {"type": "object", "properties": without}, "job_configuration": JOB}
    server.create_work_pool(
        WorkPoolCreate(name="no-gpu", type="process", base_job_template=template), overwrite=True
    )
    server.create_deployment(flow_id=server.create_flow(shape), name="no-gpu", work_pool_name="no-gpu")
    wish = {"mlm:accelerator": "cuda", "mlm:accelerator_constrained": True}
    with pytest.raises(Invalid, match="gives no GPU"):
        received(server, model(IMAGE, wish), "shape/no-gpu")
    wish["mlm:accelerator_constrained"] = False
    assert received(server, model(IMAGE, wish), "shape/no-gpu") == {"image": IMAGE}


def test_the_settings_give_image_memory_and_cores_where_the_item_says_nothing(
    server: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_TRAIN_IMAGE", "registry.internal/train@sha256:1")
    monkeypatch.setenv("FAIR_TRAIN_MEMORY", "10Gi")
    monkeypatch.setenv("FAIR_TRAIN_CPU", "3")
    assert received(server, model()) == {
        "image": "registry.internal/train@sha256:1",
        "memory_request": "10240Mi",
        "memory_limit": "10240Mi",
        "cpu_request": "3",
    }
    assert received(server, model(), role=assets.INFERENCE_RUNTIME) == {}
    assert received(server, model(IMAGE))["image"] == IMAGE


def test_the_settings_choose_the_pool(server: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIR_TRAIN_POOL", "cluster")
    run = submit("shape/here", model(IMAGE), assets.TRAINING_RUNTIME, {"params": {}}, "roofs")
    assert server.read_flow_run(run.id).work_pool_name == "cluster"
    monkeypatch.setenv("FAIR_TRAIN_POOL", "elsewhere")
    with pytest.raises(NotFound, match="work pool elsewhere"):
        submit("shape/here", model(IMAGE), assets.TRAINING_RUNTIME, {"params": {}}, "roofs")


def test_an_item_can_set_nothing_else(server: SyncPrefectClient) -> None:
    wishes = dict.fromkeys(CLUSTER, "x") | {f"mlm:{name}": "x" for name in CLUSTER}
    everything = {
        **wishes,
        "mlm:memory_size": 1,
        "mlm:accelerator": "cuda",
        "job_variables": {"env": {"A": "b"}},
    }
    sent = received(server, model(IMAGE, everything))
    assert set(sent) <= set(ALLOWED)
    assert "x" not in str({name: value for name, value in sent.items() if name != "image"})
    assert {"env", "command", "service_account_name"}.isdisjoint(ALLOWED)


def test_one_key_stands_for_one_run_and_its_end_is_waited_for(server: SyncPrefectClient) -> None:
    role = assets.INFERENCE_RUNTIME
    first, again = (
        submit("shape/cluster", model(IMAGE), role, {"params": {}}, "shard 1", idempotency_key="job-1")
        for _ in range(2)
    )
    assert first.id == again.id
    server.set_flow_run_state(first.id, Failed(message="no node has so much memory"), force=True)
    assert wait(first.id).state.message == "no node has so much memory"
