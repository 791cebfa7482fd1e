"""Rules over catalogue and ledger together. The catalogue is the truth; the ledger's stages follow it."""

from __future__ import annotations

from collections.abc import Iterator

from fair_models.audit.problem import Problem
from fair_models.audit.scope import Scope
from fair_models.types import LOCAL_MODELS

TRAIN_AGAIN = "Train and promote another version, then archive this one."


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
    """Versions whose stage differs from what the catalogue says, in either direction."""
    numbers: set[tuple[str, int]] = set()
    for entry in scope.published:
        number = entry.number or 0
        numbers.add((entry.name, number))
        version = scope.runs(entry.name).get(number)
        wanted = "archived" if entry.deprecated else "production"
        if version is not None and version.stage != wanted:
            state = "deprecated" if entry.deprecated else "active"
            yield Problem(
                entry.label,
                f"it is {state}, but its stage in ZenML is {version.stage} instead of {wanted}",
                "Promote the version again that is active; the stages are made to follow.",
            )
    yield from _unpublished_production(scope, numbers)


def _unpublished_production(scope: Scope, numbers: set[tuple[str, int]]) -> Iterator[Problem]:
    for model in scope.ledger.models() if scope.ledger else ():
        for number, version in scope.runs(model).items():
            if version.stage == "production" and (model, number) not in numbers:
                yield Problem(
                    f"{LOCAL_MODELS}/{model}",
                    f"version {number} is in production in ZenML, but the catalogue has no {model}-v{number}",
                    f"Publish it (fair-models promote {model} --version {number}), or change its stage.",
                )
