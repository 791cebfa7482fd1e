"""A U-Net that doubles by exactly two beside the same one that asks for the size of each level.

    python -m benchmarks.network_forms [--side 1344] [--rounds 5]

Both have the same weights and give the same scores. Each round runs each of them once, in processes of their
own that stay open; memory is what a process holds at most beyond what it held before the network was opened.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.memory import peak_mb
from fair_models.inference.network.session import open_session

FORMS = ("exactly two", "size of the level")


def main() -> None:
    """Read the arguments, measure, print a line for each form and the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--side", type=int, default=1344, help="Height and width of a window in pixels.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        serve(given.run, given.side)
        return
    with tempfile.TemporaryDirectory(prefix="fair-forms-") as folder:
        paths = [Path(folder) / "two.onnx", Path(folder) / "size.onnx"]
        write(*paths)
        measure(paths, given.side, given.rounds)


def measure(paths: list[Path], side: int, rounds: int) -> None:
    """Run both in turns."""
    command = [sys.executable, "-m", "benchmarks.network_forms", "--side", str(side), "--run"]
    running = [
        subprocess.Popen([*command, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for path in paths
    ]
    found: list[list[tuple[float, float, float]]] = [[], []]
    for number in range(rounds + 1):
        for process, figures in zip(running, found, strict=True):
            assert process.stdin
            assert process.stdout
            print(file=process.stdin, flush=True)
            wall, cpu, memory = map(float, process.stdout.readline().split())
            if number:  # the first round asks for memory
                figures.append((wall, cpu, memory))
    medians = [[statistics.median(values) for values in zip(*figures, strict=True)] for figures in found]
    for form, (wall, cpu, memory) in zip(FORMS, medians, strict=True):
        print(f"{form:>18}: {wall:.0f} ms, {cpu:.0f} ms of CPU, {memory:.0f} MB")
    ratios = [two / size for two, size in zip(*medians, strict=True)]
    print("ratios: wall time {:.2f}, CPU {:.2f}, memory {:.2f}".format(*ratios))
    for process in running:
        process.communicate()


def serve(path: Path, side: int) -> None:
    """Run the network once for each line that comes; print milliseconds, those of CPU, and MB."""
    pixels = np.random.default_rng(0).random((1, 3, side, side), dtype=np.float32)
    before = peak_mb()
    session = open_session(path)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        session.run(pixels)
        print(
            1000 * (time.perf_counter() - wall),
            1000 * (time.process_time() - cpu),
            peak_mb() - before,
            flush=True,
        )


def write(two: Path, size: Path) -> None:
    """Write both forms with the same weights, and print what that takes."""
    import torch
    from torch import Tensor, nn
    from torch.nn import functional

    from models.unet_segmentation import pipeline

    class AsksForSizes(nn.Module):
        """The same U-Net."""

        def __init__(self, unet: pipeline.UNet) -> None:
            super().__init__()
            self.unet = unet

        def forward(self, pixels: Tensor) -> Tensor:
            features, levels = self.unet.stem(pixels), []
            for number, block in enumerate(self.unet.down):
                features = block(functional.max_pool2d(features, 2, ceil_mode=True) if number else features)
                levels.append(features)
            levels.pop()
            for block in self.unet.up:
                above = levels.pop()
                features = block(torch.cat([_like(features, above), above], dim=1))
            return _like(self.unet.head(features), pixels)

    def _like(features: Tensor, other: Tensor) -> Tensor:
        return functional.interpolate(features, size=other.shape[-2:], mode="bilinear", align_corners=False)

    params = pipeline.Params()
    unet = pipeline.build(params)
    pipeline.export(unet, two, params)  # loads the exporter
    for form, network, path in zip(FORMS, (unet, AsksForSizes(unet)), (two, size), strict=True):
        cpu = time.process_time()
        pipeline.export(network, path, params)
        print(f"{form:>18}: {time.process_time() - cpu:.1f} s of CPU to export", flush=True)


if __name__ == "__main__":
    main()
