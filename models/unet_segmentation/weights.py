"""Makes the initial weights: `python -m models.unet_segmentation.weights`, about 5 minutes on 2 cores.

The network learns from invented settlements, is measured on one that it has not seen, and is written to
weights/initial.safetensors; the item gets the file's digest. Nothing is downloaded.
"""

from __future__ import annotations

import logging
import re
import tempfile
from pathlib import Path

import numpy as np
import torch

from fair_models.contract import weights
from fair_models.data import chips, splits
from fair_models.data.loading import load_samples
from fair_models.data.samples import Samples
from fair_models.data.synthetic import make_settlement
from fair_models.ml_tasks.results import Epoch
from fair_models.ml_tasks.segmentation import targets
from fair_models.store.digests import checksum_file

from . import pipeline, processing

FOLDER = Path(__file__).parent
WEIGHTS_FILE = FOLDER / "weights" / "initial.safetensors"
ITEM_FILE = FOLDER / "stac-item.json"
CLASSES = ("background", "building")
SIZE_PX = 256
GSD_M = 0.3

SEEDS = (101, 102, 103, 104, 105, 106)
"""Settlements that are learnt from. Seed 0, which the demo uses by default, is not among them."""

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
    pipeline.train(network, _joined([samples_of(seed) for seed in seeds]), processing, params, 0, _log)
    weights.save(network, path, half=True)


def samples_of(seed: int) -> Samples:
    """All chips of one invented settlement with their masks."""
    with tempfile.TemporaryDirectory(prefix="fair-settlement-") as folder:
        chips_folder = make_settlement(Path(folder), seed=seed, prediction_columns=0) / "input"
        loaded = load_samples(
            chips_folder=chips_folder,
            labels_path=chips_folder / "labels.geojson",
            split=splits.by_area(chips.find(chips_folder), 0.25, seed=0, buffer_m=0),
            classes=CLASSES,
            size_px=SIZE_PX,
            gsd_m=GSD_M,
            resampling="average",
            targets=targets.from_labels,
            class_property=None,
        )
    return _joined([loaded.train, loaded.held_out])


def note_digest(weights_file: Path, item_file: Path) -> None:
    """Write digest and size of the weights into the item."""
    text = item_file.read_text(encoding="utf-8")
    text = re.sub(r'("file:checksum": )"[0-9a-f]*"', rf'\1"{checksum_file(weights_file)}"', text, count=1)
    text = re.sub(r'("file:size": )\d+', rf"\g<1>{weights_file.stat().st_size}", text, count=1)
    item_file.write_text(text, encoding="utf-8")


def _joined(parts: list[Samples]) -> Samples:
    return Samples(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.targets for part in parts]),
        [name for part in parts for name in part.names],
        CLASSES,
    )


def _log(epoch: Epoch) -> None:
    logger.info("epoch %d of %d, loss %.3f", epoch.number, epoch.total, epoch.values["loss"])


def main() -> None:
    """Make the weights, write their digest into the item, and say how good they are."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    make(WEIGHTS_FILE)
    note_digest(WEIGHTS_FILE, ITEM_FILE)
    network = pipeline.build(PARAMS)
    weights.load(network, WEIGHTS_FILE)
    measured = pipeline.evaluate(network, samples_of(UNSEEN_SEED), processing, PARAMS)
    logger.info("held out: settlement %d; beside it: %s", UNSEEN_SEED, measured.baseline_name)
    for key, value in measured.metrics.items():
        logger.info("%s %s, beside it %s", key, value, measured.baseline[key])


if __name__ == "__main__":
    main()
