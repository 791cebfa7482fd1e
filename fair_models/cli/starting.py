"""Commands that start work: each is a deployment run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fair_models.cli import work
from fair_models.cli.options import Json, Verbose, Wait, absolute, assignments, build, text_of
from fair_models.params import (
    AuditParams,
    FinetuneParams,
    Gate,
    IngestDatasetParams,
    PredictParams,
    PromoteParams,
    RegisterModelParams,
)

_PANEL = "Work (needs a server: fair-models up)"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command in (
        ("register", register),
        ("ingest", ingest),
        ("finetune", finetune),
        ("promote", promote),
        ("predict", predict),
        ("audit", audit),
    ):
        app.command(name, rich_help_panel=_PANEL)(command)


def register(
    source: Annotated[str, typer.Argument(help=text_of(RegisterModelParams, "source"))],
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
) -> None:
    """Publish a base model: a contribution's folder or a finished item."""
    params = build(RegisterModelParams, "register", {"source": absolute(source)})
    work.do("register-model", params, wait=wait, verbose=verbose, title="Registered")


def ingest(
    name: Annotated[str, typer.Argument(help=text_of(IngestDatasetParams, "name"))],
    chips: Annotated[str, typer.Argument(help=text_of(IngestDatasetParams, "chips"))],
    labels: Annotated[str | None, typer.Option(help=text_of(IngestDatasetParams, "labels"))] = None,
    title: Annotated[str | None, typer.Option(help="Title for people. Default: the name.")] = None,
    description: Annotated[str | None, typer.Option(help=text_of(IngestDatasetParams, "description"))] = None,
    classes: Annotated[
        list[str] | None, typer.Option("--class", help=text_of(IngestDatasetParams, "classes"))
    ] = None,
    class_property: Annotated[
        str | None, typer.Option(help=text_of(IngestDatasetParams, "class_property"))
    ] = None,
    keywords: Annotated[
        list[str] | None, typer.Option("--keyword", help=text_of(IngestDatasetParams, "keywords"))
    ] = None,
    license: Annotated[str | None, typer.Option(help=text_of(IngestDatasetParams, "license"))] = None,  # noqa: A002
    provider: Annotated[str | None, typer.Option(help=text_of(IngestDatasetParams, "provider"))] = None,
    source_imagery: Annotated[
        str | None, typer.Option(help=text_of(IngestDatasetParams, "source_imagery"))
    ] = None,
    held_out_ratio: Annotated[
        float | None, typer.Option(help=text_of(IngestDatasetParams, "held_out_ratio"))
    ] = None,
    buffer_m: Annotated[float | None, typer.Option(help=text_of(IngestDatasetParams, "buffer_m"))] = None,
    seed: Annotated[int | None, typer.Option(help=text_of(IngestDatasetParams, "seed"))] = None,
    zoom: Annotated[str | None, typer.Option(help=text_of(IngestDatasetParams, "zoom"))] = None,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
) -> None:
    """Publish image chips and labels as a dataset."""
    values = {
        "name": name,
        "title": title or name,
        "description": description,
        "chips": absolute(chips),
        "labels": absolute(labels),
        "classes": classes,
        "class_property": class_property,
        "keywords": keywords,
        "license": license,
        "provider": provider,
        "source_imagery": source_imagery,
        "held_out_ratio": held_out_ratio,
        "buffer_m": buffer_m,
        "seed": seed,
        "zoom": int(zoom) if zoom and zoom.isdigit() else zoom,
    }
    params = build(IngestDatasetParams, "ingest", values)
    work.do("ingest-dataset", params, wait=wait, verbose=verbose, title="Ingested")


def finetune(
    base_model: Annotated[str, typer.Argument(help=text_of(FinetuneParams, "base_model"))],
    dataset: Annotated[str, typer.Argument(help=text_of(FinetuneParams, "dataset"))],
    model_name: Annotated[str, typer.Argument(help=text_of(FinetuneParams, "model_name"))],
    title: Annotated[str | None, typer.Option(help=text_of(FinetuneParams, "title"))] = None,
    description: Annotated[str | None, typer.Option(help=text_of(FinetuneParams, "description"))] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter, e.g. --set training.epochs=20."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help=text_of(FinetuneParams, "seed"))] = None,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
) -> None:
    """Train the next version of a model on a dataset."""
    values = {
        "base_model": base_model,
        "dataset": dataset,
        "model_name": model_name,
        "title": title,
        "description": description,
        "overrides": assignments(overrides or [], "--set"),
        "seed": seed,
    }
    params = build(FinetuneParams, "finetune", values)
    work.do("finetune", params, wait=wait, verbose=verbose, tags=[f"model:{model_name}"], title="Trained")


def promote(
    model: Annotated[str, typer.Argument(help=text_of(PromoteParams, "model"))],
    version: Annotated[int | None, typer.Option(help=text_of(PromoteParams, "version"))] = None,
    minimum: Annotated[
        list[str] | None, typer.Option(metavar="METRIC=VALUE", help=text_of(Gate, "minimum"))
    ] = None,
    not_worse_by: Annotated[float | None, typer.Option(help=text_of(Gate, "not_worse_by"))] = None,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
) -> None:
    """Publish a version of a fine-tuned model."""
    gate = {"minimum": assignments(minimum or [], "--minimum"), "not_worse_by": not_worse_by}
    given = {name: value for name, value in gate.items() if value is not None}
    values = {"model": model, "version": version, "gate": given}
    params = build(PromoteParams, "promote", values)
    work.do("promote", params, wait=wait, verbose=verbose, tags=[f"model:{model}"], title="Published")


def predict(
    model: Annotated[str, typer.Argument(help=text_of(PredictParams, "model"))],
    imagery: Annotated[str, typer.Argument(help=text_of(PredictParams, "imagery"))],
    into: Annotated[
        Path | None, typer.Option("--output", "-o", help=text_of(PredictParams, "output"))
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="A parameter, e.g. --set inference.confidence_threshold=0.6."
        ),
    ] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help=text_of(PredictParams, "formats"))
    ] = None,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
) -> None:
    """Run a model over a folder of chips or a georeferenced image."""
    values = {
        "model": model,
        "imagery": absolute(imagery),
        "output": absolute(str(into)) if into else None,
        "parameters": assignments(parameters or [], "--set"),
        "formats": formats,
    }
    params = build(PredictParams, "predict", values)
    work.do("predict", params, wait=wait, verbose=verbose, tags=[f"model:{model}"], title="Predicted")


def audit(
    rules: Annotated[list[str] | None, typer.Option("--rule", help=text_of(AuditParams, "rules"))] = None,
    digests: Annotated[bool, typer.Option(help=text_of(AuditParams, "digests"))] = True,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
) -> None:
    """Check the whole catalogue. Ends with code 1 where it finds errors."""
    params = build(AuditParams, "audit", {"rules": rules, "digests": digests})
    row = work.do("audit", params, wait=wait, verbose=verbose, title="Audited", also=("findings",))
    if row is not None and not row["ok"]:
        raise typer.Exit(1)
