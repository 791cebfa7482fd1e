"""What a network takes."""

from __future__ import annotations

from dataclasses import dataclass

from pystac import Item

from fair_models.errors import InvalidItem
from fair_models.types import Json


@dataclass(frozen=True)
class InputFacts:
    """The input of a model.

    bands: Number of bands.
    size_px: Height and width of a training sample, in pixels. For prediction the ONNX says what it takes.
    gsd_m: Ground sample distance that the model works at, in metres.
    resampling: How imagery is brought to that distance: "average", "bilinear" or "nearest".
    band_names: Names of the bands in order, e.g. ("red", "green", "blue").
    """

    bands: int
    size_px: int
    gsd_m: float
    resampling: str
    band_names: tuple[str, ...]


def read(item: Item) -> InputFacts:
    """What the model of an item takes.

    Raises:
        InvalidItem: The item lacks a field that says so.
    """
    properties = item.properties
    needed = ("mlm:input", "gsd", "fair:sample_size_px", "fair:resampling")
    missing = [name for name in needed if not properties.get(name)]
    if missing:
        raise InvalidItem(item.id, [f"properties: lacks {name}" for name in missing])
    names = band_names(properties)
    return InputFacts(
        bands=len(names),
        size_px=int(properties["fair:sample_size_px"]),
        gsd_m=float(properties["gsd"]),
        resampling=str(properties["fair:resampling"]),
        band_names=names,
    )


def band_names(properties: Json) -> tuple[str, ...]:
    """Names of the bands of a model's input, in order."""
    bands = properties["mlm:input"][0].get("bands", [])
    return tuple(band if isinstance(band, str) else band["name"] for band in bands)
