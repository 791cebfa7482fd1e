"""What cutting chips costs: `python -m benchmarks.cutting` prints memory and CPU time for 10,000 chips.

A service of tiles on this machine, a process of its own, gives tiles that all differ. The chips are cut once
with nothing in the cache and once more from the cache, each in a process of its own; beside them stands what
decoding a tile and encoding its chip cost alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np

from benchmarks.memory import peak_mb

ZOOM, CORNER = 19, (270000, 220288)
_PICTURES = 64
_ALONE = 500
_COMMENT = b"\xff\xfe"


def pictures() -> list[bytes]:
    """JPEG tiles of a settlement, some 20 KB each."""
    from PIL import Image

    from fair_models.data.images import chips
    from fair_models.data.synthetic import make_settlement

    with tempfile.TemporaryDirectory() as folder:
        make_settlement(Path(folder), seed=7, columns=8, rows=8, size_px=256, prediction_columns=0)
        found = []
        for chip in chips.find(Path(folder) / "input"):
            buffer = BytesIO()
            Image.fromarray(np.moveaxis(chips.read(chip), 0, -1)).save(buffer, "JPEG", quality=88)
            found.append(buffer.getvalue())
    return found[:_PICTURES]


def tile(given: list[bytes], x: int, y: int) -> bytes:
    """A picture with a comment of its own, so that no two tiles have the same bytes."""
    data, note = given[(x * 31 + y * 17) % len(given)], f"{x}/{y}".encode()
    return data[:2] + _COMMENT + (len(note) + 2).to_bytes(2, "big") + note + data[2:]


def serve() -> None:
    """Give tiles until the standard input ends; the first line that is printed is the port."""
    given = pictures()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _, _, x, y = self.path.split("/")
            body = tile(given, int(x), int(y.partition(".")[0]))
            head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
            with suppress(ConnectionError):
                self.wfile.write(head.encode() + body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


def area(columns: int, rows: int) -> str:
    """The box of so many tiles."""
    from fair_models.data.images import tiles

    (west, east), (north, south) = tiles.lonlat(
        np.array([CORNER[0] + 0.5, CORNER[0] + columns - 0.5]),
        np.array([CORNER[1] + 0.5, CORNER[1] + rows - 0.5]),
        ZOOM,
    )
    return f"{west},{south},{east},{north}"


def cut(imagery: str, box: str, folder: str) -> None:
    """Cut chips, and print how many, seconds, CPU seconds and the peak of memory."""
    from fair_models.inference.imagery import areas
    from fair_models.inference.imagery.sources.source import parse_source
    from fair_models.ingestion.cut import cut as cut_chips
    from fair_models.params import IngestDatasetParams

    params = IngestDatasetParams(name="town", title="Town", imagery=imagery, labels="none", zoom=ZOOM)
    began, cpu = time.perf_counter(), _cpu_s()
    made = cut_chips(params, parse_source(imagery), areas.read(box), Path(folder))
    figures = {
        "chips": made.count,
        "seconds": time.perf_counter() - began,
        "cpu_s": _cpu_s() - cpu,
        "peak_mb": peak_mb(),
    }
    print(json.dumps(figures))


def alone(count: int = _ALONE) -> float:
    """CPU seconds of decoding a tile and encoding it as a chip, with nothing else."""
    from fair_models.data.images import chip_files, tiles
    from fair_models.inference.imagery.sources.fetcher import opened

    given = pictures()
    places = [(x, y) for y in range(20) for x in range(25)][:count]
    bodies = [tile(given, x, y) for x, y in places]
    random.Random(1).shuffle(bodies)
    began = _cpu_s()
    for (x, y), body in zip(places, bodies, strict=True):
        pixels = np.asarray(opened(body))
        chip_files.encoded(tiles.Tile(CORNER[0] + x, CORNER[1] + y, ZOOM), pixels)
    return (_cpu_s() - began) / count


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _in_process(home: str, *arguments: str) -> str:
    environment = {**os.environ, "FAIR_HOME": home, "FAIR_ALLOWED_HOSTS": '["127.0.0.1"]'}
    environment |= {"FAIR_REQUESTS_PER_SECOND": "1000", "FAIR_REQUESTS_AT_ONCE": "4"}
    command = [sys.executable, "-m", "benchmarks.cutting", *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Read the options, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, default=100, help="tiles from west to east (100)")
    parser.add_argument("--rows", type=int, default=100, help="tiles from north to south (100)")
    parser.add_argument("--step", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step == ["serve"]:
        serve()
    elif given.step == ["alone"]:
        print(alone())
    elif given.step:
        cut(*given.step)
    else:
        measure(given.columns, given.rows)


def measure(columns: int, rows: int) -> None:
    """Cut fresh and from the cache, and print what both cost."""
    home = tempfile.mkdtemp(prefix="cutting-")
    command = [sys.executable, "-m", "benchmarks.cutting", "--step", "serve"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        imagery = f"http://127.0.0.1:{server.stdout.readline().strip()}/{{z}}/{{x}}/{{y}}.jpg"
        base = float(_in_process(home, "--step", "alone"))
        print(f"decode and encode alone: {base * 1000:.2f} ms of CPU a chip")
        print(f"{'':8} {'chips':>7} {'chips/s':>8} {'CPU ms a chip':>14} {'ratio':>6} {'peak MB':>8}")
        for name in ("fresh", "cached"):
            folder = f"{home}/chips-{name}"
            found = json.loads(_in_process(home, "--step", imagery, area(columns, rows), folder))
            cost = found["cpu_s"] / found["chips"]
            speed = found["chips"] / found["seconds"]
            print(
                f"{name:8} {found['chips']:>7} {speed:>8.1f} {cost * 1000:>14.2f} {cost / base:>6.2f} "
                f"{found['peak_mb']:>8.0f}",
                flush=True,
            )
            shutil.rmtree(folder)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
