"""Makes quicker ways to run a network, and measures how well their masks agree with the exact ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fair_models.catalog.items.agreement import BFLOAT16, INT8, Agreement, Figure
from fair_models.data.chip_samples import LoadedSamples
from fair_models.data.samples import Samples
from fair_models.inference.network import openvino
from fair_models.inference.network.session import Session, open_session
from fair_models.inference.parts import Processing, RasterPart, Window
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


def quicken(onnx_path: Path, samples: LoadedSamples, processing: Processing, threads: int) -> Quick:
    """Quantise a network and measure all ways to run it that are there.

    8-bit networks are tried in the order of `quantization.FLOAT_ENDS`; the first that agrees in every engine
    is kept. Models that give anything but one mask for a chip are left as they are: a dozen held-out chips
    say little about how often a whole chip is predicted the same.

    Args:
        onnx_path: The network in float32.
        samples: Training chips for the ranges, held-out chips for the metrics.
        processing: The contribution's own.
        threads: CPU threads.
    """
    exact = open_session(onnx_path, threads)
    chips = _Chips(samples.held_out, processing)
    masks = chips.masks(exact)
    if masks is None:
        return Quick()
    others = tuple(_figure(session, chips, masks) for session in _halved(onnx_path, threads))
    count = len(chips.indices)
    try:
        return _quantized(exact, _Attempts(samples.train, processing, chips, masks, threads), others)
    except Exception as error:  # the quantiser raises whatever it likes, and the network itself is fine
        logger.warning("no 8-bit network was made: %s: %s", type(error).__name__, error)
        return Quick(agreement=Agreement(others, count) if others else None)


@dataclass(frozen=True)
class _Chips:
    """Held-out chips that masks are compared on."""

    samples: Samples
    processing: Processing

    @property
    def indices(self) -> list[int]:
        count = len(self.samples)
        return sorted({round(at) for at in np.linspace(0, count - 1, min(count, MAX_CHIPS))})

    def masks(self, session: Session) -> Array | None:
        """Class of each pixel, uint8, shape (n, height, width). None where the model gives no masks."""
        found = []
        for start in range(0, len(self.indices), _BATCH):
            chosen = self.indices[start : start + _BATCH]
            pixels = np.stack([self.processing.preprocess(self.samples.images[index]) for index in chosen])
            outputs = session.run(pixels)
            for at, index in enumerate(chosen):
                one = {name: values[at] for name, values in outputs.items()}
                mask = self._mask(one, self.samples.names[index], pixels.shape[-2], pixels.shape[-1])
                if mask is None:
                    return None
                found.append(mask)
        return np.stack(found)

    def _mask(self, outputs: dict[str, Array], name: str, height: int, width: int) -> Array | None:
        window = Window(row=0, column=0, height=height, width=width, source=name)
        parts = list(self.processing.postprocess(outputs, window, {}))
        if len(parts) != 1 or not isinstance(parts[0], RasterPart):
            return None
        mask: Array = np.asarray(parts[0].probabilities).argmax(axis=0).astype(np.uint8)
        return mask


@dataclass(frozen=True)
class _Attempts:
    """What the 8-bit network is made from and measured on."""

    train: Samples
    processing: Processing
    held_out: _Chips
    masks: Array
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
            figures = (*figures, _figure(session, attempts.held_out, attempts.masks))
            if not figures[-1].is_enough:  # what the other engine says of it does not matter any more
                break
        found = Agreement((*figures, *others), best.held_out_count, len(calibration), tuple(kept))
        logger.info("8-bit network with %d layers in float32: mask IoU %s", len(kept), found.int8_mask_iou)
        if all(figure.is_enough for figure in figures):
            return Quick(target.read_bytes(), found)
        if (found.int8_mask_iou or 0) >= (best.int8_mask_iou or 0):
            best = found
    return Quick(agreement=best)


def _in_8_bits(path: Path, threads: int) -> Iterator[Session]:
    yield open_session(path, threads, INT8)
    if openvino.is_installed():
        yield openvino.open_openvino(path, INT8, threads)


def _halved(path: Path, threads: int) -> Iterator[Session]:
    if openvino.is_installed() and openvino.has_bfloat16():
        yield openvino.open_openvino(path, BFLOAT16, threads)


def _figure(session: Session, chips: _Chips, exact: Array) -> Figure:
    masks = chips.masks(session)
    value = None if masks is None else mask_iou(masks, exact)
    logger.info("%s %s: mask IoU %s against exact", session.engine, session.precision, value)
    return Figure(session.engine, session.version, session.precision, value)


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
    return float(np.floor(np.mean(known) * 1e6) / 1e6) if known else None
