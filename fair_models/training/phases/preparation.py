"""Looks at the samples before the training begins: what there is, and whether the model can take it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from fair_models.catalog import compatibility
from fair_models.catalog.items.model_classes import INSTANCES
from fair_models.data.chip_samples import LoadedSamples
from fair_models.data.samples import IGNORE, Samples
from fair_models.data.vectors import instances
from fair_models.data.vectors.instances import Blocks
from fair_models.errors import IncompatibleDataset, Invalid, InvalidContribution
from fair_models.inference.parts import Processing
from fair_models.ml_tasks import registry
from fair_models.training.config.run_config import RunConfig
from fair_models.types import Array


class Preparation(BaseModel):
    """What the training works with. Logged with the run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: list[str] = Field(description="Names of the samples that are learnt from.")
    held_out: list[str] = Field(description="Names of the samples kept for evaluation.")
    class_shares: dict[str, dict[str, float]] = Field(
        description="Share of each class in the targets of both sides, 0 to 1, by side and class."
    )
    notes: list[str] = Field(
        default=[], description="What else is to be known of the training, in sentences."
    )


def prepare(config: RunConfig, samples: LoadedSamples, processing: Processing) -> Preparation:
    """Check the samples against the model and say what they are.

    Raises:
        Invalid: A side of the split is empty; both lists are named.
        InvalidContribution: `preprocess` does not give what the item's input declares; lists every reason.
        IncompatibleDataset: Whole samples are classified and those of a side are all of one class; those
            of a side have nothing to learn from or to measure on; or objects are to be told apart and no
            whole one is there to learn from, the labels do not tell them apart, or a class has none as large
            as a pixel. Labels that are connected pixels of masks are taken as they are, with a note.
    """
    sides = {"train": samples.train, "held_out": samples.held_out}
    empty = [side for side, those in sides.items() if not len(those)]
    if empty:
        raise Invalid(
            f"Dataset {config.dataset} has no sample on these sides of its split: {', '.join(empty)}. "
            "Ingest it again with more chips or another held_out_ratio."
        )
    reasons = _input_problems(samples.train.images[0], processing, config.input.bands)
    if reasons:
        raise InvalidContribution(config.base_model, reasons)
    unfit = [
        reason
        for side, those in sides.items()
        if (reason := _single_class(side, those) or unlabelled(config.task, side, those))
    ]
    if not unfit and config.task == INSTANCES and not config.data.connected:
        unfit += _without_whole_objects(samples.train) or _untold(config, samples)
    if unfit:
        raise IncompatibleDataset(config.base_model, config.dataset, unfit)
    return Preparation(
        train=list(samples.train.names),
        held_out=list(samples.held_out.names),
        class_shares={side: class_shares(those) for side, those in sides.items()},
        notes=list(_notes(config, sides)),
    )


def class_shares(samples: Samples) -> dict[str, float]:
    """Share of each class among the targets that count, 0 to 1. Empty where targets are no class indices."""
    targets = samples.targets
    if not np.issubdtype(targets.dtype, np.integer):
        return {}
    counts = np.bincount(targets.ravel(), minlength=IGNORE + 1)[: len(samples.classes)]
    total = max(int(counts.sum()), 1)
    return {name: round(float(count) / total, 6) for name, count in zip(samples.classes, counts, strict=True)}


def unlabelled(task: str, side: str, samples: Samples) -> str | None:
    """Why samples say nothing: none has a pixel, a box or a caption of any class. None where one has.

    Args:
        task: The ML task, as in `mlm:tasks`.
        side: The side of the split, "train" or "held_out".
        samples: Those of the side.
    """
    if registry.labelled(task, samples.targets).any():
        return None
    return compatibility.nothing_mapped(
        side,
        samples.classes[1:],
        f"none of its {len(samples)} samples has any, as the model sees them: labels may be smaller "
        "than a pixel there, or lie where there is no imagery",
    )


def _without_whole_objects(train: Samples) -> list[str]:
    """Why objects cannot be learnt from samples that have some: each of them is cut off."""
    numbers = train.instances
    if numbers is None or not numbers.any() or any(map(_has_whole_object, numbers, train.targets)):
        return []
    height, width = train.images.shape[-2:]
    return [
        f"no object lies whole in any of the {len(train)} training samples of {width} x {height} px: labels "
        "may be one connected block, or larger than a sample; give each object an outline of its own, or "
        "start from a model of the task semantic-segmentation"
    ]


def _has_whole_object(numbers: Array, target: Array) -> bool:
    """Whether an object of a sample meets neither its edge nor ground that does not count."""
    beyond = np.pad(target == IGNORE, 1, constant_values=True)
    near = beyond[:-2, 1:-1] | beyond[2:, 1:-1] | beyond[1:-1, :-2] | beyond[1:-1, 2:]
    return bool(np.setdiff1d(numbers, [0, *np.unique(numbers[near])]).size)


def _notes(config: RunConfig, sides: Mapping[str, Samples]) -> Iterator[str]:
    """What a model of objects cannot learn, or be measured on, from labels that number none."""
    if config.task != INSTANCES:
        return
    if config.data.connected:
        yield (
            "Its labels are connected pixels of masks: objects that touch are one there, it has learnt them "
            "as one, and metrics of objects count them so. Train it on outlines of single objects"
        )
    said = {
        "train": "Its labels tell no objects apart: it has learnt where each class is, and predicts objects "
        "that touch as one. Train it on outlines of single objects",
        "held_out": "The held-out labels tell no objects apart: metrics of objects were not measured",
    }
    for side, samples in sides.items():
        if samples.instances is None or not samples.instances.any():
            yield said[side]


def _untold(config: RunConfig, samples: LoadedSamples) -> list[str]:
    """Why objects cannot be learnt from labels as they are, class by class."""
    if samples.train.instances is None or not samples.train.instances.any():
        return []
    train, held_out = _blocks(samples.train), _blocks(samples.held_out)
    counts = config.data.class_counts.get("train", {})
    reasons = [
        f"none of the {counts[name]} labels of {name} to learn from covers the middle of a pixel of "
        f"{config.input.gsd_m:g} m: map larger outlines, or start from a model of finer pixels"
        for name in config.things
        if counts.get(name) and not train[name].pictures
    ]
    blocks = [(train[name] + held_out[name]).undivided(name) for name in config.things]
    remedy = "draw each object as a polygon of its own, or train a model of the task semantic-segmentation"
    return [*reasons, *(f"{reason}: {remedy}" for reason in blocks if reason)]


def _blocks(samples: Samples) -> dict[str, Blocks]:
    if samples.instances is None:
        return dict.fromkeys(samples.classes, Blocks())
    return instances.blocks(samples.instances, samples.targets, samples.classes, IGNORE)


def _single_class(side: str, samples: Samples) -> str | None:
    """Why samples that are of one class each cannot be told apart; None where they can, or are masks."""
    if samples.targets.ndim != 1 or not np.issubdtype(samples.targets.dtype, np.integer):
        return None
    counts = np.bincount(samples.targets, minlength=len(samples.classes))
    by_name = {name: int(count) for name, count in zip(samples.classes, counts, strict=True)}
    return compatibility.single_class(side, by_name)


def _input_problems(image: np.ndarray, processing: Processing, bands: int) -> Sequence[str]:
    reasons = []
    if image.shape[0] != bands:
        return [f"the samples have {image.shape[0]} bands, its mlm:input declares {bands}"]
    given = processing.preprocess(image)
    if given.dtype != np.float32:
        reasons.append(f"preprocess gives {given.dtype}, the contract says float32")
    if given.shape != image.shape:
        reasons.append(f"preprocess gives shape {given.shape} for a sample of {image.shape}")
    if not np.isfinite(given).all():
        reasons.append("preprocess gives values that are no finite numbers")
    return reasons
