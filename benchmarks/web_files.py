"""What downloads and lists of the service cost.

    python -m benchmarks.web_files [--items 10000] [--gigabytes 2]

A service of its own over folders of its own. Of the zip of a version: seconds to the first byte, MB/s, and MB
of memory that the service takes more. Of lists over many items: milliseconds, median and 99th percentile.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
from pystac import Asset, Item

from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.protocol import Change
from fair_models.settings import Settings
from fair_models.store.local import LocalStore

PORT = 18_770
ROUNDS = 20
LISTS = {
    "first page": "limit=10",
    "keyword and CQL2": "keyword=tree&where=%22fair:building_iou%22+%3E+0.9&limit=10",
    "words": "q=item+77&limit=10",
    "newest": "order=newest&limit=10",
}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        fill(settings, asked.items, asked.gigabytes)
        environment = {**os.environ, "FAIR_HOME": folder, "FAIR_WEB_RATE": "1000000/minute"}
        command = [
            sys.executable,
            "-c",
            "from fair_models.cli import main; main()",
            "serve",
            "--port",
            str(PORT),
        ]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as server:
            try:
                measure(f"http://127.0.0.1:{PORT}", psutil.Process(server.pid))
            finally:
                server.terminate()


def fill(settings: Settings, items: int, gigabytes: float) -> None:
    """Many small models, and a large one of four files."""
    catalog, store = LocalCatalog(settings.catalog_folder), LocalStore(settings.store_folder)
    found = [item(f"item{number}-v1", number / items) for number in range(items)]
    large = item("large-v1", 0.5)
    piece = os.urandom(1 << 20)
    for number in range(4):
        source = settings.home / "source.bin"
        with source.open("wb") as file:
            for _ in range(int(gigabytes * 256)):
                file.write(piece)
        stored = store.put(f"local-models/large/v1/part{number}.bin", source)
        fields = {"file:checksum": stored.checksum, "file:size": stored.size}
        large.add_asset(f"part{number}", Asset(stored.href, roles=["x"], extra_fields=fields))
        source.unlink()
    catalog.commit(Change(put=[*found, large]))


def item(item_id: str, iou: float) -> Item:
    """A small model."""
    said = {
        "version": "1",
        "deprecated": False,
        "title": item_id,
        "keywords": ["tree" if iou > 0.5 else "road"],
        "mlm:tasks": ["semantic-segmentation"],
        "created": "2026-03-01T12:00:00Z",
        "fair:building_iou": iou,
    }
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    return Item(
        item_id,
        {"type": "Point", "coordinates": [0, 0]},
        [0, 0, 0, 0],
        moment,
        said,
        collection="local-models",
    )


def measure(address: str, server: psutil.Process) -> None:
    """Ask, and print what it took."""
    with httpx.Client(base_url=address, timeout=300) as http:
        _wait(http)
        http.get("/api/models?limit=1").raise_for_status()
        before = largest = server.memory_info().rss
        began, first, total = time.perf_counter(), 0.0, 0
        with http.stream("GET", "/api/models/large/versions/1/archive") as answer:
            for piece in answer.iter_raw():
                first = first or time.perf_counter() - began
                total += len(piece)
                largest = max(largest, server.memory_info().rss) if total % 50 == 0 else largest
        largest = max(largest, server.memory_info().rss)
        spent = time.perf_counter() - began
        print(
            f"zip of {total / 1e9:.2f} GB: first byte {first * 1000:.0f} ms, {total / spent / 1e6:.0f} MB/s, "
            f"{(largest - before) / 1e6:.0f} MB more"
        )
        for name, query in LISTS.items():
            took = sorted(_timed(http, f"/api/models?{query}") for _ in range(ROUNDS))
            print(f"{name}: median {took[len(took) // 2]:.0f} ms, 99 % {took[-1]:.0f} ms")


def _timed(http: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    http.get(path).raise_for_status()
    return (time.perf_counter() - began) * 1000


def _wait(http: httpx.Client) -> None:
    for _ in range(300):
        try:
            http.get("/health/live")
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("the service does not start")


if __name__ == "__main__":
    main()
