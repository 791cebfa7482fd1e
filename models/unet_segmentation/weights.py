"""Makes the initial weights: `python -m models.unet_segmentation.weights`, some 3 minutes on 2 cores.

The network learns from invented settlements, is measured on one that it has not seen, and is written to
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
RECIPE = pretraining.Recipe("instance-segmentation", ("background", "building"), size_px=256, gsd_m=0.3)

SEEDS = (101, 102, 103, 104, 105, 106)
"""Settlements that are learnt from. Those of the demo and of `fair-models sample` are not among them."""

UNSEEN_SEED = 999
PARAMS = pipeline.Params(epochs=30, batch_size=8)

logger = logging.getLogger(__name__)


def make(path: Path, params: pipeline.Params = PARAMS, seeds: tuple[int, ...] = SEEDS) -> None:
    """Train on invented settlements and write the weights as float16.

    Args:
        path: The safetensors file to write.
        params: Hyperparameters of this training.
        seeds: Settlements that are learnt from.
    """
    torch.manual_seed(0)
    network = pipeline.build(params)
    pipeline.train(network, samples_of(seeds), processing, params, 0, _log)
    weights.save(network, path, half=True)


def samples_of(seeds: tuple[int, ...]) -> Samples:
    """All chips of some invented settlements with their masks."""
    return pretraining.joined([pretraining.samples_of(RECIPE, seed) for seed in seeds])


def _log(epoch: Epoch) -> None:
    logger.info("epoch %d of %d, loss %.3f", epoch.number, epoch.total, epoch.values["loss"])


def main() -> None:
    """Make the weights, write their digest into the item, and say how good they are."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    make(WEIGHTS_FILE)
    note_weights(FOLDER)
    network = pipeline.build(PARAMS)
    weights.load(network, WEIGHTS_FILE)
    measured = pipeline.evaluate(network, samples_of((UNSEEN_SEED,)), processing, PARAMS)
    logger.info("held out: settlement %d; beside it: %s", UNSEEN_SEED, measured.baseline_name)
    for key, value in measured.metrics.items():
        logger.info("%s %s, beside it %s", key, value, measured.baseline[key])


if __name__ == "__main__":
    main()
