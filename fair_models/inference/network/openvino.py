"""Networks in OpenVINO, the optional extra `fast`. It is imported when a network is opened, not before."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from fair_models.errors import Invalid
from fair_models.inference.network.session import (
    Given,
    Runner,
    Session,
    checked_file,
    checked_input,
    not_onnx,
)
from fair_models.types import Array

ENGINE = "openvino"

_ERRORS = (RuntimeError, ValueError, TypeError)
_HINTS = {"float32": "f32", "int8": "f32", "bfloat16": "bf16"}
_KINDS = {"f32": "tensor(float)", "f64": "tensor(double)", "f16": "tensor(float16)", "u8": "tensor(uint8)"}


def is_installed() -> bool:
    """Whether OpenVINO is there, without importing it."""
    return importlib.util.find_spec("openvino") is not None


@functools.cache
def has_bfloat16() -> bool:
    """Whether the processor computes in bfloat16 itself. Needs OpenVINO."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def open_openvino(onnx_path: Path, precision: str = "float32", threads: int | None = None) -> Session:
    """Open an ONNX file with OpenVINO on the CPU.

    Args:
        onnx_path: The file. One float32 input of shape (batch, bands, height, width).
        precision: "float32"; "bfloat16" computes a float32 file so; "int8" is for a file that was quantised.
        threads: CPU threads; None for one per core.

    Raises:
        NotFound: There is no such file.
        Invalid: OpenVINO is not installed; the file is no ONNX that can be run on windows of imagery, is too
            large, or has weights in other files.
    """
    path = checked_file(onnx_path)
    if not is_installed():
        raise Invalid(
            "OpenVINO is not installed. Install it with: pip install 'fair-models[fast]', or predict with "
            "the engine exact"
        )
    import openvino

    try:
        model = _core().read_model(path)
        inputs = [_given(one) for one in model.inputs]
        taken = checked_input(path, inputs)
        compiled = _core().compile_model(model, "CPU", _properties(precision, threads))
    except _ERRORS as error:
        raise not_onnx(path, error) from error
    batch, bands, height, _ = taken.shape
    outputs = [output.get_any_name() for output in compiled.outputs]
    runner = Runner(_caller(compiled), taken.name, outputs, _ERRORS)
    return Session(
        path,
        bands,
        height,
        batch,
        "CPU",
        openvino.__version__.partition("-")[0],
        runner,
        engine=ENGINE,
        precision=precision,
    )


@functools.cache
def _core() -> Any:
    import openvino

    return openvino.Core()


def _properties(precision: str, threads: int | None) -> dict[str, Any]:
    """One stream over all threads.

    Two streams of one thread each gained 1 to 8 % where two windows were always waiting, lost half where one
    was, and took the memory of two. Threads that are pinned to cores stand still where others use those.
    """
    properties: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    if threads:
        properties["INFERENCE_NUM_THREADS"] = threads
    return properties


def _caller(compiled: Any) -> Any:
    """A function that runs batches. Calls have requests of their own, so that threads do not meet in one."""
    idle: SimpleQueue[Any] = SimpleQueue()

    def call(batch: Array) -> list[Array]:
        try:
            request = idle.get_nowait()
        except Empty:
            request = compiled.create_infer_request()
        request.infer({0: batch}, share_inputs=True)
        # Copies: the next call writes into the same memory.
        values = [np.array(tensor.data) for tensor in request.output_tensors]
        idle.put(request)
        return values

    return call


def _given(port: Any) -> Given:
    shape = port.get_partial_shape()
    rank = shape.rank.get_length() if shape.rank.is_static else 0
    sizes = [shape[axis].get_length() if shape[axis].is_static else None for axis in range(rank)]
    kind = port.get_element_type().get_type_name()
    return Given(port.get_any_name(), _KINDS.get(kind, kind), sizes)
