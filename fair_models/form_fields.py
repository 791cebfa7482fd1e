"""How deployments publish their parameters: JSON Schema in the form that Prefect's pages show best.

Prefect's form shows alternatives ("a text or null") as tabs. Its server takes null for all that is not
required and has no default, and a field that is left empty is not sent. So optional texts and numbers are
published as plain fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fair_models.types import Json

_FIELDS = frozenset({"string", "integer", "number"})


def with_empty_fields(properties: Mapping[str, Json]) -> dict[str, Json]:
    """The properties of a model as they are published: optional texts and numbers as plain fields.

    Args:
        properties: As pydantic writes them.
    """
    return {name: _as_field(told) for name, told in properties.items()}


def _as_field(told: dict[str, Any]) -> dict[str, Any]:
    alternatives = [each for each in told.get("anyOf", []) if each != {"type": "null"}]
    if told.get("default", ...) is not None or len(alternatives) != 1:
        return told
    [kind] = alternatives
    if kind.get("type") not in _FIELDS or kind.keys() & {"enum", "const"}:
        return told
    rest = {name: value for name, value in told.items() if name not in {"anyOf", "default"}}
    return {**kind, **rest}
