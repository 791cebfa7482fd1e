"""Archive or delete what is published: items first, then ZenML, then the bytes that nobody names any more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pystac import Item

from fair_models.catalog.changes import transitions
from fair_models.catalog.changes.edits import Effect
from fair_models.catalog.changes.transitions import Transition
from fair_models.catalog.items import assets, tombstones, versions
from fair_models.catalog.items.lineage import PARENT_FIELDS
from fair_models.catalog.protocol import Catalog
from fair_models.errors import Conflict, NotFound
from fair_models.params import RetireParams
from fair_models.publishing import cleanup, pins, zenml_stages
from fair_models.publishing.commit import Plan, PlanListener, ignore_plan
from fair_models.publishing.zenml_stages import ExpectedStages
from fair_models.store.protocol import Store
from fair_models.training import references
from fair_models.training.ledger import Ledger, ModelVersion
from fair_models.types import LOCAL_MODELS

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retired:
    """What became of it.

    items: Exact ids of the versions that were asked about, those that were retired before among them.
    effects: What was changed, or would be in a dry run; none where all was so already.
    """

    items: tuple[str, ...]
    effects: tuple[Effect, ...]


def retire(
    params: RetireParams, catalog: Catalog, store: Store, ledger: Ledger, tell: PlanListener = ignore_plan
) -> Retired:
    """Archive or delete a version, or all versions of a name.

    Interrupted anywhere, the same request again completes it; complete, it changes nothing.

    Args:
        params: What, and how.
        catalog: Where it is published.
        store: Where its bytes lie.
        ledger: Whose stages and versions follow. Only asked about local models.
        tell: Takes the plan before anything is changed.

    Raises:
        NotFound: There is, and was, no such name or version.
        Conflict: Active items derive from what is to be deleted, a version of it is pinned or being trained,
            or somebody else changed it meanwhile.
    """
    with catalog.exclusive(params.collection, params.name):
        chosen, gone, transition = settle(params, catalog, lambda: ledger)
        unpublished = _unpublished(params, ledger, chosen, gone)
        if params.action == "delete":
            pins.refuse(chosen, unpublished)
        files = _files(params, catalog, store, chosen, gone)
        effects = (
            *transition.effects,
            *_in_zenml(params, catalog, ledger, transition, unpublished),
            *(Effect(href, "is deleted") for href in cleanup.unnamed(catalog, store, files, chosen)),
        )
        tell(Plan(f"{params.action} {label(params)}", effects))
        if not params.dry_run:
            if transition.effects:
                catalog.commit(transition.change)
            _follow(params, catalog, ledger, unpublished)
            cleanup.collect(catalog, store, files)
            for effect in effects:
                logger.info("%s %s", effect.target, effect.effect)
        return Retired(tuple(item.id for item in (*chosen, *gone)), effects)


def settle(
    params: RetireParams, catalog: Catalog, ledger: Callable[[], Ledger]
) -> tuple[list[Item], list[Item], Transition]:
    """The published versions that a request means, those of it that were deleted before, and what changes.

    Args:
        params: What, and how.
        catalog: Where it is published.
        ledger: Opens ZenML, asked only about a local model that is not published.

    Raises:
        NotFound: There is, and was, no such name or version.
        Conflict: Active items derive from what is to be deleted.
    """
    chosen = _chosen(params, list(catalog.search(params.collection, name=params.name, order="version")))
    gone = _chosen(params, catalog.tombstones(params.collection, params.name))
    if not chosen and (not gone or params.action == "archive"):
        raise _unknown(params, catalog, gone, ledger)
    return chosen, gone, _transition(params, catalog, chosen)


def label(params: RetireParams) -> str:
    """What is to be retired, e.g. "local-models/banepa-roofs-v2"."""
    number = f"-v{params.version}" if params.version is not None else ""
    return f"{params.collection}/{params.name}{number}"


def _chosen(params: RetireParams, items: Sequence[Item]) -> list[Item]:
    return [item for item in items if params.version in (None, versions.split_id(item.id)[1])]


def _unknown(
    params: RetireParams, catalog: Catalog, gone: Sequence[Item], ledger: Callable[[], Ledger]
) -> NotFound:
    if gone:
        return NotFound(f"{label(params)} {tombstones.deletion(gone[-1])}: there is nothing to archive")
    if params.collection == LOCAL_MODELS:
        asked = params.name if params.version is None else versions.item_id(params.name, params.version)
        trained = references.unpublished(catalog, asked, ledger)
        if trained:
            return NotFound(f"There is nothing to {params.action}: {trained}")
    known = [item.id for item in catalog.search(params.collection, name=params.name, order="version")]
    if known:
        return NotFound(
            f"{params.collection} has no {params.name}-v{params.version}; it has {', '.join(known)}"
        )
    return NotFound(
        f"{params.collection} has nothing called {params.name}; fair-models list shows what there is"
    )


def _transition(params: RetireParams, catalog: Catalog, chosen: Sequence[Item]) -> Transition:
    if not chosen:
        return transitions.NOTHING
    moment = transitions.now()
    if params.action == "archive":
        return transitions.archiving(catalog, chosen, moment)
    return transitions.deleting(catalog, chosen, moment, reason=params.reason, forced=params.force)


def _unpublished(
    params: RetireParams, ledger: Ledger, chosen: Sequence[Item], gone: Sequence[Item]
) -> list[ModelVersion]:
    """Versions that were never published and go with their model.

    Where the model was deleted before, these are the ones from before that: it may be trained anew since.
    """
    if params.action == "archive" or params.version is not None or params.collection != LOCAL_MODELS:
        return []
    try:
        known = ledger.versions(params.name)
    except NotFound:
        return []
    published = {item.id for item in (*chosen, *gone)}
    found = [version for version in known if version.id not in published]
    if not chosen:
        last = max(tombstones.deleted(each) for each in gone)
        found = [version for version in found if version.created.replace(microsecond=0) <= last]
    training = [version.id for version in found if version.status == "running"]
    if training and not params.force:
        raise Conflict(
            f"{label(params)} cannot be deleted: {', '.join(training)} is being trained. Cancel that first, "
            "or force it"
        )
    return found


def _in_zenml(
    params: RetireParams,
    catalog: Catalog,
    ledger: Ledger,
    transition: Transition,
    unpublished: Sequence[ModelVersion],
) -> list[Effect]:
    if params.collection != LOCAL_MODELS:
        return []
    expected = ExpectedStages.of(catalog, params.name).after(transition.change)
    also = [Effect(f"ZenML {version.id}", "is deleted; it was never published") for version in unpublished]
    return [*zenml_stages.effects(ledger, params.name, expected), *also]


def _follow(
    params: RetireParams, catalog: Catalog, ledger: Ledger, unpublished: Sequence[ModelVersion]
) -> None:
    if params.collection != LOCAL_MODELS:
        return
    zenml_stages.follow(catalog, ledger, params.name)
    for version in unpublished:
        ledger.delete(params.name, version.number)
    if params.action == "delete" and params.name not in ledger.models():
        ledger.delete_model(params.name)


def _files(
    params: RetireParams, catalog: Catalog, store: Store, chosen: Sequence[Item], gone: Sequence[Item]
) -> list[str]:
    """Files that may go: those that the items name, and what lies under the keys of their versions.

    Of items that are gone already, also what may have been kept for them of a parent that was deleted.
    """
    if params.action == "archive":
        return []
    named = [
        assets.address(asset)
        for item in chosen
        for asset in item.assets.values()
        if "file:checksum" in asset.extra_fields
    ]
    numbers = [versions.split_id(item.id)[1] for item in (*chosen, *gone)]
    prefixes = [f"{params.collection}/{params.name}/v{number}/" for number in numbers]
    prefixes += _deleted_parents(catalog, gone)
    return [*named, *(href for prefix in prefixes for href in store.hrefs(prefix))]


def _deleted_parents(catalog: Catalog, gone: Sequence[Item]) -> list[str]:
    """Prefixes of the keys of deleted items that others derived from. Nobody puts anything there again."""
    prefixes = set()
    for collection, field in PARENT_FIELDS.items():
        buried = {each.id for each in catalog.tombstones(collection)} if gone else set()
        for parent in buried & {each.properties.get(field) for each in gone}:
            name, number = versions.split_id(parent)
            prefixes.add(f"{collection}/{name}/v{number}/")
    return sorted(prefixes)
