"""Pieces that all items are built from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pystac import Item

from fair_models.catalog.items import assets
from fair_models.store.protocol import StoredFile
from fair_models.types import CollectionId, Json

WORLD_BBOX = [-180.0, -90.0, 180.0, 90.0]
"""Box of items that belong to no place."""

WORLD: Json = {
    "type": "Polygon",
    "coordinates": [[[-180.0, -90.0], [180.0, -90.0], [180.0, 90.0], [-180.0, 90.0], [-180.0, -90.0]]],
}
"""Geometry of items that belong to no place."""

JSON_TYPE = "application/geo+json"
"""Media type of an item."""

_MEDIA_TYPES = {
    ".safetensors": "application/octet-stream; framework=safetensors",
    ".pt": "application/octet-stream; framework=pytorch",
    ".pth": "application/octet-stream; framework=pytorch",
    ".onnx": "application/octet-stream; framework=onnx",
    ".zip": "application/zip",
    ".md": "text/markdown",
    ".json": "application/json",
    ".geojson": "application/geo+json",
    ".yaml": "application/yaml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".tif": "image/tiff; application=geotiff",
    ".npz": "application/octet-stream; framework=numpy",
}

_ARTIFACT_TYPES = {".safetensors": "safetensors.torch.save_file", ".onnx": "onnx"}

_TITLES = {
    "checkpoint": "Weights",
    "model": "Network as ONNX",
    "model-int8": "The same network in 8 bits, quicker and not quite as exact",
    "text-encoder": "Network for texts as ONNX",
    "index": "Embeddings of the dataset's images and captions",
    "source-code": "Source code",
    "training-runtime": "Environment for training",
    "inference-runtime": "Environment for prediction",
    "readme": "Model card",
    "run-config": "Run config: repeats the training",
    "chips": "Image chips",
    "labels": "Labels",
    "split": "Which chips train and which are held out",
    assets.LABEL_REPORT: "Report on the labels, chip by chip",
    assets.LABEL_PICTURE: "Picture of the report on the labels",
    "areas": "Areas that were looked at",
    "changes": "What changed since the version before",
}

ROLES: dict[str, list[str]] = {
    "checkpoint": ["mlm:model", "mlm:weights"],
    "model": ["mlm:model", "mlm:compiled"],
    "model-int8": [assets.QUANTIZED],
    "text-encoder": [assets.TEXT_ENCODER],
    "index": [assets.INDEX],
    "source-code": ["mlm:source_code", "code"],
    "training-runtime": ["mlm:training-runtime"],
    "inference-runtime": ["mlm:inference-runtime"],
    "readme": ["metadata"],
    "run-config": ["metadata"],
    "thumbnail": ["thumbnail"],
    "chips": ["data"],
    "labels": ["labels", "labels-vector"],
    "split": ["split"],
    assets.LABEL_REPORT: ["metadata"],
    assets.LABEL_PICTURE: ["overview"],
    "areas": ["areas"],
    "changes": ["metadata"],
}
"""Roles that we write for each key."""

EXTRA_KEYS = frozenset({"text-encoder", "index"})
"""Those among them that a contribution makes itself. Further files of its own have the role metadata."""


def timestamp(moment: datetime) -> str:
    """A time as STAC writes it, in UTC to the second, e.g. "2026-11-21T08:30:00Z"."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def file_asset(key: str, file: StoredFile, **fields: Any) -> Json:
    """The asset of a file that the registry holds, with digest and size.

    Args:
        key: Key of the asset, e.g. "checkpoint"; roles and title follow from it.
        file: Where the bytes lie.
        fields: What to add, in place of what follows from the key.
    """
    suffix = "." + file.href.rpartition(".")[2].lower()
    asset: Json = {
        "href": file.href,
        "type": _MEDIA_TYPES.get(suffix, "application/octet-stream"),
        "title": _TITLES.get(key, key),
        "roles": list(ROLES.get(key, ["metadata"])),
    }
    if assets.MODEL in asset["roles"]:
        asset["mlm:artifact_type"] = _ARTIFACT_TYPES.get(suffix, "torch.save")
    return {**asset, **fields, "file:checksum": file.checksum, "file:size": file.size}


def bands(names: Iterable[str], **fields: Any) -> list[Json]:
    """Bands as STAC 1.1 describes them."""
    return [{"name": name, **fields} for name in names]


def link(rel: str, href: str, title: str | None = None, media_type: str = JSON_TYPE) -> Json:
    """A link as JSON."""
    return {"rel": rel, "href": href, "type": media_type, **({"title": title} if title else {})}


def item(
    collection: CollectionId,
    item_id: str,
    area: tuple[Json, Sequence[float]],
    properties: Mapping[str, Any],
    parts: tuple[Mapping[str, Json], Sequence[Json], Sequence[str]],
) -> Item:
    """An item with its link to the collection, which STAC wants wherever `collection` is said.

    Args:
        collection: Where it belongs.
        item_id: Its exact id.
        area: Geometry and box in EPSG:4326.
        properties: All its properties.
        parts: Assets by key, links, and addresses of the extensions.
    """
    assets_by_key, links, extensions = parts
    geometry, bbox = area
    to_collection = link("collection", "../collection.json", media_type="application/json")
    document: Json = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(dict.fromkeys(extensions)),
        "id": item_id,
        "collection": collection,
        "geometry": geometry,
        "bbox": list(bbox),
        "properties": dict(properties),
        "links": [to_collection, *links],
        "assets": dict(assets_by_key),
    }
    return Item.from_dict(document, migrate=False)
