"""The whole life of a model, from a contribution to a prediction, through the deployments."""

from __future__ import annotations

import json as json_module
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import typer

from fair_models.cli import output, work
from fair_models.cli.options import Json, Verbose, assignments
from fair_models.client import Client
from fair_models.errors import Invalid, NotFound
from fair_models.settings import Settings, checkout_root, current

SEED = 7
COLUMNS = 8
"""Columns of chips that are predicted: as many as are learnt from."""
QUICK = {"training.epochs": 40}
"""Enough for an invented settlement: the base models have seen others of the kind."""

TASK = "semantic-segmentation"
_STATE = ("cache", "catalog", "demo", "mlflow", "predictions", "prefect", "run", "store", "zenml")
_MOST_NAME = 40


@dataclass(frozen=True)
class Area:
    """What the demo maps.

    name: Stem of the names of dataset and model.
    title: For people.
    chips, labels: Where they lie.
    imagery: What is predicted over.
    provider: Who made the labels.
    """

    name: str
    title: str
    chips: Path
    labels: Path | None
    imagery: Path
    provider: str


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", rich_help_panel="Begin here")(demo)


def demo(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with chips and labels. Default: a settlement that is generated."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw all state away first.")] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter, e.g. --set training.epochs=5."),
    ] = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Register, ingest, fine-tune, promote, predict, audit: everything once, in a few minutes.

    Starts the local server if none runs. Run it again, and the model gets its next version.
    """
    from fair_models.cli import local_server

    settings = current()
    began = time.monotonic()
    values = {**({} if data else QUICK), **assignments(overrides or [], "--set")}
    contribution = _contribution()
    if fresh:
        _forget(settings)
    area = _area(data, settings)
    server = local_server.up(settings, output.say)
    rows = _run_all(area, contribution, values, verbose)
    _show(rows, settings, server.ui, time.monotonic() - began)


def _run_all(area: Area, contribution: Path, overrides: Mapping[str, Any], verbose: bool) -> dict[str, Any]:
    """Run one deployment after the other, each with what the one before handed back."""
    dataset, model = f"{area.name}-buildings", f"{area.name}-roofs"
    rows: dict[str, Any] = {}
    number = count(1)
    with Client() as client:

        def step(deployment: str, heading: str, params: Mapping[str, Any]) -> Any:
            output.say(f"{next(number)}/6 {heading}")
            run, row = work.finish(client, client.start(deployment, params, tags=["demo"]), verbose)
            rows[deployment] = row
            if deployment == "promote":
                rows["metrics"] = client.table(run.id, "metrics")
            return row

        ingest = {
            "name": dataset,
            "title": area.title,
            "chips": str(area.chips),
            "labels": str(area.labels) if area.labels else None,
            "provider": area.provider,
        }
        base = step("register-model", "Register the base model", {"source": str(contribution)})
        data = step("ingest-dataset", "Ingest the dataset", ingest)
        asked = {
            "base_model": base["item"],
            "dataset": data["item"],
            "model_name": model,
            "overrides": overrides,
        }
        trained = step("finetune", "Fine-tune", asked)
        published = step("promote", "Publish", {"model": model, "version": trained["version"]})
        step("predict", "Predict", {"model": published["item"], "imagery": str(area.imagery)})
        step("audit", "Audit", {})
    return rows


def _show(rows: Mapping[str, Any], settings: Settings, ui: str, seconds: float) -> None:
    if output.wants_json():
        output.show_json({**rows, "prefect": ui, "catalog": str(settings.catalog_folder), "seconds": seconds})
        return
    base, data = rows["register-model"], rows["ingest-dataset"]
    model, prediction, audit = rows["promote"], rows["predict"], rows["audit"]
    replaced = f" (takes the place of {model['replaced']})" if model["replaced"] else ""
    fields = {
        "base model": base["item"],
        "dataset": data["item"],
        "local model": f"{model['item']}{replaced}",
        **{
            str(row["metric"]): f"{_number(row['value'])} (baseline: {_number(row['baseline'])})"
            for row in rows["metrics"]
        },
        "measured on": f"{model['held_out_count']} held-out samples; baseline: {model['baseline_name']}",
        "found": f"{prediction['features']} features, {prediction['area_m2']:,.0f} m²",
        "vectors": prediction["vectors"],
        "preview": prediction["preview"],
        "audit": f"{audit['errors']} errors, {audit['warnings']} warnings in {audit['items']} items",
        "catalogue": settings.catalog_folder / "catalog.json",
        "Prefect": ui,
        "MLflow": f"mlflow ui --backend-store-uri {settings.mlflow_uri}",
        "took": f"{seconds:.0f} s",
        "next": f"fair-models predict {model['name']} FOLDER_OF_CHIPS",
    }
    output.say("")
    output.show_fields("The whole life of a model", fields)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _contribution() -> Path:
    """The first contribution of the checkout for the task of the demo."""
    checkout = checkout_root()
    if checkout is None:
        raise Invalid(
            "The demo needs a checkout of fair-models, and there is none here or above. Change into one"
        )
    for path in sorted((checkout / "models").glob("*/stac-item.json")):
        properties = json_module.loads(path.read_text(encoding="utf-8"))["properties"]
        if TASK in properties.get("mlm:tasks", []):
            return path.parent
    raise NotFound(f"No contribution in {checkout / 'models'} is for {TASK}")


def _area(data: Path | None, settings: Settings) -> Area:
    return _generated(settings) if data is None else _given(data.expanduser().resolve())


def _generated(settings: Settings) -> Area:
    """An invented settlement, made once; the same on every machine."""
    from fair_models.data.synthetic import make_settlement

    folder = settings.home / "demo" / f"settlement-{SEED}"
    if not folder.is_dir():
        output.say("making the imagery of a settlement")
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        make_settlement(part, seed=SEED, prediction_columns=COLUMNS).rename(folder)
    return Area(
        name="demo",
        title="Invented settlement",
        chips=folder / "input",
        labels=None,
        imagery=folder / "prediction" / "input",
        provider="fair-models (generated)",
    )


def _given(folder: Path) -> Area:
    """Chips and labels as people keep them: input/ with both, chips/ beside labels.geojson, one folder."""
    from slugify import slugify

    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}")
    chips = next((folder / name for name in ("input", "chips") if (folder / name).is_dir()), folder)
    labels = folder / "labels.geojson"
    unseen = folder / "prediction" / "input"
    name = slugify(folder.name)[:_MOST_NAME].strip("-") or "area"
    return Area(
        name=name if name[0].isalpha() else f"area-{name}",
        title=folder.name,
        chips=chips,
        labels=labels if labels.is_file() else None,
        imagery=unseen if unseen.is_dir() else chips,
        provider="",
    )


def _forget(settings: Settings) -> None:
    """Stop what runs, and remove what fair-models made under its home; other files there stay."""
    from fair_models.cli import local_server

    local_server.down(settings)
    for name in _STATE:
        shutil.rmtree(settings.home / name, ignore_errors=True)
