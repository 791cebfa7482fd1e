"""Samples in memory: decoded once, targets made once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fair_models.types import Array

IGNORE = 255
"""Target value of pixels that count neither in training nor in evaluation (outside a chip's image)."""


@dataclass(frozen=True)
class Samples:
    """Images and what they should be predicted as, in the same order.

    images: uint8, shape (n, bands, height, width), at the model's resolution.
    targets: what the ML task makes of the labels. Segmentation: class index of each pixel, uint8,
        shape (n, height, width), 0 is the background, 255 counts neither way. Ranking: captions of each image
        as UTF-8 bytes, shape (n, captions), empty ones at the end.
    names: where each sample comes from, e.g. "OAM-386690-220241-19".
    classes: class names; the position is the index, 0 the background.
    validation: samples that the split sets aside for choosing among the epochs of a training on these. None:
        it sets none aside.
    places: longitude and latitude of the middle of each image, shape (n, 2), NaN where it has no place. None:
        not known.
    instances: number of the object that each pixel belongs to, from 1 on in each image, uint16, shape
        (n, height, width); 0 is no object: the background, a class whose objects are not told apart, and
        what counts neither way. Pixels of one number have one class. None: the labels tell no objects apart.
    pixel_m: height of a pixel of each image on the ground, in metres, float64, shape (n,). None: not known.
    things: classes whose objects are told apart. None: not known.
    """

    images: Array
    targets: Array
    names: Sequence[str]
    classes: Sequence[str]
    validation: Samples | None = None
    places: Array | None = None
    instances: Array | None = None
    pixel_m: Array | None = None
    things: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.targets) == len(self.names):
            raise ValueError(
                "images, targets and names differ in number: "
                f"{len(self.images)}, {len(self.targets)}, {len(self.names)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def select(self, indices: Sequence[int]) -> Samples:
        """These samples, in this order."""
        index = np.asarray(indices, dtype=int)
        places, instances, pixel_m = (
            None if known is None else known[index] for known in (self.places, self.instances, self.pixel_m)
        )
        return Samples(
            self.images[index],
            self.targets[index],
            [self.names[i] for i in index],
            self.classes,
            self.validation,
            places,
            instances,
            pixel_m,
            self.things,
        )


def joined(parts: Sequence[Samples]) -> Samples:
    """Samples of the same classes, one part after the other, those for validation left out.

    What only some parts know of their images is NaN for those of others: places and the size of a pixel.
    Objects are told apart where they are in every part.

    Args:
        parts: At least one.
    """
    instances = [part.instances for part in parts if part.instances is not None]
    return Samples(
        np.concatenate([part.images for part in parts]),
        _joined_targets([part.targets for part in parts]),
        [name for part in parts for name in part.names],
        parts[0].classes,
        places=_known_of_some([part.places for part in parts], [(len(part), 2) for part in parts]),
        instances=np.concatenate(instances) if len(instances) == len(parts) else None,
        pixel_m=_known_of_some([part.pixel_m for part in parts], [(len(part),) for part in parts]),
        things=parts[0].things,
    )


def _known_of_some(values: Sequence[Array | None], shapes: Sequence[tuple[int, ...]]) -> Array | None:
    if all(each is None for each in values):
        return None
    return np.concatenate(
        [np.full(shape, np.nan) if each is None else each for each, shape in zip(values, shapes, strict=True)]
    )


def _joined_targets(targets: Sequence[Array]) -> Array:
    """Targets of several parts; captions differ in how many an image has at most."""
    if targets[0].dtype.kind != "S":
        return np.concatenate(targets)
    longest = max(each.shape[1] for each in targets)
    return np.concatenate([np.pad(each, ((0, 0), (0, longest - each.shape[1]))) for each in targets])
