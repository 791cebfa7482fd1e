"""Whether a dataset can train a model."""

from __future__ import annotations

from collections.abc import Sequence

from pystac import Item

from fair_models.catalog import assets, keywords, model_classes, model_input
from fair_models.errors import IncompatibleDataset, NotFound

FINEST = 1 / 8
"""Least ground sample distance of a dataset, as a share of the model's: finer imagery only costs space."""

COARSEST = 2.0
"""Largest one: beyond, imagery lacks the detail that the model looks at."""


def check(model: Item, dataset: Item) -> None:
    """Refuse a dataset that cannot train a model.

    Raises:
        IncompatibleDataset: With every reason.
    """
    found = reasons(model, dataset)
    if found:
        raise IncompatibleDataset(model.id, dataset.id, found)


def reasons(model: Item, dataset: Item) -> list[str]:
    """Everything that stands against training a model on a dataset, each with both values.

    Args:
        model: A base or local model that fulfils its profile.
        dataset: A dataset that fulfils its profile.
    """
    return [
        reason
        for look in (_features, _tasks, _geometries, _classes, _bands, _resolution)
        for reason in look(model, dataset)
    ]


def _features(model: Item, dataset: Item) -> list[str]:
    ours, theirs = _keywords(model), _keywords(dataset)
    if keywords.features(ours) & keywords.features(theirs):
        return []
    return [
        f"no feature in common: the model maps {_listed(keywords.features(ours))}, "
        f"the dataset {_listed(keywords.features(theirs))}"
    ]


def _tasks(model: Item, dataset: Item) -> list[str]:
    """A dataset names tasks as the label extension does (segmentation) or MLM (semantic-segmentation)."""
    wanted = model.properties.get("mlm:tasks", [])
    offered = dataset.properties.get("label:tasks", [])
    if {*wanted, *keywords.label_tasks(wanted)} & {*offered} or {*wanted} & {*keywords.label_tasks(offered)}:
        return []
    return [
        f"the tasks differ: the model does {_listed(wanted)} and needs labels for "
        f"{_listed(keywords.label_tasks(wanted))}, the dataset has labels for {_listed(offered)}"
    ]


def _geometries(model: Item, dataset: Item) -> list[str]:
    ours = keywords.geometries(_keywords(model))
    theirs = keywords.geometries(_keywords(dataset))
    if not ours or not theirs or ours & theirs:
        return []
    return [f"the geometries differ: the model gives {_listed(ours)}, the dataset has {_listed(theirs)}"]


def _classes(model: Item, dataset: Item) -> list[str]:
    """A head has a fixed number of classes; one that was not mapped would be learnt as background."""
    ours = model_classes.foreground(model)
    theirs = [name for entry in dataset.properties.get("label:classes", []) for name in entry["classes"]]
    if set(ours) == set(theirs):
        return []
    said = f"the model tells apart {_listed(ours)}, the dataset has {_listed(theirs)}"
    unknown = sorted(set(theirs) - set(ours))
    return [
        f"the classes differ: {said}" + (f"; the model does not know {_listed(unknown)}" if unknown else "")
    ]


def _bands(model: Item, dataset: Item) -> list[str]:
    wanted = model_input.read(model).band_names
    try:
        described = assets.by_role(dataset, assets.CHIPS).extra_fields.get("bands", [])
    except NotFound:
        described = []
    offered = [band.get("name", "?") for band in described]
    missing = [name for name in wanted if name.lower() not in {each.lower() for each in offered}]
    if not missing:
        return []
    return [
        f"bands are missing: the model takes {_listed(wanted)}, the dataset's chips have {_listed(offered)}"
    ]


def _resolution(model: Item, dataset: Item) -> list[str]:
    ours = model_input.read(model).gsd_m
    theirs = dataset.properties.get("gsd")
    if theirs is None:
        return [f"the dataset does not say its ground resolution (gsd), the model works at {ours:g} m per px"]
    if FINEST <= theirs / ours <= COARSEST:
        return []
    return [
        f"the ground resolutions differ too much: the model works at {ours:g} m per px and learns from "
        f"{ours * FINEST:g} to {ours * COARSEST:g}, the dataset has {theirs:g}"
    ]


def _keywords(item: Item) -> list[str]:
    return list(item.properties.get("keywords", []))


def _listed(words: Sequence[str] | frozenset[str]) -> str:
    ordered = sorted(words) if isinstance(words, frozenset) else words
    return ", ".join(ordered) or "nothing"
