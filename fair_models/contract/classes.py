"""Contributions whose classes may follow the dataset: their `build` and `postprocess` take them by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fair_models.catalog.items import model_classes
from fair_models.types import Json

PARAMETER = "classes"
"""Name of the parameter: class names, the position is the index, 0 the background. It has a default."""


def of_template(template: Json) -> list[str]:
    """Class names of an item as it was written; empty where it does not say them rightly."""
    properties = template.get("properties")
    try:
        names, reasons = model_classes.of_properties(properties if isinstance(properties, dict) else {})
    except (AttributeError, IndexError, KeyError, TypeError):
        return []  # the profile says what is wrong with them
    return [] if reasons else names


def bound(function: Callable[..., Any], classes: Sequence[str]) -> Callable[..., Any]:
    """A contribution's function with the classes of the model at hand, where it takes any.

    Args:
        function: `build`, or `postprocess`.
        classes: Class names; the position is the index, 0 the background. None: the function's own.
    """
    return partial(function, classes=tuple(classes)) if classes and takes(function) else function


def takes(function: Callable[..., Any]) -> bool:
    """Whether a function has a parameter for the classes."""
    try:
        return PARAMETER in inspect.signature(function).parameters
    except (ValueError, TypeError):
        return False
