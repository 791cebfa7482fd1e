"""Predictions that looked at nothing: they end with the reason, and not with a result that is empty."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from fair_models.errors import NothingLookedAt
from fair_models.inference.imagery.areas import Area, Clip
from fair_models.inference.imagery.blocks import Block
from fair_models.inference.imagery.failures import Failure
from fair_models.inference.imagery.reading import Imagery
from fair_models.inference.imagery.sources.source import ImagerySource
from fair_models.inference.windowing.window_steps import WindowResult
from fair_models.inference.windows import Rectangle
from fair_models.store import locations

_FEW_PX = 4096
"""Sides of an area, in pixels, up to which each of its pixels is asked for."""

_METRES_PER_DEGREE = 111_320
_SHOWN = 3


class Watch:
    """Counts the pixels with imagery that count, while windows go by. Windows pass unchanged."""

    def __init__(self, windows: Iterable[WindowResult]) -> None:
        self._windows = windows
        self.pixels = 0
        """Pixels that were looked at so far."""

    def __iter__(self) -> Iterator[WindowResult]:
        for window in self._windows:
            self.pixels += window.pixels
            yield window


def refuse(asked: ImagerySource, imagery: Imagery, failures: Sequence[Failure]) -> NothingLookedAt:
    """What is said of a prediction over whose imagery no pixel counted.

    Args:
        asked: The imagery as it was asked for.
        imagery: The imagery, read to its end.
        failures: What failed on the way.
    """
    reason = imagery.why_empty() or _why(imagery)
    failed = [f"{failure.name}: {failure.reason}" for failure in failures[:_SHOWN]]
    subject = locations.shown(str(asked)) if imagery.zoom is None else imagery.name
    return NothingLookedAt(subject, [reason, *failed])


def _why(imagery: Imagery) -> str:
    clips = [(block, block.clip) for block in imagery.blocks if block.clip is not None]
    if imagery.area is not None and clips and not any(_holds_a_middle(clip, block) for block, clip in clips):
        gsd_m = min(block.grid.gsd_m for block, _ in clips)
        return (
            f"the area ({_size(imagery.area)}) holds the middle of no pixel, and a pixel is {gsd_m:.2g} m "
            "wide; draw a larger area"
        )
    where = "in the area" if imagery.area is not None else "of it"
    return (
        f"no pixel {where} is imagery (all are nodata, masked, transparent, fill, or between the images); "
        "see where the imagery has pixels, and name an area or images with some"
    )


def _holds_a_middle(clip: Clip, block: Block) -> bool:
    left, top, right, bottom = clip.outline.bounds
    column, row = max(0, int(np.floor(left))), max(0, int(np.floor(top)))
    height, width = int(np.ceil(bottom)) - row, int(np.ceil(right)) - column
    height, width = min(height, block.grid.height - row), min(width, block.grid.width - column)
    if min(height, width) < 1:
        return False
    if max(height, width) > _FEW_PX:
        return True
    return bool(clip.inside(Rectangle(row, column, height, width)).any())


def _size(area: Area) -> str:
    west, south, east, north = area.bbox
    across = (east - west) * _METRES_PER_DEGREE * np.cos(np.radians((south + north) / 2))
    return f"{across:.2g} m by {(north - south) * _METRES_PER_DEGREE:.2g} m"
