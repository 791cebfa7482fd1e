"""What a fine-tune costs beyond training: `launch.run` beside plain calls of the same functions.

    python -m benchmarks.finetune_overhead [--epochs 5] [--threads 2]

Uses a home of its own in a temporary folder, generated imagery and models/unet_segmentation. "Cold" is the
first run of a fresh home in a fresh process: imports, the set-up of ZenML's and MLflow's databases and
decoding are in it. "Warm" is the third run. The overhead is the wall time minus that of the training itself;
it holds evaluation and the export to ONNX too, so the plain calls, which do the same, stand beside it.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fair_models.training.config.run_config import RunConfig

CONTRIBUTION = Path(__file__).parents[1] / "models" / "unet_segmentation"


@dataclass(frozen=True)
class Timing:
    """Seconds: of the whole, and of the training within."""

    wall: float
    training: float


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=5, help="Epochs of each run.")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads. Default: all cores.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fair-overhead-") as home:
        os.environ["FAIR_HOME"] = home
        measure(Path(home), arguments.epochs, arguments.threads)


def measure(home: Path, epochs: int, threads: int | None) -> None:
    """Print a table of launched and plain runs of one config."""
    config = plan(home, epochs).model_copy(update={"threads": threads})

    from fair_models.training import launch

    def launched() -> float:
        return launch.run(config).seconds or 0.0

    def plain() -> float:
        return train_plainly(config)

    rows = {
        "launch.run, cold": timed(launched),
        "launch.run, second": timed(launched),
        "launch.run, warm": timed(launched),
        "plain calls, warm": timed(plain),
    }
    print(f"{'':22}{'wall s':>9}{'training s':>12}{'beyond s':>10}")
    for name, timing in rows.items():
        beyond = timing.wall - timing.training
        print(f"{name:22}{timing.wall:9.2f}{timing.training:12.2f}{beyond:10.2f}")


def plan(home: Path, epochs: int) -> RunConfig:
    """Register the contribution, ingest a generated settlement, plan a run."""
    from fair_models.catalog.opening import open_catalog
    from fair_models.data.synthetic import make_settlement
    from fair_models.params import FinetuneParams, IngestDatasetParams
    from fair_models.publishing import datasets
    from fair_models.publishing.register import register
    from fair_models.settings import current
    from fair_models.store.opening import open_store
    from fair_models.training.finetune_plan import plan_run

    catalog, store = open_catalog(current()), open_store(current())
    make_settlement(home / "settlement", seed=1)
    town = IngestDatasetParams(name="town", title="Town", chips=str(home / "settlement"))
    dataset = datasets.ingest(town, catalog, store)
    base = register.register_base_model(str(CONTRIBUTION), catalog, store)
    wish = FinetuneParams(
        base_model=base.id, dataset=dataset.id, model_name="town-roofs", overrides={"training.epochs": epochs}
    )
    return plan_run(base, dataset, wish)


def train_plainly(config: RunConfig) -> float:
    """What the steps do, without ZenML and MLflow. Gives the seconds of the training itself."""
    from fair_models.settings import current
    from fair_models.store.opening import open_store
    from fair_models.training.phases import evaluation, export, fit, model_code, preparation, sample_cache

    store = open_store(current())
    samples = sample_cache.load(config, store, current().cache_folder)
    code = model_code.load(config, store)
    preparation.prepare(config, samples, code.processing)
    fitted = fit.fit(config, code, store, samples.train, report=lambda epoch: None)
    evaluation.evaluate(config, code, fitted.weights, samples.held_out)
    onnx = export.export(config, code, fitted.weights)
    export.quicken(config, code, onnx, samples)
    return fitted.seconds


def timed(run: Callable[[], float]) -> Timing:
    """Time a run that gives the seconds of its training."""
    began = time.perf_counter()
    training = run()
    return Timing(time.perf_counter() - began, training)


if __name__ == "__main__":
    main()
