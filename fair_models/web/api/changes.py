"""Changes of what is published: what people read of a version, and its pin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Depends, Request, Security
from pydantic import BaseModel, ConfigDict, Field
from pystac import Item
from starlette.responses import Response

from fair_models.catalog.items.versions import split_id
from fair_models.errors import Conflict
from fair_models.publishing import descriptions, pins
from fair_models.publishing.descriptions import Description
from fair_models.text import Sentence
from fair_models.types import DATASETS, CollectionId
from fair_models.web import conditional
from fair_models.web.access import needs
from fair_models.web.api import documents, lookup, presentation
from fair_models.web.api.answers import answer, body_of
from fair_models.web.api.strict import StrictRoute
from fair_models.web.auth import rights
from fair_models.web.callers import Caller, kind_of
from fair_models.web.database.late import LateDatabase
from fair_models.web.registry import Registry

LOCAL = "local"
"""Who pins where nobody signs in."""

Changer = Annotated[Caller, Security(needs, scopes=["run"])]
"""Who changes something: their token has the scope run, and the name is theirs (see `rights.touch`)."""

router = APIRouter(route_class=StrictRoute, dependencies=[Security(needs, scopes=["run"])])

_IF_MATCH: Final[dict[str, Any]] = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "ETag of the state that you read, or * for any. Without it the answer is 428, and 412 "
    "where somebody has changed it since.",
    "schema": {"type": "string", "pattern": r'^(\*|"[!#-~]*"(, *"[!#-~]*")*)$'},
    "example": '"0123456789abcdef0123456789abcdef"',
}
"""Described by hand: the answer to a request without it is 428, and not 422."""

_CHANGE: Final[dict[str, Any]] = {"parameters": [_IF_MATCH]}
_MERGE: Final[dict[str, Any]] = {
    **_CHANGE,
    "requestBody": {
        "content": {
            "application/merge-patch+json": {"schema": {"$ref": "#/components/schemas/Description"}},
            "application/json": {"schema": {"$ref": "#/components/schemas/Description"}},
        },
        "required": True,
    },
}


class Reason(BaseModel):
    """Why a version is pinned."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Sentence, Field(min_length=3, max_length=500)] = Field(
        description="One line of 3 to 500 characters.", examples=["In use for the flood maps"]
    )


class Changing:
    """One change of one version by one caller."""

    def __init__(
        self,
        request: Request,
        caller: Changer,
        seen: lookup.Seen,
        registry: lookup.Whole,
        base: lookup.Base,
    ) -> None:
        self._request, self._caller, self._seen = request, caller, seen
        self._registry, self._base = registry, base

    @property
    def by(self) -> str:
        """Who changes it."""
        return self._caller.owner or LOCAL

    def change(self, shown: Item, work: Callable[[Registry, Item], Item]) -> Response:
        """Make the change, if it may be made, and answer with what came of it.

        Args:
            shown: The version as the caller sees it.
            work: Changes the version as the catalogue has it, and gives the new one.

        Raises:
            NotFound, Problem: The caller may not change it, or If-Match is missing or names another state.
        """
        collection = cast(CollectionId, shown.collection_id)
        if self._registry.settings.web_auth != "off":
            name, _ = split_id(shown.id)
            database = cast(LateDatabase, self._request.app.state.database).open()
            rights.touch(database, self._registry.catalog, self._caller, kind_of(collection), name)
        what = f"{collection}/{shown.id}"
        conditional.require_match(
            self._request, conditional.tag_of(body_of(_document(shown, self._base))), what
        )
        whole = self._registry.catalog.get(collection, shown.id)
        if self._seen.shown(whole).to_dict(transform_hrefs=False) != shown.to_dict(transform_hrefs=False):
            raise conditional.changed(what)  # between the two reads
        try:
            changed = work(self._registry, whole)
        except Conflict as error:
            raise conditional.changed(what) from error
        return answer(self._request, _document(self._seen.shown(changed), self._base))


Change = Annotated[Changing, Depends()]


@router.patch(
    "/models/{reference}",
    response_model=documents.ModelDocument,
    openapi_extra=_MERGE,
    tags=["Models"],
    summary="Change title, description, keywords, tags or metadata of a model",
)
def describe_model(
    item: Annotated[Item, Depends(lookup.model)], wanted: Description, change: Change
) -> Response:
    """A merge patch: fields that are left out stay. For the owner of the name, its maintainers and admins."""
    return change.change(item, lambda registry, whole: descriptions.describe(registry.catalog, whole, wanted))


@router.patch(
    "/datasets/{reference}",
    response_model=documents.DatasetDocument,
    openapi_extra=_MERGE,
    tags=["Datasets"],
    summary="Change title, description, keywords, tags or metadata of a dataset",
)
def describe_dataset(
    item: Annotated[Item, Depends(lookup.dataset)], wanted: Description, change: Change
) -> Response:
    """A merge patch: fields that are left out stay. For the owner of the name, its maintainers and admins."""
    return change.change(item, lambda registry, whole: descriptions.describe(registry.catalog, whole, wanted))


@router.put(
    "/models/{name}/versions/{number}/pin",
    response_model=documents.ModelDocument,
    openapi_extra=_CHANGE,
    tags=["Models"],
    summary="Pin a version of a model",
)
def pin_model(
    item: Annotated[Item, Depends(lookup.model_version)], wanted: Reason, change: Change
) -> Response:
    """Nothing deletes it before the pin is off. The same again changes nothing."""
    return change.change(
        item,
        lambda registry, whole: pins.pin_published(registry.catalog, whole, wanted.reason, change.by),
    )


@router.delete(
    "/models/{name}/versions/{number}/pin",
    response_model=documents.ModelDocument,
    openapi_extra=_CHANGE,
    tags=["Models"],
    summary="Take the pin off a version of a model",
)
def unpin_model(item: Annotated[Item, Depends(lookup.model_version)], change: Change) -> Response:
    """Without a pin nothing happens."""
    return change.change(
        item, lambda registry, whole: pins.pin_published(registry.catalog, whole, None, change.by)
    )


@router.put(
    "/datasets/{name}/versions/{number}/pin",
    response_model=documents.DatasetDocument,
    openapi_extra=_CHANGE,
    tags=["Datasets"],
    summary="Pin a version of a dataset",
)
def pin_dataset(
    item: Annotated[Item, Depends(lookup.dataset_version)], wanted: Reason, change: Change
) -> Response:
    """Nothing deletes it before the pin is off. The same again changes nothing."""
    return change.change(
        item,
        lambda registry, whole: pins.pin_published(registry.catalog, whole, wanted.reason, change.by),
    )


@router.delete(
    "/datasets/{name}/versions/{number}/pin",
    response_model=documents.DatasetDocument,
    openapi_extra=_CHANGE,
    tags=["Datasets"],
    summary="Take the pin off a version of a dataset",
)
def unpin_dataset(item: Annotated[Item, Depends(lookup.dataset_version)], change: Change) -> Response:
    """Without a pin nothing happens."""
    return change.change(
        item, lambda registry, whole: pins.pin_published(registry.catalog, whole, None, change.by)
    )


def _document(item: Item, base: str) -> documents.ModelDocument | documents.DatasetDocument:
    if item.collection_id == DATASETS:
        return presentation.dataset_document(item, base)
    return presentation.model_document(item, base)
