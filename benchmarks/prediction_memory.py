"""How much memory a prediction takes as its imagery grows.

    python -m benchmarks.prediction_memory [SIDE ...] [--formats geoparquet geojson] [--network U.onnx]

For each side (default 5000 10000 20000 px) it writes a square GeoTIFF with 24 building-like blobs a hectare,
predicts over it in a process of its own without torch, and prints the most memory that this process held. The
network is one node deep, so that imagery, masks, outlines and files are what is measured; or a U-Net of
`benchmarks.networks`, to see what its layers take beside them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.memory import peak_mb
from fair_models.types import Array

GSD_M = 0.3
NETWORK = "network.onnx"
TILE_PX = 512
PATTERN_PX = 2048
BUILT = 0.12
"""Share of the ground that is bright."""


@dataclass(frozen=True)
class Input:
    """What the network takes."""

    bands: int = 3
    size_px: int = 256
    gsd_m: float = GSD_M
    resampling: str = "average"


class Brightness:
    """Bright pixels are buildings."""

    def preprocess(self, window: Array) -> Array:
        """To [0, 1]."""
        return np.multiply(window, np.float32(1 / 255), dtype=np.float32)

    def postprocess(
        self, outputs: Mapping[str, Array], window: Any, params: Mapping[str, Any]
    ) -> Sequence[Any]:
        """Probabilities as they are."""
        from fair_models.inference.parts import RasterPart

        return [RasterPart(outputs["probabilities"])]


def main() -> None:
    """Read the arguments, measure each size, print a line for each and the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sides", type=int, nargs="*", default=[5000, 10000, 20000], help="Pixels.")
    parser.add_argument("--formats", nargs="+", default=["geoparquet", "geojson", "preview"])
    parser.add_argument("--network", type=Path, help="ONNX file of a U-Net. Default: one node.")
    parser.add_argument("--predict", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.predict:
        predict(given.predict, given.formats, given.network)
        return
    with tempfile.TemporaryDirectory(prefix="fair-memory-") as folder:
        write_network(Path(folder) / NETWORK)
        before = None
        for side in given.sides:
            mega_bytes = measure(Path(folder), side, given.formats, given.network)
            if before:
                print(f"{'':>10} {mega_bytes / before:.3f} times the memory of the size before")
            before = mega_bytes


def measure(folder: Path, side: int, formats: Sequence[str], network: Path | None = None) -> float:
    """Peak memory in MB over an image of one size."""
    image = folder / f"{side}.tif"
    write_image(image, side)
    started = time.monotonic()
    arguments = [sys.executable, "-m", "benchmarks.prediction_memory", "--predict", str(image)]
    arguments += ["--formats", *formats, *(["--network", str(network)] if network else [])]
    ended = subprocess.run(arguments, capture_output=True, text=True, check=True)
    image.unlink()
    mega_bytes, count = ended.stdout.split()
    seconds = time.monotonic() - started
    print(f"{side:>6}² px: {float(mega_bytes):.0f} MB at most, {count} polygons, {seconds:.0f} s", flush=True)
    return float(mega_bytes)


def predict(image: Path, formats: Sequence[str], network: Path | None) -> None:
    """Predict and print this process's peak memory in MB (10^6 bytes) and the number of polygons."""
    from fair_models.inference.imagery.sources.source import parse_source
    from fair_models.inference.network.session import open_session
    from fair_models.inference.prediction import PredictionRequest
    from fair_models.inference.prediction import predict as run
    from models.unet_segmentation import processing

    request = PredictionRequest(
        imagery=parse_source(image),
        output=image.with_suffix(""),
        session=open_session(network or image.parent / NETWORK),
        processing=processing if network else Brightness(),
        input=Input(),
        classes=["background", "building"],
        params={},
        formats=formats,
    )
    result = run(request)
    if "torch" in sys.modules:
        raise SystemExit("torch is loaded: this measures something else")
    print(peak_mb(), sum(result.counts.values()))


def write_network(path: Path) -> None:
    """Mean of the bands as probability of class 1, and the rest to one as that of class 0."""
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMean", ["image"], ["bright"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["one", "bright"], ["dark"]),
        helper.make_node("Concat", ["dark", "bright"], ["probabilities"], axis=1),
    ]
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("image", kind, ["batch", 3, "height", "width"])],
        [helper.make_tensor_value_info("probabilities", kind, ["batch", 2, "height", "width"])],
        [helper.make_tensor("one", kind, [], [1.0])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def write_image(path: Path, side: int) -> None:
    """A square image in tiles, made of one pattern that is shifted from row to row of it."""
    import rasterio
    from rasterio.transform import from_origin
    from rasterio.windows import Window

    pattern = blobs()
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=side,
        width=side,
        count=3,
        dtype="uint8",
        crs="EPSG:32645",
        transform=from_origin(353_000, 3_057_000, GSD_M, GSD_M),
        tiled=True,
        blockxsize=TILE_PX,
        blockysize=TILE_PX,
        compress="jpeg",
        photometric="ycbcr",
    ) as file:
        for row in range(0, side, PATTERN_PX):
            for column in range(0, side, PATTERN_PX):
                height, width = min(PATTERN_PX, side - row), min(PATTERN_PX, side - column)
                part = np.roll(pattern, row // 7, axis=1)[:height, :width]
                file.write(np.stack([part] * 3), window=Window(column, row, width, height))


def blobs() -> Array:
    """Something to outline that can lie beside itself without an edge, uint8, of PATTERN_PX both ways."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0).normal(size=(PATTERN_PX, PATTERN_PX)).astype(np.float32)
    smooth = gaussian_filter(noise, 9, mode="wrap")
    above = (smooth - np.quantile(smooth, 1 - BUILT)) / smooth.std()
    return np.asarray((255 * (0.5 + above / 8)).clip(0, 255).astype(np.uint8))


if __name__ == "__main__":
    main()
