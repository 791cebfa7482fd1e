"""Samples out of chips and labels: decoded once, rasterised once, at the model's resolution."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fair_models.data.images import chips
from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import Grid
from fair_models.data.images.resampling import ResampledView, read_at
from fair_models.data.sample_windows import SampleWindow, joined_windows, starts
from fair_models.data.samples import IGNORE, Samples, joined
from fair_models.data.splits import Split
from fair_models.data.vectors import instances, labels
from fair_models.data.vectors.labels import CLASS_PROPERTY, Labels
from fair_models.errors import Invalid
from fair_models.imagery_rules import CURRENT, ImageryRules
from fair_models.types import Array

_PART = re.compile(r"\+[0-9]+\+[0-9]+$")
"""What stands behind the name of a chip in that of a sample which is a part of it, or goes beyond it."""

Targets = Callable[[Labels, Grid, Sequence[str], Array], Array]
"""What an ML task makes of labels on a grid, given the class names (0 the background) and which pixels are
imagery (bool, shape (height, width)): others are transparent, or fill a sample beyond its chip.

Where the result has the grid's height and width and is uint8, pixels without imagery, and those that an
earlier sample of the same chip counts, are set to `IGNORE`.
"""


@dataclass(frozen=True)
class LoadedSamples:
    """Samples of both sides of a split."""

    train: Samples
    held_out: Samples

    @property
    def all(self) -> Samples:
        """All of them, those set aside for validation too: train, validation, held out."""
        sides = [side for side in (self.train, self.train.validation, self.held_out) if side is not None]
        return joined(sides)


@dataclass(frozen=True)
class _Sample:
    """One of `Samples`."""

    name: str
    image: Array
    target: Array
    instances: Array | None
    pixel_m: float


def load_samples(
    chips_folder: Path,
    labels_path: Path,
    split: Split,
    classes: Sequence[str],
    size_px: int,
    gsd_m: float,
    resampling: str,
    targets: Targets,
    class_property: str | None = CLASS_PROPERTY,
    rules: ImageryRules = CURRENT,
    things: Sequence[str] | None = None,
) -> LoadedSamples:
    """Decode the chips of a split and make their targets.

    Chips of one side that are pieces of one picture are put together first, where the rules say so: chips of
    64 px make samples of 256 px without padding. No sample has chips of both sides, or of two areas.

    A chip that is smaller than a sample is padded on the right and below. A larger one gives several
    samples: the last of a row or column is moved inwards where it would reach beyond the chip, and what an
    earlier sample has already counted is ignored there. A rest of less than a sixteenth of a sample is left.

    Args:
        chips_folder: Folder with the chips.
        labels_path: GeoJSON with the labels.
        split: Which chips are on which side.
        classes: Class names; the position is the index, 0 the background.
        size_px: Height and width of a sample.
        gsd_m: Metres per pixel that the model works at; chips are brought to the next whole factor of it.
        resampling: "average", "bilinear" or "nearest".
        targets: What the ML task makes of the labels.
        class_property: Property of a label that names its class, see `labels.read_stored`. None: all are of
            the only class.
        rules: By which rules the chips are read.
        things: Classes whose objects are told apart. Default: all but the background.

    Returns:
        Samples of both sides. Where targets are a class of each pixel they have `instances`: each label of a
        thing class is an object of its own, see `instances.number`.

    Raises:
        InvalidImagery, InvalidLabels: A chip or the labels cannot be used.
        Invalid: The folder lacks chips of the split, a side is left without any pixel, or a sample has more
            objects than can be numbered.
    """
    known = labels.read_stored(labels_path, classes[1:], class_property)
    found = {chip.name: chip for chip in chips.find(chips_folder, rules=rules)}
    missing = [name for name in (*split.train, *split.held_out) if name not in found]
    if missing:
        raise Invalid(
            f"{chips_folder.name} lacks {len(missing)} chips of the split, the first is {missing[0]}: "
            "ingest the dataset again"
        )

    def samples(names: Sequence[str]) -> Samples:
        all_of_them = [
            _sample(window, known, classes, things, targets)
            for together in split.together(names)
            for window in _all_windows([found[name] for name in together], size_px, gsd_m, resampling, rules)
        ]
        made = [sample for sample in all_of_them if not _is_unknown(sample.target)]
        if not made:
            raise Invalid(
                f"None of {len(names)} chips has a pixel that is not transparent: ingest other chips"
            )
        objects = [sample.instances for sample in made if sample.instances is not None]
        return Samples(
            np.stack([sample.image for sample in made]),
            np.stack([sample.target for sample in made]),
            [sample.name for sample in made],
            list(classes),
            instances=np.stack(objects) if objects else None,
            pixel_m=np.array([sample.pixel_m for sample in made]),
            things=things,
        )

    held_out = samples(split.held_out)
    train = samples(split.train) if split.train else held_out.select([])  # a slice may have none
    return LoadedSamples(train=train, held_out=held_out)


def of_chips(names: Sequence[str], wanted: Collection[str]) -> list[int]:
    """Positions of the samples that some chips make, by the names of the samples.

    A part of a chip, and what several chips of an area make together, is named "<first chip>+<row>+<column>".

    Args:
        names: Names of samples.
        wanted: Names of chips.
    """
    return [
        position for position, name in enumerate(names) if name in wanted or _PART.sub("", name) in wanted
    ]


def _all_windows(
    here: Sequence[Chip], size_px: int, gsd_m: float, resampling: str, rules: ImageryRules
) -> Iterator[SampleWindow]:
    """Parts of chips that are put together where the rules say so, else of each alone."""
    if rules.chips == "together":
        yield from joined_windows(here, size_px, gsd_m, resampling)
        return
    for chip in here:
        yield from _windows(chip, read_at(chip, gsd_m, resampling), size_px)


def _windows(chip: Chip, view: ResampledView, size_px: int) -> Iterator[SampleWindow]:
    """Parts of a chip that have at least one pixel that counts."""
    height, width = view.valid.shape
    for top, first_row in starts(height, size_px):
        for left, first_column in starts(width, size_px):
            part = np.s_[top : top + size_px, left : left + size_px]
            imagery = np.zeros((size_px, size_px), dtype=bool)
            pixels = np.zeros((len(view.pixels), size_px, size_px), dtype=np.uint8)
            valid = view.valid[part]
            inside = np.s_[: valid.shape[0], : valid.shape[1]]
            imagery[inside] = valid
            counts = imagery.copy()
            counts[: first_row - top] = False
            counts[:, : first_column - left] = False
            pixels[:, *inside] = view.pixels[:, *part]
            if counts.any():
                alone = height <= size_px and width <= size_px
                name = chip.name if alone else f"{chip.name}+{top}+{left}"
                grid = view.grid.window(top, left, size_px, size_px)
                yield SampleWindow(name, pixels, imagery, counts, grid)


def _is_unknown(target: Array) -> bool:
    """Whether a sample that is classified as a whole has a class that nobody knows: it is left out."""
    return target.ndim == 0 and target.dtype == np.uint8 and int(target) == IGNORE


def _sample(
    window: SampleWindow,
    known: Labels,
    classes: Sequence[str],
    things: Sequence[str] | None,
    targets: Targets,
) -> _Sample:
    target, objects = targets(known, window.grid, classes, window.imagery), None
    if target.shape == window.counts.shape and target.dtype == np.uint8:
        target = np.where(window.counts, target, np.uint8(IGNORE))
        try:
            objects = instances.number(known, window.grid, target, classes, things)
        except Invalid as error:
            raise Invalid(f"{window.name} cannot be a sample: {error}") from error
    return _Sample(window.name, window.pixels, target, objects, window.grid.pixel_size_m[1])
