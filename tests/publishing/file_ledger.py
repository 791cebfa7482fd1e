"""A ledger in one JSON file, replaced as a whole: it outlives a killed process and serves several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from filelock import FileLock

from fair_models.catalog.items.pins import Pin
from fair_models.errors import Conflict, NotFound
from fair_models.store.atomic import write_bytes
from fair_models.store.digests import checksum_bytes
from fair_models.training.config.run_config import DataRef, FileRef, RunConfig
from fair_models.training.ledger import Artifact, ModelVersion, Stage
from fair_models.types import Json
from tests.publishing.memory_ledger import FILE_NAMES, IOU, a_config, a_network

Versions = dict[str, Json]


def content(name: str, number: int) -> bytes:
    """What the files of base models and datasets hold, that their versions are made of here."""
    return f"{name} of version {number}".encode()


class FileLedger:
    """Versions of models, as ZenML keeps them: deleting frees the number, production archives the one before.

    Weights and ONNX are made from model and number whenever they are fetched: always the same bytes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(
        self, model: str, *, iou: float = 0.74, status: str = "completed", **changes: Any
    ) -> ModelVersion:
        """A new version, completed and measured unless said otherwise.

        Args:
            model: Name of the model.
            iou: What it reached.
            status: Of its run.
            changes: created (ISO 8601), base and dataset (numbers of their versions).
        """
        with self._changing(model) as versions:
            number = 1 + max(map(int, versions), default=0)
            versions[str(number)] = {"stage": "none", "status": status, "iou": iou, **changes}
        return self.get(model, number)

    def models(self) -> list[str]:
        return sorted(model for model, versions in self._read().items() if self._seen(versions))

    def versions(self, model: str) -> list[ModelVersion]:
        found = self._seen(self._read().get(model, {}))
        if not found:
            raise NotFound(f"No model is called {model}. There are: {', '.join(self.models())}")
        return [_version(model, int(number), found[number]) for number in sorted(found, key=int)]

    def get(self, model: str, number: int) -> ModelVersion:
        for version in self.versions(model):
            if version.number == number:
                return version
        raise NotFound(f"{model} has no version {number}")

    def config(self, model: str, number: int) -> RunConfig:
        self.get(model, number)
        said = self._read()[model][str(number)]
        base, dataset = said.get("base", 1), said.get("dataset", 1)
        config = a_config(model, f"roofs-unet-v{base}", f"banepa-buildings-v{dataset}")
        code = config.code.model_copy(update={"archive": _file("source-code.zip", base)})
        files = ("chips.zip", "labels.geojson", "split.json")
        data = DataRef(**{name.partition(".")[0]: _file(name, dataset) for name in files})
        weights = _file("checkpoint.safetensors", base)
        return config.model_copy(update={"code": code, "weights": weights, "data": data})

    def curves(self, model: str, number: int) -> Sequence[Mapping[str, float]]:
        return [{"epoch": 1.0, "loss": 0.5}]

    def fetch(self, model: str, number: int, artifact: Artifact, folder: Path) -> Path:
        self.get(model, number)
        path = folder / FILE_NAMES[artifact]
        path.write_bytes(a_network(number) if artifact == "onnx" else f"weights {model} {number}".encode())
        return path

    def set_stage(self, model: str, number: int, stage: Stage) -> None:
        with self._changing(model) as versions:
            if str(number) not in versions:
                raise NotFound(f"{model} has no version {number}")
            if stage == "production" and versions[str(number)]["status"] != "completed":
                raise Conflict(f"{model}-v{number} cannot go to production: its run did not complete")
            for version in versions.values():
                if stage == "production" and version["stage"] == "production":
                    version["stage"] = "archived"
            versions[str(number)]["stage"] = stage

    def set_pin(self, model: str, number: int, pin: Pin | None) -> None:
        with self._changing(model) as versions:
            if str(number) not in versions:
                raise NotFound(f"{model} has no version {number}")
            versions[str(number)]["pin"] = None if pin is None else pin.to_json()

    def delete(self, model: str, number: int, *, with_run: bool = False) -> None:
        with self._changing(model) as versions:
            versions.pop(str(number), None)

    def delete_model(self, model: str) -> None:
        with self._changing(model) as versions:
            versions.clear()

    def reserve(self, model: str, up_to: int) -> None:
        with self._changing(model) as versions:
            if max(map(int, versions), default=0) < up_to:
                versions[str(up_to)] = {"stage": "none", "status": "reserved"}

    def mark_failed(self, run_id: str) -> None:
        self._end(run_id, "failed")

    def mark_cancelled(self, run_id: str) -> None:
        self._end(run_id, "cancelled")

    def _end(self, run_id: str, status: str) -> None:
        for model in self.models():
            with self._changing(model) as versions:
                for number, version in versions.items():
                    if f"run-{model}-{number}" == run_id and version["status"] == "running":
                        version["status"] = status

    def _seen(self, versions: Versions) -> Versions:
        return {number: each for number, each in versions.items() if each["status"] != "reserved"}

    def _read(self) -> dict[str, Versions]:
        found: dict[str, Versions] = orjson.loads(self._path.read_bytes()) if self._path.exists() else {}
        return found

    @contextmanager
    def _changing(self, model: str) -> Iterator[Versions]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")):
            everything = self._read()
            versions = everything.setdefault(model, {})
            yield versions
            write_bytes(self._path, orjson.dumps(everything))


def _version(model: str, number: int, said: Json) -> ModelVersion:
    return ModelVersion(
        model=model,
        number=number,
        stage=said["stage"],
        status=said["status"],
        run_id=f"run-{model}-{number}",
        mlflow_run_id=None,
        created=datetime.fromisoformat(said.get("created", "2026-11-20T00:00:00+00:00")).astimezone(UTC),
        metrics={IOU: said["iou"]},
        baseline={IOU: 0.377},
        baseline_name="everything is a building",
        seconds=81.25,
        held_out_count=10,
        hyperparameters=a_config(model, "roofs-unet-v1", "banepa-buildings-v1").hyperparameters,
        pin=Pin(**said["pin"]) if said.get("pin") else None,
    )


def _file(name: str, number: int) -> FileRef:
    return FileRef(href=f"/data/store/{name}", checksum=checksum_bytes(content(name, number)))
