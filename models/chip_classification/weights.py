"""Makes the initial weights: `python -m models.chip_classification.weights`, about 5 minutes on 2 free cores.

The network learns from invented settlements of which parts are not built, is measured on some that it has not
seen, and is written to weights/initial.safetensors; the item gets the file's digest. Nothing is downloaded.
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
RECIPE = pretraining.Recipe("scene-classification", processing.CLASSES, size_px=256, gsd_m=0.3)

BUILT_SHARES = (0.15, 0.3, 0.15, 0.1, 0.2, 0.3, 0.1, 0.2, 0.1, 0.2, 0.15, 0.1, 0.3, 0.15, 0.1, 0.2)
SETTLEMENTS = tuple(enumerate(BUILT_SHARES, start=201))
"""Seed of each settlement that is learnt from, and the share of its area that is built."""

UNSEEN_SETTLEMENTS = ((997, 0.1), (998, 0.2), (999, 0.3))
PARAMS = pipeline.Params(epochs=30, batch_size=16, learning_rate=0.002)

logger = logging.getLogger(__name__)


def make(
    path: Path,
    params: pipeline.Params = PARAMS,
    settlements: tuple[tuple[int, float], ...] = SETTLEMENTS,
) -> None:
    """Train on invented settlements and write the weights as float16.

    Args:
        path: The safetensors file to write.
        params: Hyperparameters of this training.
        settlements: Seed and built share of each settlement that is learnt from.
    """
    torch.manual_seed(0)
    network = pipeline.build(params)
    pipeline.train(network, samples_of(settlements), processing, params, 0, _log)
    weights.save(network, path, half=True)


def samples_of(settlements: tuple[tuple[int, float], ...]) -> Samples:
    """All chips of some invented settlements, each with its class."""
    return pretraining.joined([pretraining.samples_of(RECIPE, seed, share) for seed, share in settlements])


def _log(epoch: Epoch) -> None:
    logger.info("epoch %d of %d, loss %.3f", epoch.number, epoch.total, epoch.values["loss"])


def main() -> None:
    """Make the weights, write their digest into the item, and say how good they are."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    make(WEIGHTS_FILE)
    note_weights(FOLDER)
    network = pipeline.build(PARAMS)
    weights.load(network, WEIGHTS_FILE)
    measured = pipeline.evaluate(network, samples_of(UNSEEN_SETTLEMENTS), processing, PARAMS)
    logger.info("held out: %d chips; beside it: %s", measured.sample_count, measured.baseline_name)
    for key, value in measured.metrics.items():
        logger.info("%s %s, beside it %s", key, value, measured.baseline[key])


if __name__ == "__main__":
    main()
