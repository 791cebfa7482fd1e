"""Whether a dataset can train a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fair_models.catalog.items import model_classes
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.items.model_classes import BACKGROUND
from fair_models.catalog.schemas import keywords
from fair_models.errors import IncompatibleDataset

FINEST = 1 / 8
"""Least ground sample distance of a dataset, as a share of the model's: finer imagery only costs space."""

COARSEST = 2.0
"""Largest one: beyond, imagery lacks the detail that the model looks at."""

MIN_CHIPS = {"train": 5, "held_out": 1}
"""Least chips of each class on a side of the split for a classification to learn it, and to measure it."""

_CLASSIFICATION = "classification"
_SIDES = {"train": "the training side", "held_out": "the held-out side"}


def check(model: ModelItem, dataset: DatasetItem, *, is_trained: bool = True) -> None:
    """Refuse a dataset that cannot train a model.

    Args:
        model: As for `reasons`.
        dataset: As for `reasons`.
        is_trained: False where the model is only measured: what is learnt from need not be there.

    Raises:
        IncompatibleDataset: With every reason.
    """
    found = reasons(model, dataset, is_trained=is_trained)
    if found:
        raise IncompatibleDataset(model.id, dataset.id, found)


def reasons(model: ModelItem, dataset: DatasetItem, *, is_trained: bool = True) -> list[str]:
    """Everything that stands against training a model on a dataset, each with both values.

    Args:
        model: A base or local model that fulfils its profile.
        dataset: A dataset that fulfils its profile.
        is_trained: False where the model is only measured.
    """
    found = [
        reason
        for look in (_features, _tasks, _geometries, _classes, _things, _chips, _bands, _resolution)
        for reason in look(model, dataset)
    ]
    return found + _labels(dataset, ("train", "held_out") if is_trained else ("held_out",))


def nothing_mapped(side: str, classes: Sequence[str], why: str) -> str:
    """The reason against a side of a split on which nothing is mapped.

    Args:
        side: "train" or "held_out".
        classes: What might be, without the background.
        why: What was counted there.
    """
    purpose = "learn from" if side == "train" else "measure on"
    return (
        f"{_SIDES.get(side, side)} of the split has nothing of {' or '.join(classes)} to {purpose}: {why}; "
        "ingest other labels or a larger area, or another split (seed, held_out_ratio)"
    )


def _labels(dataset: DatasetItem, sides: Sequence[str]) -> list[str]:
    """A side without a label of any class; other datasets than ours may not say how many there are."""
    counts = dataset.class_counts
    return [
        nothing_mapped(side, list(counts[side]), f"{_listed([f'0 {name}' for name in counts[side]])}")
        for side in sides
        if counts.get(side) and not any(counts[side].values())
    ]


def _features(model: ModelItem, dataset: DatasetItem) -> list[str]:
    ours, theirs = model.keywords, dataset.keywords
    if keywords.features(ours) & keywords.features(theirs) or keywords.SEARCH in theirs:
        return []
    return [
        f"no feature in common: the model maps {_listed(keywords.features(ours))}, "
        f"the dataset {_listed(keywords.features(theirs))}"
    ]


def _tasks(model: ModelItem, dataset: DatasetItem) -> list[str]:
    """A dataset names tasks as the label extension does (segmentation) or MLM (semantic-segmentation)."""
    wanted = model.tasks
    offered = dataset.label_tasks
    usable = keywords.usable_label_tasks(wanted)
    if {*wanted, *usable} & {*offered, *keywords.label_tasks(offered)}:
        return []
    return [
        f"the tasks differ: the model does {_listed(wanted)} and needs labels for "
        f"{_listed(usable)}, the dataset has labels for {_listed(offered)}"
    ]


def _geometries(model: ModelItem, dataset: DatasetItem) -> list[str]:
    ours = keywords.geometries(model.keywords)
    theirs = keywords.geometries(dataset.keywords)
    if not ours or not theirs or ours & theirs:
        return []
    return [f"the geometries differ: the model gives {_listed(ours)}, the dataset has {_listed(theirs)}"]


def trained_classes(model: ModelItem, dataset: DatasetItem) -> list[str]:
    """Class names that a training of a model on a dataset tells apart; the position is the index.

    The model's, in its order, where the dataset has the same; else the dataset's, after the background.
    """
    ours, theirs = model.classes, dataset.classes
    return ours if set(ours[1:]) == set(theirs) else [BACKGROUND, *theirs]


def trained_things(model: ModelItem, classes: Sequence[str]) -> list[str]:
    """Classes whose objects a training of a model tells apart; empty for all but the background.

    Args:
        model: The model.
        classes: What `trained_classes` gave.
    """
    things = model.thing_classes if model_classes.THINGS in model.properties else None
    return model_classes.things_among(things, model.classes, classes) or []


def _things(model: ModelItem, dataset: DatasetItem) -> list[str]:
    """A model that tells objects apart learns it from classes that have objects, and from one at least."""
    said = model.properties.get(model_classes.THINGS)
    if said is None or trained_things(model, trained_classes(model, dataset)):
        return []
    return [
        f"there is no object to tell apart: the model tells apart objects of {_listed(said)} "
        f"({model_classes.THINGS}), and takes the dataset's {_listed(dataset.classes)} for connected ground; "
        "start from a model of the task semantic-segmentation"
    ]


def _classes(model: ModelItem, dataset: DatasetItem) -> list[str]:
    """A head has a fixed number of classes; one that was not mapped would be learnt as background."""
    ours, theirs = model.foreground, dataset.classes
    if set(ours) == set(theirs):
        return []
    if model.class_layers:
        return [
            f"the class {name} cannot be learnt: metrics are named after classes, with letters, digits and _ "
            f"alone; ingest it as {name.replace('-', '_')}"
            for name in theirs
            if "-" in name
        ]
    said = f"the model tells apart {_listed(ours)}, the dataset has {_listed(theirs)}"
    unknown = sorted(set(theirs) - set(ours))
    name = dataset.name
    asked = " ".join(f"--class {each}" for each in ours)
    by_property = " --class-property PROPERTY" if len(ours) > 1 else ""
    return [
        f"the classes differ: {said}"
        + (f"; the model does not know {_listed(unknown)}" if unknown else "")
        + ". Ingest the labels with the model's classes: "
        f"fair-models ingest {name} CHIPS {asked}{by_property}; or start from a model that follows the "
        "classes of its dataset: fair-models list base-models"
    ]


def _chips(model: ModelItem, dataset: DatasetItem) -> list[str]:
    """What is to be told apart must occur on both sides; other datasets than ours may not say it."""
    if _CLASSIFICATION not in keywords.label_tasks(model.tasks):
        return []
    counts = dataset.chip_counts
    return [
        reason
        for side in _SIDES
        if side in counts and (reason := single_class(side, counts[side]) or _too_few(side, counts[side]))
    ]


def _too_few(side: str, counts: Mapping[str, int]) -> str | None:
    """Why a class of which there are few chips cannot be learnt or measured; None where there is none.

    Where there are several classes, chips without any of them need not occur.
    """
    mapped = {name: count for name, count in counts.items() if name != BACKGROUND}
    least = MIN_CHIPS[side]
    rare = [name for name in (mapped if len(mapped) > 1 else counts) if counts[name] < least]
    if not rare:
        return None
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    return (
        f"{_SIDES[side]} of the split has too few chips of {_listed(rare)}: a classification needs at least "
        f"{least} of each class there, it has {said}; ingest a larger area, another split (seed, "
        "held_out_ratio), or leave the class out"
    )


def single_class(side: str, counts: Mapping[str, int]) -> str | None:
    """Why chips of one class cannot train or evaluate a classification; None where there are more classes.

    Args:
        side: The side of the split, "train" or "held_out".
        counts: Chips by class.
    """
    present = [name for name, count in counts.items() if count]
    if len(present) > 1:
        return None
    total = sum(counts.values())
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    what = f"all {total} chips are {present[0]}" if present else "there is no chip"
    return (
        f"{_SIDES.get(side, side)} of the split has one class only, a classification needs at least two: "
        f"{what} ({said}); ingest a larger area, or another split (seed, held_out_ratio)"
    )


def _bands(model: ModelItem, dataset: DatasetItem) -> list[str]:
    wanted, offered = model.input.band_names, dataset.band_names
    missing = [name for name in wanted if name.lower() not in {each.lower() for each in offered}]
    if not missing:
        return []
    return [
        f"bands are missing: the model takes {_listed(wanted)}, the dataset's chips have {_listed(offered)}"
    ]


def _resolution(model: ModelItem, dataset: DatasetItem) -> list[str]:
    ours = model.input.gsd_m
    theirs = dataset.gsd_m
    if keywords.SEARCH in dataset.keywords:
        return []  # captions speak of whole images, which are brought to the model's size
    if theirs is None:
        return [f"the dataset does not say its ground resolution (gsd), the model works at {ours:g} m per px"]
    if FINEST <= theirs / ours <= COARSEST:
        return []
    return [
        f"the ground resolutions differ too much: the model works at {ours:g} m per px and learns from "
        f"{ours * FINEST:g} to {ours * COARSEST:g}, the dataset has {theirs:g}"
    ]


def _listed(words: Sequence[str] | frozenset[str]) -> str:
    ordered = sorted(words) if isinstance(words, frozenset) else words
    return ", ".join(ordered) or "nothing"
