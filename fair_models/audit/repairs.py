"""Repairs through the catalogue: each is one commit that is refused where somebody else was faster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from pystac import Item, Link

from fair_models.audit import link_rules, version_rules
from fair_models.audit.findings import Repaired
from fair_models.audit.scope import Entry, Scope
from fair_models.catalog.changes import edits
from fair_models.catalog.items.building import JSON_TYPE
from fair_models.catalog.local import refresh
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.protocol import Catalog, Change
from fair_models.types import LOCAL_MODELS, CollectionId


def index(scope: Scope) -> Iterator[Repaired]:
    """Make the index of a local catalogue again from its files."""
    if isinstance(scope.catalog, LocalCatalog):
        scope.catalog.rebuild()
        yield Repaired("catalogue", "its index was made again from the files")


def collections(scope: Scope) -> Iterator[Repaired]:
    """Write collections again from what their items say."""
    if isinstance(scope.catalog, LocalCatalog):
        for path in refresh.refresh(scope.catalog.root):
            yield Repaired(path, "it was written again from what its items say")


def structural_links(scope: Scope) -> Iterator[Repaired]:
    """Write items again whose structural links are absolute: a commit makes these links anew."""
    for entry in scope.entries:
        if entry.absolute:
            item = scope.catalog.get(entry.collection, entry.id)
            scope.catalog.commit(Change(put=[item], seen=[item]))
            yield Repaired(entry.label, f"its links {', '.join(entry.absolute)} are relative now")
    yield from collections(scope)


def active_versions(scope: Scope) -> Iterator[Repaired]:
    """Keep the newest of several active versions, where links and ledger say that it is the current one."""
    for (collection, name), entries in scope.by_name.items():
        active = [entry for entry in entries if not entry.deprecated]
        if len(active) < 2 or not _is_current(scope, active[-1], entries):
            continue
        with scope.catalog.exclusive(collection, name):
            items = _versions(scope, collection, name)
            now = [item for item in items if not item.properties["deprecated"]]
            if [item.id for item in now] != [entry.id for entry in active]:
                continue  # somebody else was faster
            former = [item.clone() for item in now[:-1]]
            for item in former:
                item.properties["deprecated"] = True
            scope.catalog.commit(Change(put=former, seen=items))
        for item in former:
            yield Repaired(
                f"{collection}/{name}", f"{item.id} is deprecated now, {active[-1].id} is the active version"
            )


def version_links(scope: Scope) -> Iterator[Repaired]:
    """Write the version links of a name again: neighbours by number, and the active version."""
    found = (*link_rules.both_ways(scope), *link_rules.cycles(scope))
    wrong = {problem.item for problem in found}
    several = {problem.item for problem in version_rules.two_active(scope)}
    for (collection, name), entries in scope.by_name.items():
        if wrong.isdisjoint(entry.label for entry in entries) or f"{collection}/{name}" in several:
            continue
        with scope.catalog.exclusive(collection, name):
            items = _versions(scope, collection, name)
            changed = _relinked(scope.catalog, items)
            if changed:
                scope.catalog.commit(Change(put=changed, seen=items))
        for item in changed:
            yield Repaired(f"{collection}/{item.id}", "its links to other versions were written again")


def _relinked(catalog: Catalog, items: Sequence[Item]) -> list[Item]:
    """Copies of the versions of a name whose links to each other are not as publishing makes them."""
    hrefs = [catalog.href(cast(CollectionId, item.collection_id), item.id) for item in items]
    active = [href for item, href in zip(items, hrefs, strict=True) if not item.properties["deprecated"]]
    near = hrefs[-2:] if active == hrefs[-1:] else hrefs  # a publish looks for it there alone
    changed = []
    for place, item in enumerate(items):
        says = bool(item.get_links(edits.LATEST)) and hrefs[place] in near
        carries = says or hrefs[place] in active
        wanted = {
            edits.PREDECESSOR: hrefs[place - 1 : place] if place else [],
            edits.SUCCESSOR: hrefs[place + 1 : place + 2],
            edits.LATEST: active if carries else [],
        }
        found = {rel: [link.href for link in item.get_links(rel)] for rel in wanted}
        if not active:  # archived: what `latest-version` says stays as it was
            wanted[edits.LATEST] = found[edits.LATEST]
        if found != wanted:
            copy = item.clone()
            copy.links = [link for link in copy.links if link.rel not in wanted]
            copy.links += [
                Link(rel, href, media_type=JSON_TYPE) for rel, hrefs_of in wanted.items() for href in hrefs_of
            ]
            changed.append(copy)
    return changed


def _versions(scope: Scope, collection: CollectionId, name: str) -> list[Item]:
    return list(scope.catalog.search(collection, name=name, order="version"))


def _is_current(scope: Scope, newest: Entry, entries: Sequence[Entry]) -> bool:
    """Whether all that says which version is the current one says this one."""
    named = {href for entry in entries for href in entry.links.get(edits.LATEST, ())}
    if newest.collection == LOCAL_MODELS and scope.ledger is not None:
        stages = {number for number, run in scope.runs(newest.name).items() if run.stage == "production"}
        if stages != {newest.number}:
            return False
    return named == {newest.href}
