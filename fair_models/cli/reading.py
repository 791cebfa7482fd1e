"""Commands that read the catalogue. They need no server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fair_models.cli import output
from fair_models.cli.options import Json
from fair_models.errors import Invalid
from fair_models.settings import current
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId

if TYPE_CHECKING:
    from pystac import Item

_PANEL = "Look"
COLLECTIONS: tuple[CollectionId, ...] = (BASE_MODELS, DATASETS, LOCAL_MODELS)
_HIDDEN = frozenset(
    {
        "mlm:input",
        "mlm:output",
        "mlm:hyperparameters",
        "fair:hyperparameters_spec",
        "fair:metrics_spec",
        "fair:gate",
        "fair:agreement",
    }
)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list", rich_help_panel=_PANEL)(list_items)
    app.command("show", rich_help_panel=_PANEL)(show)


def list_items(
    collection: Annotated[
        str | None, typer.Argument(help="base-models, datasets or local-models. Default: all three.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Deprecated versions too.")] = False,
    json: Json = False,
) -> None:
    """List what is published."""
    from fair_models.catalog.opening import open_catalog

    catalog = open_catalog(current())
    items = [
        item
        for name in _chosen(collection)
        for item in catalog.search(name, deprecated=None if everything else False, order="version")
    ]
    rows = [_row(item) for item in items]
    if output.wants_json():
        output.show_json(rows)
        return
    columns = ("collection", "item", "metric", "title", *(["deprecated"] if everything else []))
    shown = [{key: row[key] for key in columns} for row in rows]
    output.show_rows("Published", shown, "Nothing is published yet. Begin with: fair-models demo")


def show(
    item: Annotated[str, typer.Argument(help="A name (its current version) or an exact id.")],
    json: Json = False,
) -> None:
    """Show one item; with --json the whole STAC item."""
    from fair_models.catalog import agreement, versions
    from fair_models.catalog.opening import open_catalog
    from fair_models.publishing import gates

    found = versions.resolve(open_catalog(current()), [LOCAL_MODELS, BASE_MODELS, DATASETS], item)
    if output.wants_json():
        output.show_json(found.to_dict(transform_hrefs=False))
        return
    properties = {name: value for name, value in found.properties.items() if name not in _HIDDEN}
    if gate := found.properties.get("fair:gate"):
        properties["gate"] = gates.sentence(gate)
    if agreement.FIELD in found.properties:
        properties["fast against exact"] = agreement.read(found.properties).sentence
    files = {f"{key} file": asset.href for key, asset in found.assets.items()}
    derived = [link.href for link in found.links if link.rel == "derived_from"]
    output.show_fields(
        found.id, {**properties, **files, "derived from": derived, "item": found.get_self_href()}
    )
    if values := found.properties.get("mlm:hyperparameters"):
        spec = {entry["key"]: entry for entry in found.properties.get("fair:hyperparameters_spec", [])}
        rows = [
            {"hyperparameter": key, "value": value, **_bounds(spec.get(key, {}))}
            for key, value in values.items()
        ]
        output.show_rows("\nHyperparameters (change one with --set NAME=VALUE)", rows, "")


def _chosen(collection: str | None) -> tuple[CollectionId, ...]:
    if collection is None:
        return COLLECTIONS
    chosen = tuple(name for name in COLLECTIONS if name == collection)
    if not chosen:
        raise Invalid(f"There is no collection {collection!r}. There are {', '.join(COLLECTIONS)}")
    return chosen


def _bounds(entry: dict[str, Any]) -> dict[str, Any]:
    """What a hyperparameter may be: its choices, or its least and largest value."""
    choices = entry.get("values")
    least, most = entry.get("min", ""), entry.get("max", "")
    return {
        "type": entry.get("type"),
        "may be": ", ".join(map(str, choices))
        if choices
        else f"{least} to {most}"
        if "min" in entry
        else None,
    }


def _row(item: Item) -> dict[str, Any]:
    properties = item.properties
    spec = properties.get("fair:metrics_spec") or [{}]
    key = spec[0].get("key")
    value = properties.get(key) if key else None
    return {
        "collection": item.collection_id,
        "item": item.id,
        "version": properties.get("version"),
        "title": properties.get("title"),
        "deprecated": bool(properties.get("deprecated")),
        "metric": f"{key} {value:.4g}" if isinstance(value, float) else None,
        "href": item.get_self_href(),
    }
