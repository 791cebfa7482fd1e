"""Whether functions can be called as the contract calls them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel

from fair_models.contract.protocol import Adopting, Calibrating, MakingAssets, Pipeline, Processing

PIPELINE_FUNCTIONS = ("build", "train", "evaluate", "export")
OPTIONAL_FUNCTIONS = {"adopt": Adopting, "calibrate": Calibrating, "extra_assets": MakingAssets}


def processing_problems(preprocess: Any, postprocess: Any) -> list[str]:
    """What is wrong with a pair of processing functions, in sentences; empty where nothing is."""
    return [
        *_problems("preprocess", preprocess, Processing.preprocess),
        *_problems("postprocess", postprocess, Processing.postprocess),
    ]


def pipeline_problems(module: Any) -> list[str]:
    """What is wrong with a pipeline module, in sentences; empty where nothing is."""
    return [*_params_problems(module), *_function_problems(module)]


def _params_problems(module: Any) -> Iterator[str]:
    params = getattr(module, "Params", None)
    if params is None:
        yield "Params is missing: add a pydantic model with the training hyperparameters"
    elif not (isinstance(params, type) and issubclass(params, BaseModel)):
        yield f"Params is {params!r}, should be a pydantic model"
    elif needed := [name for name, field in params.model_fields.items() if field.is_required()]:
        yield f"Params has no default for {', '.join(needed)}: give each hyperparameter one"


def _function_problems(module: Any) -> Iterator[str]:
    for name in PIPELINE_FUNCTIONS:
        yield from _problems(name, getattr(module, name, None), getattr(Pipeline, name))
    for name, protocol in OPTIONAL_FUNCTIONS.items():
        if getattr(module, name, None) is not None:
            yield from _problems(name, getattr(module, name), getattr(protocol, name))


def _problems(name: str, function: Any, wanted: Callable[..., Any]) -> Iterator[str]:
    names = list(inspect.signature(wanted).parameters)[1:]  # without self
    should = f"{name}({', '.join(names)})"
    if function is None:
        yield f"{name} is missing: add the function {should}"
        return
    if not callable(function):
        yield f"{name} is {type(function).__name__}, should be the function {should}"
        return
    try:
        given = inspect.signature(function)
    except (ValueError, TypeError):
        yield f"{name} does not say its parameters, should be the function {should}"
        return
    if not _takes(given, names):
        yield f"{name}{_plain(given)} cannot be called as {should}: use these parameters in this order"


def _takes(given: inspect.Signature, names: list[str]) -> bool:
    """Whether the parameters can be passed by place as well as by name; further ones need defaults."""
    kinds = inspect.Parameter
    positional = [
        parameter.name
        for parameter in given.parameters.values()
        if parameter.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
    ]
    try:
        given.bind(*names)
        given.bind(**dict.fromkeys(names))
    except TypeError:
        return False
    return positional[: len(names)] == names[: len(positional)]


def _plain(signature: inspect.Signature) -> str:
    """The parameters as they would be called, without annotations."""
    return f"({', '.join(signature.parameters)})"
