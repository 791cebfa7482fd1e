"""Neighbourhoods: adjacent chips with enough labels to say how far these lie beside the imagery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import shapely

from fair_models.data.images import antimeridian
from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import degrees_of
from fair_models.types import Array

ENOUGH = 40
"""Labels that a neighbourhood has at least, where it can be divided."""

_GAP = 1.0
"""Chips that lie farther apart than this many of their widths are in different neighbourhoods."""


def neighbourhoods(chips: Sequence[Chip], touching: Mapping[str, Array]) -> list[list[str]]:
    """Divide chips into neighbourhoods.

    Chips that lie apart are never in one. Others are halved at their longer side, as long as both halves have
    enough labels.

    Args:
        chips: The chips.
        touching: Indices of the labels that each shares area with, by the chip's name.

    Returns:
        Names of the chips of each, every chip in exactly one.
    """
    if not chips:
        return []
    places, widths_m = _in_metres(chips)
    labels = [touching[chip.name] for chip in chips]
    return [
        [chips[at].name for at in part]
        for members in _adjacent(places, widths_m)
        for part in _halved(members, places, labels)
    ]


def _in_metres(chips: Sequence[Chip]) -> tuple[Array, Array]:
    """Middles of chips in metres east and north of the first, shape (n, 2), and their widths in metres."""
    middles = shapely.centroid(antimeridian.together(chip.grid.footprint for chip in chips))
    longitude, latitude = shapely.get_coordinates(middles).T
    one, none = np.ones_like(latitude), np.zeros_like(latitude)
    one_east, one_north = degrees_of(latitude, one, none)[0], degrees_of(latitude, none, one)[1]
    places = np.column_stack([(longitude - longitude[0]) / one_east, (latitude - latitude[0]) / one_north])
    widths_m = np.array([max(chip.width, chip.height) * chip.gsd_m for chip in chips])
    return places, widths_m


def _adjacent(places: Array, widths_m: Array) -> list[Array]:
    """Positions of chips that are connected by neighbours, in the order of the first of each."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    half = (widths_m * (1 + _GAP) / 2)[:, None]
    boxes = shapely.box(*(places - half).T, *(places + half).T)
    one, other = shapely.STRtree(boxes).query(boxes)
    links = coo_array((np.ones(len(one), bool), (one, other)), shape=(len(places), len(places)))
    count, component = connected_components(links, directed=False)
    return [np.flatnonzero(component == number) for number in range(count)]


def _halved(members: Array, places: Array, touching: Sequence[Array]) -> list[Array]:
    """Chips divided at their longer side as long as both halves have enough labels."""
    own = places[members]
    spans = np.ptp(own, axis=0)
    for axis in np.argsort(-spans):
        order = members[np.argsort(own[:, axis], kind="stable")]
        at = _middle(places[order, axis], [len(touching[each]) for each in order])
        if at is None:
            continue
        halves = order[:at], order[at:]
        if all(len(np.unique(np.concatenate([touching[i] for i in half]))) >= ENOUGH for half in halves):
            return [part for half in halves for part in _halved(np.sort(half), places, touching)]
    return [members]


def _middle(along: Array, counts: Sequence[int]) -> int | None:
    """Where chips, sorted along an axis, are cut so that halves have about as many labels.

    Chips of one row or column stay together. None: they all are of one.
    """
    steps = np.flatnonzero(np.diff(along) > 1.0) + 1
    if not len(steps):
        return None
    before = np.cumsum(counts)[steps - 1]
    return int(steps[np.abs(before - sum(counts) / 2).argmin()])
