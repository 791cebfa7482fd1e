"""Initial weights out of nothing but seeds: samples of invented settlements."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fair_models.data import splits
from fair_models.data.chip_samples import load_samples
from fair_models.data.images import chips
from fair_models.data.samples import Samples, joined
from fair_models.data.synthetic import make_settlement
from fair_models.ml_tasks.registry import targets_for

__all__ = ["Recipe", "joined", "samples_of"]


@dataclass(frozen=True)
class Recipe:
    """What samples a model takes.

    task: ML task, as in `mlm:tasks`.
    classes: Class names; the position is the index, 0 the background.
    size_px: Height and width of a sample.
    gsd_m: Metres per pixel that the model works at.
    """

    task: str
    classes: Sequence[str]
    size_px: int
    gsd_m: float


def samples_of(recipe: Recipe, seed: int, built_share: float = 1.0) -> Samples:
    """All chips of one invented settlement (48, zoom 19) with their targets.

    Args:
        recipe: What the model takes.
        seed: Everything random derives from it.
        built_share: Share of the area where buildings may stand, see `make_settlement`.
    """
    with tempfile.TemporaryDirectory(prefix="fair-settlement-") as folder:
        settlement = make_settlement(Path(folder), seed=seed, prediction_columns=0, built_share=built_share)
        chips_folder = settlement / "input"
        loaded = load_samples(
            chips_folder=chips_folder,
            labels_path=chips_folder / "labels.geojson",
            split=splits.by_area(chips.find(chips_folder), 0.25, seed=0, buffer_m=0),
            classes=recipe.classes,
            size_px=recipe.size_px,
            gsd_m=recipe.gsd_m,
            resampling="average",
            targets=targets_for(recipe.task),
            class_property=None,
        )
    return joined([loaded.train, loaded.held_out])
