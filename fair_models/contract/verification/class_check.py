"""Whether a network tells apart the classes of its item, and others where the item says that it can."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from fair_models.catalog.items import model_classes
from fair_models.contract import classes
from fair_models.contract.call import called
from fair_models.contract.verification import instance_check
from fair_models.errors import InvalidContribution
from fair_models.ml_tasks import weights
from fair_models.types import Json

if TYPE_CHECKING:
    from torch import Tensor, nn

_DIMENSIONS = {"channel", "channels", "class", "classes"}


def check(
    template: Json,
    build: Callable[..., nn.Module],
    postprocess: Callable[..., Any],
    params: BaseModel,
) -> None:
    """Build a contribution's network for one class more, if its item has `fair:class_layers`.

    Args:
        template: The item as it was written.
        build: The contribution's own.
        postprocess: The contribution's own, as it was imported.
        params: The contribution's `Params` with the values of its item.

    Raises:
        InvalidContribution: It cannot be trained on other classes as it says; lists every reason.
    """
    name = str(template.get("id"))
    layers = template.get("properties", {}).get(model_classes.LAYERS)
    own = classes.of_template(template)
    if not own or not isinstance(layers, list) or not all(isinstance(each, str) for each in layers):
        return  # it keeps its classes, or the profile has said what is wrong
    reasons = [
        f"{model_classes.LAYERS} says that its classes follow the dataset, and {what} takes none: add the "
        f"parameter {classes.PARAMETER} with the item's as its default"
        for what, function in {"build": build, "postprocess": postprocess}.items()
        if not classes.takes(function)
    ]
    if not reasons:
        usual = called(name, "build", classes.bound(build, own), params)
        wider = called(name, "build", classes.bound(build, [*own, "another"]), params)
        reasons += _layer_problems(layers, usual.state_dict(), wider.state_dict())
    if reasons:
        raise InvalidContribution(name, reasons)


def check_output(template: Json, network: nn.Module, pixels: Tensor) -> None:
    """Compare what a network gives with the shape that its item says. Other outputs than one are left alone.

    Raises:
        InvalidContribution: It gives another number of scores than the item has classes.
    """
    import torch

    name = str(template.get("id"))
    with torch.no_grad():
        given = called(name, "the network", network.eval(), pixels)
    result = template["properties"]["mlm:output"][0]["result"]
    if not isinstance(given, torch.Tensor) or given.ndim != len(result["shape"]):
        return
    for size, said, dimension in zip(given.shape, result["shape"], result["dim_order"], strict=True):
        reason = _size_problem(template, size, said) if dimension in _DIMENSIONS else None
        if reason:
            raise InvalidContribution(name, [reason])


def _size_problem(template: Json, size: int, said: int) -> str | None:
    """Why a network cannot have so many scores; None where it can."""
    own = classes.of_template(template)
    apart = instance_check.tells_objects_apart(template)
    cure = (
        "one for each class, and at least one more for the interiors of objects"
        if apart
        else "one for each class"
    )
    if said not in {-1, size}:
        return (
            f"the network gives {size} scores, mlm:output[0].result.shape says {said}: let both have {cure}"
        )
    if apart and own and size <= len(own):
        return f"the network gives {size} scores for the classes {', '.join(own)}: let it have {cure}"
    return None


def _layer_problems(
    layers: list[str], usual: Mapping[str, Tensor], wider: Mapping[str, Tensor]
) -> Iterator[str]:
    unknown = [layer for layer in layers if not any(weights.is_of(name, [layer]) for name in usual)]
    if unknown:
        named = ", ".join(unknown)
        yield f"{model_classes.LAYERS} names {named}, which the network does not have: correct it"
    left = [
        name
        for name in sorted({*usual, *wider})
        if not weights.is_of(name, layers)
        and (name not in usual or name not in wider or usual[name].shape != wider[name].shape)
    ]
    if left:
        yield (
            f"with one class more {', '.join(left)} change too, which {model_classes.LAYERS} does not name: "
            "name their layers, so that a training makes them new"
        )
    if all(name in wider and tensor.shape == wider[name].shape for name, tensor in usual.items()):
        yield "build makes the same network for one class more: let its last layer have a score for each"
