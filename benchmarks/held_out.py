"""How well a fine-tune does on ground that it has not seen, one line for each seed and the median.

    python -m benchmarks.held_out CHIPS LABELS [--seeds 0 1 2] [--buffer-m 30] [--set training.epochs=40]

The seed chooses the side that is held out and everything random in the training. Uses a home of its own in a
temporary folder and no ZenML: the same functions that the training pipeline calls.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fair_models.ml_tasks.results import Evaluation
from fair_models.types import Json

if TYPE_CHECKING:
    from pystac import Item

    from fair_models.data.samples import Samples
    from fair_models.store.protocol import Store
    from fair_models.training.config.run_config import RunConfig
    from fair_models.training.phases.model_code import ModelCode

CONTRIBUTION = Path(__file__).parents[1] / "models" / "unet_segmentation"


@dataclass(frozen=True)
class Fold:
    """One seed: how the area was split, how long training took (s), and what was measured.

    cpu_s: Seconds of all cores for the training.
    trained: The model, and what it was made from.
    """

    seed: int
    split: Json
    repairs: Json
    seconds: float
    cpu_s: float
    evaluation: Evaluation
    trained: Trained


@dataclass(frozen=True)
class Trained:
    """A model that was fine-tuned here.

    config: The run.
    code: The contribution.
    weights: The network's state as safetensors.
    calibrated: Inference parameters by full key that the training set.
    held_out: Names of the chips that were held out.
    """

    config: RunConfig
    code: ModelCode
    weights: bytes
    calibrated: Mapping[str, float]
    held_out: Sequence[str]


def main() -> None:
    """Read the arguments, train once for each seed, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("chips", type=Path, help="Folder of chips.")
    parser.add_argument("labels", type=Path, help="GeoJSON with the labels.")
    parser.add_argument("--model", type=Path, default=CONTRIBUTION, help="Folder of the contribution.")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="Seeds of split and training."
    )
    parser.add_argument("--buffer-m", type=float, default=30.0, help="Between train and held-out, in metres.")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="Hyperparameters.")
    given = parser.parse_args()
    overrides = {name: json.loads(value) for name, _, value in (text.partition("=") for text in given.set)}
    with tempfile.TemporaryDirectory(prefix="fair-held-out-") as home:
        os.environ["FAIR_HOME"] = home
        folds = [
            train(given.model, given.chips, given.labels, seed, given.buffer_m, overrides)
            for seed in given.seeds
        ]
    show(folds)


@dataclass(frozen=True)
class Prepared:
    """A run that is planned, and its samples.

    dataset: Item of the dataset.
    """

    config: RunConfig
    dataset: Item
    store: Store
    train: Samples
    held_out: Samples


def prepare(
    model: Path,
    chips: Path,
    labels: Path,
    seed: int,
    buffer_m: float,
    overrides: Mapping[str, Any] | None = None,
    ingest: Mapping[str, Any] | None = None,
    random_start: bool = False,
) -> Prepared:
    """Ingest with the seed's split, and plan a training with the seed. See `train`."""
    from fair_models.catalog.opening import open_catalog
    from fair_models.params import FinetuneParams, IngestDatasetParams
    from fair_models.publishing import datasets
    from fair_models.publishing.register import register
    from fair_models.settings import current
    from fair_models.store.opening import open_store
    from fair_models.training.finetune_plan import plan_run
    from fair_models.training.phases import sample_cache

    catalog, store = open_catalog(current()), open_store(current())
    base = register.register_base_model(str(model), catalog, store, random_start=random_start)
    wish = IngestDatasetParams(
        name="area",
        title="Area",
        chips=str(chips.resolve()),
        labels=str(labels.resolve()),
        seed=seed,
        buffer_m=buffer_m,
        **(ingest or {}),
    )
    dataset = datasets.ingest(wish, catalog, store)
    asked = FinetuneParams(
        base_model=base.id,
        dataset=dataset.id,
        model_name="area-model",
        overrides=dict(overrides or {}),
        seed=seed,
    )
    config = plan_run(base, dataset, asked)
    samples = sample_cache.load(config, store, current().cache_folder)
    return Prepared(config, dataset, store, samples.train, samples.held_out)


def train(
    model: Path,
    chips: Path,
    labels: Path,
    seed: int,
    buffer_m: float,
    overrides: Mapping[str, Any],
    ingest: Mapping[str, Any] | None = None,
    random_start: bool = False,
) -> Fold:
    """Ingest with the seed's split, train with the seed, measure on the side that was held out.

    Args:
        model: Folder of the contribution.
        chips: Folder of chips that are learnt from and measured on.
        labels: Their labels.
        seed: Seed of the split and of the training.
        buffer_m: Between train and held-out, in metres.
        overrides: Hyperparameters by full key.
        ingest: Further parameters of the ingest.
        random_start: Whether published weights are left alone.
    """
    from fair_models.data.splits import Split
    from fair_models.training.phases import calibration, fit, model_code
    from fair_models.training.phases.evaluation import evaluate

    prepared = prepare(model, chips, labels, seed, buffer_m, overrides, ingest, random_start)
    config, store = prepared.config, prepared.store
    code = model_code.load(config, store)
    before = time.process_time()
    fitted = fit.fit(config, code, store, prepared.train, report=lambda epoch: None)
    cpu_s = time.process_time() - before
    calibrated = calibration.calibrate(config, code, fitted.weights, prepared.train)
    evaluation = evaluate(config, code, fitted.weights, prepared.held_out, calibrated)
    facts = prepared.dataset.properties
    split = Split.read(store.fetch(config.data.split.href, config.data.split.checksum))
    trained = Trained(config, code, fitted.weights, calibrated, split.held_out)
    repairs = facts.get("fair:repairs", {})
    return Fold(seed, facts["fair:split_spec"], repairs, fitted.seconds, cpu_s, evaluation, trained)


def show(folds: Sequence[Fold]) -> None:
    """Print one line for each seed, the medians, and what the ingest repaired or left out."""
    keys = list(folds[0].evaluation.metrics)
    print(f"{'seed':>6}{'train':>7}{'held out':>10}{'seconds':>9}", *(f"{key:>20}" for key in keys))
    for fold in folds:
        counts = f"{fold.split['train']:>7}{fold.split['held_out']:>10}{fold.seconds:>9.0f}"
        print(f"{fold.seed:>6}{counts}", *(shown(fold.evaluation.metrics[key]) for key in keys))
        print(f"{'':>6}{fold.evaluation.baseline_name:>26}", end="")
        print("", *(shown(fold.evaluation.baseline.get(key)) for key in keys))
    medians = [
        statistics.median([value for fold in folds if (value := fold.evaluation.metrics[key]) is not None])
        for key in keys
    ]
    print(f"{'median':>32}", *(shown(value) for value in medians))
    for fold in folds:
        print(f"seed {fold.seed}: repaired or left out:", fold.repairs or "nothing")


def shown(value: float | None) -> str:
    """A figure, or a dash where nothing was measured."""
    return f"{'–' if value is None else format(value, '.3f'):>20}"


if __name__ == "__main__":
    main()
