"""Holds documents against JSON Schemas with jsonschema-rs. `$` ends a text there, as ECMA 262 has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from fair_models.types import Json

if TYPE_CHECKING:
    from jsonschema_rs import Registry, Resolver, ValidationError, Validator

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Violation:
    """Where a document breaks a schema.

    place: Keys and indexes that lead there.
    keyword: The keyword of JSON Schema that it breaks; "" where nothing may be there at all.
    schema: The schema that has the keyword.
    found: The value that breaks it. A number that JSON does not have is None.
    description: The nearest description of the value: of that schema, or of one around it.
    branches: For `anyOf` and `oneOf` what is wrong by each of them.
    missing: Name of a field that is not there and must be.
    surplus: Names of fields that may not be there.
    message: What jsonschema-rs says.
    """

    place: tuple[str | int, ...]
    keyword: str
    schema: Json
    found: Any
    description: str = ""
    branches: Sequence[Sequence[Violation]] = field(default_factory=list)
    missing: str = ""
    surplus: Sequence[str] = ()
    message: str = ""


class Checker:
    """Checks documents against one schema. To build one costs some milliseconds.

    Args:
        address: Address of the schema, or of a part of it: "https://example.org/common.json#/$defs/link".
        schemas: It and all that it refers to, by address. Nothing is fetched.
        draft: The draft of schemas that say none.
        formats: Whether `format` is checked.

    Raises:
        ValueError: The schema is none, has a pattern that ECMA 262 does not know, or refers to one that is
            not among them.
    """

    def __init__(
        self, address: str, schemas: Mapping[str, Json], *, draft: str = DRAFT_2020, formats: bool = False
    ) -> None:
        import jsonschema_rs

        stated = {name: {"$schema": draft, **schema} for name, schema in schemas.items()}
        jsonschema_rs.meta.validate(stated[address.partition("#")[0]])
        self._root: Json = {"$schema": draft, "$ref": address}
        self._registry: Registry = jsonschema_rs.Registry(list(stated.items()))
        self._validator: Validator = jsonschema_rs.validator_for(
            self._root, registry=self._registry, validate_formats=formats, offline=True
        )
        self._resolver: Resolver = self._registry.resolver(address)
        self._known: dict[tuple[str, str], tuple[Json, Resolver]] = {}

    def is_valid(self, document: Any) -> bool:
        """Whether a document keeps the schema."""
        try:
            return self._validator.is_valid(document)
        except ValueError:  # it holds what JSON does not have
            return False

    def violations(self, document: Any) -> Iterator[Violation]:
        """Everything that is wrong with a document."""
        try:
            yield from map(self._violation, self._validator.iter_errors(document))
        except ValueError as error:
            yield Violation((), "", {}, None, message=f"holds what JSON does not have: {error}")

    def _violation(self, error: ValidationError) -> Violation:
        passed = self._schemas_around(error)
        kind = error.kind
        return Violation(
            place=tuple(error.instance_path),
            keyword="" if kind.name == "falseSchema" else str(error.evaluation_path[-1]),
            schema=passed[-1] if passed else {},
            found=kind.value.instance if kind.name == "propertyNames" else error.instance,
            description=next((text for each in reversed(passed) if (text := _description(each))), ""),
            branches=[list(map(self._violation, branch)) for branch in getattr(kind, "context", ())],
            missing=getattr(kind, "property", ""),
            surplus=getattr(kind, "unexpected", ()),
            message="" if kind.name == "falseSchema" else error.message,
        )

    def _schemas_around(self, error: ValidationError) -> list[Json]:
        """The schemas that say something of a value or of the list that it is in, the innermost last."""
        here: Any = self._root
        resolver, passed, is_field = self._resolver, list[Json](), False
        for part in error.evaluation_path[:-1]:
            if part == "$ref" and not is_field:
                here, resolver = self._followed(here["$ref"], resolver)
            else:
                here = here[part]
            is_field = not is_field and part in {"properties", "patternProperties"}  # the next part names one
            if is_field:
                passed.clear()
            elif isinstance(here, dict):
                passed.append(here)
        return passed

    def _followed(self, reference: str, resolver: Resolver) -> tuple[Json, Resolver]:
        """What a `$ref` leads to, read once: a schema can be large."""
        key = (resolver.base_uri, reference)
        if key not in self._known:
            found = resolver.lookup(reference)
            self._known[key] = cast(Json, found.contents), found.resolver
        return self._known[key]


def _description(schema: Json) -> str:
    text = schema.get("description")
    return text if isinstance(text, str) else ""
