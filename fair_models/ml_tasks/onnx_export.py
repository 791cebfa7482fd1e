"""Writing a network as ONNX. Needs torch and onnx."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from fair_models.errors import Invalid
from fair_models.ml_tasks.padded import Padded

OPSET = 18
INPUT = "pixels"
TOKENS = "tokens"


_bands_of_input: ContextVar[int | None] = ContextVar("fair_models_bands_of_input", default=None)


@contextlib.contextmanager
def of_bands(count: int) -> Iterator[None]:
    """Within, networks take images of so many bands, as `mlm:input` says. Else their first layer tells it."""
    token = _bands_of_input.set(count)
    try:
        yield
    finally:
        _bands_of_input.reset(token)


def export_onnx(
    network: nn.Module, path: Path, output: str, size_px: int = 64, dynamic_size: bool = True
) -> None:
    """Write a network of one image input and one output as ONNX.

    The file is the same, byte for byte, for the same weights: what the exporter notes about the source code,
    paths of this machine among them, is taken out.

    Args:
        network: Takes float32 of shape (n, bands, height, width). Left in evaluation mode. What a `Padded`
            network does to images whose sides do not divide is written too.
        path: Where to write.
        output: Name of the output.
        size_px: Height and width of the example that is traced, unless the network is `Padded`.
        dynamic_size: Whether the file takes any height and width, or those of the example alone. It takes
            any batch.
    """
    network.eval().cpu()
    batch, height, width = (torch.export.Dim(name) for name in ("batch", "height", "width"))
    if isinstance(network, Padded) and dynamic_size:
        # What it computes does not depend on the size, so its sizes are opened afterwards: torch takes far
        # longer where it has to reason about any size.
        example = torch.zeros(2, _bands(network), 2 * network.multiple_px, 3 * network.multiple_px)
        model = _exported(network, example, INPUT, output, {0: batch})
        _pad_and_crop(model.graph, network.multiple_px)
    else:
        example = torch.zeros(2, _bands(network), size_px, size_px + (32 if dynamic_size else 0))
        dynamic = {0: batch, 2: height, 3: width} if dynamic_size else {0: batch}
        model = _exported(network, example, INPUT, output, dynamic)
    onnx.save_model(model, path)


def export_text_onnx(network: nn.Module, path: Path, output: str, length: int) -> None:
    """Write a network that takes numbers of words as ONNX, as `export_onnx` does; its input is `tokens`.

    Args:
        network: Takes int64 of shape (n, length). Left in evaluation mode.
        path: Where to write.
        output: Name of the output.
        length: Words of a text.
    """
    network.eval().cpu()
    example = torch.ones(2, length, dtype=torch.int64)
    model = _exported(network, example, TOKENS, output, {0: torch.export.Dim("batch")})
    onnx.save_model(model, path)


def _exported(
    network: nn.Module, example: Tensor, name: str, output: str, dynamic: Mapping[int, Any]
) -> onnx.ModelProto:
    with _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[name],
            output_names=[output],
            dynamic_shapes=(dynamic,),
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    model = program.model_proto
    _forget_sources(model)
    return model


def _pad_and_crop(graph: onnx.GraphProto, multiple_px: int) -> None:
    """Put before and behind the network what `Padded.forward` does to images whose sides do not divide."""
    (given,), (wanted,) = graph.input, graph.output
    inside, scores = f"{given.name}_extended", f"{wanted.name}_extended"
    for node in graph.node:
        node.input[:] = [inside if name == given.name else name for name in node.input]
        node.output[:] = [scores if name == wanted.name else name for name in node.output]
    constants = {"padding_none": [0, 0], "padding_axes": [2, 3], "padding_multiple": [multiple_px] * 2}
    for name, values in constants.items():
        graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    before = [
        _node("Shape", [given.name], "padding_size", start=2, end=4),
        _node("Neg", ["padding_size"], "padding_negative"),
        _node("Mod", ["padding_negative", "padding_multiple"], "padding_missing"),
        _node("Concat", ["padding_none", "padding_missing"], "padding_pads", axis=0),
        _node("Pad", [given.name, "padding_pads", "", "padding_axes"], inside, mode="edge"),
    ]
    behind = _node("Slice", [scores, "padding_none", "padding_size", "padding_axes"], wanted.name)
    nodes = [*before, *graph.node, behind]
    del graph.node[:], graph.value_info[:]  # what was noted about shapes inside names other sizes
    graph.node.extend(nodes)
    for value in (given, wanted):
        for axis, name in ((2, "height"), (3, "width")):
            value.type.tensor_type.shape.dim[axis].dim_param = name


def _node(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], name=f"node_{output}", **attributes)


def _bands(network: nn.Module) -> int:
    """Bands of the model's input, where somebody says them; else those that the first convolution takes."""
    known = _bands_of_input.get()
    if known is not None:
        return known
    first = next((layer for layer in network.modules() if isinstance(layer, nn.Conv2d)), None)
    if first is None:
        raise Invalid(f"{type(network).__name__} has no convolution that says how many bands it takes")
    return first.in_channels


def _forget_sources(model: onnx.ModelProto) -> None:
    model.doc_string = ""
    del model.metadata_props[:]
    graph = model.graph
    graph.doc_string = ""
    del graph.metadata_props[:]
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints its steps and warns of its own deprecations: nothing a mapper could act on."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
