"""Rules over the links between items."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import pairwise

from fair_models.audit.findings import Problem
from fair_models.audit.scope import Entry, Scope
from fair_models.catalog.changes.documents import STRUCTURAL
from fair_models.catalog.changes.edits import LATEST, PREDECESSOR, SUCCESSOR, VERSION_LINKS
from fair_models.catalog.items import assets
from fair_models.catalog.items.lineage import DERIVED_FROM, PARENT_FIELDS
from fair_models.types import LOCAL_MODELS, Json

OPPOSITES = ((PREDECESSOR, SUCCESSOR), (SUCCESSOR, PREDECESSOR))
RECOMPUTE = "fair-models audit --repair writes the version links of this name again."


def lineage(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Local models whose `derived_from` links do not name the base model and dataset of their fields."""
    if entry.collection != LOCAL_MODELS:
        return
    targets = entry.links.get(DERIVED_FROM, ())
    properties = document["properties"]
    for collection, field in PARENT_FIELDS.items():
        named = properties.get(field)
        if named and scope.href(collection, named) not in targets:
            yield Problem(
                entry.label,
                f"no derived_from link leads to {collection}/{named}, which {field} names",
                "Promote the next version of the model; links are written with the item.",
            )


def dangling(scope: Scope) -> Iterator[Problem]:
    """Links to items that are not in the catalogue, nor were and left a tombstone."""
    for entry in scope.entries:
        for relation in (DERIVED_FROM, *VERSION_LINKS):
            for href in entry.links.get(relation, ()):
                known = href in scope.by_href or href in scope.graves or href in scope.unread
                if known or (relation == DERIVED_FROM and _may_lie_elsewhere(entry, href)):
                    continue
                yield Problem(
                    entry.label,
                    f"its {relation} link leads nowhere: {href}",
                    "Bring the item that it names back, or publish the next version of this one.",
                )


def relative(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Addresses that lead somewhere else for each reader, because they are relative.

    A catalogue in folders has relative addresses on disk and gives absolute ones; others keep what they got.
    """
    links = [(link["rel"], link["href"]) for link in document["links"] if link["rel"] not in STRUCTURAL]
    files = [
        (f"asset {key}", asset["href"])
        for key, asset in document["assets"].items()
        if assets.RUNTIMES.isdisjoint(asset.get("roles", ()))
    ]
    for what, href in (*links, *files):
        if not (os.path.isabs(href) or "://" in href):
            yield Problem(
                entry.label,
                f"its {what} has a relative address: {href}",
                "Give the item absolute addresses and publish the next version.",
            )


def structural(scope: Scope) -> Iterator[Problem]:
    """Links to root, parent, collection or the item itself that are wrong once the folder has been moved."""
    found = {entry.label: entry.absolute for entry in scope.entries if entry.absolute}
    if scope.reading.survey is not None:
        found |= {path: tuple(rels) for path, rels in scope.reading.survey.absolute.items()}
    for label, rels in found.items():
        yield Problem(
            label,
            f"links are absolute in its file: {', '.join(sorted(set(rels)))}",
            "fair-models audit --repair makes them relative.",
        )


def both_ways(scope: Scope) -> Iterator[Problem]:
    """Version links that are missing or unanswered, and `latest-version` links to another than the active."""
    for entry in scope.entries:
        for relation, opposite in OPPOSITES:
            yield from _unanswered(entry, relation, opposite, scope)
        yield from _wrong_latest(entry, scope)
    yield from _missing(scope)


def cycles(scope: Scope) -> Iterator[Problem]:
    """Version chains that lead back to where they began."""
    for relation in (PREDECESSOR, SUCCESSOR):
        following = {
            entry.href: [href for href in entry.links.get(relation, ()) if href in scope.by_href]
            for entry in scope.entries
        }
        for href in _on_cycles(following):
            entry = scope.by_href[href]
            yield Problem(entry.label, f"its {relation} links lead in a circle back to itself", RECOMPUTE)


def _on_cycles(following: Mapping[str, list[str]]) -> Iterator[str]:
    """Those from which the links lead back. A chain has one link each, so a walk ends soon."""
    safe: set[str] = set()
    for start in following:
        path: dict[str, None] = {}
        here: str | None = start
        while here is not None and here not in safe and here not in path:
            path[here] = None
            here = next(iter(following[here]), None)
        if path and here == start:
            yield start
        elif here is None or here in safe:
            safe.update(path)


def _missing(scope: Scope) -> Iterator[Problem]:
    for entries in scope.by_name.values():
        numbered = [entry for entry in entries if entry.number is not None]
        for before, after in pairwise(numbered):
            if PREDECESSOR not in after.links and SUCCESSOR not in before.links:
                yield Problem(
                    after.label, f"nothing links it with {before.label}, the version before it", RECOMPUTE
                )


def _unanswered(entry: Entry, relation: str, opposite: str, scope: Scope) -> Iterator[Problem]:
    for href in entry.links.get(relation, ()):
        other = scope.by_href.get(href)
        if other is None:
            continue  # the rule `links` reports it
        if (other.collection, other.name) != (entry.collection, entry.name):
            yield Problem(entry.label, f"its {relation} is of another name: {other.label}", RECOMPUTE)
        elif entry.href not in other.links.get(opposite, ()):
            yield Problem(
                entry.label,
                f"its {relation} is {other.label}, whose {opposite} is {_targets(other, opposite, scope)}",
                RECOMPUTE,
            )


def _wrong_latest(entry: Entry, scope: Scope) -> Iterator[Problem]:
    active = [other for other in scope.by_name[entry.collection, entry.name] if not other.deprecated]
    if len(active) != 1 or (entry.collection, entry.name) in scope.uncertain:
        return  # the rules over active versions and over files report it
    hrefs = entry.links.get(LATEST, ())
    for href in hrefs:
        if href in scope.by_href and href != active[0].href:
            yield Problem(
                entry.label,
                f"its latest-version is {scope.by_href[href].label}, the active version is {active[0].label}",
                RECOMPUTE,
            )
    if entry is active[0] and not hrefs:
        yield Problem(entry.label, "it is the active version and has no latest-version", RECOMPUTE)


def _may_lie_elsewhere(entry: Entry, href: str) -> bool:
    """What base models and datasets come from may be items of another catalogue."""
    return entry.collection != LOCAL_MODELS and href.startswith(("https://", "http://"))


def _targets(entry: Entry, relation: str, scope: Scope) -> str:
    hrefs = entry.links.get(relation, ())
    return ", ".join(scope.by_href[h].label if h in scope.by_href else h for h in hrefs) or "not given"
