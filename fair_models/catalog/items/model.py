"""What the item of a base or local model says: enough to train with it or to predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fair_models.catalog.items import agreement, assets, guesses, hyperparameters, model_classes
from fair_models.catalog.items.agreement import Agreement
from fair_models.catalog.items.hyperparameters import Values
from fair_models.catalog.items.item import RegistryItem
from fair_models.errors import InvalidItem
from fair_models.types import LOCAL_MODELS, Json


@dataclass(frozen=True)
class ItemInput:
    """The input of a model.

    bands: Number of bands.
    size_px: Height and width of a training sample, in pixels. For prediction the ONNX says what it takes.
    gsd_m: Ground sample distance that the model works at, in metres.
    resampling: How imagery is brought to that distance: "average", "bilinear" or "nearest".
    band_names: Names of the bands in order, e.g. ("red", "green", "blue").
    """

    bands: int
    size_px: int
    gsd_m: float
    resampling: str
    band_names: tuple[str, ...]


class ModelItem(RegistryItem):
    """A typed view of the item of a base or local model."""

    @property
    def is_local(self) -> bool:
        """Whether it is a fine-tuned model, and not a base model."""
        return self.item.collection_id == LOCAL_MODELS

    @property
    def base_model_id(self) -> str:
        """Exact id of the base model that it comes from; its own where it is one."""
        return str(self.properties.get("fair:base_model_id", self.id))

    @property
    def dataset_id(self) -> str | None:
        """Exact id of the dataset that it learnt from; None for a base model."""
        return self.properties.get("fair:dataset_id")

    @property
    def parent_id(self) -> str | None:
        """Exact id of the local model that it started from; None where it started from the base model."""
        started = self.properties.get("mlm:pretrained_source") if self.is_local else None
        return started if started != self.base_model_id else None

    @property
    def tasks(self) -> list[str]:
        """`mlm:tasks`, the main one first."""
        return list(self.properties.get("mlm:tasks") or [])

    @property
    def task(self) -> str:
        """The main task. Raises `InvalidItem` where the item names none."""
        if not self.tasks:
            raise InvalidItem(self.id, ["mlm:tasks is empty; register a version that names its task"])
        return str(self.tasks[0])

    @cached_property
    def classes(self) -> list[str]:
        """Class names; the position is the index, 0 the background.

        A model whose classes start at 1, as detectors have them, gets the background at 0.

        Raises:
            InvalidItem: Its first output has no classes, or their values leave gaps.
        """
        names, reasons = model_classes.of_properties(self.properties)
        if reasons:
            raise InvalidItem(self.id, reasons)
        return names

    @property
    def foreground(self) -> list[str]:
        """Class names without the background."""
        return self.classes[1:]

    @property
    def thing_classes(self) -> list[str]:
        """Classes whose objects are told apart, in the order of `classes`: `fair:thing_classes`, else all.

        A model of pixels alone tells no objects apart; these are then the classes whose mapped objects its
        predictions are measured on.
        """
        said = self.properties.get(model_classes.THINGS)
        return [name for name in self.foreground if said is None or name in said]

    @property
    def class_layers(self) -> list[str]:
        """Layers that are made new for other classes. Empty for a model that keeps its classes."""
        return list(self.properties.get(model_classes.LAYERS, []))

    @cached_property
    def input(self) -> ItemInput:
        """What the network takes.

        Raises:
            InvalidItem: The item lacks a field that says so.
        """
        properties = self.properties
        needed = ("mlm:input", "gsd", "fair:sample_size_px", "fair:resampling")
        missing = [name for name in needed if not properties.get(name)]
        if missing:
            raise InvalidItem(self.id, [f"properties: lacks {name}" for name in missing])
        names = band_names(properties)
        return ItemInput(
            bands=len(names),
            size_px=int(properties["fair:sample_size_px"]),
            gsd_m=float(properties["gsd"]),
            resampling=str(properties["fair:resampling"]),
            band_names=names,
        )

    @cached_property
    def processing(self) -> tuple[str, str]:
        """Pre- and post-processing as "module:function", e.g. "models.roofs.processing:preprocess".

        Raises:
            InvalidItem: The item names none, several, or some in another language than Python.
        """
        places = (("mlm:input", "pre_processing_function"), ("mlm:output", "post_processing_function"))
        found = [_expression(self.properties, *place) for place in places]
        reasons = [
            f"properties.{field}[0].{name}: should name one Python function as "
            '{"format": "python", "expression": "module:function"}'
            for (field, name), expression in zip(places, found, strict=True)
            if expression is None
        ]
        if reasons:
            raise InvalidItem(self.id, reasons)
        return str(found[0]), str(found[1])

    @property
    def entrypoint(self) -> str | None:
        """The pipeline that its source code names; None where it names none. Raises as `file` does."""
        return assets.by_role(self.item, assets.SOURCE_CODE).extra_fields.get("mlm:entrypoint")

    @property
    def hyperparameters(self) -> Values:
        """`mlm:hyperparameters`: the values by full key, e.g. {"training.epochs": 20}."""
        return dict(self.properties.get("mlm:hyperparameters", {}))

    @cached_property
    def hyperparameter_spec(self) -> Mapping[str, Json]:
        """`fair:hyperparameters_spec` by key: type, default, bounds or choices of each."""
        return hyperparameters.by_key(self.properties)

    @property
    def metrics_spec(self) -> list[Json]:
        """`fair:metrics_spec`, the main metric first; empty where the item has none."""
        return list(self.properties.get("fair:metrics_spec") or [])

    @property
    def main_metric(self) -> Json:
        """The entry of the main metric. Only for an item that keeps its profile."""
        spec: list[Json] = self.properties["fair:metrics_spec"]
        return spec[0]

    @property
    def metrics(self) -> dict[str, Any]:
        """Held-out values by key of `metrics_spec`; None where nothing was measured."""
        return {entry["key"]: self.properties.get(entry["key"]) for entry in self.metrics_spec}

    @property
    def baseline(self) -> Json:
        """Values of the simplest guess by the same keys; "name" says in words what that is."""
        return self._field(guesses.BASELINE, {})

    def baseline_name(self, key: str) -> str:
        """Which guess a metric is compared with; empty where it has none."""
        return guesses.name_of(self.properties, key)

    @property
    def held_out_count(self) -> int:
        """How many held-out samples were measured."""
        return int(self.properties.get("fair:held_out_count", 0))

    @property
    def class_metrics(self) -> list[Json]:
        """`fair:class_metrics`: one row for each class; empty where nothing was measured of classes."""
        return list(self.properties.get("fair:class_metrics", []))

    @property
    def confusion(self) -> Mapping[str, Mapping[str, int]]:
        """`fair:confusion`: how many are of the first class and were taken for the second."""
        return self._field("fair:confusion", {})

    @property
    def ceilings(self) -> Mapping[str, float]:
        """`fair:metric_ceilings`: what a perfect mask reaches, by the keys of the metrics it bounds."""
        return self._field("fair:metric_ceilings", {})

    @property
    def gate(self) -> Json | None:
        """`fair:gate`: what it had to reach; None where that was not recorded."""
        return self.properties.get("fair:gate")

    @property
    def agreement(self) -> Agreement | None:
        """How well quicker ways to run the ONNX agree with it; None where that was not measured."""
        return agreement.read(self.properties) if agreement.FIELD in self.properties else None

    @property
    def split(self) -> Json:
        """`fair:split_spec` of the dataset that it learnt from."""
        split: Json = self.properties["fair:split_spec"]
        return split


def band_names(properties: Json) -> tuple[str, ...]:
    """Names of the bands of a model's input, in order."""
    bands = properties["mlm:input"][0].get("bands", [])
    return tuple(band if isinstance(band, str) else band["name"] for band in bands)


def _expression(properties: Json, field: str, name: str) -> str | None:
    entries = properties.get(field) or [{}]
    function = entries[0].get(name)
    if isinstance(function, list) and len(function) == 1:
        function = function[0]
    if not isinstance(function, dict) or function.get("format") != "python":
        return None
    expression = function.get("expression")
    return expression if isinstance(expression, str) and ":" in expression else None
