"""What a model tells apart, and its item rewritten for other classes that it was trained on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from copy import deepcopy

from pystac import Item

from fair_models.errors import InvalidItem
from fair_models.types import Json

BACKGROUND = "background"

LAYERS = "fair:class_layers"
"""Layers of the network that a training makes new where the dataset has other classes than the model."""

THINGS = "fair:thing_classes"
"""Classes whose objects are told apart, as buildings are; the others are connected ground, as roads are."""

INSTANCES = "instance-segmentation"
"""The task of a network that has more channels than classes: they say where the interiors of objects are."""

_DIMENSIONS = {"channel", "channels", "class", "classes"}


def of_properties(properties: Json) -> tuple[list[str], list[str]]:
    """Class names in a model's properties, and what is wrong with them."""
    outputs = properties.get("mlm:output") or [{}]
    classes = {entry["value"]: entry["name"] for entry in outputs[0].get("classification:classes", [])}
    values = [entry["value"] for entry in outputs[0].get("classification:classes", [])]
    where = "properties.mlm:output[0].classification:classes"
    if not classes:
        return [], [f"{where}: is empty; name the classes that the model tells apart"]
    names = [classes[value] for value in sorted(classes)]
    reasons = [
        f"{where}: holds the name {name} twice" for name in dict.fromkeys(names) if names.count(name) > 1
    ]
    reasons += [f"{where}: holds the value {value} twice" for value in classes if values.count(value) > 1]
    first = min(classes)
    if sorted(classes) != list(range(first, first + len(classes))) or first > 1:
        reasons.append(
            f"{where}: has the values {sorted(classes)}, should count up from 0 (the background) or 1"
        )
    elif first == 1:
        names = [BACKGROUND, *names]
    return names, reasons


def further_channels(output: Json) -> int:
    """How many channels a network has besides those of classes, by an output of an item's `mlm:output`.

    None, but where the task is to tell objects apart: then at least one says where their interiors are. A
    network may have more for it, such as boundaries and contacts, as far as the shape says so.
    """
    if INSTANCES not in output.get("tasks", ()):
        return 0
    result = output["result"]
    sizes: dict[str, int] = dict(zip(result["dim_order"], result["shape"], strict=False))
    said = max((size for name, size in sizes.items() if name in _DIMENSIONS), default=0)
    return max(1, said - len(output["classification:classes"]))


def things_among(
    things: Sequence[str] | None, own: Sequence[str], classes: Sequence[str]
) -> list[str] | None:
    """Which classes that a model is trained on have objects that are told apart.

    A class that the model knows stays what it was; one that is new to it has objects.

    Args:
        things: `fair:thing_classes` of the model; None where it does not say any.
        own: The model's class names; the position is the index, 0 the background.
        classes: Those that it is trained on, likewise.

    Returns:
        In the order of the classes; None where the model does not say any: all but the background.
    """
    if things is None:
        return None
    return [name for name in classes[1:] if name in things or name not in own]


def following(item: Item, classes: Sequence[str], things: Sequence[str] = ()) -> Item:
    """A model's item as one that tells other classes apart: its outputs, and metrics of each class.

    Args:
        item: A base or local model.
        classes: Class names that it was trained on; the position is the index, 0 the background.
        things: Those whose objects its training told apart. Empty: as `things_among` has it.

    Returns:
        The item itself where these are its classes; else a copy.
    """
    own, reasons = of_properties(item.properties)
    if reasons:
        raise InvalidItem(item.id, reasons)
    said = item.properties.get(THINGS)
    told_apart = list(things) or things_among(said, own, classes)
    if list(classes) == own and set(told_apart or ()) == set(said or ()):
        return item
    changed = item.clone()
    if told_apart:
        changed.properties[THINGS] = told_apart
    output = changed.properties["mlm:output"][0]
    more = further_channels(output)
    _resize(output["result"], len(own) + more, len(classes) + more)
    output["classification:classes"] = _entries(output["classification:classes"], classes)
    metrics = changed.properties["fair:metrics_spec"]
    changed.properties["fair:metrics_spec"] = list(_metrics(metrics, own, classes))
    return changed


def _resize(result: Json, before: int, after: int) -> None:
    """The size of the dimension that has the channels."""
    result["shape"] = [
        after if dimension in _DIMENSIONS and size == before else size
        for size, dimension in zip(result["shape"], result["dim_order"], strict=True)
    ]


def _entries(before: Sequence[Json], classes: Sequence[str]) -> list[Json]:
    """One entry for each class, counted from 0; those that the model had keep their words."""
    known = {entry["name"]: entry for entry in before}
    return [
        {**deepcopy(known.get(name, {"name": name, "description": _words(name)})), "value": value}
        for value, name in enumerate(classes)
    ]


def _metrics(entries: Sequence[Json], own: Sequence[str], classes: Sequence[str]) -> Iterator[Json]:
    """Metrics of the whole as they are; those of the first foreground class once for each new one."""
    pattern = own[1]
    for entry in entries:
        owner = _owner(entry["key"], own)
        if owner is None or (owner in classes and owner != pattern):
            yield deepcopy(entry)
        elif owner == pattern:
            for name in classes[1:]:
                yield entry if name == owner else _renamed(entry, owner, name)


def _owner(key: str, classes: Sequence[str]) -> str | None:
    """The class that a metric is of, e.g. "building" for fair:building_iou."""
    having = [name for name in classes if key.startswith(f"fair:{name}_")]
    return max(having, key=len, default=None)


def _renamed(entry: Json, before: str, after: str) -> Json:
    """An entry rewritten for another class. A minimum was set for the class that it had."""
    changed = deepcopy(entry)
    changed.pop("minimum", None)
    changed["key"] = entry["key"].replace(f"fair:{before}_", f"fair:{after}_", 1)
    for field in ("name", "description"):
        if field in changed:
            changed[field] = _reworded(changed[field], before, after)
    return changed


def _reworded(text: str, before: str, after: str) -> str:
    words = _words(after)
    first = words[:1].lower() + words[1:]
    text = re.sub(rf"\b{re.escape(before.capitalize())}\b", words, text)
    return re.sub(rf"\b{re.escape(before)}\b", first, text)


def _words(name: str) -> str:
    """A class name for people: "roof_tiles" is "Roof tiles"."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]
