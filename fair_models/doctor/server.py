"""The Prefect server: does it answer, are there workers, is what it deploys of this version?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import yaml
from pydantic import BaseModel

from fair_models import form_fields
from fair_models.client.http import Http
from fair_models.client.requests import DEPLOYMENTS
from fair_models.errors import FairModelsError, NotFound
from fair_models.settings import Settings, checkout_root
from fair_models.training.config.run_config import RunConfig
from fair_models.types import Json

TIMEOUT_S = 10.0
_MOST = 200
_DEPLOY = "Deploy with: fair-models up (or python -m deployments.deploy PLACE for another server)"


def api(settings: Settings) -> str:
    """Ask the server for its version."""
    return f"version {_http(settings).get('/admin/version')} answers at {settings.prefect_api_url}"


def pools(settings: Settings) -> str:
    """Look for a worker in each pool that runs are sent to."""
    http = _http(settings)
    used = {each["work_pool_name"] for each in _deployed(http) if each["work_pool_name"]}
    used |= {pool for pool in (settings.train_pool, settings.predict_pool) if pool}
    if not used:
        raise NotFound(f"Nothing is deployed, so that no pool is used. {_DEPLOY}")
    known = {each["name"]: each for each in http.post("/work_pools/filter", {"limit": _MOST})}
    if missing := sorted(used - set(known)):
        raise NotFound(f"There is no work pool {' nor '.join(missing)}. {_DEPLOY}")
    paused = sorted(pool for pool in used if known[pool]["is_paused"])
    if paused:
        raise FairModelsError(
            f"Work pool {' and '.join(paused)} is paused: prefect work-pool resume {paused[0]}"
        )
    online = {pool: _workers(http, pool) for pool in sorted(used)}
    if idle := [pool for pool, count in online.items() if not count]:
        raise FairModelsError(
            f"No worker of work pool {' nor '.join(idle)} is online, so that its runs wait. Start one: "
            f"fair-models up (or prefect worker start --pool {idle[0]})"
        )
    return ", ".join(f"{pool}: {count} online" for pool, count in online.items())


def deployments(settings: Settings) -> str:
    """Compare what is deployed with what this version takes."""
    everything, ours, taken = _everything(_http(settings)), _ours(), _taken()
    found = {each["name"]: each for each in everything if each["name"] in ours}
    if missing := sorted(ours - set(found)):
        raise NotFound(f"Not deployed: {', '.join(missing)}. {_DEPLOY}")
    old = sorted(
        name
        for name, kind in taken.items()
        if _published(found[name], kind.__name__)
        != form_fields.with_empty_fields(kind.model_json_schema().get("properties", {}))
    )
    if old:
        raise FairModelsError(
            f"{', '.join(old)}: what is deployed takes other parameters than this version. {_DEPLOY}"
        )
    if nowhere := _nowhere(everything, found, settings):
        raise NotFound(
            f"{nowhere}, which the settings name. Add it under `also_in` to the file of your place, and "
            "deploy that: python -m deployments.deploy PLACE"
        )
    if paused := sorted(name for name, each in found.items() if name in taken and each["paused"]):
        raise FairModelsError(f"Paused: {', '.join(paused)}. Resume them on Prefect's pages")
    return f"all {len(found)} are there and of this version"


def _nowhere(everything: list[Json], found: Mapping[str, Json], settings: Settings) -> str | None:
    """What cannot be sent to the work pool of the settings."""
    sent = {"train": settings.train_pool}
    sent |= dict.fromkeys(("predict-shards", "cut-chips"), settings.predict_pool)
    for name, pool in sent.items():
        if pool and name in found:
            flow = found[name]["flow_id"]
            if not any(each["flow_id"] == flow and each["work_pool_name"] == pool for each in everything):
                return f"{name} is not deployed to work pool {pool}"
    return None


def _taken() -> dict[str, type[BaseModel]]:
    """What each deployment takes in this version."""
    requests = {name: cast(type[BaseModel], kind) for kind, name in DEPLOYMENTS.items()}
    return {**requests, "train": RunConfig}


def _http(settings: Settings) -> Http:
    return Http(settings.prefect_api_url, TIMEOUT_S, pauses_s=(0.5,), auth=settings.prefect_auth)


def _deployed(http: Http) -> list[Json]:
    """Our deployments, without those of other projects on the same server."""
    ours = _ours()
    return [each for each in _everything(http) if each["name"] in ours]


def _everything(http: Http) -> list[Json]:
    found: list[Json] = http.post("/deployments/filter", {"limit": _MOST})
    return found


def _ours() -> set[str]:
    return {*_taken(), *_listed()}


def _listed() -> set[str]:
    """Names in the prefect.yaml of the checkout, where there is one."""
    checkout = checkout_root()
    if checkout is None:
        return set()
    document = yaml.safe_load((checkout / "prefect.yaml").read_text(encoding="utf-8"))
    return {str(each["name"]) for each in document["deployments"]}


def _workers(http: Http, pool: str) -> int:
    found = http.post(f"/work_pools/{pool}/workers/filter", {})
    return sum(each["status"] == "ONLINE" for each in found)


def _published(deployment: Json, kind: str) -> Any:
    """The properties of `params` as the server has them, written as pydantic writes them."""
    schema = deployment["parameter_openapi_schema"]
    properties = schema.get("definitions", {}).get(kind, {}).get("properties")
    return json.loads(json.dumps(properties).replace("#/definitions/", "#/$defs/"))
