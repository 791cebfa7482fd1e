"""The whole life of a model, from a contribution to a prediction, through the deployments."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import typer

from fair_models.cli import followed_run as work
from fair_models.cli import output
from fair_models.cli.commands import demo_tasks
from fair_models.cli.commands.demo_tasks import TASKS, DemoTask, TaskName
from fair_models.cli.options import Json, Verbose, assignments
from fair_models.client import Client
from fair_models.errors import NotFound
from fair_models.numbers import shown
from fair_models.settings import Settings, current
from fair_models.types import LOCAL_MODELS

_STATE = ("cache", "catalog", "demo", "mlflow", "predictions", "prefect", "run", "store", "zenml")
_MAX_NAME = 40


@dataclass(frozen=True)
class Area:
    """The area that the demo maps.

    name: Stem of the names of dataset and model.
    title: For people.
    chips, labels: Where they lie.
    imagery: What is predicted over.
    provider: Who made the labels.
    license: Under which they may be used. None: the ingest says what it writes.
    """

    name: str
    title: str
    chips: Path
    labels: Path | None
    imagery: Path
    provider: str
    license: str | None = None


def demo(
    task: Annotated[TaskName, typer.Option(help="What the model does.")] = TaskName.SEGMENTATION,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with chips and labels. Default: data that the demo generates."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete all state first.")] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter, e.g. --set training.epochs=5."),
    ] = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Register, ingest, fine-tune, promote, predict and audit once, in a few minutes.

    Starts the local server if none runs. Run it again to train the next version of the model.
    """
    from fair_models.cli import local_server

    settings = current()
    began = time.monotonic()
    chosen = TASKS[task]
    values = {**({} if data else chosen.quick), **assignments(overrides or [], "--set")}
    contribution = demo_tasks.contribution(chosen)
    if fresh:
        _forget(settings)
    area = _generated(chosen, settings) if data is None else _given(data.expanduser().resolve())
    server = local_server.up(settings, output.say)
    rows = _run_all(chosen, area, contribution, values, verbose)
    _show(rows, settings, server.ui, time.monotonic() - began)


def _run_all(
    task: DemoTask, area: Area, contribution: Path, overrides: Mapping[str, Any], verbose: bool
) -> dict[str, Any]:
    """Run one deployment after the other, each with what the one before handed back."""
    dataset, model = f"{area.name}-{task.dataset}", f"{area.name}-{task.model}"
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

        labelled = task.ingest(demo_tasks.labels_of(area.chips, area.labels))
        ingest = {
            "name": dataset,
            "title": area.title,
            "chips": str(area.chips),
            "labels": str(area.labels) if area.labels else None,
            "provider": area.provider,
            **({"license": area.license} if area.license else {}),
            **labelled,
        }
        base = step("register-model", "Register the base model", {"source": str(contribution)})
        data = step("ingest-dataset", _ingest_heading(labelled), ingest)
        asked = {
            "base_model": base["item"],
            "dataset": data["item"],
            "model_name": model,
            "overrides": overrides,
        }
        trained = step("finetune", "Fine-tune", asked)
        published = step("promote", "Publish", {"model": model, "version": trained["version"]})
        if task.maps:
            step("predict", "Predict", {"model": published["item"], "imagery": str(area.imagery)})
        else:
            output.say(f"{next(number)}/6 Ask")
            rows["rank"] = _asked(published["item"])
        step("audit", "Audit", {})
    return rows


def _ingest_heading(labelled: Mapping[str, Any]) -> str:
    """The heading of the ingest; it names the classes if there are several."""
    classes = labelled.get("classes")
    apart = f": {', '.join(classes)}, by the labels' {labelled['class_property']}" if classes else ""
    return f"Ingest the dataset{apart}"


def _asked(model: str) -> dict[str, Any]:
    """Which images a sentence finds, the first of its captions."""
    from fair_models.catalog.opening import open_catalog
    from fair_models.contract.plans.ranking import open_ranker
    from fair_models.store.opening import open_store

    settings = current()
    item = open_catalog(settings).get(LOCAL_MODELS, model)
    ranker = open_ranker(item, open_store(settings))
    sentence = ranker.index.captions[0]
    (found,) = ranker.by_texts([sentence], 3)
    return {"query": sentence, "found": [each.name for each in found]}


def _show(rows: Mapping[str, Any], settings: Settings, ui: str, seconds: float) -> None:
    if output.wants_json():
        output.show_json({**rows, "prefect": ui, "catalog": str(settings.catalog_folder), "seconds": seconds})
        return
    base, data = rows["register-model"], rows["ingest-dataset"]
    model, audit = rows["promote"], rows["audit"]
    replaced = f" (takes the place of {model['replaced']})" if model["replaced"] else ""
    fields = {
        "base model": base["item"],
        "dataset": data["item"],
        "local model": f"{model['item']}{replaced}",
        **{
            str(row["metric"]): f"{shown(row['value'])} (baseline: {shown(row['baseline'])})"
            for row in rows["metrics"]
        },
        "measured on": f"{model['held_out_count']} held-out samples; baseline: {model['baseline_name']}",
        **_used(rows),
        "audit": f"{audit['errors']} errors, {audit['warnings']} warnings in {audit['items']} items",
        "catalogue": settings.catalog_folder / "catalog.json",
        "Prefect": ui,
        "MLflow": f"mlflow ui --backend-store-uri {settings.mlflow_uri}",
        "took": f"{seconds:.0f} s",
        "next": _next(rows),
    }
    output.say("")
    output.show_fields("The whole life of a model", fields)


def _used(rows: Mapping[str, Any]) -> dict[str, Any]:
    """What the model was used for."""
    if "rank" in rows:
        asked = rows["rank"]
        return {"query": asked["query"], "found": ", ".join(asked["found"])}
    prediction = rows["predict"]
    return {
        "found": prediction["by_class"] or "nothing",
        "vectors": prediction["vectors"],
        "preview": prediction["preview"],
    }


def _next(rows: Mapping[str, Any]) -> str:
    name = rows["promote"]["name"]
    if "rank" in rows:
        return f'fair-models rank {name} --text "{rows["rank"]["query"]}"'
    return f"fair-models predict {name} FOLDER_OF_CHIPS"


def _generated(task: DemoTask, settings: Settings) -> Area:
    made = task.generated
    folder = made.at(settings.home)
    return Area(
        name="demo",
        title=made.title,
        chips=folder / made.chips,
        labels=None,
        imagery=folder / made.imagery,
        provider="fair-models (generated)",
        license="CC-BY-4.0",
    )


def _given(folder: Path) -> Area:
    """Chips and labels as people keep them: input/ with both, chips/ beside labels.geojson, one folder."""
    from slugify import slugify

    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}")
    chips = next((folder / name for name in ("input", "chips") if (folder / name).is_dir()), folder)
    labels = folder / "labels.geojson"
    unseen = folder / "prediction" / "input"
    name = slugify(folder.name)[:_MAX_NAME].strip("-") or "area"
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
