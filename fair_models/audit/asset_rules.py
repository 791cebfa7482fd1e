"""Rules over the bytes that items name."""

from __future__ import annotations

from collections.abc import Iterator

from fair_models.audit.problem import Problem
from fair_models.audit.scope import Entry, Scope
from fair_models.errors import Corrupted, Invalid, NotFound
from fair_models.types import Json

RESTORE = "Bring the file back from a backup, or publish the next version and archive this one."


def present(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Assets that are missing or have another size than their item says."""
    for key, asset in _held(document):
        try:
            size = scope.size(asset["href"])
        except Invalid as error:
            yield Problem(entry.label, f"asset {key} cannot be looked for: {error}", RESTORE)
            continue
        if size is None:
            yield Problem(entry.label, f"asset {key} is missing: nothing lies at {asset['href']}", RESTORE)
        elif "file:size" in asset and size != asset["file:size"]:
            yield Problem(
                entry.label,
                f"asset {key} has {size} bytes, its item says {asset['file:size']}: {asset['href']}",
                RESTORE,
            )


def digests(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Assets whose bytes are not those of their digest. Files that several items share are read once."""
    for key, asset in _held(document):
        damage = _damage(scope, asset["href"], asset["file:checksum"])
        if damage:
            yield Problem(entry.label, f"asset {key} is damaged: {damage}", RESTORE)


def _held(document: Json) -> Iterator[tuple[str, Json]]:
    """Assets that the registry holds: those with a digest. Images and `local:` runtimes have none."""
    return ((key, asset) for key, asset in document["assets"].items() if "file:checksum" in asset)


def _damage(scope: Scope, href: str, checksum: str) -> str | None:
    if (href, checksum) not in scope.damage:
        scope.damage[href, checksum] = _read(scope, href, checksum)
    return scope.damage[href, checksum]


def _read(scope: Scope, href: str, checksum: str) -> str | None:
    try:
        scope.store.fetch(href, checksum)
    except Corrupted as error:
        return str(error)
    except (NotFound, Invalid):
        return None  # the rules `assets` and `profile` report it
    return None
