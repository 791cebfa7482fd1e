"""Our own JSON Schemas: where they lie, and validators that are built once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import orjson

import fair_models
from fair_models import schema_patterns
from fair_models.errors import NotFound
from fair_models.json_schema import checker as quick_check
from fair_models.json_schema.checker import QuickCheck
from fair_models.types import Json

PROFILES = {"base-models": "base-model", "local-models": "local-model", "datasets": "dataset"}
"""Which profile the items of a collection follow."""

PREDICTION = "prediction"
"""The profile of items without a collection that lie beside a prediction's files."""

_PARTS = ("common", "keywords", *PROFILES.values(), PREDICTION)


class Validator(Protocol):
    """What jsonschema's validators offer."""

    def iter_errors(self, instance: Any) -> Iterator[Any]:
        """Everything that is wrong with a document."""


@cache
def folder() -> Path:
    """The folder with our schemas: `fair_models/schemas` in a wheel, `schemas/` in a checkout."""
    package = Path(fair_models.__file__).resolve().parent
    for candidate in (package / "schemas", package.parent / "schemas"):
        if (candidate / "common.json").is_file():
            return candidate
    raise NotFound(f"The schemas of fair-models are missing beside {package}: install the package again")


@cache
def read(name: str) -> Json:
    """One schema by the stem of its file, e.g. "base-model", "keywords", "run-config"."""
    path = folder() / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in folder().glob("*.json")))
        raise NotFound(f"There is no schema {name}; there are {known}")
    schema: Json = orjson.loads(path.read_bytes())
    return schema


@cache
def validator(name: str) -> Validator:
    """The validator of one schema by name, e.g. "base-model", or of a part: "keywords.json#/$defs/dataset".

    Building one costs some 10 ms, so each process does so once.
    """
    from jsonschema import FormatChecker
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    # Without "$schema": jsonschema would change to its own validator wherever a schema says one.
    plain = {part: {key: value for key, value in read(part).items() if key != "$schema"} for part in _PARTS}
    registry: Any = Registry().with_resources(
        (f"{part}.json", DRAFT202012.create_resource(schema)) for part, schema in plain.items()
    )
    schema = {"$ref": name if "#" in name else f"{name}.json"}
    checker = FormatChecker(formats=["date-time"])
    built: Validator = schema_patterns.strict()(schema, registry=registry.crawl(), format_checker=checker)
    return built


@cache
def quick(name: str) -> QuickCheck | None:
    """A validator of the same schema that only says whether a document is right; see `quick_check`."""
    schemas = {f"{part}.json": read(part) for part in _PARTS}
    return quick_check.build(name if "#" in name else f"{name}.json", schemas, formats=True)
