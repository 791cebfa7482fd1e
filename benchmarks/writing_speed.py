"""What writing many polygons costs, beside writing them the plain way.

    python -m benchmarks.writing_speed

Both sides get the same outlines of 30 corners each, in the form that they work on, and write them in
longitude and latitude. The plain way reprojects vertex by vertex with pyproj, collects dicts and writes
GeoJSON with `json`. Ours reprojects all vertices of a batch at once and streams GeoParquet. Each round runs
each side once, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer

from benchmarks.memory import peak_mb
from fair_models.data.images.grid import WEB_MERCATOR, Grid
from fair_models.inference.imagery.georeference import on_map
from fair_models.inference.outlines.features import Features
from fair_models.inference.writing.geoparquet import GeoParquetSink
from fair_models.types import Array

CORNERS = 30
BATCH = 2_000
GRID = Grid(WEB_MERCATOR, (0.3, 0.0, 9_517_000.0, 0.0, -0.3, 3_203_000.0), 40_000, 40_000)


def outlines(count: int) -> Array:
    """Round shapes side by side, in pixels of the grid, shape (count,)."""
    angles = np.linspace(0, -2 * np.pi, CORNERS + 1)
    ring = np.column_stack((np.cos(angles), np.sin(angles)))
    middles = np.column_stack((np.arange(count) % 1000, np.arange(count) // 1000)) * 40.0 + 20
    radii = 6 + 8 * np.random.default_rng(0).random(count)
    return shapely.polygons(middles[:, None] + ring * radii[:, None, None])


def as_dicts(shapes: Array) -> list[dict[str, Any]]:
    """The outlines as `rasterio.features.shapes` gives them: dicts in the reference system of the grid."""
    _, _, left, _, _, top = GRID.transform
    placed = shapely.transform(shapes, lambda pixels: pixels * (0.3, -0.3) + (left, top))
    return [dict(geometry) for geometry in map(shapely.geometry.mapping, placed)]


def plain(geometries: list[dict[str, Any]], folder: Path) -> Path:
    """Vertex by vertex, dict by dict."""
    transformer = Transformer.from_crs(WEB_MERCATOR, "EPSG:4326", always_xy=True)
    features = []
    for geometry in geometries:
        rings = [[list(transformer.transform(x, y)) for x, y in ring] for ring in geometry["coordinates"]]
        features.append(
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": rings},
                "properties": {"class": "building", "confidence": 0.9},
            }
        )
    path = folder / "plain.geojson"
    with path.open("w", encoding="utf-8") as file:
        json.dump({"type": "FeatureCollection", "features": features}, file)
    return path


def ours(shapes: Array, folder: Path) -> Path:
    """Batch by batch, as a prediction brings them."""
    sink = GeoParquetSink(folder / "ours.parquet", ["background", "building"])
    for start in range(0, len(shapes), BATCH):
        geometry = on_map(shapes[start : start + BATCH], GRID)
        count = len(geometry)
        sink.write(
            Features(
                geometry,
                np.ones(count, np.int64),
                np.full(count, 0.9),
                np.full(count, 40.0),
                np.full(count, "chip", dtype=object),
            )
        )
    sink.close()
    return sink.path


SIDES: dict[str, Callable[[Any, Path], Path]] = {"plain": plain, "ours": ours}


def measure(side: str, count: int) -> dict[str, float]:
    """Seconds, memory beyond that of the outlines, and size of the file, in this process."""
    given: Any = as_dicts(outlines(count)) if side == "plain" else outlines(count)
    with tempfile.TemporaryDirectory() as folder:
        SIDES[side](given[:10], Path(folder))
        (path,) = Path(folder).iterdir()
        path.unlink()
        before, started = peak_mb(), time.perf_counter()
        path = SIDES[side](given, Path(folder))
        return {
            "seconds": time.perf_counter() - started,
            "memory_mb": peak_mb() - before,
            "file_mb": path.stat().st_size / 2**20,
        }


def main() -> None:
    """Run all rounds and print both sides with their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--polygons", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help="run one side once and print it as JSON")
    args = parser.parse_args()
    if args.side:
        print(json.dumps(measure(args.side, args.polygons)))
        return
    rounds = [{side: in_a_process(side, args.polygons) for side in SIDES} for _ in range(args.rounds)]
    print(f"{args.polygons:,} polygons of {CORNERS} corners, median of {args.rounds} rounds")
    for side in SIDES:
        seconds, memory, size = (
            statistics.median(each[side][key] for each in rounds)
            for key in ("seconds", "memory_mb", "file_mb")
        )
        print(f"{side:6} {seconds:6.2f} s  {memory:6.0f} MB of memory  {size:6.1f} MB in the file")
    ratios = [each["plain"]["seconds"] / each["ours"]["seconds"] for each in rounds]
    print(f"plain / ours: {statistics.median(ratios):.1f} (of each round: {_listed(ratios)})")


def in_a_process(side: str, polygons: int) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.writing_speed", "--side", side, "--polygons", str(polygons)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _listed(ratios: list[float]) -> str:
    return ", ".join(f"{ratio:.1f}" for ratio in ratios)


if __name__ == "__main__":
    main()
