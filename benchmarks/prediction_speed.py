"""Predictions beside the usual loop over chips and beside the bare engine: ratios and their goals.

    python -m benchmarks.prediction_speed [--chips CHIPS --labels LABELS] [--only ROW ...] [--rounds 5]

Each round runs each side once, one after the other, on the same chips and the same ONNX:

* peer: `benchmarks.peer_loop`, with ONNX Runtime's default options, to one GeoJSON file.
* exact: a whole prediction with the engine `exact`, to GeoParquet and its item.
* engine: the same windows, read and pre-processed before, through the same session and nothing else.
* fast: a whole prediction with the quickest way to run the network that agrees with it.

Ratios are medians over the rounds, of wall time and of CPU time. The networks are made once, in a process of
their own (see `benchmarks.networks`), so that no torch is loaded here. Without chips it invents a settlement.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import many_chips, prediction_memory, seams, writing_speed
from benchmarks.predicting import Case, Cost, Network
from fair_models.inference import windows

NAMES = ("r34", "c16")
GOALS = {
    "exact": {"r34": 1.25, "c16": 2.5},
    "engine": {"r34": 0.95, "c16": 0.65},
    "fast": {"r34": 4.5, "c16": 5.0},
}
ROWS = (*GOALS, "writing", "memory", "seams")
SIDES_PX = (10_000, 20_000)
POLYGONS = 100_000


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    goal: str
    measured: str
    more: str = ""

    def __str__(self) -> str:
        return f"| {self.what} | {self.goal} | {self.measured} | {self.more} |"


def main() -> None:
    """Read the arguments, measure, print the table."""
    given = arguments()
    networks = made_networks(given)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="fair-speed-") as made:
        folder = Path(made)
        if set(given.only) & set(GOALS):
            chips = many_chips.make(folder / "chips", given.chips, given.copies)
            for name in given.networks:
                rows += speed(Case(networks[name], chips, folder), given.only, given.rounds)
        if "writing" in given.only:
            rows.append(writing(given.rounds))
        if "memory" in given.only:
            rows += memory(folder)
        if "seams" in given.only:
            rows += [agreement(networks[name], given.chips, folder) for name in given.networks]
    print("\n| what | goal | wall time | CPU time, and more |\n|---|---|---|---|")
    print(*rows, sep="\n")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--chips", type=Path, help="Folder of chips. Default: an invented settlement.")
    parser.add_argument("--labels", type=Path, help="GeoJSON of the chips; the networks learn from it.")
    parser.add_argument("--copies", type=int, default=2, help="How often the chips are there, apart.")
    parser.add_argument("--networks-in", type=Path, default=Path(tempfile.gettempdir()) / "fair-networks")
    parser.add_argument("--networks", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument(
        "--precision", choices=["int8", "bfloat16"], help="How `fast` computes. Default: as it would choose."
    )
    parser.add_argument("--only", nargs="+", choices=ROWS, default=ROWS, help="Rows of the table.")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def made_networks(given: argparse.Namespace) -> dict[str, Network]:
    """The networks; what is not there yet is made."""
    found = {name: Network(given.networks_in, name, given.precision) for name in given.networks}
    if not all(network.is_there for network in found.values()):
        command = [sys.executable, "-m", "benchmarks.networks", str(given.networks_in)]
        if given.chips and given.labels:
            command += ["--chips", str(given.chips), "--labels", str(given.labels)]
        subprocess.run(command, check=True)
    return found


def speed(case: Case, only: Sequence[str], rounds: int) -> Iterator[Row]:
    """The rows of one network."""
    sides = {"exact": case.exact, "peer": case.peer}
    if "engine" in only:
        sides["engine"] = case.engine
    if "fast" in only and case.fast_session is not None:
        sides["fast"] = case.fast
    costs = interleaved(sides, rounds)
    name, count = case.network.name, len(case.chips)
    for side, each in costs.items():
        wall, cpu = (1000 * statistics.median(values) / count for values in zip(*each, strict=True))
        print(f"{name} {side:7} {wall:7.1f} ms, {cpu:7.1f} ms of CPU for each of {count} chips", flush=True)
    if "exact" in only:
        goal = GOALS["exact"][name]
        yield ratio(f"peer loop ÷ exact, {name}", goal, costs["peer"], costs["exact"])
    if "engine" in only:
        goal = GOALS["engine"][name]
        yield ratio(f"raw engine ÷ whole pipeline, {name}", goal, costs["engine"], costs["exact"])
    if "fast" in costs:
        iou = case.mask_iou()
        session = case.fast_session
        way = f"{session.engine} {session.precision}" if session else ""
        more = f"{way}, mask IoU over these chips {iou:.4f}"
        yield ratio(f"peer loop ÷ fast, {name}", GOALS["fast"][name], costs["peer"], costs["fast"], more)


def interleaved(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[Cost]]:
    """What each side costs in each round. A first round that nobody counts opens files and fills caches."""
    costs: dict[str, list[Cost]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            side()
            cost = Cost(time.perf_counter() - wall, time.process_time() - cpu)
            if number:
                costs[name].append(cost)
    return costs


def ratio(what: str, goal: float, upper: Sequence[Cost], lower: Sequence[Cost], more: str = "") -> Row:
    """A row of the medians over the rounds."""
    wall = [one.wall / other.wall for one, other in zip(upper, lower, strict=True)]
    cpu = statistics.median(one.cpu / other.cpu for one, other in zip(upper, lower, strict=True))
    spread = f"{statistics.median(wall):.2f} ({min(wall):.2f} to {max(wall):.2f})"
    return Row(what, f"≥ {goal:g}", spread, f"{cpu:.2f}" + (f"; {more}" if more else ""))


def writing(rounds: int) -> Row:
    """Peer writing beside ours."""
    found = [
        {side: writing_speed.in_a_process(side, POLYGONS)["seconds"] for side in writing_speed.SIDES}
        for _ in range(rounds)
    ]
    times = statistics.median(each["plain"] / each["ours"] for each in found)
    plain, ours = (statistics.median(each[side] for each in found) for side in ("plain", "ours"))
    more = f"{plain:.1f} s and {ours:.2f} s"
    return Row(f"peer writing ÷ ours, {POLYGONS:,} polygons to GeoParquet", "≥ 10", f"{times:.1f}", more)


def memory(folder: Path) -> Iterator[Row]:
    """Peak memory at two sizes, each in a process of its own without torch."""
    prediction_memory.write_network(folder / "network.onnx")
    small, large = (prediction_memory.measure(folder, side, ["geoparquet"]) for side in SIDES_PX)
    yield Row("memory at 20,000² px ÷ at 10,000² px", "≤ 1.1", f"{large / small:.3f}")
    yield Row("memory at 20,000² px", "< 600 MB", f"{large:.0f} MB", f"{small:.0f} MB at 10,000² px")


def agreement(network: Network, chips: Path | None, folder: Path) -> Row:
    """Objects beside those of one window over everything."""
    session = network.exact()
    chips = chips or seams.invented(folder / "seams")
    size, margin = windows.DEFAULT_SIZE_PX, windows.DEFAULT_MARGIN_PX  # seams sets them: before it does
    reference = seams.objects(chips, session, seams.EVERYTHING_PX, 0)
    found = seams.objects(chips, session, size, margin)
    cut = seams.cut_objects(found, reference, seams.edges(reference.shape, size, margin))
    score = seams.object_f1(found, reference)
    what = f"object F1 beside one window, {network.name}; polygons cut at internal edges"
    return Row(what, "≥ 0.99; 0", f"{score:.4f}; {cut}", f"{reference.max()} objects")


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    main()
