"""Resources of a job in the work pool that starts it: image, memory, cores, GPUs, nodes.

The item says what its model needs; the settings add to it. Only the variables here are ever set for a run,
and only those that the pool's base job template has: an item cannot set commands, volumes, accounts or
environment variables.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fair_models.errors import Invalid
from fair_models.settings import Settings

if TYPE_CHECKING:
    from pystac import Item

ALLOWED = ("image", "memory_request", "memory_limit", "cpu_request", "gpu_count", "node_selector")
"""Job variables that may be set for a run."""

_GPUS = frozenset({"cuda", "amd-rocm", "intel-ipex-gpu", "xla"})
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_MIN_MEMORY = "2Gi"
"""Memory of Python and its libraries, if neither the settings nor the pool name any."""

_TIMES_TRAINING = 4
"""Weights, their gradients and AdamW's two moments."""


@dataclass(frozen=True)
class Defaults:
    """Resources from the settings, besides the model's own needs. None: the pool's."""

    pool: str | None
    image: str | None
    memory: str | None
    cpu: str | None


def defaults(settings: Settings, role: str) -> Defaults:
    """The resources that the settings name for trainings or for predictions.

    Args:
        settings: Settings of this process.
        role: The runtime's: "mlm:training-runtime" or "mlm:inference-runtime".
    """
    if _is_training(role):
        return Defaults(settings.train_pool, settings.train_image, settings.train_memory, settings.train_cpu)
    return Defaults(
        settings.predict_pool, settings.predict_image, settings.predict_memory, settings.predict_cpu
    )


def job_variables(
    item: Item | None, role: str, pool: str, template: Mapping[str, Any], settings: Settings
) -> dict[str, Any]:
    """The variables of a job that runs a model, or does other work in the same runtime.

    Args:
        item: The model; None where there is none.
        role: Which of its runtimes.
        pool: Name of the work pool, for messages.
        template: The pool's base job template.
        settings: Settings of this process.

    Raises:
        Invalid: The model needs an image or a GPU, and the pool knows neither.
    """
    from fair_models.catalog.items import assets

    known: Mapping[str, Any] = template.get("variables", {}).get("properties", {})
    given = defaults(settings, role)
    if item is None:
        wanted = {"image": given.image, "cpu_request": given.cpu, "memory_request": given.memory}
        return {name: value for name, value in wanted.items() if name in known and value is not None}
    own = assets.image(item, role)
    if own is not None and "image" not in known:
        raise Invalid(
            f"{item.id} runs in the image {own}, and work pool {pool} starts none. "
            "Deploy to a Docker or Kubernetes pool, and name it in the settings"
        )
    wanted = {
        "image": own or given.image,
        "cpu_request": given.cpu,
        **_memory(item, role, given.memory, known),
        **_accelerator(item, pool, settings, known),
    }
    return {name: wanted[name] for name in ALLOWED if name in known and wanted.get(name) is not None}


def _memory(item: Item, role: str, given: str | None, known: Mapping[str, Any]) -> dict[str, str]:
    """The memory of the pool or of the settings, plus what the model needs."""
    size = item.properties.get("mlm:memory_size") or 0
    need = int(size) * (_TIMES_TRAINING if _is_training(role) else 1)
    if not need and not given:
        return {}
    request = _bytes(given or _default(known, "memory_request") or _MIN_MEMORY) + need
    wanted = {"memory_request": _mebibytes(request)}
    limit = _default(known, "memory_limit")
    if limit is not None:
        wanted["memory_limit"] = _mebibytes(max(_bytes(limit) + need, request))
    return wanted


def _accelerator(item: Item, pool: str, settings: Settings, known: Mapping[str, Any]) -> dict[str, Any]:
    """GPUs, and nodes that have them, where the item names an accelerator."""
    kind = item.properties.get("mlm:accelerator")
    if kind is None:
        return {}
    wanted: dict[str, Any] = {}
    if kind in _GPUS:
        if "gpu_count" in known:
            wanted["gpu_count"] = int(item.properties.get("mlm:accelerator_count") or 1)
        elif item.properties.get("mlm:accelerator_constrained") and "image" in known:
            raise Invalid(
                f"{item.id} runs on {kind} alone, and work pool {pool} gives no GPU. "
                "Name a pool in the settings whose base job template has the variable gpu_count"
            )
    if labels := settings.accelerator_nodes.get(kind):
        wanted["node_selector"] = {**(_default(known, "node_selector") or {}), **labels}
    return wanted


def _is_training(role: str) -> bool:
    from fair_models.catalog.items import assets

    return role == assets.TRAINING_RUNTIME


def _default(known: Mapping[str, Any], name: str) -> Any:
    return known.get(name, {}).get("default")


def _bytes(quantity: str) -> int:
    found = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(quantity).strip())
    if found is None or found[2] not in _UNITS:
        raise Invalid(f"{quantity!r} is no amount of memory: write it as 4Gi or 512Mi")
    return int(float(found[1]) * _UNITS[found[2]])


def _mebibytes(count: int) -> str:
    return f"{math.ceil(count / 2**20)}Mi"
