"""Makes the initial weights: `python -m models.image_text_ranking.weights`, about 3 minutes on 2 free cores.

The network learns from invented scenes and the captions that the library writes from their labels, is
measured on scenes that it has not seen, and is written to weights/initial.safetensors; the item gets the
file's digest. Nothing is downloaded.
"""

from __future__ import annotations

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fair_models.contract.contribution import note_weights
from fair_models.data.images import chips
from fair_models.data.samples import Samples
from fair_models.data.synthetic import scenes
from fair_models.data.texts import captions
from fair_models.data.texts.captioned_samples import as_targets
from fair_models.data.vectors import labels
from fair_models.ml_tasks import weights
from fair_models.ml_tasks.results import Epoch

from . import pipeline, processing

FOLDER = Path(__file__).parent
WEIGHTS_FILE = FOLDER / "weights" / "initial.safetensors"
CLASSES = ("building", "road")

SEED, COUNT = 7, 1536
"""The scenes that are learnt from."""

VALIDATION_SEED, VALIDATION_COUNT = 402, 200
UNSEEN_SEED, UNSEEN_COUNT = 998, 500
PARAMS = pipeline.Params(epochs=16)

logger = logging.getLogger(__name__)


def make(path: Path, params: pipeline.Params = PARAMS, count: int = COUNT) -> None:
    """Train on invented scenes and write the weights as float16.

    Args:
        path: The safetensors file to write.
        params: Hyperparameters of this training.
        count: Number of scenes that are learnt from.
    """
    torch.manual_seed(0)
    network = pipeline.build(params)
    samples = samples_of(SEED, count)
    validation = samples_of(VALIDATION_SEED, min(count, VALIDATION_COUNT))
    pipeline.train(network, replace(samples, validation=validation), processing, params, 0, _log)
    weights.save(network, path, half=True)


def samples_of(seed: int, count: int) -> Samples:
    """Invented scenes with their captions."""
    with tempfile.TemporaryDirectory(prefix="fair-scenes-") as temporary:
        folder = scenes.make_scenes(Path(temporary), seed=seed, count=count, size_px=pipeline.SIZE_PX)
        known = labels.read(folder / "labels.geojson", CLASSES, scenes.CLASS_PROPERTY)
        found = chips.find(folder)
        images = np.stack([chips.read(chip) for chip in found])
        said = as_targets([captions.describe(known, chip.grid, CLASSES) for chip in found])
    return Samples(images, said, [chip.name for chip in found], ["background", "caption"])


def _log(epoch: Epoch) -> None:
    figures = ", ".join(f"{name} {value:.3f}" for name, value in epoch.values.items())
    logger.info("epoch %d of %d: %s", epoch.number, epoch.total, figures)


def main() -> None:
    """Make the weights, write their digest into the item, and say how good they are."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    make(WEIGHTS_FILE)
    note_weights(FOLDER)
    network = pipeline.build(PARAMS)
    weights.load(network, WEIGHTS_FILE)
    measured = pipeline.evaluate(network, samples_of(UNSEEN_SEED, UNSEEN_COUNT), processing, PARAMS)
    logger.info("held out: %d images; beside it: %s", measured.sample_count, measured.baseline_name)
    for key, value in measured.metrics.items():
        logger.info("%s %s %s, beside it %s", key, value, measured.intervals.get(key), measured.baseline[key])


if __name__ == "__main__":
    main()
