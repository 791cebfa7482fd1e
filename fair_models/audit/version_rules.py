"""Rules over the versions of a name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from fair_models.audit.problem import Problem
from fair_models.audit.scope import Entry, Scope
from fair_models.types import Json

CORRECT = "Correct the item's source and publish the next version."


def agreement(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Items whose id, `version` and `mlm:name` do not say the same."""
    if entry.number is None:
        yield Problem(entry.label, "its id does not end with a version such as -v1", CORRECT)
        return
    properties = document["properties"]
    if properties.get("version") != str(entry.number):
        said = properties.get("version", "missing")
        yield Problem(entry.label, f"its version is {said}, its id says {entry.number}", CORRECT)
    if properties.get("mlm:name", entry.name) != entry.name:
        yield Problem(
            entry.label, f"its mlm:name is {properties['mlm:name']}, its id says {entry.name}", CORRECT
        )


def unique_numbers(scope: Scope) -> Iterator[Problem]:
    """Names with two items of one number."""
    for (collection, name), entries in scope.by_name.items():
        ids = defaultdict(list)
        for entry in entries:
            if entry.number is not None:
                ids[entry.number].append(entry.id)
        for number, same in ids.items():
            if len(same) > 1:
                yield Problem(
                    f"{collection}/{name}",
                    f"version {number} exists {len(same)} times: {', '.join(same)}",
                    "Keep the one that the ledger or the contribution confirms and delete the others.",
                )


def two_active(scope: Scope) -> Iterator[Problem]:
    """Names with more than one active version."""
    for (collection, name), entries in scope.by_name.items():
        active = [entry.id for entry in entries if not entry.deprecated]
        if len(active) > 1:
            yield Problem(
                f"{collection}/{name}",
                f"{len(active)} versions are active: {', '.join(active)}",
                f"Publish the version again that should be current (the newest is {active[-1]}).",
            )


def none_active(scope: Scope) -> Iterator[Problem]:
    """Names that cannot be used, because every version is deprecated."""
    for (collection, name), entries in scope.by_name.items():
        if all(entry.deprecated for entry in entries):
            yield Problem(
                f"{collection}/{name}",
                f"no version is active; the newest is {entries[-1].id}",
                "Right where it was archived on purpose; otherwise publish a version.",
            )
