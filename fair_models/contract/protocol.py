"""What a contribution offers: two modules of plain functions. mypy and the loader hold it to this."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

from fair_models.data.samples import Samples
from fair_models.inference.parts import Processing
from fair_models.ml_tasks.results import Evaluation, Report

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Adopting", "Calibrating", "MakingAssets", "Pipeline", "Processing"]


class Pipeline(Protocol):
    """`pipeline.py`, torch: how the network is built, trained, evaluated and exported.

    `params` is an instance of the contribution's own `Params`: the hyperparameters of the item that start
    with `training.`, without that prefix. A network's state is a torch state dict of what `build` returns.

    `evaluate` and `calibrate` may have a fifth parameter `inference` with a default: the inference parameters
    without their prefix, as predictions of the model use them. A module may be `Calibrating` and
    `MakingAssets` too.
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


class Calibrating(Protocol):
    """A pipeline that chooses inference parameters itself."""

    def calibrate(
        self, network: Any, samples: Samples, processing: Processing, params: Any
    ) -> Mapping[str, float]:
        """Choose inference parameters with the fitted network.

        Args:
            network: With the weights that the training left.
            samples: What it learnt from; what is held out is never chosen on.
            processing: The contribution's own pre- and post-processing.
            params: An instance of `Params`.

        Returns:
            Values without their prefix, e.g. {"confidence_threshold": 0.43}. They go into the fine-tuned
            item where it has such hyperparameters, drawn into their bounds, unless somebody asked for other
            values.
        """


class Adopting(Protocol):
    """A pipeline that starts from weights that were published for another network, such as its encoder."""

    def adopt(self, network: Any, tensors: Mapping[str, Tensor]) -> None:
        """Put published weights into the network, in place. Without it they must be those of the network.

        Args:
            network: What `build` made; what is not put in stays as it is.
            tensors: The published tensors by name.
        """


class MakingAssets(Protocol):
    """A pipeline that makes further files of its network."""

    def extra_assets(
        self, network: Any, samples: Samples | None, processing: Processing, params: Any
    ) -> Mapping[str, bytes]:
        """Make what predictions need beside the ONNX, and compare it with torch where it is a network too.

        Args:
            network: With the weights that the training left, or with the initial ones.
            samples: All samples of the dataset, on whatever side of the split. None at the registration of
                the base model, where there is no dataset.
            processing: The contribution's own pre- and post-processing.
            params: An instance of `Params`.

        Returns:
            Content by file name, e.g. {"text-encoder.onnx": …}. Each becomes an asset of the item, its name
            without the ending the key.
        """
