"""Prediction as it is usually written, to measure ours beside it: one chip at a time, from pixels to GeoJSON.

    python -m benchmarks.peer_loop NETWORK CHIPS OUTPUT

For each chip: read, resize, `session.run`, softmax, argmax, `rasterio.features.shapes`, pyproj for each
vertex, dicts; in the end `json`. The session has ONNX Runtime's default options, and transformers are made
once for each reference system. It was written before ours was measured beside it, and stays as it is.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from pyproj import Transformer
from rasterio.features import shapes

from fair_models.types import Array

SIZE_PX = 256
"""Height and width that chips are resized to."""


def main() -> None:
    """Read the arguments, predict, print how many polygons were found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("network", type=Path, help="ONNX file: RGB in [0, 1] in, logits of the classes out.")
    parser.add_argument("chips", type=Path, help="Folder of georeferenced chips (*.tif).")
    parser.add_argument("output", type=Path, help="GeoJSON file that is written.")
    given = parser.parse_args()
    chips = sorted(given.chips.glob("*.tif"))
    print(f"{predict(open_session(given.network), chips, given.output)} polygons in {len(chips)} chips")


def open_session(network: Path) -> Any:
    """A session with default options."""
    import onnxruntime

    return onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])


def predict(session: Any, chips: Sequence[Path], output: Path) -> int:
    """Predict chip by chip and write one GeoJSON file.

    Args:
        session: An ONNX Runtime session: float32 RGB in [0, 1] of shape (n, 3, 256, 256) in, logits of shape
            (n, classes, 256, 256) out.
        chips: Image files with a reference system and a transform.
        output: The file that is written; longitude and latitude in degrees.

    Returns:
        How many polygons there are.
    """
    features: list[dict[str, Any]] = []
    for chip in chips:
        features.extend(_features(session, chip))
    with output.open("w", encoding="utf-8") as file:
        json.dump({"type": "FeatureCollection", "features": features}, file)
    return len(features)


def _features(session: Any, chip: Path) -> list[dict[str, Any]]:
    """Polygons of one chip as GeoJSON features."""
    with rasterio.open(chip) as image:
        pixels = image.read([1, 2, 3])
        transform, crs = image.transform, image.crs.to_string()
    height, width = pixels.shape[1:]
    resized = _resized(pixels)
    batch = (resized.astype(np.float32) / np.float32(255))[None]
    (logits,) = session.run(None, {session.get_inputs()[0].name: batch})
    mask = _softmax(logits[0]).argmax(axis=0).astype(np.uint8)
    transform = transform @ transform.scale(width / SIZE_PX, height / SIZE_PX)
    transformer = _to_degrees(crs)
    return [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": _placed(geometry["coordinates"], transformer)},
            "properties": {"chip": chip.stem, "class": int(value)},
        }
        for geometry, value in shapes(mask, mask=mask > 0, transform=transform)
    ]


def _resized(pixels: Array) -> Array:
    """RGB of shape (3, height, width) at the network's size."""
    image = Image.fromarray(pixels.transpose(1, 2, 0))
    return np.asarray(image.resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR)).transpose(2, 0, 1)


def _softmax(logits: Array) -> Array:
    """Probabilities of each pixel's classes; the first axis is that of the classes."""
    powers = np.exp(logits - logits.max(axis=0, keepdims=True))
    return np.asarray(powers / powers.sum(axis=0, keepdims=True))


@cache
def _to_degrees(crs: str) -> Transformer:
    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


def _placed(rings: Sequence[Sequence[tuple[float, float]]], transformer: Transformer) -> list[Any]:
    return [[list(transformer.transform(x, y)) for x, y in ring] for ring in rings]


if __name__ == "__main__":
    main()
