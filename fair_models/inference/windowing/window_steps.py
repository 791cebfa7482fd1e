"""Windows through the network, in steps that may work at the same time: read, run, post-process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fair_models.errors import Invalid, InvalidImagery, Unavailable
from fair_models.inference.imagery.blocks import Block
from fair_models.inference.imagery.failures import Failures
from fair_models.inference.network.session import Session
from fair_models.inference.parts import MARKER_THRESHOLD, NO_IMAGERY, Processing, to_percent
from fair_models.inference.windowing import mask_runs
from fair_models.inference.windowing.detections import (
    Detections,
    FoundObjects,
    detections,
    wrong,
)
from fair_models.inference.windowing.mask_runs import Runs
from fair_models.inference.windows import Padding, Rectangle, View, pad
from fair_models.types import Array

_BATCH_PIXELS = 1024 * 1024
"""Pixels that go through the network at a time. More windows at once gain nothing on a CPU."""

_NEVER_FORGIVEN = (Unavailable, MemoryError)
"""No fault of the window: trying again may help, or another machine."""


@dataclass(frozen=True)
class Model:
    """What turns pixels into parts, and parts into detections.

    session: The network.
    processing: The model's `preprocess` and `postprocess`.
    params: Inference parameters without their prefix.
    multiple_px: What height and width of a window must divide by.
    classes: Class names; the position is the index, 0 the background.
    threshold: Least probability or score of a class that is not the background.
    whole_images: Whether it scores each chip as a whole.
    marker_threshold: Least probability of an interior.
    things: Indices of the classes whose objects are told apart. None: all but the background.
    """

    session: Session
    processing: Processing
    params: Mapping[str, Any]
    multiple_px: int
    classes: Sequence[str]
    threshold: float
    whole_images: bool = False
    marker_threshold: float = MARKER_THRESHOLD
    things: Sequence[int] | None = None

    @property
    def padding(self) -> Padding:
        """What fills windows that reach over their imagery.

        "reflect", so that the pixels at its edge see what they would see further inside; "black" where images
        are scored as wholes, because samples are filled so in training, and a mirrored roof would be a second
        one.
        """
        return "black" if self.whole_images else "reflect"


@dataclass(frozen=True)
class LoadedWindow:
    """A window that is read and pre-processed.

    view: The window.
    values: What the network gets, float32, shape (bands, height, width).
    valid: Which pixels of its core are imagery, bool, of the core's shape.
    """

    view: View
    values: Array
    valid: Array


@dataclass(frozen=True)
class NetworkOutput:
    """What the network made of windows that went through it together.

    views: The windows.
    valid: Which pixels of each one's core are imagery.
    outputs: The network's outputs by name; the first axis is that of the windows.
    """

    views: Sequence[View]
    valid: Sequence[Array]
    outputs: Mapping[str, Array]


@dataclass(frozen=True)
class Raster:
    """What is where in a window's core, as a `RasterSink` takes it: classes and confidence, both uint8."""

    area: Rectangle
    classes: Array
    confidence: Array


@dataclass(frozen=True)
class WindowResult:
    """What a window says, in as little memory as it takes.

    source: Name of the chip or block.
    runs: The core's mask; none where there was no raster part.
    raster: The same pixel by pixel, where that was asked for.
    found: Boxes and points in the core.
    scores: Scores of the source, each with the core's number of pixels.
    pixels: Pixels of the core that are imagery and count.
    markers: Interiors of objects in that mask, as runs; None where the model does not tell objects apart.
    """

    source: str
    runs: Runs
    raster: Raster | None
    found: Sequence[FoundObjects]
    scores: Sequence[tuple[int, Mapping[str, float]]]
    pixels: int = 0
    markers: Runs | None = None


def read(block: Block, view: View, model: Model) -> LoadedWindow:
    """Read a window and pre-process it."""
    pixels, valid = block.read(view.seen)
    rows, columns = view.core.seen_from(view.seen.row, view.seen.column).slices
    return LoadedWindow(view, _preprocessed(pixels, view, model), valid[rows, columns])


def batches(windows: Iterable[LoadedWindow]) -> Iterator[Sequence[LoadedWindow]]:
    """Put windows together with the following ones of the same size."""
    waiting: list[LoadedWindow] = []
    for window in windows:
        if waiting and waiting[0].values.shape != window.values.shape:
            yield waiting
            waiting = []
        waiting.append(window)
        _, height, width = window.values.shape
        if len(waiting) >= max(1, _BATCH_PIXELS // (height * width)):
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def run(batch: Sequence[LoadedWindow], model: Model) -> NetworkOutput:
    """Run the network on a batch."""
    values = batch[0].values[None] if len(batch) == 1 else np.stack([window.values for window in batch])
    outputs = model.session.run(values)
    return NetworkOutput([window.view for window in batch], [window.valid for window in batch], outputs)


def postprocess(ran: NetworkOutput, model: Model, as_raster: bool) -> list[WindowResult]:
    """Post-process what the network made of a batch.

    Args:
        ran: The batch and the network's outputs.
        model: What it ran through.
        as_raster: Whether masks are kept pixel by pixel too.
    """
    made = []
    for at, (view, valid) in enumerate(zip(ran.views, ran.valid, strict=True)):
        outputs = {name: values[at] for name, values in ran.outputs.items()}
        parts = model.processing.postprocess(outputs, view.window, model.params)
        said = detections(
            view, parts, valid, model.classes, model.threshold, model.marker_threshold, model.things
        )
        if said.mask is not None and model.whole_images:
            name = "a RasterPart" if said.mask.markers is None else "an InstancePart"
            raise wrong(f"{name}, and its task is to score images as wholes")
        made.append(_result(view, valid, said, as_raster))
    return made


def _result(view: View, valid: Array, said: Detections, as_raster: bool) -> WindowResult:
    mask, pixels = said.mask, int(np.count_nonzero(valid))
    if mask is None:
        return WindowResult(view.window.source, mask_runs.none(), None, said.found, said.scores, pixels)
    raster = None
    if as_raster:
        classes = np.where(valid, mask.classes, np.uint8(NO_IMAGERY))
        raster = Raster(view.core, classes, to_percent(mask.probability, valid))
    place = view.core.row, view.core.column
    found, markers = mask_runs.of_mask(mask.classes, mask.probability, *place), None
    if mask.markers is not None:
        markers = mask_runs.of_mask(mask.classes * mask.markers, mask.probability, *place)
    return WindowResult(view.window.source, found, raster, said.found, said.scores, pixels, markers)


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


def read_or_note(block: Block, view: View, model: Model, failures: Failures) -> LoadedWindow:
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
    return LoadedWindow(view, values, np.zeros((core.height, core.width), bool))


def postprocess_each(
    ran: NetworkOutput, model: Model, as_raster: bool, failures: Failures
) -> Sequence[WindowResult]:
    """Post-process a batch; a window that fails says nothing."""
    if not failures.forgives:
        return postprocess(ran, model, as_raster)
    try:
        made = postprocess(ran, model, as_raster)
    except _NEVER_FORGIVEN:
        raise
    except Exception as error:  # as above
        if isinstance(error, Invalid):
            raise
        if len(ran.views) > 1:
            return [
                each for one in _single(ran) for each in postprocess_each(one, model, as_raster, failures)
            ]
        failures.note(ran.views[0], error)
        return [_nothing(ran.views[0])]
    return [
        _nothing(view) if failures.has(view) else each for view, each in zip(ran.views, made, strict=True)
    ]


def _single(ran: NetworkOutput) -> list[NetworkOutput]:
    return [
        NetworkOutput([view], [valid], {name: values[at : at + 1] for name, values in ran.outputs.items()})
        for at, (view, valid) in enumerate(zip(ran.views, ran.valid, strict=True))
    ]


def _nothing(view: View) -> WindowResult:
    return WindowResult(view.window.source, mask_runs.none(), None, [], [])
