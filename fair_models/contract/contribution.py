"""A contributed model as a folder: what is in it and what its item names."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fair_models.contract.files import published_weights
from fair_models.contract.files.published_weights import PublishedWeights
from fair_models.errors import InvalidContribution, InvalidDocument, NotFound
from fair_models.store import atomic, documents
from fair_models.store.digests import checksum_file
from fair_models.types import Json

ITEM_FILE = "stac-item.json"
README_FILE = "README.md"
WEIGHTS_MODULE = "weights"
"""Module of a contribution that makes its initial weights."""

COLLECTION_FOLDER = "models"
"""Contributions in a folder of this name are imported as models.<folder>, as in a checkout."""


@dataclass(frozen=True)
class Contribution:
    """A model folder, read but not executed.

    folder: The folder, absolute.
    name: Name of the base model, e.g. "roofs".
    package: How its modules are imported where it was written, e.g. "models.roofs".
    template: The item as the contributor wrote it.
    entrypoint: Module with `Params`, `build`, `train`, `evaluate`, `export`; or module:pipeline.
    preprocess: "module:function" before the network.
    postprocess: "module:function" after the network.
    weights: File with the initial weights. Where they are published on the web, it is yet to be made.
    readme: The model card.
    """

    folder: Path
    name: str
    package: str
    template: Json
    entrypoint: str
    preprocess: str
    postprocess: str
    weights: Path
    readme: Path

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """The item's values by full key, e.g. {"training.epochs": 40}."""
        values: Mapping[str, Any] = self.template["properties"]["mlm:hyperparameters"]
        return values

    @property
    def published(self) -> PublishedWeights | None:
        """The weights on the web that it starts from; None for a contribution that ships its own."""
        having = [asset for asset in assets_of(self.template) if "mlm:weights" in asset["roles"]]
        return published_weights.of_asset(having[0]) if having else None

    @property
    def weights_command(self) -> str:
        """What makes its initial weights again; empty where it has no weights.py."""
        if not (self.folder / f"{WEIGHTS_MODULE}.py").is_file():
            return ""
        root = self.folder.parents[self.package.count(".")]
        there = "" if root == Path.cwd() else f"cd {shlex.quote(str(root))} && "
        return f"{there}python -m {self.package}.{WEIGHTS_MODULE}"

    @property
    def own_pipeline(self) -> bool:
        """Whether the item names a ZenML pipeline of the contribution's own (module:pipeline)."""
        return ":" in self.entrypoint


def read(folder: Path) -> Contribution:
    """Read a contribution. Nothing of it is executed.

    Args:
        folder: The model's folder, anywhere.

    Raises:
        NotFound: There is no such folder, or no stac-item.json in it.
        InvalidContribution: The item cannot be read or does not name what is needed; lists every reason.
    """
    folder = folder.expanduser().resolve()
    template = read_template(folder)
    found = _Named(template)
    if found.reasons:
        raise InvalidContribution(folder.name, found.reasons)
    return Contribution(
        folder=folder,
        name=found.name,
        package=package_of(folder),
        template=template,
        entrypoint=found.entrypoint,
        preprocess=found.preprocess,
        postprocess=found.postprocess,
        weights=folder / found.weights,
        readme=folder / README_FILE,
    )


def read_template(folder: Path) -> Json:
    """The item of a contribution as it was written.

    Raises:
        NotFound: There is no such folder, or no stac-item.json in it.
        InvalidContribution: It is no JSON object, or cannot be read as one.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}. Name the folder of a contribution, e.g. models/roofs.")
    path = folder / ITEM_FILE
    if not path.is_file():
        raise NotFound(f"{folder} has no {ITEM_FILE}. Name a folder that holds a contribution.")
    try:
        template = documents.read_json(path)
    except InvalidDocument as error:
        raise InvalidContribution(folder.name, [f"{ITEM_FILE}: {each}" for each in error.reasons]) from error
    if not isinstance(template, dict):
        raise InvalidContribution(folder.name, [f"{ITEM_FILE} holds no JSON object"])
    return template


def package_of(folder: Path) -> str:
    """How a contribution's modules are named: models.<folder> in a folder `models`, else by the folder."""
    return f"{COLLECTION_FOLDER}.{folder.name}" if folder.parent.name == COLLECTION_FOLDER else folder.name


def note_weights(folder: Path) -> None:
    """Write digest and size of the weights into a contribution's item; the rest of the file stays as it is.

    Raises:
        NotFound: There is no item, or no file of weights.
        InvalidContribution: The item names no weights.
    """
    template = read_template(folder)
    href = _Named(template).weights
    if not href:
        raise InvalidContribution(folder.name, ["no asset of its item has the role mlm:weights and an href"])
    weights = folder / href
    changed = deepcopy(template)
    asset = next(each for each in changed["assets"].values() if _object(each).get("href") == href)
    text = (folder / ITEM_FILE).read_text(encoding="utf-8")
    for key, value in {"file:checksum": checksum_file(weights), "file:size": weights.stat().st_size}.items():
        before, after = (f'"{key}": {json.dumps(each)}' for each in (asset.get(key), value))
        text = text.replace(before, after, 1)
        asset[key] = value
    # The text is kept as people have laid it out, unless it held these two in another way.
    same = documents.parse_json(text.encode(), ITEM_FILE) == changed
    atomic.write_bytes(folder / ITEM_FILE, text.encode() if same else atomic.encode_json(changed))


def assets_of(template: Json) -> list[Json]:
    """The assets of an item as it was written, what is malformed in them left out."""
    return [
        asset | {"roles": [role for role in _list(asset.get("roles")) if isinstance(role, str)]}
        for asset in map(_object, _object(template.get("assets")).values())
    ]


class _Named:
    """What an item names, gathered with everything that is missing."""

    def __init__(self, template: Json) -> None:
        self.reasons: list[str] = []
        properties = _object(template.get("properties"))
        self.name = self._text(properties.get("mlm:name"), "properties.mlm:name: is missing; name the model")
        self.preprocess = self._function(properties, "mlm:input", "pre_processing_function")
        self.postprocess = self._function(properties, "mlm:output", "post_processing_function")
        self.entrypoint = self._asset(template, {"mlm:source_code", "code"}, "mlm:entrypoint")
        self.weights = self._asset(template, {"mlm:weights"}, "href")
        if not isinstance(properties.get("mlm:hyperparameters"), dict):
            self.reasons.append(
                "properties.mlm:hyperparameters: is missing; give each hyperparameter its default"
            )

    def _text(self, value: Any, reason: str) -> str:
        if isinstance(value, str) and value:
            return value
        self.reasons.append(reason)
        return ""

    def _function(self, properties: Json, field: str, name: str) -> str:
        entry = _object(next(iter(_list(properties.get(field))), None))
        return self._text(
            _object(entry.get(name)).get("expression"),
            f"properties.{field}[0].{name}: is missing; name a function as "
            '{"format": "python", "expression": "module:function"}',
        )

    def _asset(self, template: Json, roles: set[str], field: str) -> str:
        having = [asset for asset in assets_of(template) if not roles.isdisjoint(asset["roles"])]
        return self._text(
            having[0].get(field) if having else None,
            f"assets: none with the role {sorted(roles)[-1]} has {field}; add it",
        )


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
