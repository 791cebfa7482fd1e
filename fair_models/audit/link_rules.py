"""Rules over the links between items."""

from __future__ import annotations

from collections.abc import Iterator

from fair_models.audit.problem import Problem
from fair_models.audit.scope import Entry, Scope
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId, Json

VERSION_RELATIONS = ("predecessor-version", "successor-version", "latest-version")
OPPOSITES = (("predecessor-version", "successor-version"), ("successor-version", "predecessor-version"))
PARENTS: tuple[tuple[CollectionId, str], ...] = (
    (BASE_MODELS, "fair:base_model_id"),
    (DATASETS, "fair:dataset_id"),
)
PUBLISH_AGAIN = "Run the operation that changed this name last again; it completes its links."


def lineage(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Local models whose `derived_from` links do not name the base model and dataset of their fields."""
    if entry.collection != LOCAL_MODELS:
        return
    targets = entry.links.get("derived_from", ())
    properties = document["properties"]
    for collection, field in PARENTS:
        named = properties.get(field)
        if named and scope.href(collection, named) not in targets:
            yield Problem(
                entry.label,
                f"no derived_from link leads to {collection}/{named}, which {field} names",
                "Promote the next version of the model; links are written with the item.",
            )


def dangling(scope: Scope) -> Iterator[Problem]:
    """Links to items that are not in the catalogue."""
    for entry in scope.entries:
        for relation in ("derived_from", *VERSION_RELATIONS):
            for href in entry.links.get(relation, ()):
                if href in scope.by_href or (relation == "derived_from" and _may_lie_elsewhere(entry, href)):
                    continue
                yield Problem(
                    entry.label,
                    f"its {relation} link leads nowhere: {href}",
                    "Bring the item that it names back, or publish the next version of this one.",
                )


def both_ways(scope: Scope) -> Iterator[Problem]:
    """Version links without an answer, and `latest-version` links to another than the active version."""
    for entry in scope.entries:
        for relation, opposite in OPPOSITES:
            yield from _unanswered(entry, relation, opposite, scope)
        yield from _wrong_latest(entry, scope)


def _unanswered(entry: Entry, relation: str, opposite: str, scope: Scope) -> Iterator[Problem]:
    for href in entry.links.get(relation, ()):
        other = scope.by_href.get(href)
        if other is None:
            continue  # the rule `links` reports it
        if (other.collection, other.name) != (entry.collection, entry.name):
            yield Problem(entry.label, f"its {relation} is of another name: {other.label}", PUBLISH_AGAIN)
        elif entry.href not in other.links.get(opposite, ()):
            yield Problem(
                entry.label,
                f"its {relation} is {other.label}, whose {opposite} is {_targets(other, opposite, scope)}",
                PUBLISH_AGAIN,
            )


def _wrong_latest(entry: Entry, scope: Scope) -> Iterator[Problem]:
    active = [other for other in scope.by_name[entry.collection, entry.name] if not other.deprecated]
    if len(active) != 1:
        return  # the rules over active versions report it
    for href in entry.links.get("latest-version", ()):
        if href in scope.by_href and href != active[0].href:
            yield Problem(
                entry.label,
                f"its latest-version is {scope.by_href[href].label}, the active version is {active[0].label}",
                PUBLISH_AGAIN,
            )


def _may_lie_elsewhere(entry: Entry, href: str) -> bool:
    """What base models and datasets come from may be items of another catalogue."""
    return entry.collection != LOCAL_MODELS and href.startswith(("https://", "http://"))


def _targets(entry: Entry, relation: str, scope: Scope) -> str:
    hrefs = entry.links.get(relation, ())
    return ", ".join(scope.by_href[h].label if h in scope.by_href else h for h in hrefs) or "not given"
