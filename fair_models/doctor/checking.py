"""All checks in order, and what comes of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from fair_models.doctor import machine, registry_places, server, trackers, web_service
from fair_models.errors import FairModelsError
from fair_models.settings import Settings

Check = Callable[[Settings], str]
"""Uses one part. Says what works, or raises with what is wrong and what to do."""

CHECKS: Mapping[str, Check] = {
    "store": registry_places.store,
    "catalogue": registry_places.catalogue,
    "official schemas": registry_places.official_schemas,
    "Prefect": server.api,
    "work pools": server.pools,
    "deployments": server.deployments,
    "registry service": web_service.answers,
    "ZenML": trackers.zenml,
    "MLflow": trackers.mlflow,
    "disk": machine.disk,
    "extras": machine.extras,
    "GDAL": machine.gdal,
}

_SECRETS = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "PREFECT_API_AUTH_STRING",
    "PREFECT_API_KEY",
    "ZENML_STORE_API_KEY",
    "FAIR_CATALOG",
)
_SHORTEST = 4


@dataclass(frozen=True)
class Finding:
    """What became of one check.

    part: What was checked, for people.
    works: Whether it works.
    says: What works, or what is wrong and what to do.
    """

    part: str
    works: bool
    says: str


def check(settings: Settings) -> Iterator[Finding]:
    """Check everything, one part after the other. A part that breaks does not keep the others from it."""
    for part, use in CHECKS.items():
        try:
            yield Finding(part, True, one_line(use(settings)))
        except FairModelsError as error:
            yield Finding(part, False, one_line(str(error)))
        except Exception as error:  # whatever a library raises is what is wrong with its part
            yield Finding(part, False, one_line(f"{type(error).__name__}: {error}"))


def one_line(text: str) -> str:
    """A text in one line, in which no secret of the environment can be read."""
    for name in _SECRETS:
        value = os.environ.get(name, "")
        if name == "FAIR_CATALOG":
            value = value.partition("://")[2].rpartition("@")[0].partition(":")[2]
        if len(value) >= _SHORTEST:
            text = text.replace(value, "***")
    return " ".join(text.split())
