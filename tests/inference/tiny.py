"""Networks of a few nodes, chips of every kind, and the simplest processing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import rasterio
from onnx import TensorProto, helper
from PIL import Image
from rasterio.transform import from_bounds

from fair_models.data.images import tiles
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.inference.network.session import Session
from fair_models.inference.parts import InstancePart, Part, RasterPart, Window
from fair_models.inference.prediction import PredictionRequest
from fair_models.types import Array

CORNER = tiles.Tile(386690, 220241, 19)


@dataclass(frozen=True)
class Input:
    """What the test networks take."""

    gsd_m: float = 0.2646
    bands: int = 3
    size_px: int = 256
    resampling: str = "average"


class Brightness:
    """The network says how bright a pixel is; bright pixels are buildings."""

    def preprocess(self, window: Array) -> Array:
        return (window / 255).astype(np.float32)

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        return [RasterPart(outputs["probabilities"])]


class EverythingIsABuilding(Brightness):
    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        ones = np.ones((window.height, window.width), np.float32)
        return [RasterPart(np.stack([0 * ones, ones]))]


class MaskAndInterior(Brightness):
    """The network says what the bands say: the mask, the interiors of its objects, and which are tanks."""

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        inside, interior, tank = outputs["bands"]
        probabilities = np.stack([1 - inside, inside * (tank < 0.5), inside * (tank >= 0.5)])
        return [InstancePart(probabilities.astype(np.float32), interior)]


def write_copy(path: Path, size_px: int | None = None) -> Path:
    """A network that gives what it gets: three bands."""
    sides = ["batch", 3, size_px or "height", size_px or "width"]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["image"], ["bands"])],
        "copy",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("bands", TensorProto.FLOAT, sides)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def quarter(height: int, width: int, seed: int = 0, turn: float = 0.3) -> Array:
    """Houses of an old town, turned against the grid: most share walls, some are alone, few have no interior.

    Returns:
        Mask, interiors of the houses, and 255 where a house is a tank, uint8, shape (3, height, width).
    """
    draw = np.random.default_rng(seed)
    row, column = np.mgrid[:height, :width] + 0.5
    along = column * np.cos(turn) + row * np.sin(turn) + 10_000
    across = row * np.cos(turn) - column * np.sin(turn) + 10_000
    step = 26
    lot = (across // step).astype(int) * 4096 + (along // step).astype(int)
    x, y = along % step, across % step
    made = draw.random((5, lot.max() + 1))[:, lot]
    gap = np.where(made[0] < 0.3, 2.5, 0) + np.where(made[0] < 0.1, 3, 0)
    inside = (x >= gap) & (y >= gap) & (made[1] < 0.85)
    erosion = gap + 3
    core = inside & (x >= erosion) & (y >= erosion) & (x < step - 3) & (y < step - 3) & (made[2] < 0.95)
    bands = np.stack([inside, core, made[3] < 0.2])
    sure = draw.integers(140, 250, (height, width))
    return (bands * np.stack([sure, sure, np.full_like(sure, 255)])).astype(np.uint8)


def write_network(
    path: Path,
    size_px: int | None = None,
    batch: int | None = None,
    bands: int = 3,
    inputs: int = 1,
    kind: int = TensorProto.FLOAT,
) -> Path:
    """Mean of the bands as probability of class 1, and the rest to one as that of class 0."""
    height, width = size_px or "height", size_px or "width"
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["bright"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["one", "bright"], ["dark"]),
        helper.make_node("Concat", ["dark", "bright"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [
            helper.make_tensor_value_info(name, kind, [batch or "batch", bands, height, width])
            for name in ["image", "other"][:inputs]
        ],
        [
            helper.make_tensor_value_info(
                "probabilities", TensorProto.FLOAT, [batch or "batch", 2, height, width]
            )
        ],
        [helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def lonlat_bounds(tile: tiles.Tile) -> tuple[float, float, float, float]:
    (west, east), (north, south) = tiles.lonlat(
        np.array([tile.x, tile.x + 1]), np.array([tile.y, tile.y + 1]), tile.z
    )
    return float(west), float(south), float(east), float(north)


def write_jpeg_chip(folder: Path, tile: tiles.Tile, pixels: Array) -> Path:
    """As fAIr keeps them: JPEG inside, `.tif` by name, the place in degrees in an `.aux.xml`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{tile.name}.tif"
    height, width = pixels.shape[1:]
    profile = {"driver": "JPEG", "height": height, "width": width, "count": 3, "dtype": "uint8"}
    with rasterio.open(
        path,
        "w",
        **profile,
        quality=100,
        crs="EPSG:4326",
        transform=from_bounds(*lonlat_bounds(tile), width, height),
    ) as file:
        file.write(pixels)
    assert path.with_name(path.name + ".aux.xml").is_file()
    return path


def write_png_chip(folder: Path, tile: tiles.Tile, pixels: Array) -> Path:
    """Without any georeference; four bands are RGBA."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{tile.name}.png"
    Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, -1))).save(path)
    return path


def write_geotiff(
    path: Path, pixels: Array, crs: str, corner: tuple[float, float], step: float, **options: Any
) -> Path:
    """North-up GeoTIFF whose top left corner lies at `corner`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, height, width = pixels.shape
    transform = rasterio.transform.from_origin(*corner, step, step)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=bands,
        dtype=pixels.dtype,
        crs=crs,
        transform=transform,
        **options,
    ) as file:
        file.write(pixels)
    return path


def grey(height: int, width: int, value: int = 128) -> Array:
    return np.full((3, height, width), value, np.uint8)


def blobs(height: int, width: int, seed: int = 0, smooth: float = 6.0) -> Array:
    """Bright blobs on dark ground, the same in all bands: something to outline, shape (3, height, width)."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), smooth)
    low, high = noise.min(), noise.max()
    return np.repeat((255 * (noise - low) / (high - low)).astype(np.uint8)[None], 3, axis=0)


def request_for(imagery: str | Path, output: Path, session: Session, **changes: Any) -> PredictionRequest:
    settings: dict[str, Any] = {
        "imagery": parse_source(imagery),
        "output": output,
        "session": session,
        "processing": Brightness(),
        "input": Input(),
        "classes": ["background", "building"],
        "params": {"confidence_threshold": 0.5},
        "formats": ["geojson"],
        "model_id": "brightness-v1",
        "model_href": "../catalog/base-models/brightness-v1/brightness-v1.json",
    }
    return PredictionRequest(**(settings | changes))
