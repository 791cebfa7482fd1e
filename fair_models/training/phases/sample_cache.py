"""The dataset's chips and labels as arrays, decoded once for equal data and equal settings."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson

from fair_models.data.chip_samples import LoadedSamples, load_samples
from fair_models.data.samples import Samples
from fair_models.data.splits import Split
from fair_models.data.texts.captioned_samples import load_captioned
from fair_models.imagery_rules import ImageryRules
from fair_models.inference.request import WHOLE_IMAGE_TASKS
from fair_models.ml_tasks.registry import reads_captions, targets_for
from fair_models.store.archive import unpack
from fair_models.store.atomic import atomic_folder
from fair_models.store.protocol import Store
from fair_models.training.config.run_config import RunConfig
from fair_models.types import Array

FORMAT = 2
"""Raised when decoding or rasterising changes, so that older arrays are not taken for the same."""

SIDES = ("train", "held_out")
VALIDATION = "validation"

_OPTIONAL = ("places", "instances", "pixel_m")
"""Arrays of samples that are not there for every task."""


def key(config: RunConfig) -> str:
    """What names the arrays: a digest of the files and of all that decoding depends on. 64 hex digits."""
    depends_on = {
        "format": FORMAT,
        "files": [config.data.chips.checksum, config.data.labels.checksum, config.data.split.checksum],
        "input": config.input.model_dump(mode="json"),
        "classes": config.classes,
        "things": config.things,
        "task": config.task,
    }
    return hashlib.sha256(orjson.dumps(depends_on, option=orjson.OPT_SORT_KEYS)).hexdigest()


def load(config: RunConfig, store: Store, cache: Path) -> LoadedSamples:
    """Samples of both sides of the split, at the model's resolution, from the cache where they are there.

    The arrays are mapped, not read: each step takes what it needs. Writing to them changes no file.

    Args:
        config: The run.
        store: Where the dataset's files lie.
        cache: Folder for what can be made again.

    Raises:
        NotFound: A file of the dataset is gone.
        Corrupted: A file is not the one that was ingested.
    """
    folder = cache / "samples" / key(config)
    if not folder.is_dir():
        samples = _decode(config, store)
        with atomic_folder(folder, existing="keep") as unfinished:
            for side in SIDES:
                _write(getattr(samples, side), unfinished, side)
            if samples.train.validation is not None:
                _write(samples.train.validation, unfinished, VALIDATION)
    train, held_out = (_read(folder, side, config) for side in SIDES)
    if (folder / f"{VALIDATION}-names.json").is_file():
        train = replace(train, validation=_read(folder, VALIDATION, config))
    return LoadedSamples(train=train, held_out=held_out)


def held_out_names(config: RunConfig, cache: Path) -> list[str] | None:
    """Names of the held-out samples of a run. None where they are not decoded in this cache."""
    path = cache / "samples" / key(config) / "held_out-names.json"
    if not path.is_file():
        return None
    names: list[str] = orjson.loads(path.read_bytes())
    return names


def _decode(config: RunConfig, store: Store) -> LoadedSamples:
    data = config.data
    archive, labels, split = (
        store.fetch(ref.href, ref.checksum) for ref in (data.chips, data.labels, data.split)
    )
    with tempfile.TemporaryDirectory(prefix="fair-chips-") as folder:
        unpack(archive, Path(folder))
        if reads_captions(config.task):
            return load_captioned(
                chips_folder=Path(folder),
                labels_path=labels,
                split=Split.read(split),
                classes=config.classes,
                size_px=config.input.size_px,
                resampling=config.input.resampling,
                rules=config.input.rules,
            )
        return load_samples(
            chips_folder=Path(folder),
            labels_path=labels,
            split=Split.read(split),
            classes=config.classes,
            size_px=config.input.size_px,
            gsd_m=config.input.gsd_m,
            resampling=config.input.resampling,
            targets=targets_for(config.task),
            rules=_rules(config),
            things=config.things,
        )


def _rules(config: RunConfig) -> ImageryRules:
    """The run's rules; where whole images are classified each chip stays one, as in prediction."""
    rules = config.input.rules
    return rules.model_copy(update={"chips": "alone"}) if config.task in WHOLE_IMAGE_TASKS else rules


def _write(samples: Samples, folder: Path, side: str) -> None:
    np.save(folder / f"{side}-images.npy", samples.images, allow_pickle=False)
    np.save(folder / f"{side}-targets.npy", samples.targets, allow_pickle=False)
    for name in _OPTIONAL:
        if (known := getattr(samples, name)) is not None:
            np.save(folder / f"{side}-{name}.npy", known, allow_pickle=False)
    (folder / f"{side}-names.json").write_bytes(orjson.dumps(list(samples.names)))


def _read(folder: Path, side: str, config: RunConfig) -> Samples:
    places, instances, pixel_m = (_array(folder / f"{side}-{name}.npy") for name in _OPTIONAL)
    return Samples(
        images=np.load(folder / f"{side}-images.npy", mmap_mode="c", allow_pickle=False),
        targets=np.load(folder / f"{side}-targets.npy", mmap_mode="c", allow_pickle=False),
        names=orjson.loads((folder / f"{side}-names.json").read_bytes()),
        classes=config.classes,
        places=places,
        instances=instances,
        pixel_m=pixel_m,
        things=config.things,
    )


def _array(path: Path) -> Array | None:
    return np.load(path, mmap_mode="c", allow_pickle=False) if path.is_file() else None
