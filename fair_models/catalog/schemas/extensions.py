"""Addresses of the extensions that our items use."""

from collections.abc import Iterable

_HOST = "https://stac-extensions.github.io"

MLM = f"{_HOST}/mlm/v1.5.1/schema.json"
VERSION = f"{_HOST}/version/v1.2.0/schema.json"
CLASSIFICATION = f"{_HOST}/classification/v2.0.0/schema.json"
"""MLM 1.5.1 wants classes as in classification 1.1.0, with a description; 2.0.0 a name. Ours have both."""

LABEL = f"{_HOST}/label/v1.0.1/schema.json"
RASTER = f"{_HOST}/raster/v2.0.0/schema.json"
FILE = f"{_HOST}/file/v2.1.0/schema.json"
PROCESSING = f"{_HOST}/processing/v1.1.0/schema.json"

USED = (MLM, VERSION, CLASSIFICATION, LABEL, RASTER, FILE, PROCESSING)
"""All of them."""

ITEM = "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"
"""Not an extension: the core schema that every item follows."""


def one_version_each(addresses: Iterable[str]) -> list[str]:
    """Extensions without a second version of one: the first named stays, as the item's fields fit that."""
    chosen: dict[str, str] = {}
    for address in addresses:
        chosen.setdefault(address.split("/v")[0], address)
    return list(chosen.values())


def is_official(address: str) -> bool:
    """Whether an extension is one of the STAC community's, good for items of any kind."""
    return address.startswith(f"{_HOST}/")
