"""How long the command line takes to start: CPU and wall time beside those of Python itself.

    python -m benchmarks.command_start [runs]

Prints the quickest of `runs` (default 10) fresh processes: slower ones shared the machine. The refusals are
requests that a precheck refuses: a model that is not there, and a hyperparameter out of its bounds. The home
is a folder of its own with one base model and one dataset; no server runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fair_models.catalog.changes import transitions
from fair_models.catalog.local.catalog import LocalCatalog
from tests.catalog.item_factory import base_item, dataset_item

_MAIN = "from fair_models.cli import main; main()"
_SET = ("--set", "training.epochs=0")
COMMANDS = {
    "python -c pass": ("pass",),
    "fair-models --help": (_MAIN, "--help"),
    "fair-models predict --help": (_MAIN, "predict", "--help"),
    "refused: no such model": (_MAIN, "predict", "no-such-model", "."),
    "refused: hyperparameter": (_MAIN, "finetune", "roofs-unet", "banepa-buildings", "my-roofs", *_SET),
}


def seconds(arguments: tuple[str, ...], home: Path) -> tuple[float, float]:
    """CPU and wall time of one process, in seconds."""
    environment = {**os.environ, "FAIR_HOME": str(home), "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, _, used = os.wait4(process.pid, 0)
    return used.ru_utime + used.ru_stime, time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as folder:
        catalog = LocalCatalog(Path(folder) / "catalog")
        for item in (base_item(), dataset_item()):
            transitions.publish(catalog, item)
        print(f"{'command':28} {'CPU s':>6} {'wall s':>7}")
        for name, arguments in COMMANDS.items():
            cpu, wall = map(min, zip(*(seconds(arguments, Path(folder)) for _ in range(runs)), strict=True))
            print(f"{name:28} {cpu:6.2f} {wall:7.2f}")


if __name__ == "__main__":
    main()
