"""Our own JSON Schemas: where they lie, and checkers that are built once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import orjson

import fair_models
from fair_models.errors import NotFound
from fair_models.json_schema.checker import Checker
from fair_models.types import Json

PROFILES = {"base-models": "base-model", "local-models": "local-model", "datasets": "dataset"}
"""Which profile the items of a collection follow."""

PREDICTION = "prediction"
"""The profile of items without a collection that lie beside a prediction's files."""

_PARTS = ("common", "keywords", *PROFILES.values(), PREDICTION)


_BASE = "file:///schemas/"
"""What the schemas' names stand below while they are checked; nothing is read from there."""


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
def checker(name: str) -> Checker:
    """The checker of one schema by name, e.g. "base-model", or of a part: "keywords.json#/$defs/dataset"."""
    address = name if "#" in name else f"{name}.json"
    schemas = {f"{_BASE}{part}.json": read(part) for part in _PARTS}
    return Checker(f"{_BASE}{address}", schemas, formats=True)
