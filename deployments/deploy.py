"""Deploys what prefect.yaml names to the server at PREFECT_API_URL: `python -m deployments.deploy [place]`.

A place is a file in this folder by its name, or one of your own by its path: `deploy ours.yaml`.
With the flows go the automations of automations.yaml, which notice runs whose worker died.
All in one process, in a few seconds. Unlike `prefect deploy` it publishes each flow's own schema, which is
closed at the top level.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import yaml
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import PREFECT_API_URL
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

from deployments import render
from flows.runtime.definition import published_schema

Json = dict[str, Any]
CHECKOUT = Path(__file__).resolve().parent.parent
AUTOMATIONS = CHECKOUT / "deployments" / "automations.yaml"
WAIT_S = 120


def deploy(place: str) -> None:
    """Make the work pools of a place, then all deployments and automations.

    What exists is brought up to date.

    Args:
        place: Name of a file in deployments/, or the path of one elsewhere, which ends in .yaml.
    """
    own = Path(place)
    deploy_to(read(own if own.suffix == ".yaml" else CHECKOUT / "deployments" / f"{place}.yaml"))


def deploy_to(place: Json) -> None:
    """As `deploy`, with what the file of the place says."""
    project = read(CHECKOUT / "prefect.yaml")
    pull: list[Json] = place.get("pull") or project["pull"]
    pools: dict[str, str] = place.get("work_pool_of") or {}
    prepared = [prepare(entry, pull, pools) for entry in project["deployments"]]
    prepared += further(prepared, place.get("also_in") or {})
    wait_for_server(str(PREFECT_API_URL.value()))
    with get_client(sync_client=True) as client:
        for name, pool in place["work_pools"].items():
            make_pool(client, name, pool, base_job_template(place, pool))
        made = [
            client.create_deployment(flow_id=client.create_flow_from_name(flow_name), **deployment)
            for flow_name, deployment in prepared
        ]
        for entry in read(AUTOMATIONS)["automations"]:
            make_automation(client, entry, made)


def read(path: Path) -> Json:
    """A YAML file as a mapping."""
    document: Json = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def prepare(entry: Json, pull: list[Json], pools: Mapping[str, str]) -> tuple[str, Json]:
    """What the server is told of one entry of prefect.yaml.

    Args:
        entry: One of its deployments.
        pull: Steps that a run takes before it begins.
        pools: Work pools by name of deployment, where they are others than the entry's.

    Returns:
        The flow's name, and the arguments of the client's `create_deployment`.
    """
    flow: Flow[..., Any] = load_flow_from_entrypoint(entry["entrypoint"])
    return flow.name, {
        "name": entry["name"],
        "entrypoint": entry["entrypoint"],
        "description": entry["description"],
        "tags": entry["tags"],
        "work_pool_name": pools.get(entry["name"], entry["work_pool"]["name"]),
        "job_variables": entry["work_pool"].get("job_variables", {}),
        "parameters": entry.get("parameters", {}),
        "schedules": [schedule(each) for each in entry.get("schedules", [])],
        "pull_steps": pull,
        "parameter_openapi_schema": published_schema(flow),
        "enforce_parameter_schema": True,
        "paused": False,
    }


def further(
    prepared: Sequence[tuple[str, Json]], also_in: Mapping[str, Sequence[str]]
) -> list[tuple[str, Json]]:
    """The same deployments in further work pools, each named after deployment and pool: `train-gpu`.

    Args:
        prepared: What `prepare` made.
        also_in: Work pools by name of deployment.
    """
    return [
        (flow, {**made, "name": f"{made['name']}-{pool}", "work_pool_name": pool, "schedules": []})
        for flow, made in prepared
        for pool in also_in.get(made["name"], ())
    ]


def schedule(entry: Json) -> DeploymentScheduleCreate:
    """A schedule of prefect.yaml: slug, cron, timezone, active."""
    return DeploymentScheduleCreate.model_validate(
        {
            "slug": entry["slug"],
            "active": entry["active"],
            "schedule": {"cron": entry["cron"], "timezone": entry["timezone"]},
        }
    )


def base_job_template(place: Json, pool: Json) -> Json:
    """What a pool makes of a run: the place's own template, else Prefect's, with the pool's defaults.

    Raises:
        SystemExit: A default is for a variable that the template does not have.
    """
    path = place.get("base_job_template")
    template = read(CHECKOUT / "deployments" / path) if path else _template_of_prefect(pool["type"])
    pins = render.pins(CHECKOUT / "deployments" / place["images"]) if "images" in place else {}
    known = template["variables"]["properties"]
    for variable, value in pool.get("job_defaults", {}).items():
        if variable not in known:
            raise SystemExit(f"The base job template has no variable {variable}; it has {', '.join(known)}.")
        known[variable]["default"] = render.pinned(value, pins) if variable == "image" else value
    return template


def _template_of_prefect(kind: str) -> Json:
    return asyncio.run(get_default_base_job_template_for_infrastructure_type(kind)) or {}


def make_pool(client: SyncPrefectClient, name: str, pool: Json, template: Json) -> None:
    """Make a work pool, or bring the one that exists up to date.

    Raises:
        SystemExit: There is one of this name and another type, which Prefect cannot change.
    """
    with suppress(ObjectNotFound):
        if (found := client.read_work_pool(name).type) != pool["type"]:
            raise SystemExit(
                f"Work pool {name} exists with type {found}, and {pool['type']} is asked for. "
                f"Prefect cannot change it: `prefect work-pool delete {name}` when nothing runs, then again."
            )
    client.create_work_pool(
        WorkPoolCreate(
            name=name,
            type=pool["type"],
            description=pool["description"],
            concurrency_limit=pool.get("concurrency_limit"),
            base_job_template=template,
        ),
        overwrite=True,
    )


def make_automation(client: SyncPrefectClient, entry: Json, deployments: Sequence[UUID]) -> None:
    """Make an automation for the runs of these deployments, or bring the one of its name up to date.

    One that is as it should be is left alone: the server forgets what it waits for when it is written again.
    """
    runs = {
        "prefect.resource.role": "deployment",
        "prefect.resource.id": sorted(f"prefect.deployment.{each}" for each in deployments),
    }
    wanted = AutomationCore.model_validate({**entry, "trigger": {**entry["trigger"], "match_related": runs}})
    found = client.read_automations_by_name(wanted.name)
    if not found:
        client.create_automation(wanted)
    elif AutomationCore.model_validate(found[0].model_dump(exclude={"id"})) != wanted:
        client.update_automation(found[0].id, wanted)
    for double in found[1:]:
        client.delete_automation(double.id)


def wait_for_server(api_url: str) -> None:
    """Return as soon as the server answers."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{api_url}/health", timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit(f"No Prefect server answers at {api_url} after {WAIT_S} s.")


if __name__ == "__main__":
    deploy(sys.argv[1] if len(sys.argv) > 1 else "local")
