"""Whether an item is what it must be: our own profile always, the official schemas where they can be had."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from fair_models import settings
from fair_models.catalog import item_rules
from fair_models.catalog.items import assets
from fair_models.catalog.schemas import official as official_schemas
from fair_models.catalog.schemas import own
from fair_models.errors import InvalidItem
from fair_models.json_schema import sentences
from fair_models.settings import Settings
from fair_models.types import Json


@dataclass(frozen=True)
class Validation:
    """What is to be known of an item that is valid.

    unchecked: Addresses of official schemas that are neither cached nor reachable, so that nobody knows.
    warnings: What is weak in it, in sentences.
    """

    unchecked: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def validate(
    item: Json, *, allow_unchecked: Collection[str] = (), using: Settings | None = None
) -> Validation:
    """Hold an item against its profile and the official schemas.

    Args:
        item: The item as raw JSON: what pystac makes of one hides mistakes.
        allow_unchecked: Addresses of extensions that may stay unchecked where official schemas are required,
            besides those that the settings allow.
        using: Settings that say where schemas are cached. Default: those of this process; reading them takes
            as long as validating does, so that whoever validates many items reads them once.

    Raises:
        InvalidItem: With every reason; one that is required and cannot be had is a reason too.
    """
    current = using or settings.current()
    official = official_schemas.check(item, current.schema_folder)
    reasons = own_problems(item)
    said = {_core(reason) for reason in reasons}
    reasons += [reason for reason in official.problems if _core(reason) not in said]
    if current.official_schemas == "required":
        allowed = {*allow_unchecked, *current.allowed_extensions}
        reasons += [
            f"stac_extensions: the schema {address} is neither cached nor reachable; "
            f"{official_schemas.where_to_put(address, current.schema_folder)}, "
            "or allow it by name in FAIR_ALLOWED_EXTENSIONS"
            for address in official.unchecked
            if address not in allowed
        ]
    if reasons:
        raise InvalidItem(str(item.get("id") or "without id"), list(dict.fromkeys(reasons)))
    return Validation(official.unchecked, weaknesses(item))


def problems(item: Json) -> list[str]:
    """Every reason why an item is not valid; empty for one that is."""
    try:
        validate(item)
    except InvalidItem as error:
        return list(error.reasons)
    return []


def profile_of(item: Json) -> str | None:
    """The profile that an item follows: by its collection; without one, a prediction's. None for others."""
    collection = item.get("collection")
    if collection is None:
        return own.PREDICTION
    return own.PROFILES.get(collection) if isinstance(collection, str) else None


def own_problems(item: Json) -> list[str]:
    """What our own profile finds wrong with an item. Needs no network and no cache."""
    reasons = item_rules.numbers_are_finite(item)
    profile = profile_of(item)
    if profile is None:
        collections = ", ".join(own.PROFILES)
        return [
            *reasons,
            f"collection: is {sentences.shown(item.get('collection'))}, should be one of {collections}",
        ]
    known = {reason.partition(":")[0] for reason in reasons}
    broken = [reason for reason in _broken(item, profile) if reason.partition(":")[0] not in known]
    return [*reasons, *broken, *_rule_problems(item, profile, readable=not broken)]


def _broken(item: Json, profile: str) -> list[str]:
    checker = own.checker(profile)
    return [] if checker.is_valid(item) else sentences.sentences(checker.violations(item))


def weaknesses(item: Json) -> list[str]:
    """What is weak in a valid item: images that may change, files without digest, keys without a use."""
    return [*_weak_assets(item), *_weak_keys(item)]


def _core(reason: str) -> str:
    """A sentence without its explanation, so that what both layers say is told once."""
    return re.split(r" [(\[]", reason, maxsplit=1)[0]


def _rule_problems(item: Json, profile: str, *, readable: bool) -> Iterator[str]:
    for rule in item_rules.RULES[profile]:
        try:
            yield from rule(item)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            if readable:  # otherwise the schema has already said why the rule could not read the item
                raise


def _weak_assets(item: Json) -> Iterator[str]:
    for key, asset in item["assets"].items():
        href, roles = asset["href"], asset["roles"]
        if not assets.RUNTIMES.isdisjoint(roles):
            if not href.startswith("local:") and not assets.is_pinned(href):
                yield f"assets.{key}: the image {href} may change; name it by its digest (@sha256:…)"
        elif not assets.is_held(href, roles) and _is_needed(roles) and "file:checksum" not in asset:
            yield f"assets.{key}: {href} has no file:checksum, so nobody notices when its bytes change"


def _is_needed(roles: Any) -> bool:
    return any(assets.has_role(roles, role) for role in assets.KEYS)


def _weak_keys(item: Json) -> Iterator[str]:
    for entry in item["properties"].get("fair:hyperparameters_spec", []):
        if "." not in entry["key"]:
            yield f"hyperparameter {entry['key']}: says no use; it counts as training.{entry['key']}"
