"""What a contribution offers: two modules of plain functions. mypy and the loader hold it to this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

from fair_models.data.samples import Samples
from fair_models.inference.parts import Part, Window
from fair_models.ml_tasks.results import Evaluation, Report
from fair_models.types import Array

if TYPE_CHECKING:
    from torch import nn


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


class Pipeline(Protocol):
    """`pipeline.py`, torch: how the network is built, trained, judged and exported.

    `params` is an instance of the contribution's own `Params`: the hyperparameters of the item that start
    with `training.`, without that prefix. A network's state is a torch state dict of what `build` returns.
    """

    @property
    def Params(self) -> type[BaseModel]:  # noqa: N802
        """Training hyperparameters with types, bounds and defaults."""

    def build(self, params: Any) -> nn.Module:
        """Make the network with fresh weights."""

    def train(
        self, network: Any, samples: Samples, processing: Processing, params: Any, seed: int, report: Report
    ) -> None:
        """Fit the network to the samples, in place. Calls `report` after each epoch.

        Args:
            network: What `build` made, with the initial weights loaded.
            samples: The training side of the split. A part of it may be set aside for validation.
            processing: The contribution's own pre- and post-processing.
            params: An instance of `Params`.
            seed: Everything random derives from it: equal seeds give equal weights on the same machine.
            report: Called after each epoch; what it raises ends the training.
        """

    def evaluate(
        self, network: Any, samples: Samples, processing: Processing, params: Any
    ) -> Evaluation:
        """Measure the network on held-out samples, after the same post-processing as in prediction."""

    def export(self, network: Any, path: Path, params: Any) -> None:
        """Write the network as ONNX with dynamic batch, height and width where its architecture allows."""
