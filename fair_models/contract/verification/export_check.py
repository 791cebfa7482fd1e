"""Whether the ONNX says what the network says. Needs torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fair_models.contract.call import called
from fair_models.errors import Invalid, InvalidContribution
from fair_models.inference.network.session import Session, open_session
from fair_models.inference.parts import Processing
from fair_models.types import Array

if TYPE_CHECKING:
    from torch import nn

TOLERANCE = 1e-3
"""Largest difference of an output, as a share of the largest absolute value of that output (1 at least).

Both engines add the same float32 numbers in another order; deep networks differ by some 1e-5. A wrong export
(another padding, another resize, weights in evaluation mode against training mode) differs by 1e-2 and more.
"""

ODD_PX = (37, -19)
"""What is added to height and width for the odd size: no multiple of anything that networks halve by."""


class SampleInput(Protocol):
    """What is needed to know of a model's input."""

    @property
    def bands(self) -> int:
        """Number of bands."""

    @property
    def size_px(self) -> int:
        """Height and width of a sample, in pixels."""


def check(onnx_path: Path, network: nn.Module, processing: Processing, facts: SampleInput) -> float:
    """Run the ONNX and the network over random pixels, of odd sizes too where the ONNX takes them.

    Args:
        onnx_path: The exported file.
        network: The network that it was exported from.
        processing: The contribution's own; `preprocess` makes the input.
        facts: Bands and sample size of the model's input.

    Returns:
        The largest difference found, as a share of the output's largest absolute value (1 at least).

    Raises:
        InvalidContribution: They differ by more than `TOLERANCE`, in number or in shape; lists every case.
    """
    try:
        session = open_session(onnx_path)
    except Invalid as error:
        raise InvalidContribution(onnx_path.name, [str(error)]) from error
    largest, reasons = 0.0, []
    for pixels in _examples(session, facts):
        inputs = called(onnx_path.name, "preprocess", _prepared, processing, pixels)
        size = " x ".join(str(length) for length in pixels.shape)
        try:
            given = session.run(inputs)
        except Invalid as error:
            reasons.append(f"ONNX does not take an input of {size}: {error}")
            continue
        expected = called(onnx_path.name, "the network", _run_torch, network, inputs, list(given))
        difference, found = called(onnx_path.name, "the comparison with torch", _compare, given, expected)
        largest = max(largest, difference)
        reasons += [f"{reason} (input of {size})" for reason in found]
    if reasons:
        raise InvalidContribution(
            onnx_path.name, [*reasons, "export it from the same weights, in evaluation mode"]
        )
    return largest


def _prepared(processing: Processing, pixels: Array) -> Array:
    return np.stack([processing.preprocess(image) for image in pixels])


def _examples(session: Session, facts: SampleInput) -> Iterator[Array]:
    """Random pixels, uint8, shape (n, bands, height, width)."""
    random = np.random.default_rng(0)
    size = session.size_px or facts.size_px
    sizes = [(session.batch or 2, size, size)]
    if session.dynamic:
        sizes.append((session.batch or 1, size + ODD_PX[0], size + ODD_PX[1]))
    for batch, height, width in sizes:
        yield random.integers(0, 256, (batch, facts.bands, height, width), dtype=np.uint8)


def _run_torch(network: nn.Module, inputs: Array, names: Sequence[str]) -> dict[str, Array]:
    """Outputs of the network in evaluation mode, by name where it names them, else in the ONNX's order."""
    import torch

    network.eval()
    with torch.no_grad():
        given: Any = network(torch.from_numpy(inputs))
    if isinstance(given, Mapping):
        return {name: values.numpy() for name, values in given.items()}
    outputs = [given] if isinstance(given, torch.Tensor) else list(given)
    return {name: values.numpy() for name, values in zip(names, outputs, strict=False)}


def _compare(onnx: Mapping[str, Array], torch_: Mapping[str, Array]) -> tuple[float, list[str]]:
    largest, reasons = 0.0, []
    if set(onnx) != set(torch_):
        reasons.append(
            f"ONNX has the outputs {', '.join(onnx)}, the network {', '.join(torch_) or 'none of them'}"
        )
    for name in [each for each in onnx if each in torch_]:
        if onnx[name].shape != torch_[name].shape:
            reasons.append(f"{name} has the shape {onnx[name].shape} in ONNX, {torch_[name].shape} in torch")
            continue
        scale = max(1.0, float(np.abs(torch_[name]).max(initial=0)))
        difference = float(np.abs(onnx[name] - torch_[name]).max(initial=0)) / scale
        if not difference <= TOLERANCE:  # NaN is no agreement either
            reasons.append(
                f"{name} differs by up to {difference:.2g} between ONNX and torch, allowed is {TOLERANCE:g}"
            )
        largest = max(largest, difference)
    return largest, reasons
