"""What a contribution offers: two modules of plain functions. mypy and the loader hold it to this."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

from fair_models.data.samples import Samples
from fair_models.inference.processing import Processing
from fair_models.ml_tasks.results import Evaluation, Report

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Pipeline", "Processing"]


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

    def evaluate(self, network: Any, samples: Samples, processing: Processing, params: Any) -> Evaluation:
        """Measure the network on held-out samples, after the same post-processing as in prediction."""

    def export(self, network: Any, path: Path, params: Any) -> None:
        """Write the network as ONNX with dynamic batch, height and width where its architecture allows."""
