"""A ledger in memory, for tests of what is done with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fair_models.catalog.items.pins import Pin
from fair_models.errors import Conflict, NotFound
from fair_models.store.protocol import StoredFile
from fair_models.training.config.run_config import CodeRef, DataRef, FileRef, InputSpec, RunConfig
from fair_models.training.ledger import Artifact, ModelVersion, Stage, Status
from tests.catalog.item_factory import base_files, dataset_facts

IOU = "fair:building_iou"
FILE_NAMES = {"weights": "model.safetensors", "onnx": "model.onnx", "onnx_int8": "model-int8.onnx"}


def a_network(seed: int = 0) -> bytes:
    """A real ONNX file of one convolution."""
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(seed).normal(size=(2, 3, 1, 1)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["pixels", "weight"], ["logits"])],
        "tiny",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2, "h", "w"])],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return bytes(model.SerializeToString())


def a_config(model: str, base_model: str, dataset: str) -> RunConfig:
    code, weights = (base_files()[key] for key in ("source-code", "checkpoint"))
    return RunConfig(
        model_name=model,
        title="Roofs of Banepa",
        base_model=base_model,
        dataset=dataset,
        task="semantic-segmentation",
        code=CodeRef(
            archive=FileRef(href=code.href, checksum=code.checksum),
            entrypoint="models.roofs.pipeline",
            preprocess="models.roofs.processing:preprocess",
            postprocess="models.roofs.processing:postprocess",
        ),
        weights=FileRef(href=weights.href, checksum=weights.checksum),
        data=a_dataset(),
        input=InputSpec(bands=3, size_px=256, gsd_m=0.3),
        classes=["background", "building"],
        hyperparameters={
            "training.epochs": 40,
            "training.learning_rate": 0.001,
            "training.loss": "dice",
            "training.augment": True,
            "inference.confidence_threshold": 0.5,
        },
    )


def a_dataset(files: Mapping[str, StoredFile] | None = None) -> DataRef:
    """The files of a dataset: chips, labels, split. Default: of the one that the item factory makes."""
    files = files or dataset_facts().files
    refs = {key: FileRef(href=file.href, checksum=file.checksum) for key, file in files.items()}
    return DataRef(**refs)


class MemoryLedger:
    """Versions, configs and files in dictionaries. `before_stage` is called before a stage is set."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], ModelVersion] = {}
        self.configs: dict[tuple[str, int], RunConfig] = {}
        self.files: dict[tuple[str, int, str], bytes] = {}
        self.reserved: dict[str, int] = {}
        self.before_stage: Callable[[], None] = lambda: None

    def add(
        self,
        model: str = "banepa-roofs",
        *,
        base_model: str = "roofs-unet-v1",
        dataset: str = "banepa-buildings-v1",
        iou: float | None = 0.74,
        **fields: Any,
    ) -> ModelVersion:
        """A new version, completed and measured unless `fields` say otherwise."""
        used = [found for name, found in self.records if name == model]
        number = 1 + max([*used, self.reserved.get(model, 0)])
        config = a_config(model, base_model, dataset)
        version = ModelVersion(
            **{
                "model": model,
                "number": number,
                "stage": "none",
                "status": "completed",
                "run_id": f"run-{model}-{number}",
                "mlflow_run_id": None,
                "created": datetime(2026, 11, 21, tzinfo=UTC),
                "metrics": {IOU: iou},
                "baseline": {IOU: 0.377},
                "baseline_name": "everything is a building",
                "seconds": 81.25,
                "held_out_count": 12,
                "hyperparameters": config.hyperparameters,
                **fields,
            }
        )
        self.records[model, number], self.configs[model, number] = version, config
        self.files[model, number, "weights"] = f"weights of {version.id}".encode()
        self.files[model, number, "onnx"] = a_network(number)
        return version

    def stages(self, model: str = "banepa-roofs") -> list[Stage]:
        return [version.stage for version in self.versions(model)]

    def models(self) -> list[str]:
        return sorted({model for model, _ in self.records})

    def versions(self, model: str) -> list[ModelVersion]:
        found = [self.records[key] for key in sorted(self.records) if key[0] == model]
        if not found:
            raise NotFound(f"No model is called {model}. There are: {', '.join(self.models())}")
        return found

    def get(self, model: str, number: int) -> ModelVersion:
        self.versions(model)
        if (model, number) not in self.records:
            raise NotFound(f"{model} has no version {number}")
        return self.records[model, number]

    def config(self, model: str, number: int) -> RunConfig:
        return self.configs[model, number]

    def curves(self, model: str, number: int) -> Sequence[Mapping[str, float]]:
        return [{"epoch": 1.0, "loss": 0.5}]

    def fetch(self, model: str, number: int, artifact: Artifact, folder: Path) -> Path:
        if (model, number, artifact) not in self.files:
            raise NotFound(f"Version {number} of {model} has no {artifact}; train it again")
        path = folder / FILE_NAMES[artifact]
        path.write_bytes(self.files[model, number, artifact])
        return path

    def set_stage(self, model: str, number: int, stage: Stage) -> None:
        self.before_stage()
        version = self.get(model, number)
        if stage == "production" and version.status != "completed":
            raise Conflict(f"{version.id} cannot go into production: its run is {version.status}")
        for key, other in self.records.items():
            if stage == "production" and key[0] == model and other.stage == "production":
                self.records[key] = replace(other, stage="archived")
        self.records[model, number] = replace(version, stage=stage)

    def set_pin(self, model: str, number: int, pin: Pin | None) -> None:
        self.records[model, number] = replace(self.get(model, number), pin=pin)

    def delete(self, model: str, number: int, *, with_run: bool = False) -> None:
        self.records.pop((model, number), None)

    def delete_model(self, model: str) -> None:
        for key in [key for key in self.records if key[0] == model]:
            del self.records[key]

    def reserve(self, model: str, up_to: int) -> None:
        self.reserved[model] = max(up_to, self.reserved.get(model, 0))

    def mark_failed(self, run_id: str) -> None:
        self._end(run_id, "failed")

    def mark_cancelled(self, run_id: str) -> None:
        self._end(run_id, "cancelled")

    def _end(self, run_id: str, status: Status) -> None:
        for key, version in self.records.items():
            if version.run_id == run_id and version.status == "running":
                self.records[key] = replace(version, status=status)
