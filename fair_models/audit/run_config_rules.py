"""Whether published versions were made of what is registered."""

from __future__ import annotations

from collections.abc import Iterator

from pystac import Item

from fair_models.audit.asset_rules import damage_of
from fair_models.audit.findings import Problem
from fair_models.audit.scope import Entry, Scope
from fair_models.catalog.items import versions
from fair_models.errors import FairModelsError, Unavailable
from fair_models.training.config import registered as digests
from fair_models.training.config.run_config import RunConfig
from fair_models.types import BASE_MODELS, LOCAL_MODELS, CollectionId, Json

KEY = "run-config"
TRAIN_AGAIN = (
    "Nobody knows what its code did: archive it, see who can start trainings, and train again from "
    "registered items."
)


def registered(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Local models whose item names other code than their run used, or whose run began with other weights."""
    asset = document["assets"].get(KEY)
    if entry.collection != LOCAL_MODELS or asset is None or not scope.chosen(asset["href"]):
        return
    href, checksum = asset["href"], asset.get("file:checksum")
    if scope.size(href) is None or (checksum and damage_of(scope, href, checksum)):
        return  # the rules `assets` and `digests` report it
    try:
        config = RunConfig.from_zenml(scope.store.fetch(href).read_text(encoding="utf-8"))
    except Unavailable:
        raise
    except (FairModelsError, UnicodeDecodeError) as error:
        problems = [f"cannot be read: {error}"]
    else:
        problems = list(_problems(config, Item.from_dict(document, migrate=False), scope))
    for problem in problems:
        yield Problem(entry.label, f"its run config: {problem}", TRAIN_AGAIN)


def _problems(config: RunConfig, item: Item, scope: Scope) -> Iterator[str]:
    """What differs. Items that are gone or damaged are the matter of the rules `links` and `readable`."""
    yield from digests.code_problems(config.code, item)
    collection: CollectionId = BASE_MODELS if config.parent_model is None else LOCAL_MODELS
    try:
        started = versions.exact(scope.catalog, collection, config.parent_model or config.base_model)
    except Unavailable:
        raise
    except FairModelsError:
        return
    if started is not None:
        yield from digests.weight_problems(config, started)
