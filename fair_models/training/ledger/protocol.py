"""The ledger's protocol, and what it says of a version. ZenML is the truth behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from fair_models.catalog.items.agreement import Agreement
from fair_models.catalog.items.pins import Pin
from fair_models.ml_tasks.results import ClassRow, Interval
from fair_models.params import HyperparameterValue
from fair_models.training.config.run_config import RunConfig

Stage = Literal["none", "production", "archived"]
"""What a version is used for. It follows the catalogue."""

Status = Literal["completed", "running", "failed", "cancelled", "missing"]
"""What became of the run that made a version: its own status, never concluded from the stage.

Somebody ended a `cancelled` run. One whose process was killed outright stays `running` until it is marked.
`missing`: no run is known that made the version.
"""

Artifact = Literal["weights", "onnx", "onnx_int8", "extras"]
"""Files of a version: weights as safetensors, the same network as ONNX, that in 8 bits, further files as zip.

The third is empty where it does not agree well enough with the second, the last where there are none.
"""


@dataclass(frozen=True)
class ModelVersion:
    """One numbered result of a run.

    model: Name of the model, e.g. "banepa-roofs".
    number: 1, 2, 3, ... in the order in which the runs began.
    run_id: Id of ZenML's run, None where there is none.
    mlflow_run_id: Id of MLflow's run, None where MLflow was out of reach.
    metrics: Held-out values by key of `fair:metrics_spec`; None where nothing was measured. Empty before
        the evaluation.
    baseline: The same keys for the simplest guess, which `baseline_name` names.
    baseline_names: Which guess each metric is compared with; empty where all are with that one.
    created: When the version was made, aware, UTC.
    seconds: Wall time of the training itself; None before it has ended.
    held_out_count: Samples that the metrics were measured on.
    hyperparameters: All values that were really used, with their prefix; those among them that the training
        set itself, as a threshold.
    software: Versions of what trained it, by name, e.g. {"torch": "2.13.0"}.
    agreement: How well quicker ways to run its ONNX agree with it. None: not measured.
    intervals: 95 % interval of each metric over other draws of held-out samples; None where there is none.
    classes: One row for each class: its name ("class"), labels on either side ("train", "held_out"), metrics.
    confusion: How many are of the first class and were taken for the second.
    pin: Why it is kept, where it is pinned here. Published versions are pinned in their items.
    extras: Names of further files that its contribution made, e.g. "text-encoder.onnx".
    notes: What else is to be known of its training, in sentences.
    ceiling: What a perfect mask reaches on the same samples, by the keys of the metrics that this bounds.
    """

    model: str
    number: int
    stage: Stage
    status: Status
    run_id: str | None
    mlflow_run_id: str | None
    created: datetime
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    baseline: Mapping[str, float | None] = field(default_factory=dict)
    baseline_name: str = ""
    seconds: float | None = None
    held_out_count: int = 0
    hyperparameters: Mapping[str, HyperparameterValue] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)
    agreement: Agreement | None = None
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)
    classes: Sequence[ClassRow] = ()
    confusion: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    pin: Pin | None = None
    extras: Sequence[str] = ()
    baseline_names: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    ceiling: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """How its item is called once it is published, e.g. "banepa-roofs-v3"."""
        return f"{self.model}-v{self.number}"


class Ledger(Protocol):
    """Models, their versions, and what belongs to each."""

    def models(self) -> list[str]:
        """Names of all models that have a version, in alphabetical order."""

    def versions(self, model: str) -> list[ModelVersion]:
        """All versions of a model, oldest first. Raises NotFound with the nearest names."""

    def get(self, model: str, number: int) -> ModelVersion:
        """One version. Raises NotFound with the numbers that there are."""

    def config(self, model: str, number: int) -> RunConfig:
        """The run config of a version, enough to repeat its run. Raises NotFound where none was logged."""

    def curves(self, model: str, number: int) -> Sequence[Mapping[str, float]]:
        """Metrics of each epoch in order, `epoch` among them. Raises NotFound before training has ended."""

    def fetch(self, model: str, number: int, artifact: Artifact, folder: Path) -> Path:
        """Copy a file into `folder`: model.safetensors, model.onnx, model-int8.onnx or extras.zip.

        Raises:
            NotFound: The version has no such file.
        """

    def set_stage(self, model: str, number: int, stage: Stage) -> None:
        """Set what a version is used for. Production archives the version that held it.

        Raises:
            Conflict: Production, and the version's run did not complete.
        """

    def set_pin(self, model: str, number: int, pin: Pin | None) -> None:
        """Pin a version, or with None take its pin off. Raises NotFound."""

    def delete(self, model: str, number: int, *, with_run: bool = False) -> None:
        """Take a version away. One that is not there is no error.

        Its run stays known; with `with_run` it goes too, and with it the files that it left.
        """

    def delete_model(self, model: str) -> None:
        """Take a model and all its versions away. One that is not there is no error."""

    def reserve(self, model: str, up_to: int) -> None:
        """See to it that the next version gets a larger number: those up to this one were used before."""

    def mark_failed(self, run_id: str) -> None:
        """Record that an unfinished run is dead. One that has ended is left as it is. Raises NotFound."""

    def mark_cancelled(self, run_id: str) -> None:
        """Record that a run did not complete because somebody cancelled it.

        A completed one is left as it is. Raises NotFound.
        """
