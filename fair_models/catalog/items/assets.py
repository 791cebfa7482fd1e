"""Finding an item's assets by what they are for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from pystac import Asset, Item

from fair_models.errors import InvalidItem, NotFound

WEIGHTS = "mlm:weights"
MODEL = "mlm:model"
QUANTIZED = "fair:quantized-model"
TEXT_ENCODER = "fair:text-encoder"
INDEX = "fair:index"
SOURCE_CODE = "mlm:source_code"
TRAINING_RUNTIME = "mlm:training-runtime"
INFERENCE_RUNTIME = "mlm:inference-runtime"
CHIPS = "data"
LABELS = "labels"
SPLIT = "split"
AREAS = "areas"

LABEL_REPORT = "label-report"
"""Key of the report on a dataset's labels; its role, metadata, others have too."""

LABEL_PICTURE = "label-report-picture"
"""Key of the picture of that report."""

RUNTIMES = frozenset({TRAINING_RUNTIME, INFERENCE_RUNTIME})

KEYS = {
    WEIGHTS: "checkpoint",
    MODEL: "model",
    QUANTIZED: "model-int8",
    TEXT_ENCODER: "text-encoder",
    INDEX: "index",
    SOURCE_CODE: "source-code",
    TRAINING_RUNTIME: "training-runtime",
    INFERENCE_RUNTIME: "inference-runtime",
    CHIPS: "chips",
    LABELS: "labels",
    SPLIT: "split",
    AREAS: "areas",
}
"""The key that we write for each role. Items of others may use other keys."""

LOCAL_RUNTIME = "local:worker"
"""The runtime that is the worker's own environment."""

_ALIASES = {SOURCE_CODE: {SOURCE_CODE, "code"}, "code": {SOURCE_CODE, "code"}}
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def by_role(item: Item, role: str) -> Asset:
    """The asset that has a role.

    Where several have it, that is the one under our own key; of several models, the ONNX.

    Args:
        item: Any item.
        role: E.g. "mlm:weights", "mlm:model" (the ONNX), "mlm:source_code", "data" (the chips).

    Raises:
        NotFound: No asset has the role.
        InvalidItem: Several have it and none stands out.
    """
    found = {key: asset for key, asset in item.assets.items() if has_role(asset.roles or (), role)}
    if role == MODEL:
        found = {key: asset for key, asset in found.items() if _is_onnx(asset)} or found
    if not found:
        held = ", ".join(
            f"{key} ({', '.join(asset.roles or ['no role'])})" for key, asset in item.assets.items()
        )
        raise NotFound(f"Item {item.id} has no asset with the role {role}; it has {held or 'no assets'}")
    own = KEYS.get(SOURCE_CODE if role in _ALIASES else role, "")
    if len(found) > 1 and own not in found:
        raise InvalidItem(
            item.id,
            [f"the assets {', '.join(found)} all have the role {role}; key the right one as {own or role}"],
        )
    return found.get(own) or next(iter(found.values()))


def file_ref(item: Item, role: str) -> tuple[str, str]:
    """Address and sha-256 multihash of the file that has a role.

    Raises:
        NotFound: No asset has the role.
        InvalidItem: The asset has no digest, so its bytes cannot be trusted.
    """
    asset = by_role(item, role)
    checksum = asset.extra_fields.get("file:checksum")
    if not checksum:
        raise InvalidItem(item.id, [f"its asset {asset.href} has no file:checksum; register the item again"])
    return address(asset), str(checksum)


def has_role(roles: Iterable[str], role: str) -> bool:
    """Whether one of the roles is the one asked for, by any of its names."""
    return not _ALIASES.get(role, {role}).isdisjoint(roles)


def says_onnx(*words: object) -> bool:
    """Whether an artifact type, a media type or an address speaks of ONNX."""
    return any("onnx" in str(word).lower() for word in words if word)


def address(asset: Asset) -> str:
    """The absolute address of an asset's file.

    A path is one too: it is meant on this machine, even where the item itself lies on the web.
    """
    return asset.href if os.path.isabs(asset.href) else asset.get_absolute_href() or asset.href


def image(item: Item, role: str) -> str | None:
    """The OCI image of a runtime, e.g. "ghcr.io/org/name@sha256:…". None where it is the worker itself.

    Args:
        item: A model.
        role: "mlm:training-runtime" or "mlm:inference-runtime".
    """
    href = by_role(item, role).href
    return None if href.startswith("local:") else href.removeprefix("oci://")


def is_pinned(image: str) -> bool:
    """Whether an image is named by its digest, so that it can never become another one."""
    return _DIGEST.search(image) is not None


def is_held(href: str, roles: Iterable[str]) -> bool:
    """Whether the registry itself holds the bytes of an asset: no runtime, and not somewhere on the web."""
    return RUNTIMES.isdisjoint(roles) and not href.startswith(("http://", "https://"))


def _is_onnx(asset: Asset) -> bool:
    return says_onnx(asset.extra_fields.get("mlm:artifact_type"), asset.media_type, asset.href)
