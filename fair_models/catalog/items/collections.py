"""The three collections: what they say of themselves, and what they sum up of their items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from fair_models.catalog.items.building import ROLES
from fair_models.catalog.schemas.extensions import LABEL
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, BBox, CollectionId, Json

COLLECTIONS: tuple[CollectionId, ...] = get_args(CollectionId)

CATALOG_ID = "fair-models"
CATALOG_TITLE = "fAIr models"
CATALOG_DESCRIPTION = (
    "Models that map the world from imagery, the datasets that they learnt from, and how both came about."
)

WORLD: BBox = (-180.0, -90.0, 180.0, 90.0)

_MODEL_FIELDS = ("mlm:tasks", "mlm:architecture", "mlm:framework", "keywords", "deprecated")
_SUMMED: dict[str, tuple[str, ...]] = {
    BASE_MODELS: (*_MODEL_FIELDS, "license"),
    LOCAL_MODELS: (*_MODEL_FIELDS, "fair:base_model_id"),
    DATASETS: ("label:tasks", "label:type", "label:classes", "keywords", "deprecated", "license"),
}


def _asset(key: str, title: str, description: str, media_type: str | None = None) -> Json:
    typed = {} if media_type is None else {"type": media_type}
    return {"title": title, "description": description, **typed, "roles": ROLES[key]}


_MODEL_ASSETS: Json = {
    "checkpoint": _asset("checkpoint", "Weights", "Weights to go on training from."),
    "model": _asset(
        "model", "Network as ONNX", "The network to predict with.", "application/octet-stream; framework=onnx"
    ),
    "source-code": _asset(
        "source-code", "Source code", "The contribution's modules as they were registered.", "application/zip"
    ),
    "training-runtime": _asset(
        "training-runtime",
        "Environment for training",
        "Container image, or local:worker for the environment of the worker itself.",
    ),
    "inference-runtime": _asset(
        "inference-runtime",
        "Environment for prediction",
        "Container image, or local:worker for the environment of the worker itself.",
    ),
    "readme": _asset("readme", "Model card", "What the model is for, and where it fails.", "text/markdown"),
}
_DATASET_ASSETS: Json = {
    "chips": _asset(
        "chips", "Image chips", "Archive of the chips, with what places them.", "application/zip"
    ),
    "labels": _asset("labels", "Labels", "What was mapped on the chips.", "application/geo+json"),
    "split": _asset(
        "split", "Which chips train and which are held out", "The split by area.", "application/json"
    ),
}
# The schemas of MLM up to 1.5.2 refuse lists in summaries, which STAC itself asks for
# (https://github.com/stac-extensions/mlm/pull/218): collections of models do not name the extension.
_TEMPLATES: dict[str, Json] = {
    BASE_MODELS: {
        "stac_extensions": [],
        "title": "Base models",
        "description": "Contributed blueprints: network, code, weights and runtimes, ready to be fine-tuned.",
        "keywords": ["machine learning", "base model", "earth observation", "humanitarian mapping"],
        "item_assets": _MODEL_ASSETS,
    },
    LOCAL_MODELS: {
        "stac_extensions": [],
        "title": "Local models",
        "description": "Models fine-tuned on one area and published for prediction.",
        "keywords": ["machine learning", "fine-tuned model", "earth observation", "humanitarian mapping"],
        "item_assets": _MODEL_ASSETS,
    },
    DATASETS: {
        "stac_extensions": [LABEL],
        "title": "Datasets",
        "description": "Image chips with labels over one area, split by area for training and evaluation.",
        "keywords": ["training data", "labels", "earth observation", "humanitarian mapping"],
        "item_assets": _DATASET_ASSETS,
    },
}


@dataclass(frozen=True)
class Sums:
    """What the items of a collection have together.

    bbox: Box around all of them; None where there are none.
    start, end: Earliest and latest RFC 3339 times in UTC; None where no item has one.
    gsd_m: Smallest and largest `gsd` in metres; None where no item has one.
    values: Distinct values of each summed field.
    """

    bbox: BBox | None = None
    start: str | None = None
    end: str | None = None
    gsd_m: tuple[float, float] | None = None
    values: Mapping[str, Sequence[object]] = field(default_factory=dict)


def summed_fields(collection: str) -> tuple[str, ...]:
    """Item properties whose distinct values the collection's summaries list."""
    return _SUMMED[collection]


def template(collection: CollectionId) -> Json:
    """A collection without items, links, extent or summaries."""
    own = _TEMPLATES[collection]
    return {
        "type": "Collection",
        "id": collection,
        "stac_version": "1.1.0",
        "stac_extensions": own["stac_extensions"],
        "title": own["title"],
        "description": own["description"],
        "keywords": own["keywords"],
        "license": "other",  # each item names its own
        "item_assets": own["item_assets"],
    }


def extent(sums: Sums) -> Json:
    """Extent around the items; the world and all time where there are none."""
    return {
        "spatial": {"bbox": [list(sums.bbox or WORLD)]},
        "temporal": {"interval": [[sums.start, sums.end]]},
    }


def summaries(sums: Sums) -> Json:
    """Summaries: distinct values, and the range of the ground resolution."""
    found: Json = {name: list(values) for name, values in sums.values.items() if values}
    if sums.gsd_m is not None:
        found["gsd"] = {"minimum": sums.gsd_m[0], "maximum": sums.gsd_m[1]}
    return found


def with_sums(collection: str, head: Json, sums: Sums) -> Json:
    """A collection with the extent and summaries of its items; summaries that are not ours stay.

    Args:
        collection: Its id.
        head: What it says of itself.
        sums: What its items have together.
    """
    ours = (*summed_fields(collection), "gsd")
    others = {name: value for name, value in head.get("summaries", {}).items() if name not in ours}
    made = {**others, **summaries(sums)}
    kept = {key: value for key, value in head.items() if key not in ("summaries", "links")}
    links = {"links": head["links"]} if "links" in head else {}
    return {**kept, "extent": extent(sums), **({"summaries": made} if made else {}), **links}
