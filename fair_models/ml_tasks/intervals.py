"""How far a metric may lie from what other held-out samples would have given. Numpy only.

Percentile bootstrap (Efron and Tibshirani 1993): the held-out samples are drawn again with replacement, as
many as there are, and measured each time. A sample is drawn whole: pixels of one chip do not count as
separate evidence. Samples that lie side by side are alike, so that the truth may lie outside somewhat more
often.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from fair_models.ml_tasks.results import Interval
from fair_models.types import Array

RESAMPLES = 1000
LEVEL = 0.95
"""Share of the resamples whose metric lies in the interval."""

MIN_SAMPLES = 2
"""One sample drawn again is always itself: that says nothing of others."""

Metrics = Mapping[str, float | None]


def bootstrap(
    statistics: Array, measure: Callable[[Array], Metrics], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval | None]:
    """Intervals of metrics that follow from sums over the samples, as ratios of counts do.

    Args:
        statistics: What each sample adds, shape (n, k).
        measure: From the sum over samples, shape (k,), to the metrics by key.
        resamples: How often samples are drawn.
        seed: All chance comes from it: equal statistics give equal intervals.

    Returns:
        Lower and upper end by key, of the resamples in which something was measured. None where nothing was
        in any of them, or there are fewer than `MIN_SAMPLES`; nothing at all where there is no sample.
    """
    count = len(statistics)
    if not count:
        return {}
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return _ends([measure(each) for each in draws.astype(np.float64) @ statistics], count)


def resample(
    count: int, measure: Callable[[Array], Metrics], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval | None]:
    """Intervals of metrics that need the samples themselves, as a mean over ranks does.

    Args:
        count: How many samples there are.
        measure: From positions of samples, int64, shape (count,), some of them more than once, to the metrics
            by key.
        resamples: How often samples are drawn.
        seed: All chance comes from it.

    Returns:
        As `bootstrap` does.
    """
    if not count:
        return {}
    draws = np.random.default_rng(seed).integers(0, count, size=(resamples, count))
    return _ends([measure(each) for each in draws], count)


def _ends(measured: Sequence[Metrics], count: int) -> dict[str, Interval | None]:
    keys = list(dict.fromkeys(key for metrics in measured for key in metrics))
    return {key: _interval([metrics.get(key) for metrics in measured], count) for key in keys}


def _interval(values: Sequence[float | None], count: int) -> Interval | None:
    known = [value for value in values if value is not None]
    if not known or count < MIN_SAMPLES:
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
