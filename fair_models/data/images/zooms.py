"""Chips of several zooms in one folder: which zoom a chip has, and which ones are kept."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from fair_models.data.images.chips import Chip
from fair_models.data.images.tiles import HALF_WORLD_M
from fair_models.errors import InvalidImagery

_TILE_PX = 256

USUAL_GSD_M = 0.3
"""Ground sample distance that models of buildings work at, in metres."""


def zoom_of(chip: Chip) -> int:
    """The zoom of its tile; without one, the zoom whose tiles of 256 px have the chip's ground resolution."""
    if chip.tile is not None:
        return chip.tile.z
    latitude = chip.grid.footprint.centroid.y
    widest = 2 * HALF_WORLD_M * math.cos(math.radians(latitude)) / _TILE_PX
    return round(math.log2(widest / chip.gsd_m))


def nearest(chips: Sequence[Chip], gsd_m: float) -> list[int]:
    """Zooms of the chips, by how near their resolution is to a model's; of equally near ones the finer first.

    Args:
        chips: At least one chip.
        gsd_m: Ground sample distance that the model works at.
    """
    sizes: dict[int, list[float]] = defaultdict(list)
    for chip in chips:
        sizes[zoom_of(chip)].append(chip.gsd_m)
    return sorted(
        sizes, key=lambda zoom: (round(abs(math.log2(statistics.median(sizes[zoom]) / gsd_m)), 3), -zoom)
    )


def counts(chips: Sequence[Chip]) -> dict[int, int]:
    """Number of chips by zoom, lowest first."""
    return dict(sorted(Counter(zoom_of(chip) for chip in chips).items()))


def choose(
    chips: Sequence[Chip],
    rule: Literal["nearest", "most-frequent", "resample"] | int,
    folder: Path,
    gsd_m: float = USUAL_GSD_M,
) -> list[Chip]:
    """The chips that are kept.

    Args:
        chips: Chips of one folder.
        rule: "nearest" keeps the zoom whose resolution is nearest to a model's, "most-frequent" the one of
            most chips (of equally many the higher), "resample" keeps all, to be brought to one ground
            resolution when they are read; a number keeps that zoom.
        folder: Where they lie, for the message.
        gsd_m: Ground sample distance of the model, for "nearest".

    Raises:
        InvalidImagery: No chip has the zoom that is asked for.
    """
    if rule == "resample":
        return list(chips)
    there = counts(chips)
    zoom = _chosen(chips, there, rule, gsd_m)
    if zoom not in there:
        listed = ", ".join(f"{zoom} ({count} chips)" for zoom, count in there.items())
        raise InvalidImagery(
            str(folder), [f"it has no chip of zoom {zoom}, only of {listed}; ask for one of these"]
        )
    return [chip for chip in chips if zoom_of(chip) == zoom]


def _chosen(
    chips: Sequence[Chip],
    there: dict[int, int],
    rule: Literal["nearest", "most-frequent"] | int,
    gsd_m: float,
) -> int:
    if rule == "nearest":
        return nearest(chips, gsd_m)[0]
    return max(there, key=lambda zoom: (there[zoom], zoom)) if rule == "most-frequent" else rule
