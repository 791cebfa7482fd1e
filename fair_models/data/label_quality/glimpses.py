"""What is kept of chips while they are decoded, so that the report on labels decodes none of them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fair_models.data.images import chips
from fair_models.data.images.chips import Chip, Decoded
from fair_models.data.images.grid import Grid, factors
from fair_models.data.images.resampling import resample
from fair_models.data.label_quality import appearance
from fair_models.types import Array

FINEST_M, LARGEST_PX = 0.5, 512
"""Pixels are looked at in this size in metres at the finest, and this many along the side of a chip."""

_PER_CHIP, _FEWEST_PER_CHIP, _ALL_PLACES = 1600, 40, 1_000_000
_THUMBNAILS_PX, _LARGEST_THUMBNAIL_PX = 1600, 120
"""Side of a square that all thumbnails fill together, at most; and side of one."""


@dataclass(frozen=True)
class Places:
    """Pixels of a chip that are looked at.

    grid: The chip at the resolution of the look.
    rows, columns: Of the pixels, shape (n,).
    is_whole: Whether all pixels of the chip are imagery.
    """

    chip: Chip
    grid: Grid
    rows: Array
    columns: Array
    is_whole: bool


@dataclass(frozen=True)
class Glimpse:
    """What is kept of a chip.

    places: Some of its pixels, chosen by chance.
    looks: What they look like, float16, shape (n, appearance.COLUMNS); of no column where nobody asked.
    thumbnail: The whole, uint8, shape (height, width, 3).
    """

    places: Places
    looks: Array
    thumbnail: Array


class Glimpses:
    """Takes chips one after another and keeps some hundred numbers of each.

    Args:
        with_looks: Whether what pixels look like is kept too.
    """

    def __init__(self, *, with_looks: bool) -> None:
        self._with_looks = with_looks
        self._found: dict[str, Glimpse] = {}

    def see(self, chip: Chip, decoded: Decoded, total: int) -> None:
        """Take a chip that was decoded.

        Args:
            chip: The chip.
            decoded: Its pixels.
            total: How many chips there are in all: of many, less is kept of each.
        """
        finest_m = max(chip.grid.pixel_size_m)
        gsd_m = max(FINEST_M, finest_m, finest_m * max(chip.height, chip.width) / LARGEST_PX)
        factor = factors(chip.grid, gsd_m, chip.rules.scale)
        pixels, valid = resample(decoded.pixels, decoded.valid, factor)
        count = int(np.clip(_ALL_PLACES // max(1, total), _FEWEST_PER_CHIP, _PER_CHIP))
        known = np.flatnonzero(valid)
        rng = np.random.default_rng([len(self._found)])
        chosen = np.sort(rng.choice(known, min(count, len(known)), replace=False))
        rows, columns = np.unravel_index(chosen, valid.shape)
        looks = np.zeros((len(rows), 0), dtype=np.float16)
        if self._with_looks and len(rows):
            looks = appearance.describe(pixels)[:, rows, columns].T.astype(np.float16)
        self._found[chip.name] = Glimpse(
            Places(chip, chip.grid.decimated(factor), rows, columns, bool(valid.all())),
            looks,
            _thumbnail(pixels, total),
        )

    def of(self, found: Sequence[Chip]) -> Mapping[str, Glimpse]:
        """What is kept of chips, by their names."""
        return {chip.name: self._found[chip.name] for chip in found}


def of_chips(found: Sequence[Chip], *, with_looks: bool = True) -> Mapping[str, Glimpse]:
    """Decode chips one after the other and keep some of each, by their names.

    Raises:
        InvalidImagery: A chip cannot be decoded.
    """
    kept = Glimpses(with_looks=with_looks)
    for chip in found:
        kept.see(chip, chips.decode(chip), len(found))
    return kept.of(found)


def _thumbnail(pixels: Array, total: int) -> Array:
    height, width = pixels.shape[1:]
    side = min(_LARGEST_THUMBNAIL_PX, max(1, int(_THUMBNAILS_PX / np.sqrt(total))))
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, -1)))
    return np.asarray(picture.resize(size, Image.Resampling.BOX))
