"""How many chips or images are read, for whoever waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

ChipProgress = Callable[[int, int], None]
"""Takes how many chips are read, and how many there are."""


def ignore_progress(done: int, total: int) -> None:
    """Nobody is told how many chips are read."""


def reported(chips: Sequence[T], progress: ChipProgress) -> Iterator[T]:
    """Each chip; the listener is told after each one that was worked on, whatever came of it.

    Args:
        chips: Chips or images, all of which are worked on in one loop.
        progress: The listener.
    """
    for number, chip in enumerate(chips, 1):
        yield chip
        progress(number, len(chips))
