"""Makes the initial weights: `python -m models.box_detection.weights`, some 3 minutes on 2 free cores.

The network learns from invented settlements, is measured on some that it has not seen, and is written to
weights/initial.safetensors; the item gets the file's digest. Nothing is downloaded.
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from fair_models.contract.contribution import note_weights
from fair_models.data.samples import Samples
from fair_models.ml_tasks import pretraining, weights
from fair_models.ml_tasks.results import Epoch

from . import pipeline, processing

FOLDER = Path(__file__).parent
WEIGHTS_FILE = FOLDER / "weights" / "initial.safetensors"
RECIPE = pretraining.Recipe("object-detection", ("background", "building"), size_px=256, gsd_m=0.3)

SEEDS = (301, 302, 303, 304, 305, 306, 307, 308)
"""Settlements that are learnt from. Those of the demo and of `fair-models sample` are not among them."""

UNSEEN_SEEDS = (997, 998, 999)
PARAMS = pipeline.Params(epochs=30)

logger = logging.getLogger(__name__)


def make(path: Path, samples: Samples, params: pipeline.Params = PARAMS) -> None:
    """Train and write the weights as float16.

    Args:
        path: The safetensors file to write.
        samples: What is learnt from.
        params: Hyperparameters of this training.
    """
    torch.manual_seed(0)
    network = pipeline.build(params)
    pipeline.train(network, samples, processing, params, 0, _log)
    weights.save(network, path, half=True)


def samples_of(seeds: tuple[int, ...]) -> Samples:
    """All chips of some invented settlements with their boxes."""
    return pretraining.joined([pretraining.samples_of(RECIPE, seed) for seed in seeds])


def _log(epoch: Epoch) -> None:
    logger.info("epoch %d of %d, loss %.3f", epoch.number, epoch.total, epoch.values["loss"])


def main() -> None:
    """Make the weights, write their digest into the item, and say how good they are."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    make(WEIGHTS_FILE, samples_of(SEEDS))
    note_weights(FOLDER)
    network = pipeline.build(PARAMS)
    weights.load(network, WEIGHTS_FILE)
    unseen = samples_of(UNSEEN_SEEDS)
    measured = pipeline.evaluate(network, unseen, processing, PARAMS)
    logger.info("held out: %d chips; beside it: %s", measured.sample_count, measured.baseline_name)
    for key, value in measured.metrics.items():
        logger.info(
            "%s %s %s, beside it %s", key, value, measured.intervals.get(key), measured.baseline.get(key)
        )


if __name__ == "__main__":
    main()
