"""What turns pixels into the network's input and its output into parts: the contract's inference half."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fair_models.inference.parts import Part, Window
from fair_models.types import Array


class Processing(Protocol):
    """`processing.py`, numpy only: the same functions in training, evaluation and prediction."""

    def preprocess(self, window: Array) -> Array:
        """Make what the network takes.

        Args:
            window: Pixels at the model's resolution, uint8, shape (bands, height, width), 0 to 255.

        Returns:
            float32, shape (bands, height, width), in the range that the item's `mlm:input` declares.
        """

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        """Say what the network's outputs mean for one window.

        Args:
            outputs: Arrays without the batch axis, by the name of the ONNX output.
            window: Where the pixels lie.
            params: Inference parameters without their prefix, e.g. {"confidence_threshold": 0.5}.
        """
