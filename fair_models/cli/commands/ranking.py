"""The command that finds images by sentences and sentences by images. It needs no server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fair_models.cli import output
from fair_models.cli.options import Json
from fair_models.errors import Invalid
from fair_models.settings import current

if TYPE_CHECKING:
    from pystac import Item

    from fair_models.inference.ranking import RankedItem, Ranker

_IMAGES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".jp2"})
_MAX_QUERIES = 10_000
_AT_ONCE = 64


def rank(
    model: Annotated[str, typer.Argument(help="A fine-tuned model: a name (its current version) or an id.")],
    text: Annotated[
        list[str] | None, typer.Option(help="A sentence to find images for. May be repeated.")
    ] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(help="An image to find captions for. May be repeated."),
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option(help="Text file with a query on each line: the path of an image, or a sentence."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of answers to each query.")] = 10,
    json: Json = False,
) -> None:
    """Find the chips that a sentence describes, or the captions of an image."""
    from fair_models.catalog import names
    from fair_models.catalog.opening import open_catalog
    from fair_models.contract.plans.ranking import open_ranker
    from fair_models.store.opening import open_store
    from fair_models.training import references

    texts, images = _queries(text or [], image or [], batch)
    settings = current()
    item = references.resolve(open_catalog(settings), names.MODELS, model, references.ledger_here)
    ranker = open_ranker(item, open_store(settings))
    _warn(ranker, texts)
    rows = [
        *_rows(texts, _in_parts(texts, lambda part: ranker.by_texts(part, top))),
        *_rows(
            [str(path) for path in images],
            _in_parts(images, lambda part: ranker.by_images(_pixels(item, part), top)),
        ),
    ]
    if output.wants_json():
        output.show_json(rows)
        return
    output.show_rows(f"Most similar, by {item.id}", _readable(rows), "Nothing is found")


def _queries(texts: list[str], images: list[Path], batch: Path | None) -> tuple[list[str], list[Path]]:
    if batch is not None:
        try:
            lines = [line.strip() for line in batch.expanduser().read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(
                f"{batch} cannot be read as text ({error}). Write one query on each line"
            ) from error
        paths = {
            line: batch.expanduser().parent / Path(line).expanduser() for line in lines if _names_image(line)
        }
        texts = [*texts, *(line for line in lines if line and line not in paths)]
        images = [*images, *(paths[line] for line in lines if line in paths)]
    count = len(texts) + len(images)
    if not count:
        raise Invalid("There is no query. Give --text, --image or --batch (a file with a query on each line)")
    if count > _MAX_QUERIES:
        raise Invalid(f"There are {count} queries, and the maximum is {_MAX_QUERIES}. Give fewer at a time")
    return texts, images


def _readable(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows for people: places to the metre; no query where there is one, no places where none has one."""
    places = ("longitude", "latitude")
    hidden = {"query"} if len({row["query"] for row in rows}) == 1 else set()
    if all(row[name] is None for row in rows for name in places):
        hidden |= set(places)
    written = [{**row, **{name: _degrees(row[name]) for name in places}} for row in rows]
    return [{name: value for name, value in row.items() if name not in hidden} for row in written]


def _degrees(value: float | None) -> str | None:
    return None if value is None else f"{value:.5f}"


def _names_image(line: str) -> bool:
    return Path(line).suffix.lower() in _IMAGES


def _pixels(item: Item, paths: Sequence[Path]) -> list[Any]:
    from fair_models import imagery_rules
    from fair_models.catalog.items.model import ModelItem
    from fair_models.data.texts.captioned_images import read_whole

    facts = ModelItem(item).input
    for path in paths:
        if not path.expanduser().is_file():
            raise Invalid(f"There is no image {path}. Give its path on this machine")
    rules = imagery_rules.of(item.properties, item.id)
    return [read_whole(path.expanduser(), facts.size_px, facts.resampling, rules) for path in paths]


def _warn(ranker: Ranker, texts: Sequence[str]) -> None:
    unknown = ranker.unread(texts)
    if unknown:
        output.say(f"The model has never read: {', '.join(unknown[:10])}. Only the other words count.")


def _in_parts(queries: Sequence[Any], answer: Any) -> list[list[RankedItem]]:
    """Answers to many queries, some at a time, so that memory stays small."""
    starts = range(0, len(queries), _AT_ONCE)
    return [found for start in starts for found in answer(queries[start : start + _AT_ONCE])]


def _rows(queries: Sequence[str], answers: Sequence[Sequence[RankedItem]]) -> list[dict[str, Any]]:
    return [
        {
            "query": query,
            "rank": place,
            "name": found.name,
            "score": round(found.score, 4),
            "longitude": None if found.place is None else round(found.place[0], 6),
            "latitude": None if found.place is None else round(found.place[1], 6),
        }
        for query, answer in zip(queries, answers, strict=True)
        for place, found in enumerate(answer, start=1)
    ]
