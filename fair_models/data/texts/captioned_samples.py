"""Samples out of captioned images: each whole image, brought to the model's size, with all its captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fair_models.data.chip_samples import LoadedSamples
from fair_models.data.images import file_kinds
from fair_models.data.samples import Samples
from fair_models.data.splits import Split
from fair_models.data.texts import captioned_images
from fair_models.errors import Invalid
from fair_models.imagery_rules import CURRENT, ImageryRules


def load_captioned(
    chips_folder: Path,
    labels_path: Path,
    split: Split,
    classes: Sequence[str],
    size_px: int,
    resampling: str,
    rules: ImageryRules = CURRENT,
) -> LoadedSamples:
    """Decode the images of a split and read their captions.

    Args:
        chips_folder: Folder with the images.
        labels_path: Captions, as `captioned_images.write` wrote them.
        split: Which images are on which side.
        classes: Class names; the position is the index, 0 the background.
        size_px: Height and width of a sample; images are brought to it, whatever their shape.
        resampling: "average", "bilinear" or "nearest".
        rules: By which rules the images are read.

    Returns:
        Samples whose targets are captions (UTF-8 bytes); the training side has the validation side.

    Raises:
        InvalidImagery, InvalidLabels: An image or the captions cannot be used.
        Invalid: Images of the split or their captions are missing.
    """
    said, middles = captioned_images.read_written(labels_path)
    there = {path.stem: path for path in chips_folder.iterdir() if file_kinds.is_meant_as_image(path)}
    names = (*split.train, *split.held_out, *split.validation)
    missing = [name for name in names if name not in there or name not in said]
    if missing:
        raise Invalid(
            f"{chips_folder.name} lacks {len(missing)} images of the split or their captions, the first is "
            f"{missing[0]}: ingest the dataset again"
        )

    def samples(names: Sequence[str]) -> Samples:
        return Samples(
            np.stack(
                [captioned_images.read_whole(there[name], size_px, resampling, rules) for name in names]
            ),
            as_targets([said[name] for name in names]),
            list(names),
            list(classes),
            places=np.array([middles.get(name, (np.nan, np.nan)) for name in names]),
        )

    train = samples(split.train)
    validation = samples(split.validation) if split.validation else None
    return LoadedSamples(train=replace(train, validation=validation), held_out=samples(split.held_out))


def as_targets(captions: Sequence[Sequence[str]]) -> np.ndarray:
    """Captions of images as an array of UTF-8 bytes, shape (n, most captions), empty ones at the end."""
    width = max(1, *(len(each) for each in captions)) if captions else 1
    return np.array(
        [[text.encode() for text in each] + [b""] * (width - len(each)) for each in captions], dtype=np.bytes_
    ).reshape(len(captions), width)
