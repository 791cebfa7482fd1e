"""Windows before and behind the network where some of them may fail: the rest goes on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fair_models.errors import Invalid, InvalidImagery, Unavailable
from fair_models.inference.imagery.blocks import Block
from fair_models.inference.imagery.failures import Failures
from fair_models.inference.windowing import masks
from fair_models.inference.windowing.run import Judged, Loaded, Model, Ran, judge, read
from fair_models.inference.windows import View

_NEVER_FORGIVEN = (Unavailable, MemoryError)
"""No fault of the window: trying again may help, or another machine."""


def read_or_note(block: Block, view: View, model: Model, failures: Failures) -> Loaded:
    """Read a window and pre-process it; one that fails is black, and none of its pixels counts.

    A model that breaks its contract is not forgiven: what its `preprocess` returns is no window's matter.
    """
    try:
        return read(block, view, model)
    except _NEVER_FORGIVEN:
        raise
    except Exception as error:  # `preprocess` is a contributor's code: it may raise anything
        of_the_model = isinstance(error, Invalid) and not isinstance(error, InvalidImagery)
        if of_the_model or not failures.forgives:
            raise
        failures.note(view, error)
    window, core = view.window, view.core
    values = np.zeros((block.reader.bands, window.height, window.width), np.float32)
    return Loaded(view, values, np.zeros((core.height, core.width), bool))


def judge_each(ran: Ran, model: Model, as_raster: bool, failures: Failures) -> Sequence[Judged]:
    """Post-process a batch; a window that fails says nothing."""
    if not failures.forgives:
        return judge(ran, model, as_raster)
    try:
        made = judge(ran, model, as_raster)
    except _NEVER_FORGIVEN:
        raise
    except Exception as error:  # as above
        if isinstance(error, Invalid):
            raise
        if len(ran.views) > 1:
            return [each for one in _single(ran) for each in judge_each(one, model, as_raster, failures)]
        failures.note(ran.views[0], error)
        return [_nothing(ran.views[0])]
    return [
        _nothing(view) if failures.has(view) else each for view, each in zip(ran.views, made, strict=True)
    ]


def _single(ran: Ran) -> list[Ran]:
    return [
        Ran([view], [valid], {name: values[at : at + 1] for name, values in ran.outputs.items()})
        for at, (view, valid) in enumerate(zip(ran.views, ran.valid, strict=True))
    ]


def _nothing(view: View) -> Judged:
    return Judged(view.window.source, masks.none(), None, [], [])
