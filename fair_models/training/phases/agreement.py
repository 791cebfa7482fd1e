"""Makes quicker ways to run a network, and measures how well what they find agrees with the exact one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from fair_models.catalog.items.agreement import BFLOAT16, INT8, Agreement, Figure
from fair_models.data.chip_samples import LoadedSamples
from fair_models.data.samples import Samples
from fair_models.inference.network import openvino
from fair_models.inference.network.session import Session, open_session
from fair_models.inference.parts import InstancePart, Processing, RasterPart, Window
from fair_models.ml_tasks.segmentation import evaluation, instance_metrics, instances
from fair_models.ml_tasks.segmentation.instances import InstanceRule, Objects
from fair_models.ml_tasks.segmentation.metrics import per_class_iou
from fair_models.training.phases import quantization
from fair_models.training.process.environment import LOGGER_NAME
from fair_models.types import Array

MAX_CHIPS = 200
"""Most held-out chips that masks are compared on, spread evenly: 13 million pixels of 256 px chips."""

_BATCH = 4

logger = logging.getLogger(LOGGER_NAME)


@dataclass(frozen=True)
class Quick:
    """What was made of a network beside its ONNX.

    int8: The network in 8 bits; None where it does not agree well enough, or could not be made.
    agreement: What was measured; None where nothing was, as for models that give no masks.
    """

    int8: bytes | None = None
    agreement: Agreement | None = None


@dataclass(frozen=True)
class ObjectRule:
    """How predictions make objects, where the model tells them apart.

    instances: Of interiors, and which objects count.
    threshold: Least probability of a class but the background. None: the most probable class is taken.
    """

    instances: InstanceRule = field(default_factory=InstanceRule)
    threshold: float | None = None


def quicken(
    onnx_path: Path,
    samples: LoadedSamples,
    processing: Processing,
    threads: int,
    rule: ObjectRule = ObjectRule(),
) -> Quick:
    """Quantise a network and measure all ways to run it that are there.

    8-bit networks are tried in the order of `quantization.FLOAT_ENDS`; the first that agrees in every engine
    is kept. Models that give anything but one mask for a chip are left as they are: a dozen held-out chips
    say little about how often a whole chip is predicted the same.

    Args:
        onnx_path: The network in float32.
        samples: Training chips for the ranges, held-out chips for the metrics.
        processing: The contribution's own.
        threads: CPU threads.
        rule: How objects are made, for models that tell them apart.
    """
    exact = open_session(onnx_path, threads)
    chips = _Chips(samples.held_out, processing, rule)
    found = chips.found(exact)
    if found is None:
        return Quick()
    others = tuple(_figure(session, chips, found) for session in _halved(onnx_path, threads))
    count = len(chips.indices)
    try:
        return _quantized(exact, _Attempts(samples.train, processing, chips, found, threads), others)
    except Exception as error:  # the quantiser raises whatever it likes, and the network itself is fine
        logger.warning("no 8-bit network was made: %s: %s", type(error).__name__, error)
        return Quick(agreement=Agreement(others, count) if others else None)


@dataclass(frozen=True)
class _Found:
    """What one way to run a network finds on the chips.

    masks: Most probable class of each pixel, uint8, shape (n, height, width).
    objects: Of each chip; empty where the model tells none apart.
    """

    masks: Array
    objects: Sequence[Objects]


@dataclass(frozen=True)
class _Chips:
    """Held-out chips that are compared on."""

    samples: Samples
    processing: Processing
    rule: ObjectRule

    @property
    def indices(self) -> list[int]:
        count = len(self.samples)
        return sorted({round(at) for at in np.linspace(0, count - 1, min(count, MAX_CHIPS))})

    @cached_property
    def things(self) -> list[int]:
        """Indices of the classes whose objects are told apart."""
        return self.rule.instances.thing_indices(self.samples)

    @cached_property
    def smallest_px(self) -> list[float]:
        """Pixels that an object of each chip has at least."""
        sizes = self.rule.instances.pixel_sizes(self.samples)
        return [self.rule.instances.smallest_px(sizes[index]) for index in self.indices]

    def found(self, session: Session) -> _Found | None:
        """Masks and objects of all chips. None where the model gives no masks."""
        masks: list[Array] = []
        objects: list[Objects] = []
        pixel_m = self.rule.instances.pixel_sizes(self.samples)
        for start in range(0, len(self.indices), _BATCH):
            chosen = self.indices[start : start + _BATCH]
            pixels = np.stack([self.processing.preprocess(self.samples.images[index]) for index in chosen])
            outputs = session.run(pixels)
            for at, index in enumerate(chosen):
                one = {name: values[at] for name, values in outputs.items()}
                part = self._part(one, self.samples.names[index], pixels.shape[-2], pixels.shape[-1])
                if part is None:
                    return None
                masks.append(part.probabilities.argmax(axis=0).astype(np.uint8))
                if isinstance(part, InstancePart):
                    objects.append(self._objects(part, masks[-1], pixel_m[index]))
        return _Found(np.stack(masks), objects)

    def _part(
        self, outputs: dict[str, Array], name: str, height: int, width: int
    ) -> RasterPart | InstancePart | None:
        window = Window(row=0, column=0, height=height, width=width, source=name)
        parts = list(self.processing.postprocess(outputs, window, {}))
        return parts[0] if len(parts) == 1 and isinstance(parts[0], RasterPart | InstancePart) else None

    def _objects(self, part: InstancePart, likeliest: Array, pixel_m: float | None) -> Objects:
        mask = evaluation.mask_of(part.probabilities, likeliest, self.rule.threshold)
        rule = self.rule.instances
        return instances.found(mask, part.probabilities, part.interior, self.things, rule, pixel_m)


@dataclass(frozen=True)
class _Attempts:
    """What the 8-bit network is made from and measured on."""

    train: Samples
    processing: Processing
    held_out: _Chips
    exact: _Found
    threads: int

    def calibration(self) -> list[Array]:
        indices = quantization.calibration_indices(len(self.train))
        return [self.processing.preprocess(self.train.images[index]) for index in indices]


def _quantized(exact: Session, attempts: _Attempts, others: tuple[Figure, ...]) -> Quick:
    calibration = attempts.calibration()
    target = exact.path.with_name("model-int8.onnx")
    best = Agreement(others, len(attempts.held_out.indices))
    for kept in quantization.float_layers(exact.path):
        quantization.quantize(exact, calibration, kept, target)
        figures: tuple[Figure, ...] = ()
        for session in _in_8_bits(target, attempts.threads):
            figures = (*figures, _figure(session, attempts.held_out, attempts.exact))
            if not figures[-1].is_enough:  # what the other engine says of it does not matter any more
                break
        found = Agreement((*figures, *others), best.held_out_count, len(calibration), tuple(kept))
        said = " and ".join(figure.words for figure in figures)
        logger.info("8-bit network with %d layers in float32: %s", len(kept), said)
        if found.int8_is_enough:
            return Quick(target.read_bytes(), found)
        if _worst(found) >= _worst(best):
            best = found
    return Quick(agreement=best)


def _worst(measured: Agreement) -> tuple[float, float]:
    """What attempts are ordered by that do not agree well enough."""
    return measured.int8_mask_iou or 0.0, measured.int8_instance_f1 or 0.0


def _in_8_bits(path: Path, threads: int) -> Iterator[Session]:
    yield open_session(path, threads, INT8)
    if openvino.is_installed():
        yield openvino.open_openvino(path, INT8, threads)


def _halved(path: Path, threads: int) -> Iterator[Session]:
    if openvino.is_installed() and openvino.has_bfloat16():
        yield openvino.open_openvino(path, BFLOAT16, threads)


def _figure(session: Session, chips: _Chips, exact: _Found) -> Figure:
    found = chips.found(session)
    figure = Figure(session.engine, session.version, session.precision, None)
    if found is not None:
        objects = None
        if exact.objects:
            objects = instance_f1(found.objects, exact.objects, chips.smallest_px)
        figure = replace(figure, mask_iou=mask_iou(found.masks, exact.masks), instance_f1=objects)
    logger.info("%s %s against exact: %s", session.engine, session.precision, figure.words or "nothing found")
    return figure


def mask_iou(masks: Array, exact: Array) -> float | None:
    """Mean intersection over union of the classes other than the background that either side has.

    Args:
        masks: Class index of each pixel, shape (n, height, width).
        exact: Same shape, same indices.

    Returns:
        0 to 1, rounded down to six digits; None where both are background alone.
    """
    names = [str(index) for index in range(1 + max(int(masks.max()), int(exact.max())))]
    ious: Sequence[float | None] = list(per_class_iou(masks, exact, names).values())[1:]
    known = [iou for iou in ious if iou is not None]
    return _rounded_down(float(np.mean(known))) if known else None


def instance_f1(
    found: Sequence[Objects], exact: Sequence[Objects], smallest_px: Sequence[float]
) -> float | None:
    """F1 of objects held against the exact ones: those of one class whose IoU is above 0.5 are the same.

    Args:
        found: The objects of each chip.
        exact: The exact ones of each chip.
        smallest_px: Pixels that an object of each chip has at least.

    Returns:
        0 to 1 over all classes and chips, rounded down to six digits; None where neither has any object.
    """
    class_count = 1 + max((int(each.classes.max(initial=0)) for each in (*found, *exact)), default=0)
    matches = []
    for ours, theirs, smallest in zip(found, exact, smallest_px, strict=True):
        classes = np.concatenate([[0], theirs.classes])[theirs.numbers]
        matches.append(instance_metrics.match(ours, classes, theirs.numbers, class_count, smallest))
    by_class = {str(index): instance_metrics.gather(matches, index) for index in range(1, class_count)}
    value = instance_metrics.summarise(by_class).metrics["fair:instance_f1"] if by_class else None
    return None if value is None else _rounded_down(value)


def _rounded_down(value: float) -> float:
    return float(np.floor(value * 1e6) / 1e6)
