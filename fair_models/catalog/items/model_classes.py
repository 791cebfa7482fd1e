"""What a model tells apart."""

from __future__ import annotations

from pystac import Item

from fair_models.errors import InvalidItem
from fair_models.types import Json

BACKGROUND = "background"


def read(item: Item) -> list[str]:
    """Class names of a model; the position is the index, 0 the background.

    A model whose classes start at 1, as detectors have them, gets the background at 0.

    Raises:
        InvalidItem: Its first output has no classes, or their values leave gaps.
    """
    names, reasons = of_properties(item.properties)
    if reasons:
        raise InvalidItem(item.id, reasons)
    return names


def foreground(item: Item) -> list[str]:
    """Class names without the background."""
    return read(item)[1:]


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
