"""How the house is built: modules of each folder, names that modules share, lines, files that a run passes.

    python -m benchmarks.house [--no-runs]

A run passes a file when a function of it is called. Each operation runs twice in this process, over a small
registry in a temporary folder, and the second one is counted, so that imports are not. Counted is the work of
the library: ZenML is replaced by a ledger in memory, and nothing is started on a server.
"""

from __future__ import annotations

import argparse
import inspect
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from pystac import Item

PROJECT = Path(__file__).resolve().parents[1]
CONTRIBUTION = PROJECT / "models" / "unet_segmentation"
PACKAGES = ("fair_models", "flows")


def sources() -> list[Path]:
    """The Python files of the library and the flows that git knows, relative to the project."""
    listed = subprocess.run(
        ["git", "ls-files", *(f"{package}/*.py" for package in PACKAGES)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(line) for line in listed.stdout.splitlines() if (PROJECT / line).exists()]


def modules_by_folder(files: list[Path]) -> Counter[str]:
    """How many modules lie flat in each folder, `__init__` left out."""
    return Counter(str(path.parent) for path in files if path.name != "__init__.py")


PARALLEL = (
    "fair_models/ml_tasks/*/*.py",
    "fair_models/sdk/*.py",
    "fair_models/sdk/*/*.py",
    "fair_models/params/*.py",
    "fair_models/cli/commands/*.py",
    "fair_models/catalog/pgstac/*.py",
    "flows/*.py",
    "flows/tasks/*.py",
)
"""Modules that have the name of another one on purpose, for both are of the same thing: the modules of single
ML tasks, the SDK's over those of the tasks, the parameters, commands and flows of an operation, and the two
adapters of the catalogue."""

PARALLEL_NAMES = ("protocol", "opening")
"""Names that mean the same wherever they stand: what an adapter offers, and what chooses one."""


def shared_names(files: list[Path]) -> dict[str, int]:
    """How many modules have each name that several have, those left out that are of the same thing.

    Args:
        files: The Python files; `__init__` is left out.
    """
    counts = Counter(
        path.stem
        for path in files
        if path.stem not in ("__init__", *PARALLEL_NAMES) and not any(path.match(each) for each in PARALLEL)
    )
    return {name: count for name, count in counts.most_common() if count > 1}


def passed(work: Callable[[], object]) -> set[str]:
    """The project's files of which a function is called while something works, in every thread."""
    found: set[str] = set()
    roots = tuple(f"{PROJECT / package}{os.sep}" for package in PACKAGES)

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_flags & inspect.CO_OPTIMIZED and code.co_filename.startswith(roots):
            found.add(os.path.relpath(code.co_filename, PROJECT))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return found


def runs(folder: Path) -> Mapping[str, Callable[[int], object]]:
    """Operations over a small registry in a folder, by name; each is given the number of its call, from 1."""
    from fair_models import open_catalog, open_store, predict
    from fair_models.catalog.items.model import ModelItem
    from fair_models.data.synthetic.sample import make_settlement
    from fair_models.params import FinetuneParams, Gate, IngestDatasetParams, PromoteParams
    from fair_models.publishing.datasets import ingest
    from fair_models.publishing.promote import promote
    from fair_models.publishing.register.register import register_base_model
    from fair_models.reports import cards
    from fair_models.training.config.run_config import RunConfig
    from fair_models.training.finetune_plan import find_items, plan_run
    from flows.tasks.results import promoted
    from tests.publishing.memory_ledger import MemoryLedger

    catalog, store, ledger = open_catalog(), open_store(), MemoryLedger()
    base = register_base_model(str(CONTRIBUTION), catalog, store, random_start=True)
    town = make_settlement(folder / "town", seed=3, columns=4, rows=2, prediction_columns=0)

    def ingest_dataset(number: int) -> Item:
        chips = str(town / "input")
        given = {"name": f"town-{number}", "title": "A town", "chips": chips, "license": "CC-BY-4.0"}
        return ingest(IngestDatasetParams.model_validate(given), catalog, store)

    def plan_finetune(_: int) -> RunConfig:
        wish = FinetuneParams(base_model="unet-segmentation", dataset="town-1", model_name="roofs")
        return plan_run(*find_items(catalog, wish), wish)

    def promote_version(number: int) -> object:
        wish = PromoteParams(model="roofs", version=number, gate=Gate(not_worse_by=0.1))
        item = promote(wish, catalog, store, ledger)
        return promoted(item, None, dry_run=False), list(cards.of_local_model(item, store))

    def predict_town(number: int) -> object:
        return predict("unet-segmentation", town / "input", folder / f"predicted-{number}")

    ingest_dataset(1)
    config, keys = plan_finetune(1), [entry["key"] for entry in ModelItem(base).metrics_spec]
    for number in (1, 2):
        ledger.add(
            "roofs",
            metrics=dict.fromkeys(keys, 0.74),
            baseline=dict.fromkeys(keys, 0.377),
            hyperparameters=config.hyperparameters,
        )
        ledger.configs["roofs", number] = config
    return {
        "ingest": ingest_dataset,
        "finetune (its plan)": plan_finetune,
        "promote": promote_version,
        "predict": predict_town,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--no-runs", action="store_true", help="Count files and lines alone.")
    parser.add_argument("--files", action="store_true", help="Name the files that each run passes.")
    given = parser.parse_args()
    files = sources()
    folders, names = modules_by_folder(files), shared_names(files)
    print(f"{'folder':44} modules")
    for name, count in folders.most_common(12):
        print(f"{name:44} {count:7}")
    print(f"{'most modules flat in one folder':44} {max(folders.values()):7}")
    print(f"{'modules':44} {sum(folders.values()):7}")
    print(f"{'modules that share a name with another':44} {sum(names.values()):7}")
    label = "modules that share a name, of another meaning"
    print(f"{label:46} {sum(names.values()):5}")
    lines = sum((PROJECT / path).read_bytes().count(b"\n") for path in files)
    print(f"{'source lines':44} {lines:7}")
    if given.no_runs:
        return
    with tempfile.TemporaryDirectory(prefix="fair-house-") as folder:
        os.environ["FAIR_HOME"] = str(Path(folder) / "home")
        print(f"{'files passed by':44}")
        for name, work in runs(Path(folder)).items():
            work(1)
            found = passed(lambda work=work: work(2))  # type: ignore[misc]
            print(f"{'  ' + name:44} {len(found):7}")
            if given.files:
                print("".join(f"    {path}\n" for path in sorted(found)), end="")


if __name__ == "__main__":
    main()
