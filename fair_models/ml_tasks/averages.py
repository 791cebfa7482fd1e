"""Means and ratios of what may not have been measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of those that were measured; None where none was."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def ratio(part: float, whole: float) -> float | None:
    """A part of a whole; None where there is no whole: then nothing was measured."""
    return float(part) / float(whole) if whole else None
