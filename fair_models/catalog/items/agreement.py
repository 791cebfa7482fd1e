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

Figures of a model that tells objects apart have an "instance_f1" too.

Mask IoU is the mean, over the classes other than the background that either mask has, of pixels that have the
class in both masks divided by pixels that have it in one of them, counted over all held-out chips together.
Instance F1 is that of the objects, held against the exact ones: those of one class whose IoU is above 0.5 are
the same, counted likewise. Masks that agree may still join two houses: one pixel of an interior is enough.
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

MIN_INSTANCE_F1 = 0.98
"""What it must reach besides where objects are told apart: of a hundred, two may come out otherwise.

That is a fifth of the width of the 95 % interval that the F1 against labels has on the 12 held-out chips of
Banepa (0.48 to 0.58). There the U-Net of this project reached 0.989 in 8 bits and 0.992 in bfloat16.
"""

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
    instance_f1: 0 to 1; None where the model tells no objects apart, or neither side has any.
    """

    engine: str
    version: str
    precision: str
    mask_iou: float | None
    instance_f1: float | None = None

    @property
    def is_enough(self) -> bool:
        """Whether it may be used."""
        return self.shortfall is None

    @property
    def shortfall(self) -> str | None:
        """Why it may not be used, e.g. "its mask IoU of 0.9949 is below 0.995"; None where it may."""
        if self.mask_iou is None:
            return "there was nothing but background to compare it on"
        if not is_enough(self.mask_iou):
            return f"its mask IoU of {self.mask_iou:.4f} is below {MIN_MASK_IOU}"
        if self.instance_f1 is not None and not is_enough(self.instance_f1, MIN_INSTANCE_F1):
            return f"its instance F1 of {self.instance_f1:.4f} is below {MIN_INSTANCE_F1}"
        return None

    @property
    def words(self) -> str:
        """What was measured, e.g. "mask IoU 0.9961 and instance F1 0.9917"."""
        said = [("mask IoU", self.mask_iou), ("instance F1", self.instance_f1)]
        return " and ".join(f"{name} {value:.4f}" for name, value in said if value is not None)


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
            f"{ENGINES.get(each.engine, each.engine)} {each.precision} {_values(each)}"
            + ("" if each.is_enough else " (too low)")
            for each in self.figures
        ]
        apart = any(each.instance_f1 is not None for each in self.figures)
        what = "mask IoU and instance F1" if apart else "mask IoU"
        return f"{what} on {self.held_out_count} held-out chips: {', '.join(said) or 'not measured'}"

    @property
    def int8_mask_iou(self) -> float | None:
        """The lowest figure of the 8-bit network. None where one is missing, or none was measured."""
        values = [each.mask_iou for each in self.figures if each.precision == INT8]
        known = [value for value in values if value is not None]
        return min(known) if known and len(known) == len(values) else None

    @property
    def int8_instance_f1(self) -> float | None:
        """The lowest figure of the objects of the 8-bit network. None where there is none."""
        values = [each.instance_f1 for each in self.figures if each.precision == INT8]
        return min((value for value in values if value is not None), default=None)

    @property
    def int8_is_enough(self) -> bool:
        """Whether the 8-bit network may be used in every engine that it was measured in."""
        figures = [each for each in self.figures if each.precision == INT8]
        return bool(figures) and all(each.is_enough for each in figures)

    def to_json(self) -> Json:
        """The value of `fair:agreement`."""
        return {
            "held_out_count": self.held_out_count,
            "calibration_count": self.calibration_count,
            "float_layers": list(self.float_layers),
            "figures": [_figure(figure) for figure in self.figures],
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
            Figure(
                each["engine"],
                each["version"],
                each["precision"],
                each.get("mask_iou"),
                each.get("instance_f1"),
            )
            for each in said.get("figures", [])
        ),
        held_out_count=said.get("held_out_count", 0),
        calibration_count=said.get("calibration_count", 0),
        float_layers=tuple(said.get("float_layers", ())),
    )


def is_enough(value: Any, minimum: float = MIN_MASK_IOU) -> bool:
    """Whether a figure is one, and high enough."""
    numeric = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return numeric and minimum <= value <= 1


def _figure(figure: Figure) -> Json:
    """A figure as JSON: without objects it is what it was before objects were compared."""
    said: Json = asdict(figure)
    if figure.instance_f1 is None:
        del said["instance_f1"]
    return said


def _values(figure: Figure) -> str:
    if figure.mask_iou is None:
        return "nothing found"
    values = [value for value in (figure.mask_iou, figure.instance_f1) if value is not None]
    return " and ".join(map(compared, values))
