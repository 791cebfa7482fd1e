"""Windows through the network: read, pre-process, run in batches, post-process, join."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fair_models.errors import Invalid
from fair_models.inference.imagery import Block
from fair_models.inference.joining import Join
from fair_models.inference.processing import Processing
from fair_models.inference.session import Session
from fair_models.inference.windows import Padding, Rectangle, View, WindowRule, cut, pad, rule_for
from fair_models.types import Array

_BATCH_PIXELS = 4 * 512 * 512
"""Pixels that go through the network at a time. More windows at once gain nothing on a CPU."""


@dataclass(frozen=True)
class Model:
    """What turns pixels into parts.

    session: The network.
    processing: The model's `preprocess` and `postprocess`.
    params: Inference parameters without their prefix.
    multiple_px: What height and width of a window must divide by.
    padding: What fills windows that reach over their imagery: "reflect", so that the pixels at its edge see
        what they would see further inside; "black" where images are judged as wholes, because samples are
        filled so in training, and a mirrored roof would be a second one.
    """

    session: Session
    processing: Processing
    params: Mapping[str, Any]
    multiple_px: int
    padding: Padding = "reflect"


@dataclass(frozen=True)
class Batch:
    """Windows of one size that go through the network together.

    views: The windows.
    inputs: What the network gets, float32, shape (n, bands, height, width).
    valid: Which pixels of each window's core are imagery, bool arrays of the cores' shapes.
    """

    views: Sequence[View]
    inputs: Array
    valid: Sequence[Array]


def views_of(block: Block, model: Model) -> list[View]:
    """Windows over a block, without those that see no imagery."""
    rule = rule_for(model.session.size_px, model.multiple_px)
    everything = Rectangle(0, 0, block.grid.height, block.grid.width)
    return [view for view in cut(everything, rule, block.name) if block.has_imagery(view.core)]


def views_of_sources(block: Block, model: Model, cell_px: int) -> list[View]:
    """Windows for models that judge images as wholes: each sees one chip or cell, and nothing of the next."""
    views: list[View] = []
    for name, area in block.sources(cell_px).items():
        size = model.session.size_px or max(area.height, area.width)
        rule = WindowRule(size, 0, model.multiple_px, fixed=not model.session.dynamic)
        views += cut(area, rule, name)
    return views


def batches(block: Block, views: Sequence[View], model: Model) -> Iterator[Batch]:
    """Read and pre-process windows, together with the following ones of the same size."""
    waiting: list[tuple[View, Array, Array]] = []
    for view in views:
        pixels, valid = block.read(view.seen)
        entry = view, _preprocessed(pixels, view, model), _core(valid, view)
        if waiting and waiting[0][1].shape != entry[1].shape:
            yield _batch(waiting)
            waiting = []
        waiting.append(entry)
        if len(waiting) >= max(1, _BATCH_PIXELS // (view.window.height * view.window.width)):
            yield _batch(waiting)
            waiting = []
    if waiting:
        yield _batch(waiting)


def run(batch: Batch, model: Model, join: Join) -> None:
    """Run the network on a batch and join what post-processing makes of it."""
    outputs = model.session.run(batch.inputs)
    for at, (view, valid) in enumerate(zip(batch.views, batch.valid, strict=True)):
        one = {name: values[at] for name, values in outputs.items()}
        join.add(view, model.processing.postprocess(one, view.window, model.params), valid)


def _preprocessed(pixels: Array, view: View, model: Model) -> Array:
    filled = pad(pixels, view.window.height, view.window.width, model.padding)
    made = np.asarray(model.processing.preprocess(filled))
    expected = len(pixels), view.window.height, view.window.width
    if made.shape != expected or made.dtype != np.float32:
        raise Invalid(
            f"The model's preprocess returned {made.dtype} of shape {made.shape} instead of float32 of shape "
            f"{expected}. Its contribution has to be corrected and registered again"
        )
    return made


def _core(valid: Array, view: View) -> Array:
    rows, columns = view.core.seen_from(view.seen.row, view.seen.column).slices
    return valid[rows, columns]


def _batch(entries: Sequence[tuple[View, Array, Array]]) -> Batch:
    views, inputs, valid = zip(*entries, strict=True)
    return Batch(views, np.stack(inputs), valid)
