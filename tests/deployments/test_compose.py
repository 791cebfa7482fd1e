"""The compose file, as far as it can be known without containers."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from deployments import render
from deployments.deploy import CHECKOUT, read
from tests.deployments.test_manifests import PLACES, known_settings, of_kind

FOLDER = CHECKOUT / "deployments" / "compose"
COMPOSE = FOLDER / "compose.yaml"
TEXT = COMPOSE.read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
ENDS = {"setup-buckets", "setup-catalog", "setup-deployments", "backup", "backup-postgres", "backup-mysql"}


def test_it_keeps_the_specification_of_compose() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_services_wait_for_services_that_can_say_when() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            condition = how["condition"]
            assert other in SERVICES, f"{name} waits for {other}"
            if condition == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} waits for {other}"
            if condition == "service_completed_successfully":
                assert other in ENDS, f"{name} waits for {other}"


def test_each_variable_is_in_the_example_and_no_other() -> None:
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))
    lines = (FOLDER / ".env.example").read_text(encoding="utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert used == set(example)
    required = set(re.findall(r"\$\{(\w+):\?", TEXT))
    for name, value in example.items():
        assert ("change-me" in value) == (name in required), name


def test_ports_are_on_this_machine_alone_and_taken_once() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    outside = [port.split(":")[1] for port in ports]
    assert len(outside) == len(set(outside)) >= 5


def test_services_have_no_rights_and_are_started_again() -> None:
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert (service["restart"] == "no") == (name in ENDS), name
        assert "privileged" not in service


def test_volumes_and_files_exist() -> None:
    named = set(yaml.safe_load(TEXT)["volumes"])
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0] if not volume.startswith("$") else ""
            assert not source or source in named or (FOLDER / source).exists(), volume
    assert (FOLDER / SERVICES["mlflow"]["build"]["context"]).resolve() == CHECKOUT


def test_it_runs_the_versions_that_kubernetes_runs() -> None:
    pins = render.pins(render.KUBERNETES / "images")
    there = {f"{pin['newName']}:{pin['newTag']}" for pin in pins.values()}
    there |= {f"{name}:{pin['newTag']}" for name, pin in pins.items()}
    assert {service["image"] for service in SERVICES.values()} <= there


def test_servers_and_runs_get_the_settings_that_they_get_in_kubernetes() -> None:
    maps = of_kind(PLACES["small"], "ConfigMap")
    runs, prefect = maps["runs"]["data"], maps["prefect"]["data"]
    ours, server = SERVICES["worker-train"]["environment"], SERVICES["prefect-server"]["environment"]
    assert set(runs) <= set(ours)
    assert {name: ours[name] for name in ("FAIR_STORE", "ZENML_STORE_URL", "MLFLOW_TRACKING_URI")} == {
        name: runs[name] for name in ("FAIR_STORE", "ZENML_STORE_URL", "MLFLOW_TRACKING_URI")
    }
    assert prefect.items() <= server.items()
    variables = {name for service in SERVICES.values() for name in service.get("environment", ())}
    told = {name for name in variables if name.startswith("PREFECT_")} - {"PREFECT_PASSWORD"}
    assert told <= known_settings()


def test_the_registry_is_healthy_only_while_what_it_reads_answers() -> None:
    registry = SERVICES["registry"]
    assert "/health/ready?part=catalogue&part=store" in str(registry["healthcheck"]["test"])
    assert registry["environment"]["FAIR_WEB_AUTH"] == "tokens"


def test_addresses_of_items_lead_out_of_the_containers() -> None:
    address = SERVICES["worker-train"]["environment"]["FAIR_CATALOG_API_URL"]
    assert not any(f"//{name}" in address for name in SERVICES)


def test_workers_are_those_of_the_place() -> None:
    pools = read(CHECKOUT / "deployments" / "compose.yaml")["work_pools"]
    found = {}
    for name, service in SERVICES.items():
        if name.startswith("worker-"):
            command = service["command"]
            found[command[command.index("--pool") + 1]] = command[command.index("--type") + 1]
    assert found == {name: pool["type"] for name, pool in pools.items()}
    assert SERVICES["setup-deployments"]["command"] == ["python", "-m", "deployments.deploy", "compose"]


def test_no_secret_of_this_machine_lies_in_the_project() -> None:
    assert (
        not (Path(FOLDER) / ".env").exists()
        or "/deployments/compose/.env" in (CHECKOUT / ".gitignore").read_text()
    )
