"""Which ML task makes what of the labels."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

import numpy as np

from fair_models.catalog.schemas.keywords import SEARCH
from fair_models.errors import NotFound
from fair_models.types import Array

Targets = Callable[..., Array]
"""Makes the target of one sample from the labels; see the `targets` module of each task."""

_MODULES = {
    "semantic-segmentation": "fair_models.ml_tasks.segmentation.targets",
    "instance-segmentation": "fair_models.ml_tasks.segmentation.targets",
    "segmentation": "fair_models.ml_tasks.segmentation.targets",
    "object-detection": "fair_models.ml_tasks.detection.targets",
    "detection": "fair_models.ml_tasks.detection.targets",
    "scene-classification": "fair_models.ml_tasks.classification.targets",
    "classification": "fair_models.ml_tasks.classification.targets",
}


def targets_for(task: str) -> Targets:
    """What makes targets of labels for an ML task.

    Args:
        task: As in `mlm:tasks`, e.g. "semantic-segmentation".

    Raises:
        NotFound: No part of fair-models trains this task; those that are trained are named.
    """
    module = _MODULES.get(task)
    if module is None:
        known = ", ".join(sorted(_MODULES))
        raise NotFound(
            f"fair-models has no targets for the ML task {task!r}; it has them for {known}. "
            "A model of another task names a ZenML pipeline of its own as its entrypoint."
        )
    return cast(Targets, import_module(module).from_labels)


def labelled(task: str, targets: Array) -> Array:
    """Which samples have anything that can be learnt or measured, for an ML task.

    Args:
        task: As in `mlm:tasks`.
        targets: Those of samples, see `data.samples.Samples`.

    Returns:
        Bool, shape (n,).
    """
    if reads_captions(task):
        captions: Array = (targets != b"").any(axis=1)
        return captions
    module = _MODULES.get(task)
    if module is None:
        return np.ones(len(targets), bool)
    return cast(Array, import_module(module).labelled(targets))


def reads_captions(task: str) -> bool:
    """Whether an ML task learns from captions of whole images instead of what is drawn on the ground."""
    return task == SEARCH
