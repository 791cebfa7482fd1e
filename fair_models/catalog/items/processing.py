"""Which functions an item names for before and after the network."""

from __future__ import annotations

from pystac import Item

from fair_models.errors import InvalidItem
from fair_models.types import Json


def expressions(item: Item) -> tuple[str, str]:
    """Pre- and post-processing of a model as "module:function", e.g. "models.roofs.processing:preprocess".

    Raises:
        InvalidItem: The item names none, several, or some in another language than Python.
    """
    places = (("mlm:input", "pre_processing_function"), ("mlm:output", "post_processing_function"))
    found = [_expression(item.properties, *place) for place in places]
    reasons = [
        f"properties.{field}[0].{name}: should name one Python function as "
        '{"format": "python", "expression": "module:function"}'
        for (field, name), expression in zip(places, found, strict=True)
        if expression is None
    ]
    if reasons:
        raise InvalidItem(item.id, reasons)
    return str(found[0]), str(found[1])


def _expression(properties: Json, field: str, name: str) -> str | None:
    entries = properties.get(field) or [{}]
    function = entries[0].get(name)
    if isinstance(function, list) and len(function) == 1:
        function = function[0]
    if not isinstance(function, dict) or function.get("format") != "python":
        return None
    expression = function.get("expression")
    return expression if isinstance(expression, str) and ":" in expression else None
