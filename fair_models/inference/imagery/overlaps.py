"""Ground that several chips show counts once: where they overlap, the resolution nearest to the model's wins.

fAIr keeps the same ground at zooms 19 to 21 in one folder, a drone photographs it many times. Chips whose
ground others cover wholly and better are left out before anything is read. Where blocks overlap in part, the
pixels of the lower-ranked one do not count that the other has imagery of; they are still seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely

from fair_models.data.images import antimeridian, zooms
from fair_models.data.images.chips import Chip
from fair_models.inference.imagery.blocks import Block
from fair_models.types import Array

_REST = 0.005
"""A chip of which less than this part is left over is covered."""

_MOSTLY = 0.5
"""An image that is scored as a whole is left out where more than this part of it is scored already."""


@dataclass(frozen=True)
class Settled:
    """Which chips count.

    chips: Chips that are used, in their order.
    left_out: How many were left out because others show their ground better, by zoom.
    used: How many are used, by zoom.
    best: The zoom whose resolution is nearest to the model's.
    scored: Names of the chips that are scored where images are scored as wholes.
    """

    chips: Sequence[Chip]
    left_out: Mapping[int, int]
    used: Mapping[int, int]
    best: int
    scored: frozenset[str]

    def note(self, gsd_m: float) -> str:
        """What the result says of it; empty where nothing was left out."""
        if not self.left_out:
            return ""
        left = ", ".join(f"{count} of zoom {zoom}" for zoom, count in self.left_out.items())
        return (
            f"{sum(self.left_out.values())} chips ({left}) were left out, so that ground counts once: others "
            f"show theirs at a resolution nearer to the model's {gsd_m:g} m, zoom {self.best} first; name a "
            "zoom to use its chips alone"
        )


def settle(chips: Sequence[Chip], gsd_m: float) -> Settled:
    """Choose the chips that count.

    Args:
        chips: All chips.
        gsd_m: Ground sample distance that the model works at.
    """
    by_zoom = [zooms.zoom_of(chip) for chip in chips]
    order = zooms.nearest(chips, gsd_m)
    outlines = antimeridian.together(chip.grid.footprint for chip in chips)
    kept: list[int] = []
    covered = None
    for zoom in order:
        here = np.flatnonzero(np.array(by_zoom) == zoom)
        if covered is not None:
            rest = shapely.area(shapely.difference(outlines[here], covered))
            here = here[rest > _REST * shapely.area(outlines[here])]
        kept += here.tolist()
        full = [outlines[index] for index in here.tolist() if not chips[index].masked]
        covered = shapely.union_all([*([] if covered is None else [covered]), *full])
        shapely.prepare(covered)
    used = [by_zoom[index] for index in kept]
    return Settled(
        chips=[chips[index] for index in sorted(kept)],
        left_out=dict(sorted((Counter(by_zoom) - Counter(used)).items())),
        used=dict(sorted(Counter(used).items())),
        best=order[0],
        scored=_scored(chips, outlines, kept),
    )


def ranked(blocks: Sequence[Block], gsd_m: float) -> list[Block]:
    """The blocks, each with those whose imagery counts in its place where both lie.

    Args:
        blocks: Blocks of one imagery.
        gsd_m: Ground sample distance that the model works at.
    """
    if len(blocks) < 2:
        return list(blocks)
    order = zooms.nearest([block.native.chips[0].chip for block in blocks], gsd_m)
    rank = [(order.index(zooms.zoom_of(block.native.chips[0].chip)), at) for at, block in enumerate(blocks)]
    outlines = antimeridian.together(block.native.grid.footprint for block in blocks)
    ones, others = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    before: dict[int, list[int]] = {at: [] for at in range(len(blocks))}
    for one, other in zip(ones.tolist(), others.tolist(), strict=True):
        if rank[other] < rank[one] and not shapely.touches(outlines[one], outlines[other]):
            before[one].append(other)
    return [
        replace(block, before=tuple(blocks[other] for other in sorted(before[at], key=rank.__getitem__)))
        for at, block in enumerate(blocks)
    ]


def _scored(chips: Sequence[Chip], outlines: Array, order: Sequence[int]) -> frozenset[str]:
    """Names of the chips that show mostly ground which none before them shows."""
    rank = {index: at for at, index in enumerate(order)}
    ones, others = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    near: dict[int, list[int]] = {}
    for one, other in zip(ones.tolist(), others.tolist(), strict=True):
        if one in rank and other in rank and rank[other] < rank[one]:
            near.setdefault(one, []).append(other)
    taken: set[int] = set()
    for index in order:
        before = [outlines[other] for other in near.get(index, []) if other in taken]
        seen = shapely.intersection(outlines[index], shapely.union_all(before)) if before else None
        if seen is None or shapely.area(seen) <= _MOSTLY * shapely.area(outlines[index]):
            taken.add(index)
    return frozenset(chips[index].name for index in taken)
