"""Whether a contribution that tells objects apart says where their interiors are. Without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fair_models.catalog.items import model_classes
from fair_models.contract import classes
from fair_models.contract.call import called
from fair_models.contract.verification.export_check import ODD_PX, SampleInput
from fair_models.errors import InvalidContribution
from fair_models.inference.network.session import Session, open_session
from fair_models.inference.parts import InstancePart, Processing, Window
from fair_models.types import Array, Json


def tells_objects_apart(template: Json) -> bool:
    """Whether the first output of an item as it was written is of the task instance-segmentation."""
    try:
        return model_classes.INSTANCES in template["properties"]["mlm:output"][0]["tasks"]
    except (KeyError, IndexError, TypeError):
        return False  # the profile says what is wrong with it


def check(
    template: Json, onnx_path: Path, processing: Processing, params: Mapping[str, Any], facts: SampleInput
) -> None:
    """Run the ONNX and the post-processing over one window of random pixels, and look at what it says.

    Contributions of other tasks are left alone.

    Args:
        template: The item as it was written.
        onnx_path: The network.
        processing: The contribution's own.
        params: Inference parameters of its item, without their prefix.
        facts: Bands and sample size of the model's input.

    Raises:
        InvalidContribution: `postprocess` gives no `InstancePart`, or one of another shape or range; lists
            every reason.
    """
    if not tells_objects_apart(template):
        return
    name = str(template.get("id"))
    session = open_session(onnx_path)
    outputs, window = _outputs(name, session, processing, facts)
    given = called(name, "postprocess", _parts, processing, outputs, window, params)
    reasons = list(_problems(given, len(classes.of_template(template)), window))
    if reasons:
        raise InvalidContribution(name, reasons)


def _outputs(
    name: str, session: Session, processing: Processing, facts: SampleInput
) -> tuple[dict[str, Array], Window]:
    """What the network says of a window that is wider than high, if it takes one."""
    size = session.size_px or facts.size_px
    more = (0, ODD_PX[0]) if session.dynamic else (0, 0)
    height, width = size + more[0], size + more[1]
    pixels = np.random.default_rng(0).integers(0, 256, (facts.bands, height, width), dtype=np.uint8)
    inputs = called(name, "preprocess", processing.preprocess, pixels)
    outputs = session.run(inputs[np.newaxis])
    window = Window(row=0, column=0, height=height, width=width, source="a trial")
    return {key: values[0] for key, values in outputs.items()}, window


def _parts(
    processing: Processing, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
) -> list[object]:
    return list(processing.postprocess(outputs, window, params))


def _problems(parts: Sequence[object], count: int, window: Window) -> Iterator[str]:
    if len(parts) != 1 or not isinstance(parts[0], InstancePart):
        found = ", ".join(type(part).__name__ for part in parts) or "nothing"
        yield (
            f"postprocess gives {found} for a window, and its task is {model_classes.INSTANCES}: let it give "
            "one InstancePart, as segmentation.class_and_interior does"
        )
        return
    wanted = {
        "probabilities": (count, window.height, window.width),
        "interior": (window.height, window.width),
    }
    for field, shape in wanted.items():
        yield from _array_problems(field, getattr(parts[0], field), shape)


def _array_problems(field: str, values: object, shape: tuple[int, ...]) -> Iterator[str]:
    axes = "(classes, height, width)" if len(shape) > 2 else "(height, width)"
    if not isinstance(values, np.ndarray):
        yield f"the {field} of its InstancePart is {type(values).__name__}, should be an array {axes}"
    elif values.shape != shape:
        yield (
            f"the {field} of its InstancePart has the shape {values.shape} for a window of "
            f"{shape[-2]} x {shape[-1]} px, should be {shape}: {axes}"
        )
    elif not np.issubdtype(values.dtype, np.floating):
        yield f"the {field} of its InstancePart is of {values.dtype}, should be float32 from 0 to 1"
    elif not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        yield (
            f"the {field} of its InstancePart goes from {values.min():g} to {values.max():g}, should be "
            "probabilities from 0 to 1"
        )
