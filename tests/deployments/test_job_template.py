"""What a work pool of type kubernetes makes of a run."""

import asyncio
import uuid
from typing import Any, cast

import kubernetes_validate
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_HOME, temporary_settings
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

from deployments.deploy import CHECKOUT, base_job_template, read
from deployments.render import pins
from flows.runtime.resources import ALLOWED
from tests.deployments.test_manifests import VERSIONS

Json = dict[str, Any]
PLACE = read(CHECKOUT / "deployments" / "kubernetes.yaml")
IMAGE = f"ghcr.io/hotosm/ramp@sha256:{'0' * 64}"
WANTED = {
    "image": IMAGE,
    "memory_request": "3000Mi",
    "memory_limit": "9000Mi",
    "cpu_request": "3",
    "gpu_count": 2,
    "node_selector": {"accelerator": "nvidia"},
}


def job(pool: str, values: Json) -> Json:
    """The manifest that a worker with settings and a secret of its own sends to Kubernetes."""
    template = base_job_template(PLACE, PLACE["work_pools"][pool])
    own = {
        PREFECT_API_URL: "http://prefect-server:4200/api",
        PREFECT_API_AUTH_STRING: "worker:secret-of-the-worker",
        PREFECT_HOME: "/home/of/the/worker",
    }
    with temporary_settings(own):
        nobody = cast(PrefectClient, object())
        made = asyncio.run(
            KubernetesWorkerJobConfiguration.from_template_and_values(template, values, client=nobody)
        )
        made.prepare_for_flow_run(FlowRun(name="Train Ünder roofs", flow_id=uuid.uuid4()))
    return made.job_manifest


@pytest.mark.parametrize("values", [{}, WANTED], ids=["defaults", "wishes"])
@pytest.mark.parametrize("pool", PLACE["work_pools"])
def test_a_job_is_valid_in_three_versions_of_kubernetes(pool: str, values: Json) -> None:
    made = job(pool, values)
    for version in VERSIONS:
        assert kubernetes_validate.validate(made, version, strict=True) == version


def test_a_job_has_what_the_item_asks_for() -> None:
    assert set(WANTED) == set(ALLOWED)
    spec = (job("train", WANTED))["spec"]["template"]["spec"]
    [container] = spec["containers"]
    assert container["image"] == IMAGE
    assert spec["nodeSelector"] == {"accelerator": "nvidia"}
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert container["resources"] == {
        "requests": {"cpu": "3", "memory": "3000Mi", "ephemeral-storage": "10Gi"},
        "limits": {"memory": "9000Mi", "ephemeral-storage": "60Gi", "nvidia.com/gpu": 2},
    }


def test_without_wishes_a_job_has_no_gpu_and_the_pinned_image_of_its_pool() -> None:
    for pool, name in [("train", "training"), ("predict", "inference")]:
        [container] = (job(pool, {}))["spec"]["template"]["spec"]["containers"]
        known = pins(CHECKOUT / "deployments" / "kubernetes" / "images")[f"fair-models/{name}"]
        assert container["image"].startswith(known["newName"])
        assert "nvidia.com/gpu" not in container["resources"]["limits"]


def test_nothing_of_the_worker_leaks_into_a_job() -> None:
    made = job("control", {"env": {"PREFECT_LOGGING_EXTRA_LOGGERS": "fair_models"}})
    [container] = made["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert "secret-of-the-worker" not in str(made)
    assert variables["PREFECT_HOME"] == "/tmp/prefect"
    assert variables["PREFECT_API_URL"] == "http://prefect-server:4200/api"
    assert variables["PREFECT_LOGGING_EXTRA_LOGGERS"] == "fair_models"
    assert None not in variables.values()
    assert container["envFrom"] == [{"configMapRef": {"name": "runs"}}, {"secretRef": {"name": "runs"}}]


def test_a_job_ends_and_is_not_started_twice_by_kubernetes() -> None:
    made = job("train", {})
    spec, pod = made["spec"], made["spec"]["template"]["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["ttlSecondsAfterFinished"] == 3600
    assert spec["activeDeadlineSeconds"] == 86400
    assert pod["restartPolicy"] == "Never"
    assert not {"completions", "parallelism"} & set(pod)
    behaviour = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    assert behaviour["PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR"] == "reschedule"


def test_a_flow_that_waits_has_no_deadline_and_other_jobs_have_one() -> None:
    deadlines = {pool: job(pool, {})["spec"].get("activeDeadlineSeconds") for pool in PLACE["work_pools"]}
    assert deadlines == {"control": None, "predict": 21600, "train": 86400, "audit": 86400}
    waiting = read(CHECKOUT / "prefect.yaml")["deployments"]
    pools = {each["name"]: each["work_pool"]["name"] for each in waiting}
    assert {pools[name] for name in ("search", "finetune", "predict")} == {"control"}


def test_a_job_has_no_rights_and_no_token() -> None:
    pod = (job("predict", {}))["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "runs"
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_what_somebody_waits_for_goes_before_trainings() -> None:
    first = {
        pool: (job(pool, {}))["spec"]["template"]["spec"]["priorityClassName"] for pool in PLACE["work_pools"]
    }
    assert first == {
        "control": "fair-models-soon",
        "predict": "fair-models-soon",
        "train": "fair-models-later",
        "audit": "fair-models-later",
    }


def test_a_default_for_an_unknown_variable_is_refused() -> None:
    with pytest.raises(SystemExit, match="no variable memory;"):
        base_job_template(PLACE, {"type": "kubernetes", "job_defaults": {"memory": "1Gi"}})
