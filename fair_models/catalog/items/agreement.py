"""How well quicker ways to run a network agree with the exact one, as the item of a model says it.

The field `fair:agreement` holds one figure for each way that was measured, whether or not it is good enough:

    "fair:agreement": {
      "held_out_count": 12,
      "calibration_count": 32,
      "float_layers": ["node_Conv_325", "node_conv2d_19"],
      "figures": [
        {"engine": "onnxruntime", "version": "1.31.1", "precision": "int8", "mask_iou": 0.9961},
        {"engine": "openvino", "version": "2026.4.1", "precision": "bfloat16", "mask_iou": 0.9988}
      ]
    }

Mask IoU is the mean, over the classes other than the background that either mask has, of pixels that have the
class in both masks divided by pixels that have it in one of them, counted over all held-out chips together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fair_models.numbers import compared
from fair_models.types import Json

FIELD = "fair:agreement"

MASK_IOU = "fair:mask_iou"
"""Field of the asset of an 8-bit network: the lowest figure that it has."""

MIN_MASK_IOU = 0.995
"""What a quicker way must reach to be used."""

INT8 = "int8"
BFLOAT16 = "bfloat16"
FLOAT32 = "float32"

ENGINES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
"""What engines are called among people."""


@dataclass(frozen=True)
class Figure:
    """How well one engine at one precision agrees with the exact one.

    engine, version: What ran the network, e.g. "openvino", "2026.4.1".
    precision: "int8" or "bfloat16".
    mask_iou: 0 to 1; None where neither mask has anything but background.
    """

    engine: str
    version: str
    precision: str
    mask_iou: float | None

    @property
    def is_enough(self) -> bool:
        """Whether it may be used."""
        return is_enough(self.mask_iou)


@dataclass(frozen=True)
class Agreement:
    """What was measured of one network.

    figures: One for each engine and precision.
    held_out_count: Chips that the masks were compared on.
    calibration_count: Training chips that the 8-bit network got its ranges from.
    float_layers: Nodes of the ONNX that the 8-bit network computes in float32 all the same.
    """

    figures: tuple[Figure, ...] = ()
    held_out_count: int = 0
    calibration_count: int = 0
    float_layers: tuple[str, ...] = ()

    def figure(self, engine: str, precision: str) -> Figure | None:
        """The figure of an engine at a precision. None where it was not measured."""
        found = (each for each in self.figures if (each.engine, each.precision) == (engine, precision))
        return next(found, None)

    @property
    def sentence(self) -> str:
        """What was measured, for people, e.g. "mask IoU on 12 held-out chips: OpenVINO int8 0.9961"."""
        said = [
            f"{ENGINES.get(each.engine, each.engine)} {each.precision} "
            + ("nothing found" if each.mask_iou is None else compared(each.mask_iou))
            + ("" if each.is_enough else " (too low)")
            for each in self.figures
        ]
        return f"mask IoU on {self.held_out_count} held-out chips: {', '.join(said) or 'not measured'}"

    @property
    def int8_mask_iou(self) -> float | None:
        """The lowest figure of the 8-bit network. None where one is missing, or none was measured."""
        values = [each.mask_iou for each in self.figures if each.precision == INT8]
        known = [value for value in values if value is not None]
        return min(known) if known and len(known) == len(values) else None

    def to_json(self) -> Json:
        """The value of `fair:agreement`."""
        return {
            "held_out_count": self.held_out_count,
            "calibration_count": self.calibration_count,
            "float_layers": list(self.float_layers),
            "figures": [asdict(figure) for figure in self.figures],
        }


def read(properties: Mapping[str, Any]) -> Agreement:
    """What an item's properties say; nothing measured where they say nothing.

    Args:
        properties: Of an item that keeps its profile.
    """
    return from_json(properties.get(FIELD) or {})


def from_json(said: Mapping[str, Any]) -> Agreement:
    """What a value of `fair:agreement` says."""
    return Agreement(
        figures=tuple(
            Figure(each["engine"], each["version"], each["precision"], each.get("mask_iou"))
            for each in said.get("figures", [])
        ),
        held_out_count=said.get("held_out_count", 0),
        calibration_count=said.get("calibration_count", 0),
        float_layers=tuple(said.get("float_layers", ())),
    )


def is_enough(mask_iou: Any) -> bool:
    """Whether a figure is one, and high enough."""
    numeric = isinstance(mask_iou, int | float) and not isinstance(mask_iou, bool) and math.isfinite(mask_iou)
    return numeric and MIN_MASK_IOU <= mask_iou <= 1
