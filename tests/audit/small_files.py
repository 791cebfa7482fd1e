"""Real files of a small registry: an archive of code, one of chips, a split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from fair_models.contract.code.code_archive import pack_code
from fair_models.data.splits import Split
from fair_models.store.archive import pack

TRAIN = ("OAM-386690-220241-19", "OAM-386691-220241-19")
HELD_OUT = ("OAM-386690-220242-19", "OAM-386691-220242-19")

PIPELINE = """
from fair_models.ml_tasks.segmentation import training
class Params(training.Params): ...
def build(params): ...
train, evaluate, export = training.train, training.evaluate, training.export
"""
PROCESSING = """
from fair_models.ml_tasks import segmentation
preprocess = segmentation.scale_to_unit
postprocess = segmentation.class_probabilities
"""


def a_code_archive(
    path: Path, pipeline: str | None = PIPELINE, processing: str = PROCESSING, package: str = "roofs"
) -> Path:
    """The code of models.roofs as registration packs it."""
    folder = path.parent / "models" / package
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "processing.py").write_text(processing, encoding="utf-8")
    (folder / "pipeline.py").unlink(missing_ok=True)
    if pipeline is not None:
        (folder / "pipeline.py").write_text(pipeline, encoding="utf-8")
    pack_code(folder, path)
    return path


def a_chips_archive(path: Path, names: Sequence[str] = (*TRAIN, *HELD_OUT)) -> Path:
    """Chips that are placed by the tiles in their names."""
    folder = path.parent / "chips"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / f"{name}.png")
    pack({f"{name}.png": folder / f"{name}.png" for name in names}, path)
    return path


def a_split(path: Path, train: Sequence[str], held_out: Sequence[str]) -> Path:
    """A split that somebody wrote."""
    Split("area", 0.5, 0.0, 0, "south", tuple(train), tuple(held_out), ()).write(path)
    return path
