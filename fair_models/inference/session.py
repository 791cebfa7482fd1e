"""A network in ONNX Runtime: float32 batches in, named arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fair_models.errors import Invalid, NotFound
from fair_models.inference import external_data
from fair_models.types import Array

ENGINE = "onnxruntime"

MAX_BYTES = 2 * 2**30
"""The largest ONNX file that is opened: protobuf knows no larger ones."""


@dataclass(frozen=True)
class Session:
    """An ONNX file that is ready to run.

    path: The file.
    bands: Bands that the network takes; None where it takes any number.
    size_px: Height and width that it takes; None where both are dynamic.
    batch: Windows that it takes at a time; None where that is dynamic.
    provider: What it runs on, e.g. "CPUExecutionProvider".
    version: Version of ONNX Runtime.
    """

    path: Path
    bands: int | None
    size_px: int | None
    batch: int | None
    provider: str
    version: str
    _engine: Any
    _input: str

    @property
    def dynamic(self) -> bool:
        """Whether the network takes windows of any height and width."""
        return self.size_px is None

    @property
    def outputs(self) -> list[str]:
        """Names of the network's outputs."""
        return [output.name for output in self._engine.get_outputs()]

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
            values = self._engine.run(None, {self._input: np.ascontiguousarray(batch, dtype=np.float32)})
        except _engine_errors() as error:
            raise Invalid(
                f"The network in {self.path.name} does not take a batch of shape {batch.shape}: "
                f"{_first_line(error)}. Compare the model's mlm:input with its ONNX file"
            ) from error
        return dict(zip(self.outputs, values, strict=True))


def open_session(onnx_path: Path, threads: int | None = None) -> Session:
    """Open an ONNX file with ONNX Runtime: on CUDA where it has it, else on the CPU.

    Args:
        onnx_path: The file. One float32 input of shape (batch, bands, height, width).
        threads: CPU threads; None for one per core.

    Raises:
        NotFound: There is no such file.
        Invalid: The file is no ONNX that can be run on windows of imagery, is too large, or has weights in
            other files.
    """
    import onnxruntime

    path = Path(onnx_path)
    if not path.is_file():
        raise NotFound(
            f"There is no ONNX file at {path}. Name the file of the model's asset with the role mlm:model"
        )
    _check_file(path)
    available = onnxruntime.get_available_providers()
    providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in available]
    try:
        engine = onnxruntime.InferenceSession(str(path), _options(threads), providers=providers)
        return _describe(path, engine, onnxruntime.__version__)
    except _engine_errors() as error:
        raise Invalid(
            f"{path} cannot be opened as ONNX: {_first_line(error)}. Export the model again and register it"
        ) from error


def _check_file(path: Path) -> None:
    """Refuse what ONNX Runtime would open and should not: other files, or more than it takes itself."""
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


def _options(threads: int | None) -> Any:
    """One window after the other, and threads that sleep while they wait.

    Spinning threads cost half as much CPU again on a machine that others use too.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = threads or 0
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def _describe(path: Path, engine: Any, version: str) -> Session:
    inputs = engine.get_inputs()
    problems = _input_problems(inputs)
    if problems:
        raise Invalid(
            f"{path} cannot be run on imagery: {'; '.join(problems)}. Export it with one float32 input"
        )
    batch, bands, height, _ = (size if isinstance(size, int) else None for size in inputs[0].shape)
    return Session(path, bands, height, batch, engine.get_providers()[0], version, engine, inputs[0].name)


def _input_problems(inputs: Sequence[Any]) -> list[str]:
    if len(inputs) != 1:
        return [f"it has {len(inputs)} inputs ({', '.join(entry.name for entry in inputs)}) instead of one"]
    problems = []
    if inputs[0].type != "tensor(float)":
        problems.append(f"its input is {inputs[0].type} instead of tensor(float)")
    if len(inputs[0].shape) != 4:
        problems.append(f"its input has the shape {inputs[0].shape} instead of (batch, bands, height, width)")
    else:
        height, width = (size if isinstance(size, int) else None for size in inputs[0].shape[2:])
        if height != width:
            problems.append(
                f"its windows are {height} by {width} px; they must be square, or dynamic both ways"
            )
    return problems


def _first_line(error: Exception) -> str:
    return (
        str(error).strip().splitlines()[0][:300].rstrip(".") if str(error).strip() else type(error).__name__
    )


def _engine_errors() -> tuple[type[Exception], ...]:
    """ONNX Runtime's errors have no base of their own below Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "Fail InvalidArgument InvalidGraph InvalidProtobuf NoModel NoSuchFile NotImplemented RuntimeException"
    )
    return (*(getattr(state, name) for name in names.split()), RuntimeError, ValueError)
