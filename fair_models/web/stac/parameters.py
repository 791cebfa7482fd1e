"""What the routes of the STAC API take, as their description tells it. `asked` reads and checks it."""

# Annotations are no texts here: FastAPI looks at them when the routes are made.
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from stac_fastapi.types.search import APIRequest

_LIMIT = "Items of a page, from 1. A page has at most 1000; `next` links to the following one."
_DATETIME = (
    "RFC 3339 time, or an interval BEGIN/END with .. for an open end. Items are found whose time touches it."
)
_BBOX = (
    "West, south, east, north in degrees, or six numbers with heights. West > east goes over longitude 180."
)
_SORT = "Fields to order by, with - before those that begin with the largest."
_FIELDS = "Fields of items that are wanted, with - before those that are not."
_FILTER = "Condition in CQL2: text (the default), or JSON."
_WORDS = "Words, separated by commas, of which one has to be in id, title, description or keywords."

_OWN = {"filter_": "filter", "filter_lang": "filter-lang", "filter_crs": "filter-crs"}


@dataclass(kw_only=True)
class _PageParameters(APIRequest):
    """Parameters that items of a collection and a search share."""

    limit: Annotated[str | None, Query(description=_LIMIT, examples=["10"])] = None
    bbox: Annotated[str | None, Query(description=_BBOX, examples=["85.51,27.62,85.53,27.64"])] = None
    datetime: Annotated[str | None, Query(description=_DATETIME, examples=["2026-01-01T00:00:00Z/.."])] = None
    token: Annotated[str | None, Query(description="Where the page before ended; `next` has it.")] = None
    filter_: Annotated[str | None, Query(alias="filter", description=_FILTER, examples=["gsd < 0.5"])] = None
    filter_lang: Annotated[str | None, Query(alias="filter-lang", description="cql2-text or cql2-json")] = (
        None
    )
    filter_crs: Annotated[str | None, Query(alias="filter-crs", description="CRS84 alone")] = None
    sortby: Annotated[str | None, Query(description=_SORT, examples=["-datetime"])] = None
    fields: Annotated[str | None, Query(description=_FIELDS, examples=["id,properties.title"])] = None
    q: Annotated[str | None, Query(description=_WORDS, examples=["roofs"])] = None

    def kwargs(self) -> dict[str, Any]:
        """The parameters by their own names."""
        return {_OWN.get(name, name): value for name, value in asdict(self).items()}


@dataclass(kw_only=True)
class ItemsParameters(_PageParameters):
    """Parameters of the items of a collection."""

    collection_id: Annotated[str, Path(description="Id of the collection", examples=["local-models"])]


@dataclass(kw_only=True)
class SearchParameters(_PageParameters):
    """Parameters of a search."""

    collections: Annotated[
        str | None, Query(description="Ids of collections, separated by commas", examples=["local-models"])
    ] = None
    ids: Annotated[str | None, Query(description="Ids of items, separated by commas")] = None
    intersects: Annotated[
        str | None, Query(description="GeoJSON geometry that items touch; in place of bbox")
    ] = None
    query: Annotated[
        str | None, Query(description='Conditions of the older Query extension: {"gsd": {"lte": 0.5}}')
    ] = None


class SearchBody(BaseModel):
    """The body of a search."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    collections: list[str] | str | None = Field(
        None, description="Ids of collections", examples=[["local-models"]]
    )
    ids: list[str] | None = Field(None, description="Ids of items")
    bbox: list[float] | None = Field(None, description=_BBOX, min_length=4, max_length=6)
    intersects: dict[str, Any] | None = Field(None, description="GeoJSON geometry that items touch")
    datetime: str | None = Field(None, description=_DATETIME, examples=["2026-01-01T00:00:00Z/.."])
    limit: int | None = Field(None, description=_LIMIT, ge=1, examples=[10])
    token: str | None = Field(None, description="Where the page before ended; `next` has it.")
    filter_: dict[str, Any] | str | bool | None = Field(None, alias="filter", description=_FILTER)
    filter_lang: str | None = Field(None, alias="filter-lang", description="cql2-json or cql2-text")
    filter_crs: str | None = Field(None, alias="filter-crs", description="CRS84 alone")
    sortby: list[dict[str, Any]] | None = Field(
        None, description=_SORT, examples=[[{"field": "properties.gsd", "direction": "desc"}]]
    )
    fields: dict[str, Any] | list[str] | None = Field(
        None, description=_FIELDS, examples=[{"include": ["properties.title"]}]
    )
    q: list[str] | str | None = Field(None, description=_WORDS, examples=[["roofs"]])
    query: dict[str, Any] | None = Field(None, description="Conditions of the older Query extension")

    def document(self) -> dict[str, Any]:
        """What was sent, by the names that were sent."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class Page(BaseModel):
    """A page of items as GeoJSON. Where fields are chosen, items have these alone."""

    model_config = ConfigDict(extra="allow")

    type: Literal["FeatureCollection"]
    features: list[dict[str, Any]] = Field(description="STAC items, or what was chosen of them")
    links: list[dict[str, Any]] = Field(description="`next` leads to the following page")
    numberReturned: int = Field(description="Items of this page", ge=0)  # noqa: N815 - as STAC writes it
    numberMatched: int | None = Field(None, description="Items of all pages, where counting is quick", ge=0)  # noqa: N815
