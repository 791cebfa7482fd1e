"""Chips and windows that fail: named, left out like ground without imagery, and only up to a limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np

from fair_models.data.images import chips
from fair_models.data.images.chips import Chip, Decoded
from fair_models.errors import Invalid, InvalidImagery
from fair_models.inference.imagery.blocks import Block
from fair_models.inference.imagery.pixels import PixelReader, Pixels, Remarks
from fair_models.inference.windows import Rectangle, View

Kind = Literal["chip", "window"]

_SHOWN = 3
_FINEST_PX = 64


@dataclass(frozen=True, order=True)
class Failure:
    """What could not be predicted.

    kind: A chip that cannot be read, or a window that could not be worked on.
    name: The chip's file name, or the window's block with its rows and columns.
    reason: Why.
    """

    kind: Kind
    name: str
    reason: str


class Failures:
    """What fails while imagery is opened and predicted. Threads may share one.

    Args:
        max_share: Share of the chips, and of the windows, that may fail, 0 to 1. One may always, unless it is
            all there is; with 0 none may, and what fails is raised as it is.
    """

    def __init__(self, max_share: float = 0) -> None:
        self.max_share = max_share
        self.at_opening: list[Failure] = []
        """Chips that were passed over when their folder was opened: they have no place."""
        self._chips: dict[Path, Failure] = {}
        self._windows: dict[View, Failure] = {}
        self._lock = Lock()

    @property
    def forgives(self) -> bool:
        """Whether anything may fail."""
        return self.max_share > 0

    def noted(self) -> list[Failure]:
        """What failed so far, but at the opening."""
        with self._lock:
            return [*self._chips.values(), *self._windows.values()]

    def pass_over(self, path: Path, reasons: Sequence[str]) -> None:
        """Note a chip whose header cannot be read."""
        self.at_opening.append(Failure("chip", path.name, "; ".join(reasons)))

    def decode(self, chip: Chip) -> Decoded:
        """A chip's pixels; none of them counts where it cannot be decoded."""
        try:
            return chips.decode(chip)
        except InvalidImagery as error:
            if not self.forgives:
                raise
            with self._lock:
                self._chips[chip.path] = Failure("chip", chip.path.name, "; ".join(error.reasons))
            shape = chip.height, chip.width
            return Decoded(np.zeros((chips.BANDS, *shape), np.uint8), np.zeros(shape, bool))

    def note(self, view: View, error: Exception) -> None:
        """Note a window that could not be worked on."""
        reason = "; ".join(error.reasons) if isinstance(error, InvalidImagery) else str(error)
        said = f"{type(error).__name__}: {reason}" if not isinstance(error, Invalid) else reason
        with self._lock:
            self._windows[view] = Failure("window", _name(view), said)

    def has(self, view: View) -> bool:
        """Whether a window failed."""
        return view in self._windows

    def among(self, jobs: Iterable[tuple[Block, View]]) -> list[Failure]:
        """What failed of some windows: they themselves, and chips that they look at."""
        with self._lock:
            broken, failed = dict(self._chips), dict(self._windows)
        return sorted(set(_among(jobs, broken, failed))) if broken or failed else []


def _among(
    jobs: Iterable[tuple[Block, View]], broken: dict[Path, Failure], failed: dict[View, Failure]
) -> Iterator[Failure]:
    for block, view in jobs:
        if view in failed:
            yield failed[view]
        if broken:
            yield from (broken[chip.path] for chip in block.chips_at(view.seen) if chip.path in broken)


def check(failures: Iterable[Failure], max_share: float, windows: int, chip_count: int, subject: str) -> None:
    """Stop where more failed than may.

    Args:
        failures: What failed.
        max_share: Share of the chips, and of the windows, that may fail, 0 to 1. See `Failures`.
        windows: All windows.
        chip_count: All chips.
        subject: The imagery, for the message.

    Raises:
        InvalidImagery: More failed; names the first ones.
    """
    totals: dict[Kind, int] = {"chip": chip_count, "window": windows}
    by_kind: dict[Kind, list[Failure]] = {"chip": [], "window": []}
    for failure in sorted(set(failures)):
        by_kind[failure.kind].append(failure)
    reasons = []
    for kind, found in by_kind.items():
        if len(found) > allowed(max_share, totals[kind]):
            shown = "; ".join(f"{failure.name}: {failure.reason}" for failure in found[:_SHOWN])
            more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            reasons.append(
                f"{len(found)} of {totals[kind]} {kind}s failed, at most "
                f"{allowed(max_share, totals[kind])} may (most_failed {max_share:g}): {shown}{more}"
            )
    if reasons:
        raise InvalidImagery(subject, reasons)


def allowed(max_share: float, total: int) -> int:
    """How many of `total` may fail: the share, one at least unless it is 0, and never all."""
    return min(max(1, int(max_share * total)), max(0, total - 1)) if max_share > 0 else 0


class ForgivingReader:
    """Reads as another reader does; in pictures, what cannot be decoded is left out.

    Args:
        reader: The other reader.
    """

    def __init__(self, reader: PixelReader) -> None:
        self._reader = reader

    @property
    def bands(self) -> int:
        """How many bands come out."""
        return self._reader.bands

    def part(self, chip: Chip, area: Rectangle) -> Pixels:
        """A rectangle of a chip, in its own pixels."""
        return self._reader.part(chip, area)

    def remarks(self, chip: Chip) -> Remarks:
        """What is to be said of a chip."""
        return self._reader.remarks(chip)

    def smaller(self, chip: Chip, height: int, width: int, area: Rectangle | None = None) -> Pixels:
        """A whole chip, or a rectangle of it, at another size."""
        area = area or Rectangle(0, 0, chip.height, chip.width)
        try:
            return self._reader.smaller(chip, height, width, area)
        except InvalidImagery:
            if min(height, width, area.height, area.width) < 2 or max(height, width) <= _FINEST_PX:
                return np.zeros((self.bands, height, width), np.uint8), np.zeros((height, width), bool)
        return self._in_halves(chip, height, width, area)

    def close(self) -> None:
        """Let go of files and memory."""
        self._reader.close()

    def _in_halves(self, chip: Chip, height: int, width: int, area: Rectangle) -> Pixels:
        """The longer side in two parts, so that the part that cannot be decoded is small."""
        tall = height >= width
        size, length = (height, area.height) if tall else (width, area.width)
        middle = size // 2
        seam = max(1, length * middle // size)
        parts = [
            self._part(chip, tall, (height, width), area, sides)
            for sides in ((0, seam, middle), (seam, length - seam, size - middle))
        ]
        axis = -2 if tall else -1
        pixels, valid = (np.concatenate(both, axis=axis) for both in zip(*parts, strict=True))
        return pixels, valid

    def _part(
        self, chip: Chip, tall: bool, shape: tuple[int, int], area: Rectangle, sides: tuple[int, int, int]
    ) -> Pixels:
        """Some of its rows (`tall`), or columns: the first, how many, and how many they become."""
        first, count, size = sides
        if tall:
            rows = Rectangle(area.row + first, area.column, count, area.width)
            return self.smaller(chip, size, shape[1], rows)
        columns = Rectangle(area.row, area.column + first, area.height, count)
        return self.smaller(chip, shape[0], size, columns)


def _name(view: View) -> str:
    core = view.core
    return (
        f"{view.window.source} rows {core.row} to {core.row + core.height - 1}, "
        f"columns {core.column} to {core.column + core.width - 1}"
    )
