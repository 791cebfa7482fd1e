"""Rules over the bytes that items name, and over those that none does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from typing import cast

from fair_models.audit.findings import Problem, Repaired
from fair_models.audit.scope import Entry, NameKey, Scope
from fair_models.errors import Corrupted, Invalid, NotFound
from fair_models.publishing import cleanup
from fair_models.types import CollectionId, Json

_PREDICTION = "/prediction.json"
"""It is put last, beside the files of a prediction, and names them."""

RESTORE = "Bring the file back from a backup, or publish the next version and archive this one."


def present(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Assets that are missing or have another size than their item says."""
    for key, asset in held(document):
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
    for key, asset in held(document):
        if not scope.chosen(asset["href"]):
            continue
        damage = damage_of(scope, asset["href"], asset["file:checksum"])
        if damage:
            yield Problem(entry.label, f"asset {key} is damaged: {damage}", RESTORE)


def held(document: Json) -> Iterator[tuple[str, Json]]:
    """Assets that the registry holds: those with a digest. Images and `local:` runtimes have none."""
    return ((key, asset) for key, asset in document["assets"].items() if "file:checksum" in asset)


def damage_of(scope: Scope, href: str, checksum: str) -> str | None:
    """What is wrong with the bytes of a file; None where they are right, or are not there at all."""
    if (href, checksum) not in scope.damage:
        scope.damage[href, checksum] = _read(scope, href, checksum)
    return scope.damage[href, checksum]


def _read(scope: Scope, href: str, checksum: str) -> str | None:
    try:
        scope.store.verify(href, checksum)
    except Corrupted as error:
        return str(error)
    except (NotFound, Invalid):
        return None  # the rules `assets` and `profile` report it
    return None


def unreferenced(scope: Scope) -> Iterator[Problem]:
    """Files that no item names and that no publish that is going on can have put."""
    for href in _unreferenced(scope):
        yield Problem(
            href,
            f"no item names it, and it was put on {scope.store.modified(href):%Y-%m-%d}",
            "fair-models audit --repair takes it away.",
        )


def collect(scope: Scope) -> Iterator[Repaired]:
    """Take files away that no item names.

    The catalogue is asked again while nobody can publish under the name that the files lie under: a publish
    that was interrupted long ago, and is run again now, finds the files that it had put.
    """
    by_name: dict[NameKey | None, list[str]] = defaultdict(list)
    for href in _unreferenced(scope):
        by_name[_name_of(href)].append(href)
    for key, hrefs in by_name.items():
        with scope.catalog.exclusive(*key) if key else nullcontext():
            old = [href for href in hrefs if _is_old(scope, href)]
            for href in cleanup.collect(scope.catalog, scope.store, old):
                yield Repaired(href, "it was taken away")


def _unreferenced(scope: Scope) -> Iterator[str]:
    held = set(map(cleanup.key_of, scope.held))
    results = {_folder_of(href) for href in scope.store.hrefs("predictions/") if href.endswith(_PREDICTION)}
    searched = set(scope.store.hrefs("searches/"))  # splits, a few bytes: run configs of trials name them
    for href in scope.store.hrefs():
        named = cleanup.key_of(href) in held or _folder_of(href) in results or href in searched
        if not named and _is_old(scope, href):
            yield href


def _folder_of(href: str) -> str:
    return href.rpartition("/")[0]


def _is_old(scope: Scope, href: str) -> bool:
    try:
        return scope.store.modified(href) < scope.moment - timedelta(hours=scope.params.grace_hours)
    except NotFound:  # somebody else was faster
        return False


def _name_of(href: str) -> NameKey | None:
    """The name that a file was put under."""
    found = cleanup.KEY.search(href)
    return (cast(CollectionId, found[2]), found[3]) if found else None
