"""Rules over catalogue and ledger together. The catalogue is the truth; the ledger's stages follow it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from fair_models.audit.findings import Problem, Repaired
from fair_models.audit.scope import Scope
from fair_models.catalog.items import versions
from fair_models.errors import Conflict
from fair_models.publishing import zenml_stages
from fair_models.types import LOCAL_MODELS

TRAIN_AGAIN = "Train and promote another version, then archive this one."
FOLLOW = "fair-models audit --repair makes ZenML follow the catalogue."


def runs(scope: Scope) -> Iterator[Problem]:
    """Published versions whose run is unknown to the ledger or did not complete."""
    for entry in scope.published:
        version = scope.runs(entry.name).get(entry.number or 0)
        if version is None:
            yield Problem(entry.label, f"the ledger has no such version of {entry.name}", TRAIN_AGAIN)
        elif version.status != "completed":
            run = f"its run {version.run_id}" if version.run_id else "its run"
            yield Problem(entry.label, f"{run} is {version.status}, not completed", TRAIN_AGAIN)


def stages(scope: Scope) -> Iterator[Problem]:
    """Published versions whose stage differs from what the catalogue says, in either direction."""
    for entry in scope.published:
        version = scope.runs(entry.name).get(entry.number or 0)
        wanted = "archived" if entry.deprecated else "production"
        if version is not None and version.stage != wanted:
            state = "deprecated" if entry.deprecated else "active"
            yield Problem(
                entry.label,
                f"it is {state}, but its stage in ZenML is {version.stage} instead of {wanted}",
                FOLLOW,
            )


def unpublished(scope: Scope) -> Iterator[Problem]:
    """Versions that are in production in ZenML, and that nobody published."""
    known = {(entry.name, entry.number) for entry in scope.published} | _deleted(scope).keys()
    for model in scope.ledger.models() if scope.ledger else ():
        for number, version in scope.runs(model).items():
            certain = (LOCAL_MODELS, model) not in scope.uncertain
            if version.stage == "production" and (model, number) not in known and certain:
                yield Problem(
                    f"{LOCAL_MODELS}/{model}",
                    f"version {number} is in production in ZenML, but the catalogue has no {model}-v{number}",
                    f"Publish it (fair-models promote {model} --version {number}), or change its stage. "
                    "Where another version is active, fair-models audit --repair archives this one.",
                )


def interrupted(scope: Scope) -> Iterator[Problem]:
    """Versions that were deleted from the catalogue, and are in ZenML still."""
    there = {(entry.name, entry.number) for entry in scope.published}
    for (model, number), moment in sorted(_deleted(scope).items()):
        version = scope.runs(model).get(number) if (model, number) not in there else None
        if version is not None and version.created.replace(microsecond=0) <= moment:
            yield Problem(
                f"{LOCAL_MODELS}/{model}-v{number}",
                "it was deleted, but ZenML has the version still: the deletion was interrupted",
                "Delete it again, or run fair-models audit --repair, which finishes it.",
            )


def follow(scope: Scope) -> Iterator[Repaired]:
    """Make ZenML follow the catalogue, for each model that a rule of this module has found out of step."""
    if scope.ledger is None:
        return
    found = (*stages(scope), *unpublished(scope), *interrupted(scope))
    models = {problem.item.partition("/")[2] for problem in found}
    names = {entry.name for entry in scope.published} | {name for name, _ in _deleted(scope)}
    for model in sorted(name for name in names if models & _labels(scope, name)):
        with scope.catalog.exclusive(LOCAL_MODELS, model), suppress(Conflict):
            # A Conflict: two are active, or the active one's run did not complete. Rules of their own say so.
            versions.current(scope.catalog, LOCAL_MODELS, model)
            for sentence in zenml_stages.follow(scope.catalog, scope.ledger, model):
                yield Repaired(f"{LOCAL_MODELS}/{model}", sentence)


def _labels(scope: Scope, model: str) -> set[str]:
    return {model, *(f"{model}-v{number}" for number in scope.runs(model))}


def _deleted(scope: Scope) -> dict[tuple[str, int], datetime]:
    """When each local model was deleted, by name and number."""
    return {
        (tombstone.name, tombstone.number): tombstone.deleted
        for tombstone in scope.tombstones
        if tombstone.collection == LOCAL_MODELS and tombstone.number and tombstone.deleted
    }
