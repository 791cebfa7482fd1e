"""Makes a network of 8-bit numbers from an ONNX file. Needs onnx.

The ranges of activations come from training chips: the mean of each chip's lowest and highest value, which
one glaring chip does not stretch. Weights have a scale for each output channel. The format is QDQ, which ONNX
Runtime and OpenVINO both read; height, width and batch stay as dynamic as they were. The same file and chips
give the same bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fair_models.inference.network.session import Session
from fair_models.types import Array

MAX_CHIPS = 32
"""Most chips that ranges are taken from: on Banepa the masks from 8, 16 and 30 chips agreed equally well."""

FLOAT_ENDS = ((0, 0), (1, 1), (1, 3))
"""How many layers with weights are kept in float32, first and last, in the order in which it is tried.

The first layer sees the imagery and the last ones decide between classes: rounding costs most there. For a
network of 0.49 million weights on Banepa, mask IoU and time were 0.987 / 100 %, 0.996 / 100 %, 0.996 / 145 %;
for one of 24 million the second takes 12 % longer than the first.
"""

_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def calibration_indices(count: int) -> list[int]:
    """Which of so many training chips are used: spread evenly, the same ones every time."""
    return sorted({round(at) for at in np.linspace(0, count - 1, min(count, MAX_CHIPS))})


def float_layers(onnx_path: Path) -> list[list[str]]:
    """Names of the nodes that are kept in float32, for each attempt that leaves a layer to be quantised."""
    weighted = [node.name for node in _graph(onnx_path).node if node.op_type in _WEIGHTED]
    return [
        [*weighted[:first], *weighted[len(weighted) - last :]]
        for first, last in FLOAT_ENDS
        if len(weighted) > first + last
    ]


def quantize(session: Session, chips: Sequence[Array], kept: Sequence[str], target: Path) -> None:
    """Write the network in 8 bits.

    Args:
        session: The network in float32, and its file.
        chips: Pre-processed training chips, float32, shape (bands, height, width) each.
        kept: Names of nodes that stay in float32.
        target: Where to write.

    Raises:
        Exception: ONNX Runtime's quantiser raises whatever it likes for networks that it does not know.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the base is untyped
        def __init__(self) -> None:
            self._batches = _batches(session, chips)

        def get_next(self) -> dict[str, Array] | None:
            return next(self._batches, None)

    with _quiet():
        quantize_static(
            str(session.path),
            str(target),
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[*kept, *_moving(session.path)],
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"CalibMovingAverage": True},
        )


def _moving(onnx_path: Path) -> list[str]:
    """Nodes that only move the numbers that come in or go out, such as padding.

    8 bits would round these for nothing.
    """
    graph = _graph(onnx_path)
    outside = {value.name for value in (*graph.input, *graph.output)}
    return [
        node.name
        for node in graph.node
        if node.op_type not in _WEIGHTED and outside.intersection([*node.input, *node.output])
    ]


def _graph(onnx_path: Path) -> Any:
    import onnx

    return onnx.load(onnx_path, load_external_data=False).graph


def _batches(session: Session, chips: Sequence[Array]) -> Iterator[dict[str, Array]]:
    """One chip after the other; where the network takes a fixed batch, that many, the first ones again."""
    size = session.batch or 1
    for start in range(0, len(chips), size):
        yield {session.input: np.stack([chips[(start + k) % len(chips)] for k in range(size)])}


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser advises on the root logger, for example to shrink the graph, which export has done."""
    root = logging.getLogger()

    def only_others(record: logging.LogRecord) -> bool:
        return record.name != "root" or record.levelno > logging.WARNING

    root.addFilter(only_others)
    try:
        yield
    finally:
        root.removeFilter(only_others)
