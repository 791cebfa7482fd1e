"""Change what people read of a published version. Its bytes, metrics and lineage stay as they are."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pystac import Item

from fair_models.catalog.changes import transitions
from fair_models.catalog.items import edited
from fair_models.catalog.protocol import Catalog
from fair_models.errors import Invalid
from fair_models.text import Prose, Sentence
from fair_models.types import CollectionId, Title

MAX_METADATA_BYTES = 64 * 2**10
MAX_DEPTH = 8
_LARGEST = 2**53 - 1
"""The largest whole number that every reader of JSON keeps."""


def _is_some(text: str) -> str:
    if not text.strip():
        raise ValueError("write some text")
    return text


def _plain(metadata: dict[str, Any]) -> dict[str, Any]:
    if reason := next(_problems(metadata, 0), None):
        raise ValueError(reason)
    if len(json.dumps(metadata)) > MAX_METADATA_BYTES:
        raise ValueError(f"it is longer than {MAX_METADATA_BYTES} bytes of JSON")
    return metadata


def _problems(value: Any, depth: int) -> Iterator[str]:
    """Why a value cannot be kept as JSON that every reader reads alike."""
    if depth > MAX_DEPTH:
        yield f"it is nested deeper than {MAX_DEPTH}"
        return
    match value:
        case dict():
            for name, each in value.items():
                yield from _problems(name, depth)
                yield from _problems(each, depth + 1)
        case list():
            for each in value:
                yield from _problems(each, depth + 1)
        case str():
            if any(not (each.isprintable() or each in "\n\t ") for each in value):
                yield "it has characters that cannot be seen"
        case bool() | None:
            pass
        case int() if abs(value) > _LARGEST:
            yield f"it has a number beyond {_LARGEST}: write it as text"
        case float() if not math.isfinite(value):
            yield "it has a number that is not finite"


def _patch_schema(schema: dict[str, Any]) -> None:
    """A field that is left out has no value: it stays as it is."""
    for field in ("title", "description", "keywords"):
        schema["properties"][field].pop("default")
    schema |= {
        "minProperties": 1,
        "examples": [{"title": "Roofs of Banepa, 2026", "metadata": {"project": "Banepa"}}],
    }


class Description(BaseModel):
    """What is to be changed. Fields that are left out stay as they are (RFC 7396, merge patch)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_patch_schema)

    title: Annotated[Title, Field(min_length=1), AfterValidator(_is_some)] = Field(
        "", description="One line of up to 120 characters."
    )
    description: Annotated[Prose, Field(min_length=1, max_length=20_000), AfterValidator(_is_some)] = Field(
        "", description="Text of up to 20000 characters."
    )
    keywords: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        [],
        min_length=1,
        max_length=50,
        description="Words of the vocabulary, in place of all there are.",
    )
    tags: list[Annotated[Sentence, Field(min_length=1, max_length=60)]] | None = Field(
        None, max_length=50, description="Free words, in place of all there are. null: none."
    )
    metadata: Annotated[dict[str, Any], Field(max_length=200), AfterValidator(_plain)] | None = Field(
        None,
        description="Fields of your own, merged into those that there are: null takes a field out. null in "
        "place of all takes all out. At most 64 KiB of JSON.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Description:
        if not self.model_fields_set:
            raise ValueError("it changes nothing: name title, description, keywords, tags or metadata")
        return self


def describe(catalog: Catalog, item: Item, wanted: Description) -> Item:
    """Change what people read of a published version.

    Args:
        catalog: Where it is published.
        item: The version as it was read.
        wanted: What is to be changed.

    Returns:
        The version as the catalogue has it now. Where all was so already, nothing was changed.

    Raises:
        InvalidItem: It would break its profile, such as with keywords that do not go together.
        Conflict: Somebody else changed it meanwhile.
    """
    values = _values(item, wanted)
    if any(item.properties.get(name) != value for name, value in values.items()):
        catalog.commit(transitions.describing(item, values, transitions.now()))
    return catalog.get(cast(CollectionId, item.collection_id), item.id)


def _values(item: Item, wanted: Description) -> dict[str, Any]:
    """Properties by name; None for those that go."""
    names = {"tags": edited.TAGS, "metadata": edited.METADATA}
    said = {names.get(name, name): getattr(wanted, name) for name in wanted.model_fields_set}
    for name in ("keywords", edited.TAGS):
        if said.get(name):
            said[name] = list(dict.fromkeys(said[name]))
    if said.get(edited.METADATA) is not None:
        before = item.properties.get(edited.METADATA)
        said[edited.METADATA] = _merged(before, said[edited.METADATA])
        if len(json.dumps(said[edited.METADATA])) > MAX_METADATA_BYTES:
            raise Invalid(
                f"With it metadata would be longer than {MAX_METADATA_BYTES} bytes: take fields out"
            )
    return {name: value if value not in ([], {}) else None for name, value in said.items()}


def _merged(before: Any, patch: Any) -> Any:
    """A merge patch (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    found = dict(before) if isinstance(before, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = _merged(found.get(name), value)
    return found
