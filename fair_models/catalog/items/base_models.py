"""Items of base models: from a contribution's template, or from an item of another catalogue."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from itertools import count
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from pystac import Item

from fair_models import imagery_rules
from fair_models.catalog.items import assets, building, hyperparameters
from fair_models.catalog.items.model import band_names
from fair_models.catalog.items.versions import item_id, split_id
from fair_models.catalog.schemas import extensions
from fair_models.errors import InvalidItem
from fair_models.store.protocol import StoredFile
from fair_models.types import BASE_MODELS, Json

DEFAULT_GSD_M = 0.3
"""Taken for models of other catalogues that do not say it: tiles of 256 px at zoom 19, as in fAIr."""

_OF_TORCH = frozenset({".pt", ".pth", ".safetensors"})
_OWN_LINKS = frozenset(
    {"self", "root", "parent", "collection", "predecessor-version", "successor-version", "latest-version"}
)


def build(
    template: Json, version: int, files: Mapping[str, StoredFile], created: datetime | None = None
) -> Item:
    """The item of one version of a base model.

    Args:
        template: The contribution's stac-item.json: all properties, and the assets that are no files of ours.
        version: Number of the version.
        files: What the registry holds, by our key: "checkpoint", "model", "source-code", "readme". They take
            the place of the template's assets with the same role.
        created: When it is registered. Default: now.

    Returns:
        An item that fulfils the profile, if the template does.

    Raises:
        InvalidItem: The template is malformed, has no usable name, or its digests are not those of the files.
    """
    _check_shape(template)
    name = name_of(template)
    moment = building.timestamp(created or datetime.now(UTC))
    properties = deepcopy(template.get("properties", {}))
    properties |= {
        "datetime": moment,
        "created": moment,
        "version": str(version),
        "deprecated": False,
        "mlm:name": name,
    }
    properties.setdefault(imagery_rules.FIELD, imagery_rules.CURRENT.model_dump())
    properties.pop("updated", None)
    bands = building.bands(_bands(properties))
    if bands:
        properties.setdefault("bands", bands)
    item_assets = _assets(template, files)
    if bands and assets.KEYS[assets.MODEL] in item_assets:
        item_assets[assets.KEYS[assets.MODEL]].setdefault("bands", bands)
    links = [deepcopy(link) for link in template.get("links", []) if not is_own_link(link)]
    named = [*template.get("stac_extensions", []), extensions.MLM, extensions.VERSION]
    named += [extensions.CLASSIFICATION, extensions.FILE]
    return building.item(
        BASE_MODELS,
        item_id(name, version),
        (building.WORLD, building.WORLD_BBOX),
        properties,
        (item_assets, links, extensions.one_version_each(named)),
    )


def is_own_link(link: Json) -> bool:
    """Whether a link only says where an item stands in its own catalogue, so that it is not carried on."""
    return str(link.get("rel")) in _OWN_LINKS


def name_of(template: Json) -> str:
    """The name of a base model: `mlm:name`, else the id without its version.

    Raises:
        InvalidItem: The template says neither, or they contradict each other.
    """
    said = template.get("properties", {}).get("mlm:name")
    identity = str(template.get("id") or "")
    from_id = split_id(identity)[0] if identity else None
    if not said and not from_id:
        raise InvalidItem("without id", ["id: is missing; give the model's name, such as roofs-unet"])
    if said and from_id and said != from_id:
        raise InvalidItem(
            identity, [f"properties.mlm:name: is {said!r}, the id says {from_id!r}; make them the same"]
        )
    return str(said or from_id)


def complete(template: Json) -> tuple[Json, list[str]]:
    """An item of another catalogue with what ours need besides, as far as it can be taken for granted.

    Returns:
        A copy with the missing fields, and a sentence for each that was taken for granted.

    Raises:
        InvalidItem: The item is malformed; lists every reason.
    """
    _check_shape(template)
    template = deepcopy(template)
    properties = template["properties"]
    missing = {key: value for key, value in _defaults(properties).items() if key not in properties}
    properties |= missing
    return template, [
        *(f"properties.{key}: not given, taken as {value!r}" for key, value in missing.items()),
        *_leave_version_out_of_name(template),
        *_name_weights(template.get("assets") or {}),
        *_name_uses(properties),
        *_specify_hyperparameters(properties),
        *_say_what_is_better(properties),
    ]


def _defaults(properties: Json) -> Json:
    return {
        "gsd": DEFAULT_GSD_M,
        "fair:resampling": "average",
        "fair:sample_size_px": _fixed_size(properties) or 256,
    }


def _leave_version_out_of_name(template: Json) -> Iterator[str]:
    """A name that is the whole id says the version, which the id and `version` say already."""
    said, identity = template["properties"].get("mlm:name"), template.get("id")
    if isinstance(said, str) and said == identity and split_id(said)[1] is not None:
        name = split_id(said)[0]
        template["properties"]["mlm:name"] = name
        yield f"properties.mlm:name: {said} holds the version, taken as {name}"


def _name_weights(held: Json) -> Iterator[str]:
    """Of models without the role of weights, the one that is a file of torch holds them."""
    said = [asset for asset in held.values() if assets.has_role(asset.get("roles") or [], assets.WEIGHTS)]
    found = {
        key: asset
        for key, asset in held.items()
        if assets.MODEL in (asset.get("roles") or []) and _says_torch(asset)
    }
    if not said and len(found) == 1:
        ((key, asset),) = found.items()
        asset["roles"] = [*asset["roles"], assets.WEIGHTS]
        yield f"assets.{key}: lacks the role {assets.WEIGHTS}, taken for the weights as it is a file of torch"


def _says_torch(asset: Json) -> bool:
    said = (asset.get("mlm:artifact_type"), asset.get("type"), asset.get("href"))
    if assets.says_onnx(*said):
        return False
    ending = PurePosixPath(urlsplit(str(asset.get("href"))).path).suffix.lower()
    return str(said[0] or "").startswith("torch.") or ending in _OF_TORCH


def _name_uses(properties: Json) -> Iterator[str]:
    """Give keys without a use, such as "epochs", the one that the values, or the entries, have for them."""
    entries, values = properties.get("fair:hyperparameters_spec"), properties.get("mlm:hyperparameters")
    if not isinstance(entries, list) or not isinstance(values, dict):
        return
    named = [entry for entry in entries if isinstance(entry, dict) and _is_text(entry.get("key"))]
    keys = [entry["key"] for entry in named]
    for entry in named:
        meant = [key for key in hyperparameters.meant_by(entry["key"], values) if key not in keys]
        if len(meant) == 1:
            yield f"properties.fair:hyperparameters_spec: {entry['key']} is taken as {meant[0]}"
            entry["key"] = meant[0]
    for key in list(values):
        meant = hyperparameters.meant_by(key, [entry["key"] for entry in named])
        if len(meant) == 1 and meant[0] not in values:
            yield f"properties.mlm:hyperparameters: {key} is taken as {meant[0]}"
            values[meant[0]] = values.pop(key)
    for entry in named:
        key = entry["key"]
        if key not in values and "default" in entry and not hyperparameters.meant_by(key, values):
            yield f"properties.mlm:hyperparameters: {key} has no value, its default is taken"
            values[key] = entry["default"]


def _specify_hyperparameters(properties: Json) -> list[str]:
    """Give each value without an entry one that says its type."""
    entries = properties.setdefault("fair:hyperparameters_spec", [])
    values = properties.get("mlm:hyperparameters")
    if not isinstance(entries, list) or not isinstance(values, dict):
        return []  # the profile says what is wrong with them
    known = {entry.get("key") for entry in entries if isinstance(entry, dict) and _is_text(entry.get("key"))}
    made = [hyperparameters.assumed_entry(key, values[key]) for key in values if key not in known]
    added = [entry for entry in made if entry is not None]
    entries += added
    return [
        f"properties.fair:hyperparameters_spec: {entry['key']} is not in it, assumed to be {entry['type']} "
        "as its value is"
        for entry in added
    ]


def _say_what_is_better(properties: Json) -> list[str]:
    metrics = properties.get("fair:metrics_spec")
    silent = [
        metric
        for metric in (metrics if isinstance(metrics, list) else [])
        if isinstance(metric, dict) and "higher_is_better" not in metric
    ]
    for metric in silent:
        metric["higher_is_better"] = True
    return [
        f"properties.fair:metrics_spec: {metric.get('key')} does not say, taken as higher is better"
        for metric in silent
    ]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _check_shape(template: Json) -> None:
    """Refuse what cannot be built from at all; the profile looks at the rest."""
    held, links = template.get("assets", {}), template.get("links", [])
    addresses = template.get("stac_extensions", [])
    reasons = []
    if not isinstance(template.get("properties"), dict):
        reasons.append("properties: should be an object")
    if not isinstance(held, dict) or not all(isinstance(each, dict) for each in held.values()):
        reasons.append("assets: should be an object of objects")
    else:
        reasons += _asset_problems(held)
    if not isinstance(links, list) or not all(isinstance(each, dict) for each in links):
        reasons.append("links: should be a list of objects")
    elif not all(isinstance(link.get(field), str) for link in links for field in ("rel", "href")):
        reasons.append("links: each should have rel and href as text")
    if not isinstance(addresses, list) or not all(isinstance(each, str) for each in addresses):
        reasons.append("stac_extensions: should be a list of addresses")
    if reasons:
        raise InvalidItem(str(template.get("id") or "without id"), reasons)


def _asset_problems(held: Mapping[str, Json]) -> Iterator[str]:
    for key, asset in held.items():
        roles = asset.get("roles", [])
        if not isinstance(asset.get("href"), str):
            yield f"assets.{key}.href: should name the file, or the image"
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            yield f"assets.{key}.roles: should be a list of words"


def _fixed_size(properties: Json) -> int | None:
    """The size of the input in pixels where it is fixed."""
    try:
        size = properties["mlm:input"][0]["input"]["shape"][-1]
    except (KeyError, IndexError, TypeError):
        return None
    return size if isinstance(size, int) and size > 0 else None


def _bands(properties: Json) -> tuple[str, ...]:
    try:
        return band_names(properties)
    except (KeyError, IndexError, TypeError, AttributeError):
        return ()  # the profile says what is wrong with the input


def _assets(template: Json, files: Mapping[str, StoredFile]) -> dict[str, Json]:
    """The template's assets, those with one of our roles under our key, files of ours in their place."""
    held = template.get("assets", {})
    kept = {own: deepcopy(held[key]) for key, own in own_keys(held).items()}
    reasons = [
        f"assets.{key}: the item says the digest {said}, the file has {file.checksum}; correct the wrong one"
        for key, file in files.items()
        if (said := kept.get(key, {}).get("file:checksum")) not in (None, file.checksum)
    ]
    if reasons:
        raise InvalidItem(str(template.get("id")), reasons)
    for key, file in files.items():
        held = building.file_asset(key, file)
        said = {
            name: value for name, value in kept.get(key, {}).items() if name not in {"href", "type", "roles"}
        }
        roles = list(dict.fromkeys([*held["roles"], *kept.get(key, {}).get("roles", [])]))
        kept[key] = {**held, **said, "roles": roles, "file:size": file.size}
    return kept


def own_keys(held: Mapping[str, Json]) -> dict[str, str]:
    """Our key for each asset of a template, by its key there.

    Of several assets with one of our roles, the one that has our key keeps it, else the first gets it.

    Args:
        held: The template's assets. Each is an object.
    """
    wanted = {key: _key_by_role(asset) for key, asset in held.items()}
    chosen = {key: key for key, own in wanted.items() if own == key}
    for key, own in wanted.items():
        if own is not None and own not in chosen.values():
            chosen.setdefault(key, own)
    for key in held:
        if key not in chosen:
            chosen[key] = _free(key, chosen.values(), held)
    return {key: chosen[key] for key in held}


def _free(key: str, taken: Collection[str], others: Collection[str]) -> str:
    """The key itself, or with a number where another asset has taken it."""
    if key not in taken:
        return key
    number = next(n for n in count(2) if not {f"{key}-{n}"} & {*taken, *others})
    return f"{key}-{number}"


def _key_by_role(asset: Json) -> str | None:
    """Our key for the role that an asset has; None where it has none of ours."""
    roles = asset.get("roles") or []
    for role in (assets.WEIGHTS, assets.SOURCE_CODE, assets.TRAINING_RUNTIME, assets.INFERENCE_RUNTIME):
        if assets.has_role(roles, role):
            return assets.KEYS[role]
    said = (asset.get("mlm:artifact_type"), asset.get("type"), asset.get("href"))
    if assets.MODEL in roles and assets.says_onnx(*said):
        return assets.KEYS[assets.MODEL]
    return None
