"""Rules over the versions of a name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from fair_models.audit.findings import Problem
from fair_models.audit.scope import Entry, NameKey, Scope
from fair_models.types import BASE_MODELS, LOCAL_MODELS, Json

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


def shared_names(scope: Scope) -> Iterator[Problem]:
    """Names that a base model and a local model both have."""
    for (collection, name), entries in scope.by_name.items():
        rivals = scope.by_name.get((BASE_MODELS, name), []) if collection == LOCAL_MODELS else []
        if not rivals:
            continue
        both = sorted({entry.id for entry in entries} & {entry.id for entry in rivals})
        same = f"; two items have the id {', '.join(both)}" if both else ""
        yield Problem(
            f"{collection}/{name}",
            f"{BASE_MODELS} has a model of that name too ({', '.join(entry.id for entry in rivals)}){same}",
            "Train the local model again under another name, then take this one out: fair-models retire "
            f"{name} --collection {LOCAL_MODELS} --delete. Until then say which is meant: "
            f"{LOCAL_MODELS}/{name} or {BASE_MODELS}/{name}.",
        )


def two_active(scope: Scope) -> Iterator[Problem]:
    """Names with more than one active version."""
    for (collection, name), entries in scope.by_name.items():
        active = [entry.id for entry in entries if not entry.deprecated]
        if len(active) > 1:
            yield Problem(
                f"{collection}/{name}",
                f"{len(active)} versions are active: {', '.join(active)}",
                "fair-models audit --repair keeps the newest where its links and ZenML say the same; else "
                f"publish the version again that should be current (the newest is {active[-1]}).",
            )


def none_active(scope: Scope) -> Iterator[Problem]:
    """Names that cannot be used, and nobody archived or deleted the version that was active."""
    for (collection, name), entries in scope.by_name.items():
        if (collection, name) in scope.uncertain or any(not entry.deprecated for entry in entries):
            continue
        if not _on_purpose(scope, (collection, name), entries):
            yield Problem(
                f"{collection}/{name}",
                f"no version is active, and none was archived or deleted; the newest is {entries[-1].id}",
                f"Publish a version of it again, for example {entries[-1].id}, or archive it.",
            )


def buried_alive(scope: Scope) -> Iterator[Problem]:
    """Tombstones of items that exist, and items that are tombstones."""
    for tombstone in scope.tombstones:
        if tombstone.href in scope.by_href:
            yield Problem(
                f"{tombstone.collection}/{tombstone.id}",
                "it has a tombstone, as if it had been deleted, and is published all the same",
                "fair-models audit --repair takes the tombstone's link out where the item is whole.",
            )


def _on_purpose(scope: Scope, key: NameKey, entries: Sequence[Entry]) -> bool:
    """Whether the last thing that happened to a name was that its active version was archived or deleted."""
    if any(entry.archived for entry in entries):
        return True
    last = max((entry.changed for entry in entries if entry.changed is not None), default=None)
    return any(
        tombstone.was_active and tombstone.deleted is not None and (last is None or tombstone.deleted >= last)
        for tombstone in scope.tombstones
        if (tombstone.collection, tombstone.name) == key
    )
