"""A network that is ready to run: float32 batches in, named arrays out. ONNX Runtime opens it here."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fair_models.errors import Invalid, NotFound
from fair_models.inference.network import external_data
from fair_models.types import Array

ENGINE = "onnxruntime"

CUDA = "CUDAExecutionProvider"
INT8 = "int8"

MAX_BYTES = 2 * 2**30
"""The largest ONNX file that is opened: protobuf knows no larger ones."""

_FLAGS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Given:
    """An input as an ONNX file declares it.

    name: Its name.
    kind: Its type, in ONNX Runtime's words, e.g. "tensor(float)".
    shape: Its sizes; None where one is dynamic.
    """

    name: str
    kind: str
    shape: Sequence[int | None]


@dataclass(frozen=True)
class Runner:
    """An engine with a network in it.

    call: Takes a float32 batch and returns one array for each output.
    input: Name of the input.
    outputs: Names of the outputs, in that order.
    errors: What `call` raises where the network does not take a batch.
    """

    call: Callable[[Array], Sequence[Array]]
    input: str
    outputs: Sequence[str]
    errors: tuple[type[Exception], ...]


@dataclass(frozen=True)
class Session:
    """An ONNX file that is ready to run.

    So many threads should call it at a time as `at_once` says. More are safe and gain nothing.

    path: The file.
    bands: Bands that the network takes; None where it takes any number.
    size_px: Height and width that it takes; None where both are dynamic.
    batch: Windows that it takes at a time; None where that is dynamic.
    provider: What it runs on, e.g. "CPUExecutionProvider".
    version: Version of the engine.
    engine: What runs it, "onnxruntime" or "openvino".
    precision: What it computes in: "float32", "bfloat16" or "int8".
    note: What is to be said about the choice of engine, for people. Empty: nothing.
    at_once: Batches that go through it at the same time where it is to be quickest.
    """

    path: Path
    bands: int | None
    size_px: int | None
    batch: int | None
    provider: str
    version: str
    _runner: Runner
    engine: str = ENGINE
    precision: str = "float32"
    note: str = ""
    at_once: int = 1

    @property
    def dynamic(self) -> bool:
        """Whether the network takes windows of any height and width."""
        return self.size_px is None

    @property
    def input(self) -> str:
        """Name of the network's input."""
        return self._runner.input

    @property
    def outputs(self) -> list[str]:
        """Names of the network's outputs."""
        return list(self._runner.outputs)

    def run(self, batch: Array) -> dict[str, Array]:
        """Run the network.

        Args:
            batch: float32, shape (n, bands, height, width), in the range that the model's item declares.

        Returns:
            Each output by its name; the first axis is the batch.

        Raises:
            Invalid: The network does not take such a batch.
        """
        if self.batch is None or len(batch) == self.batch:
            return self._call(batch)
        runs = [self._run_padded(batch[at : at + self.batch]) for at in range(0, len(batch), self.batch)]
        return {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}

    def _run_padded(self, batch: Array) -> dict[str, Array]:
        """Run fewer windows than the fixed batch: the rest is zeros, and left out of the answer."""
        count = len(batch)
        missing = (self.batch or count) - count
        if missing:
            batch = np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), batch.dtype)])
        return {name: values[:count] for name, values in self._call(batch).items()}

    def _call(self, batch: Array) -> dict[str, Array]:
        try:
            values = self._runner.call(np.ascontiguousarray(batch, dtype=np.float32))
        except self._runner.errors as error:
            raise Invalid(
                f"The network in {self.path.name} does not take a batch of shape {batch.shape}: "
                f"{first_line(error)}. Compare the model's mlm:input with its ONNX file"
            ) from error
        return dict(zip(self.outputs, values, strict=True))


def open_session(onnx_path: Path, threads: int | None = None, precision: str = "float32") -> Session:
    """Open an ONNX file with ONNX Runtime: float32 on CUDA where it has it, else on the CPU.

    Args:
        onnx_path: The file. One float32 input of shape (batch, bands, height, width).
        threads: CPU threads for one batch at a time; None for all cores.
        precision: What the file computes in: "float32", or "int8" for one that was quantised.

    Raises:
        NotFound: There is no such file.
        Invalid: The file is no ONNX that can be run on windows of imagery, is too large, or has weights in
            other files.
    """
    import onnxruntime

    path = checked_file(onnx_path)
    quantized = precision == INT8
    preferred = ("CPUExecutionProvider",) if quantized else (CUDA, "CPUExecutionProvider")
    providers = [name for name in preferred if name in onnxruntime.get_available_providers()]
    at_once = _at_once(threads, providers)
    chosen = options(threads or max(1, (os.cpu_count() or 1) // at_once))
    if quantized and not sums_bytes_exactly():
        chosen.add_session_config_entry("session.x64quantprecision", "1")
    try:
        engine = onnxruntime.InferenceSession(str(path), chosen, providers=providers)
        return replace(_describe(path, engine, onnxruntime.__version__, precision), at_once=at_once)
    except _engine_errors() as error:
        raise not_onnx(path, error) from error


def has_cuda() -> bool:
    """Whether ONNX Runtime runs networks on a graphics card here."""
    import onnxruntime

    return CUDA in onnxruntime.get_available_providers()


def checked_file(onnx_path: Path) -> Path:
    """A file that an engine may open: engines would follow it to other files, or take more than they can.

    Raises:
        NotFound: There is no such file.
        Invalid: It is too large, or has weights in other files.
    """
    path = Path(onnx_path)
    if not path.is_file():
        raise NotFound(
            f"There is no ONNX file at {path}. Name the file of the model's asset with the role mlm:model"
        )
    reason = None
    if path.stat().st_size > MAX_BYTES:
        reason = f"it has more than {MAX_BYTES:,} bytes, the most that one ONNX file may have"
    try:
        elsewhere = [] if reason else external_data.names(path)
    except ValueError as error:
        reason, elsewhere = str(error), []
    if elsewhere:
        reason = f"its weights ({', '.join(elsewhere[:3])}) lie in other files, which no digest here covers"
    if reason:
        raise Invalid(
            f"{path} cannot be opened as ONNX: {reason}. Export the model again, into one file "
            "(torch.onnx.export: external_data=False), and register it"
        )
    return path


def not_onnx(path: Path, error: Exception) -> Invalid:
    """What is said of a file that an engine does not open."""
    return Invalid(
        f"{path} cannot be opened as ONNX: {first_line(error)}. Export the model again and register it"
    )


def checked_input(path: Path, inputs: Sequence[Given]) -> Given:
    """The one input, if the network can be run on imagery.

    Raises:
        Invalid: It has several inputs, or one of another type or shape.
    """
    problems = _input_problems(inputs)
    if problems:
        raise Invalid(
            f"{path} cannot be run on imagery: {'; '.join(problems)}. Export it with one float32 input"
        )
    return inputs[0]


def _at_once(threads: int | None, providers: Sequence[str]) -> int:
    """Two batches at a time where there are four cores or more, each on half of them.

    One fills the gaps of the other: threads of one batch wait for each other layer by layer. On two cores
    that gains next to nothing and costs the memory of a second batch.
    """
    alone = threads is not None or CUDA in providers or (os.cpu_count() or 1) < 4
    return 1 if alone else 2


def options(threads: int) -> Any:
    """How ONNX Runtime is run: one layer after the other, and threads that sleep while they wait.

    Spinning threads cost half as much CPU again on a machine that others use too.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = threads
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def _describe(path: Path, engine: Any, version: str, precision: str) -> Session:
    inputs = [
        Given(one.name, one.type, [size if isinstance(size, int) else None for size in one.shape])
        for one in engine.get_inputs()
    ]
    taken = checked_input(path, inputs)
    batch, bands, height, _ = taken.shape
    runner = Runner(
        lambda values: engine.run(None, {taken.name: values}),
        taken.name,
        [output.name for output in engine.get_outputs()],
        _engine_errors(),
    )
    provider = engine.get_providers()[0]
    return Session(path, bands, height, batch, provider, version, runner, precision=precision)


def _input_problems(inputs: Sequence[Given]) -> list[str]:
    if len(inputs) != 1:
        return [f"it has {len(inputs)} inputs ({', '.join(entry.name for entry in inputs)}) instead of one"]
    problems = []
    if inputs[0].kind != "tensor(float)":
        problems.append(f"its input is {inputs[0].kind} instead of tensor(float)")
    if len(inputs[0].shape) != 4:
        problems.append(f"its input has the shape {inputs[0].shape} instead of (batch, bands, height, width)")
    else:
        height, width = inputs[0].shape[2:]
        if height != width:
            problems.append(
                f"its windows are {height} by {width} px; they must be square, or dynamic both ways"
            )
    return problems


def first_line(error: Exception) -> str:
    """What an engine's error says, in one line without a full stop and without places in its own code."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return telling[0][:300].rstrip(".") if telling else type(error).__name__


def _engine_errors() -> tuple[type[Exception], ...]:
    """ONNX Runtime's errors have no base of their own below Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "Fail InvalidArgument InvalidGraph InvalidProtobuf NoModel NoSuchFile NotImplemented RuntimeException"
    )
    return (*(getattr(state, name) for name in names.split()), RuntimeError, ValueError)


@functools.cache
def sums_bytes_exactly() -> bool:
    """Whether products of 8-bit numbers are summed without overflow (VNNI), or the processor is no x86.

    Without, ONNX Runtime's quick sums of unsigned and signed bytes run full, and the masks would be others
    than those that were measured: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html.
    Where it cannot be found out the answer is no, which costs time alone.
    """
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return True
    try:
        return "vnni" in _FLAGS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
