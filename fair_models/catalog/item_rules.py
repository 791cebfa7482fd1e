"""What an item must fulfil that JSON Schema cannot say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from fair_models import licences
from fair_models.catalog.items import agreement, assets, hyperparameters, model_classes
from fair_models.catalog.items.model import band_names
from fair_models.json_schema import sentences
from fair_models.types import Json

Rule = Callable[[Json], list[str]]

_SEGMENTATION = {"semantic-segmentation", "segmentation", model_classes.INSTANCES}
_CLASS_DIMENSIONS = {"channel", "channels", "class", "classes"}


def numbers_are_finite(item: Json) -> list[str]:
    """NaN and Infinity are no JSON; they would become null when the item is written."""
    return [
        f"{sentences.path(place)}: is {value}, should be a finite number"
        for place, value in _not_finite(item, ())
    ]


def identity(item: Json) -> list[str]:
    """The id is the name and the version, and says the same as `mlm:name` and `version`."""
    properties = item["properties"]
    name, _, number = item["id"].rpartition("-v")
    reasons = []
    if number != properties["version"]:
        reasons.append(
            f"properties.version: is {properties['version']!r}, the id {item['id']} says {number!r}"
        )
    if properties.get("mlm:name", name) != name:
        reasons.append(
            f"properties.mlm:name: is {properties['mlm:name']!r}, the id {item['id']} says {name!r}"
        )
    return reasons


def place(item: Json) -> list[str]:
    """The box lies on the Earth, its south not north of its north.

    Its west is east of its east where its area has parts on both sides of the antimeridian.
    """
    west, south, east, north = item["bbox"]
    over_the_antimeridian = west > east and item["geometry"]["type"] == "MultiPolygon"
    if not (-90 <= south <= north <= 90 and (west <= east or over_the_antimeridian)):
        return [f"bbox: is {item['bbox']}, should be [west, south, east, north] in degrees"]
    return []


def licence(item: Json) -> list[str]:
    """The licence is an SPDX identifier or expression, or `other`."""
    reason = licences.problem(item["properties"]["license"])
    return [f"properties.license: {reason}"] if reason else []


def files_have_digests(item: Json) -> list[str]:
    """Every file that the registry holds says its digest and its size."""
    return [
        f"assets.{key}: lacks {', '.join(missing)}"
        for key, asset in item["assets"].items()
        if assets.is_held(asset["href"], asset["roles"])
        and (missing := [name for name in ("file:checksum", "file:size") if name not in asset])
    ]


def model_is_onnx(item: Json) -> list[str]:
    """One of the models is an ONNX file; weights may have the role of a model too."""
    models = [asset for asset in item["assets"].values() if assets.MODEL in asset["roles"]]
    if any(
        assets.says_onnx(asset.get("mlm:artifact_type"), asset.get("type"), asset["href"]) for asset in models
    ):
        return []
    return ["assets: no asset with the role mlm:model is an ONNX file; add it (key model)"]


def quantized_networks_agree(item: Json) -> list[str]:
    """A network in 8 bits is there only with figures that say that it finds the same as the exact one."""
    measured = agreement.read(item["properties"])
    lowest, lowest_f1 = measured.int8_mask_iou, measured.int8_instance_f1
    reasons = []
    for key, asset in item["assets"].items():
        if assets.QUANTIZED not in asset["roles"]:
            continue
        said = asset.get(agreement.MASK_IOU)
        where = f"assets.{key}.{agreement.MASK_IOU}"
        if said != lowest:
            known = f"{agreement.FIELD} has {sentences.shown(lowest)} as its lowest for int8"
            reasons.append(f"{where}: is {sentences.shown(said)}, {known}")
        elif not agreement.is_enough(said):
            reasons.append(
                f"{where}: is {sentences.shown(said)}, a network in 8 bits needs at least "
                f"{agreement.MIN_MASK_IOU}; take the asset out"
            )
        if lowest_f1 is not None and not agreement.is_enough(lowest_f1, agreement.MIN_INSTANCE_F1):
            reasons.append(
                f"assets.{key}: {agreement.FIELD} has {sentences.shown(lowest_f1)} as its lowest instance_f1 "
                f"for int8, a network in 8 bits needs {agreement.MIN_INSTANCE_F1} or more; take the asset out"
            )
    return reasons


def hyperparameters_agree(item: Json) -> list[str]:
    """Values and specification of the hyperparameters say the same."""
    own_values = item["collection"] == "local-models"
    reasons = hyperparameters.specification_problems(item["properties"], own_values=own_values)
    return [f"properties.fair:hyperparameters_spec: {reason}" for reason in reasons]


def classes_count_up(item: Json) -> list[str]:
    """Classes have names and values of their own, without gaps."""
    return model_classes.of_properties(item["properties"])[1]


def input_fits(item: Json) -> list[str]:
    """The shape of the input has as many bands as are named, and the sample has its size."""
    properties = item["properties"]
    names = band_names(properties)
    _, bands, height, width = properties["mlm:input"][0]["input"]["shape"]
    where = "properties.mlm:input[0].input.shape"
    reasons = []
    if bands != len(names):
        reasons.append(f"{where}: has {bands} bands, {len(names)} are named ({', '.join(names)})")
    if len(set(names)) < len(names):
        reasons.append(f"properties.mlm:input[0].bands: names a band twice ({', '.join(names)})")
    sample = properties["fair:sample_size_px"]
    if {height, width} - {-1, sample}:
        reasons.append(
            f"{where}: is {height} by {width} px, fair:sample_size_px is {sample}; they should agree"
        )
    return reasons


def output_fits(item: Json) -> list[str]:
    """The first output is of a task of the model, and a segmentation has a channel for each class.

    One that tells objects apart has one more, for their interiors, and its output says the task too.
    """
    properties = item["properties"]
    output = properties["mlm:output"][0]
    reasons = []
    if foreign := [task for task in output["tasks"] if task not in properties["mlm:tasks"]]:
        reasons.append(
            f"properties.mlm:output[0].tasks: names {', '.join(foreign)}, "
            f"mlm:tasks only {', '.join(properties['mlm:tasks'])}"
        )
    main = properties["mlm:tasks"][0]
    if main == model_classes.INSTANCES and main not in output["tasks"]:
        reasons.append(f"properties.mlm:output[0].tasks: lacks {main}, which mlm:tasks names first")
    shape, order = output["result"]["shape"], output["result"]["dim_order"]
    if len(shape) != len(order):
        reasons.append(f"properties.mlm:output[0].result: has {len(shape)} sizes for {len(order)} dimensions")
    elif not _SEGMENTATION.isdisjoint(output["tasks"]):
        reasons += _channels(dict(zip(order, shape, strict=True)), output)
    return reasons


def things_are_classes(item: Json) -> list[str]:
    """The classes whose objects are told apart are classes of the model, without the background."""
    properties = item["properties"]
    known, reasons = model_classes.of_properties(properties)
    foreign = [name for name in properties.get(model_classes.THINGS, []) if name not in known[1:]]
    if reasons or not foreign:  # another rule tells of classes that are wrong
        return []
    return [
        f"properties.{model_classes.THINGS}: names {', '.join(foreign)}, "
        f"the classes besides the background are {', '.join(known[1:])}"
    ]


def keywords_name_the_task(item: Json) -> list[str]:
    """The task among the keywords is one of `mlm:tasks`."""
    from fair_models.catalog.schemas.keywords import vocabulary

    properties = item["properties"]
    tasks = properties["mlm:tasks"]
    return [
        f"properties.keywords: has the task {word}, mlm:tasks says {', '.join(tasks)}"
        for word in properties["keywords"]
        if word in vocabulary().tasks and word not in tasks
    ]


def lineage(item: Json) -> list[str]:
    """A local model's links derived_from name two different items, its base model and its dataset."""
    targets = {link["href"] for link in item["links"] if link["rel"] == "derived_from"}
    return [
        f"links: no derived_from leads to {item['properties'][field]}, which {field} names"
        for field in ("fair:base_model_id", "fair:dataset_id")
        if not any(item["properties"][field] in _words(target) for target in targets)
    ]


def dataset_counts(item: Json) -> list[str]:
    """Classes are counted under their names, and the split holds no more chips than there are."""
    properties = item["properties"]
    names = {name for entry in properties["label:classes"] for name in entry["classes"]}
    reasons = [
        f"properties.fair:class_counts.{side}: counts {', '.join(sorted(set(counts) ^ names))}, "
        f"label:classes has {', '.join(sorted(names))}"
        for side, counts in properties["fair:class_counts"].items()
        if set(counts) != names
    ]
    split = properties["fair:split_spec"]
    used = split["train"] + split["held_out"] + split["left_out"] + split.get("validation", 0)
    if used != properties["fair:chip_count"]:
        reasons.append(
            f"properties.fair:split_spec: has {used} chips in "
            f"{'validation, ' if 'validation' in split else ''}train, held_out and left_out, "
            f"fair:chip_count is {properties['fair:chip_count']}"
        )
    return reasons


def metrics_are_there(item: Json) -> list[str]:
    """A local model says a number, or null for not measured, for each metric of its specification.

    Only the main metric and its baseline have to be there: databases drop nulls, so what is absent is null.
    """
    properties = item["properties"]
    keys = [entry["key"] for entry in properties["fair:metrics_spec"]]
    reasons = [
        f"properties.{key}: is {sentences.shown(properties.get(key))}, should be the metric's value"
        for place, key in enumerate(keys)
        if (place == 0 and key not in properties) or not _is_number_or_null(properties.get(key))
    ]
    reasons += [
        f"properties.fair:baseline: lacks {key}, which fair:metrics_spec names"
        for key in keys[:1]
        if key not in properties["fair:baseline"]
    ]
    return reasons


def metrics_are_unique(item: Json) -> list[str]:
    """Each metric is specified once."""
    keys = [entry["key"] for entry in item["properties"]["fair:metrics_spec"]]
    return [
        f"properties.fair:metrics_spec: specifies {key} twice"
        for key in dict.fromkeys(keys)
        if keys.count(key) > 1
    ]


def intervals_are_in_order(item: Json) -> list[str]:
    """The lower end of an interval is no larger than the upper one."""
    return [
        f"properties.fair:metrics_spec: {entry['key']} has the interval {sentences.shown(ends)}, "
        "should be its lower end, then its upper"
        for entry in item["properties"]["fair:metrics_spec"]
        if (ends := entry.get("interval")) and ends[0] > ends[1]
    ]


def class_metrics_name_classes(item: Json) -> list[str]:
    """The table of classes has each class once at most, and neither it nor the confusion has others."""
    properties = item["properties"]
    known, reasons = model_classes.of_properties(properties)
    if reasons:  # another rule tells them
        return []
    rows = [row["class"] for row in properties.get("fair:class_metrics", [])]
    confusion = properties.get("fair:confusion", {})
    named = {"fair:class_metrics": rows, "fair:confusion": [*confusion, *_columns(confusion)]}
    found = [
        f"properties.{field}: names {', '.join(foreign)}, the classes are {', '.join(known)}"
        for field, names in named.items()
        if (foreign := sorted(set(names) - set(known)))
    ]
    twice = [name for name in dict.fromkeys(rows) if rows.count(name) > 1]
    return found + [f"properties.fair:class_metrics: has {name} twice" for name in twice]


_ALL: tuple[Rule, ...] = (place, files_have_digests)
_MODEL: tuple[Rule, ...] = (
    identity,
    licence,
    *_ALL,
    model_is_onnx,
    quantized_networks_agree,
    hyperparameters_agree,
    classes_count_up,
    input_fits,
    output_fits,
    things_are_classes,
    keywords_name_the_task,
    metrics_are_unique,
)

RULES: dict[str, tuple[Rule, ...]] = {
    "base-model": _MODEL,
    "local-model": (
        *_MODEL,
        metrics_are_there,
        intervals_are_in_order,
        class_metrics_name_classes,
        lineage,
    ),
    "dataset": (identity, licence, *_ALL, dataset_counts),
    "prediction": _ALL,
}
"""The rules of each profile. They read items that their schema found right."""


def _channels(sizes: dict[str, int], output: Json) -> list[str]:
    reasons = []
    classes = len(output["classification:classes"])
    wanted, what = classes + model_classes.further_channels(output), "the number of classes"
    if wanted > classes:
        what = f"the number of classes ({classes}) and at least one more for the interiors of objects"
    for dimension, size in sizes.items():
        single = size == 1 and wanted == 2
        if dimension in _CLASS_DIMENSIONS and size not in {-1, wanted} and not single:
            reasons.append(
                f"properties.mlm:output[0].result.shape: has {size} in {dimension}, "
                f"should be {wanted}, {what}"
            )
    return reasons


def _words(href: str) -> list[str]:
    """The parts of an address, the last one also without its ending."""
    parts = href.split("/")
    return [*parts, parts[-1].rpartition(".")[0]]


def _not_finite(node: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], float]]:
    if isinstance(node, float) and not math.isfinite(node):
        yield place, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _not_finite(value, (*place, str(key)))
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _not_finite(value, (*place, index))


def _columns(confusion: Json) -> list[str]:
    return [name for row in confusion.values() for name in row]


def _is_number_or_null(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
