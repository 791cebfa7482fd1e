"""All files of a version in one zip, made while it is sent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pystac import Item
from starlette.responses import Response

from fair_models.catalog import query
from fair_models.catalog.items.search_fields import search_fields_of
from fair_models.store.locations import is_web
from fair_models.store.zip_stream import Member, safe_name, stream
from fair_models.web import conditional, links
from fair_models.web.api import lookup
from fair_models.web.api.answers import KEPT
from fair_models.web.api.assets import StoredAsset, disposition
from fair_models.web.api.strict import StrictRoute
from fair_models.web.api.transfer import PieceResponse
from fair_models.web.api.visible import VisibleCatalog

ITEM = "item.json"
"""The STAC item in an archive, whose files lie beside it."""

router = APIRouter(tags=["Files"], route_class=StrictRoute)

_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A zip archive",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "You have it already"},
}


@router.get(
    "/models/{name}/versions/{number}/archive",
    response_class=Response,
    responses=_ANSWERS,
    summary="Download a version of a model as one zip",
)
def download_model(
    request: Request,
    item: Annotated[Item, Depends(lookup.model_version)],
    seen: lookup.Seen,
    registry: lookup.Whole,
    base: lookup.Base,
) -> Response:
    """All its files that the registry holds, and its STAC item.

    They are compared with their digests on the way: an archive with other bytes breaks off.
    """
    return _archive(request, item, seen, registry, base)


@router.get(
    "/datasets/{name}/versions/{number}/archive",
    response_class=Response,
    responses=_ANSWERS,
    summary="Download a version of a dataset as one zip",
)
def download_dataset(
    request: Request,
    item: Annotated[Item, Depends(lookup.dataset_version)],
    seen: lookup.Seen,
    registry: lookup.Whole,
    base: lookup.Base,
) -> Response:
    """All its files that the registry holds, and its STAC item, as with models."""
    return _archive(request, item, seen, registry, base)


def _archive(
    request: Request, item: Item, seen: VisibleCatalog, registry: lookup.Whole, base: str
) -> Response:
    files = [StoredAsset(item, key, asset, registry.store) for key, asset in sorted(item.assets.items())]
    held = [each for each in files if registry.store.holds(each.href)]
    names = _names(held)
    described = _described(item, dict(zip((each.key for each in held), names, strict=True)), seen, base)
    tag = conditional.tag_of(
        b"".join(
            [described, *(f"{name} {each.tag}\n".encode() for name, each in zip(names, held, strict=True))]
        )
    )
    headers = {
        **KEPT,
        "Content-Disposition": disposition(f"{item.id}.zip"),
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Accept-Ranges": "none",
        "ETag": tag,
    }
    if conditional.is_known(request, tag):
        return conditional.not_modified(tag, headers)
    members = [
        Member(f"{item.id}/{ITEM}", len(described), lambda: [described]),
        *(
            Member(f"{item.id}/{name}", each.state.size, each.pieces)
            for name, each in zip(names, held, strict=True)
        ),
    ]
    return PieceResponse(stream(members, _moment(item)), {**headers, "Content-Type": "application/zip"})


def _names(files: Sequence[StoredAsset]) -> list[str]:
    """Where each file lies in the archive: by its name, below its key where several have that name."""
    names = [safe_name(each.name) for each in files]
    counts = Counter(name.casefold() for name in [*names, ITEM])
    found = [
        name if counts[name.casefold()] == 1 else f"{safe_name(each.key)}/{name}"
        for name, each in zip(names, files, strict=True)
    ]
    taken = Counter(name.casefold() for name in found)
    return [
        name if taken[name.casefold()] == 1 else f"{number}/{name}"
        for number, name in enumerate(found, start=1)
    ]


def _described(item: Item, names: dict[str, str], seen: VisibleCatalog, base: str) -> bytes:
    """The STAC item, with its files beside it, and other items where this service has them."""
    document: dict[str, Any] = item.to_dict(include_self_link=False, transform_hrefs=False)
    for key, asset in document["assets"].items():
        if key in names:
            asset["href"] = f"./{names[key]}"
    kept = []
    for link in document["links"]:
        led = query.led_to(seen, str(link["href"]))
        href = links.stac_item(base, *led) if led is not None else str(link["href"])
        if is_web(href) and link["rel"] not in {"root", "parent", "self"}:
            kept.append({**link, "href": href})
    collection = {
        "rel": "collection",
        "href": links.stac_collection(base, str(item.collection_id)),
        "type": "application/json",
    }
    document["links"] = [*(each for each in kept if each["rel"] != "collection"), collection]
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True).encode()


def _moment(item: Item) -> datetime:
    fields = search_fields_of(str(item.collection_id), {"id": item.id, "properties": item.properties})
    return datetime.fromtimestamp(fields.created or 0.0, UTC)
