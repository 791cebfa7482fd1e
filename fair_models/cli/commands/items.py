"""Commands that read items of the catalogue. They need no server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fair_models.choices import Choice
from fair_models.cli import output
from fair_models.cli.commands.pages import Cursor, Limit, Where, show_page
from fair_models.cli.options import Json, text_of
from fair_models.errors import Invalid
from fair_models.numbers import with_interval
from fair_models.settings import current
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pystac import Item

    from fair_models.catalog.items.model import ModelItem
    from fair_models.catalog.query import Ancestor

COLLECTIONS: tuple[CollectionId, ...] = (BASE_MODELS, DATASETS, LOCAL_MODELS)
_HIDDEN = frozenset(
    {
        "mlm:input",
        "mlm:output",
        "mlm:hyperparameters",
        "fair:hyperparameters_spec",
        "fair:metrics_spec",
        "fair:gate",
        "fair:baseline",
        "fair:class_metrics",
        "fair:confusion",
        "fair:metric_ceilings",
        "fair:agreement",
        "fair:label_report",
        "fair:left_out",
        "fair:mapped_area",
        "fair:areas",
        "fair:changes",
    }
)


def list_items(
    collection: Annotated[
        str | None, typer.Argument(help="base-models, datasets or local-models. Default: all three.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="List deprecated versions too.")] = False,
    where: Where = None,
    order: Annotated[str, typer.Option(help=text_of(Choice, "order"))] = "name",
    limit: Limit = 100,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """List what is published, page by page: all of it, or what conditions match."""
    from fair_models.catalog import query
    from fair_models.catalog.opening import name_of, open_catalog

    choice = Choice.of(where or [], collections=_chosen(collection), order=order, limit=limit, cursor=cursor)
    if everything:
        choice = choice.model_copy(update={"deprecated": None})
    catalog = open_catalog(current())
    page = query.page(catalog, choice)
    rows = [_row(item) for item in page.found]
    columns = ("collection", "item", "metric", "value", "title", *(["deprecated"] if everything else []))
    shown = [{key: told[key] for key in columns} for told in map(_with_interval, rows)]
    where_from = name_of(catalog)
    nothing = f"Nothing is published yet in {where_from}. Begin with: fair-models demo"
    if where or cursor:
        nothing = f"Nothing matches in {where_from}. Leave out --where to list everything"
    show_page(page, shown, rows, (f"Published in {where_from}", nothing))


def show(
    item: Annotated[str, typer.Argument(help="A name (its current version) or an exact id.")],
    json: Json = False,
) -> None:
    """Show one item; with --json the whole STAC item."""
    from fair_models.catalog import query
    from fair_models.catalog.items.model import ModelItem
    from fair_models.catalog.opening import name_of, open_catalog
    from fair_models.reports import cards
    from fair_models.training import references

    catalog = open_catalog(current())
    places: list[CollectionId] = [LOCAL_MODELS, BASE_MODELS, DATASETS]
    found = references.resolve(catalog, places, item, references.ledger_here)
    if output.wants_json():
        output.show_json(found.to_dict(transform_hrefs=False))
        return
    properties = {name: value for name, value in found.properties.items() if name not in _HIDDEN}
    model = ModelItem(found)
    if model.gate:
        properties["gate"] = cards.gate(model.gate)
    if model.agreement is not None:
        properties["fast against exact"] = model.agreement.sentence
    files = {f"{key} file": asset.href for key, asset in found.assets.items()}
    places_of_it = {"item": found.get_self_href(), "catalogue": name_of(catalog)}
    output.show_fields(found.id, {**properties, **files, **places_of_it})
    _show_ancestors(query.ancestors(catalog, found))
    _show_metrics(model)
    _show_areas_and_changes(found)
    _show_label_report(found)
    if model.hyperparameters:
        rows = [
            {"hyperparameter": key, "value": value, **_bounds(model.hyperparameter_spec.get(key, {}))}
            for key, value in model.hyperparameters.items()
        ]
        output.show_rows("\nHyperparameters (change one with --set NAME=VALUE)", rows, "")


def _show_ancestors(ancestors: Sequence[Ancestor]) -> None:
    """The items that an item derives from, each indented below what derives from it."""
    if not ancestors:
        return
    rows = [
        {
            "item": f"{'  ' * each.depth}{each.id}",
            "collection": each.collection,
            "title": "see above" if each.is_repeated else each.title,
        }
        for each in ancestors
    ]
    output.show_rows("\nDerived from", rows, "")


def _show_areas_and_changes(item: Item) -> None:
    """The areas of a dataset, and what is new since the version before; nothing for other items."""
    from fair_models.catalog.items.dataset import DatasetItem
    from fair_models.reports import version_changes

    data = DatasetItem(item)
    if data.areas:
        output.show_rows("\nAreas", data.areas, "")
    if data.changes:
        unchanged = [f"Labels, chips and split are those of {data.changes['since']}"]
        output.say("\n" + "\n".join(version_changes.sentences(data.changes) or unchanged))


def _show_metrics(model: ModelItem) -> None:
    """Metrics and classes of a fine-tuned model; nothing for other items."""
    from fair_models.catalog.items import guesses
    from fair_models.reports import metrics

    if not model.baseline:
        return
    measured = metrics.of_item(model)
    output.show_rows(f"\n{measured.told}", measured.table(), "")
    if doubt := guesses.doubt_of_item(model.properties):
        output.say(f"No better than guessing: {doubt}")
    for title, rows in measured.tables():
        output.show_rows(f"\n{title}", rows, "")


def _show_label_report(item: Item) -> None:
    """What the report on a dataset's labels found; nothing for other items."""
    from fair_models.catalog.items.dataset import DatasetItem
    from fair_models.reports import label_findings

    data = DatasetItem(item)
    if item.collection_id != DATASETS or data.label_report is None:
        return
    found = label_findings.rows(data)
    output.show_rows(f"\n{label_findings.TITLE}", found, "\nLabels: nothing was found")
    for sentence in label_findings.sentences(data):
        output.say(f"{sentence}.")
    if rows := label_findings.left_out(data):
        output.show_rows("\nLeft out of training and evaluation because of their labels", rows, "")


def _chosen(collection: str | None) -> tuple[CollectionId, ...]:
    if collection is None:
        return COLLECTIONS
    chosen = tuple(name for name in COLLECTIONS if name == collection)
    if not chosen:
        raise Invalid(f"There is no collection {collection!r}. There are {', '.join(COLLECTIONS)}")
    return chosen


def _bounds(entry: dict[str, Any]) -> dict[str, Any]:
    """The allowed values of a hyperparameter: its choices, or its minimum and maximum."""
    choices = entry.get("values")
    minimum, maximum = entry.get("min", ""), entry.get("max", "")
    return {
        "type": entry.get("type"),
        "allowed": ", ".join(map(str, choices))
        if choices
        else f"{minimum} to {maximum}"
        if "min" in entry
        else None,
    }


def _with_interval(row: dict[str, Any]) -> dict[str, Any]:
    """A row for people: the metric is told where it was measured, its value with the interval."""
    value = None if row["value"] is None else with_interval(row["value"], row["low"], row["high"])
    return {**row, "metric": value and row["metric"], "value": value}


def _row(item: Item) -> dict[str, Any]:
    from fair_models.catalog.items.model import ModelItem
    from fair_models.reports import metrics

    properties = item.properties
    main = metrics.of_item(ModelItem(item)).main
    return {
        "collection": item.collection_id,
        "item": item.id,
        "version": properties.get("version"),
        "title": properties.get("title"),
        "deprecated": bool(properties.get("deprecated")),
        "pinned": properties.get("fair:pinned"),
        "metric": main.metric if main else None,
        "value": main.value if main else None,
        "low": main.low if main else None,
        "high": main.high if main else None,
        "href": item.get_self_href(),
    }
