"""Commands that start work: each is a deployment run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from fair_models.cli import run
from fair_models.cli.metrics import metric_of
from fair_models.cli.options import (
    Again,
    DryRun,
    Json,
    Key,
    Verbose,
    Wait,
    absolute,
    assignments,
    build,
    is_given_by_value,
    text_of,
)
from fair_models.cli.run import How
from fair_models.errors import InvalidParameters
from fair_models.params import (
    AuditParams,
    FinetuneParams,
    Gate,
    IngestDatasetParams,
    PredictParams,
    PromoteParams,
    RegisterModelParams,
    RepeatParams,
    RetireParams,
)

CHANGES = ("changes",)
"""The table of what was changed, or would be."""

_PANEL = "Work (needs a server: fair-models up)"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command in (
        ("register", register),
        ("ingest", ingest),
        ("finetune", finetune),
        ("promote", promote),
        ("retire", retire),
        ("predict", predict),
        ("audit", audit),
    ):
        app.command(name, rich_help_panel=_PANEL)(command)


def done(word: str, dry_run: bool) -> str:
    """The title of a result."""
    return f"{word} (dry run: nothing was changed)" if dry_run else word


def register(
    source: Annotated[str, typer.Argument(help=text_of(RegisterModelParams, "source"))],
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
    random_start: Annotated[
        bool, typer.Option("--random-start", help=text_of(RegisterModelParams, "random_start"))
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Publish a base model: a contribution's folder or a finished item."""
    values = {"source": absolute(source), "random_start": random_start, "dry_run": dry_run}
    params = build(RegisterModelParams, "register", values)
    how = How(wait, verbose, key, again)
    run.do("register-model", params, how, title=done("Registered", dry_run), also=CHANGES)


def ingest(
    name: Annotated[str, typer.Argument(help=text_of(IngestDatasetParams, "name"))],
    chips: Annotated[str, typer.Argument(help=text_of(IngestDatasetParams, "chips"))],
    labels: Annotated[str | None, typer.Option(help=text_of(IngestDatasetParams, "labels"))] = None,
    captions: Annotated[str | None, typer.Option(help=text_of(IngestDatasetParams, "captions"))] = None,
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
    gsd_m: Annotated[float | None, typer.Option(help=text_of(IngestDatasetParams, "gsd_m"))] = None,
    fill: Annotated[str | None, typer.Option(help=text_of(IngestDatasetParams, "fill"))] = None,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Publish image chips and labels as a dataset."""
    values = {
        "name": name,
        "title": title or name,
        "description": description,
        "chips": absolute(chips),
        "labels": absolute(labels),
        "captions": captions,
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
        "gsd_m": gsd_m,
        "fill": fill,
        "dry_run": dry_run,
    }
    params = build(IngestDatasetParams, "ingest", values)
    how = How(wait, verbose, key, again)
    run.do("ingest-dataset", params, how, title=done("Ingested", dry_run), also=CHANGES)


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
    key: Key = None,
    again: Again = False,
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
    run.do("finetune", params, How(wait, verbose, key, again), tags=[f"model:{model_name}"], title="Trained")


def promote(
    model: Annotated[str, typer.Argument(help=text_of(PromoteParams, "model"))],
    version: Annotated[int | None, typer.Option(help=text_of(PromoteParams, "version"))] = None,
    minimum: Annotated[
        list[str] | None, typer.Option(metavar="METRIC=VALUE", help=text_of(Gate, "minimum"))
    ] = None,
    not_worse_by: Annotated[float | None, typer.Option(help=text_of(Gate, "not_worse_by"))] = None,
    override_reason: Annotated[str | None, typer.Option(help=text_of(Gate, "override_reason"))] = None,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Publish a version of a fine-tuned model, or make one active again that was published before."""
    gate = {
        "minimum": assignments(minimum or [], "--minimum", lambda: f"{metric_of(model)}=0.5"),
        "not_worse_by": not_worse_by,
        "override_reason": override_reason,
    }
    given = {name: value for name, value in gate.items() if value is not None}
    values = {"model": model, "version": version, "gate": given, "dry_run": dry_run}
    params = build(PromoteParams, "promote", values)
    how, title = How(wait, verbose, key, again), done("Published", dry_run)
    run.do("promote", params, how, tags=[f"model:{model}"], title=title, also=CHANGES)


def retire(
    name: Annotated[str, typer.Argument(help=text_of(RetireParams, "name"))],
    version: Annotated[int | None, typer.Option(help=text_of(RetireParams, "version"))] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete for good. Default: archive, which can be taken back.")
    ] = False,
    collection: Annotated[str | None, typer.Option(help=text_of(RetireParams, "collection"))] = None,
    reason: Annotated[str | None, typer.Option(help=text_of(RetireParams, "reason"))] = None,
    force: Annotated[bool, typer.Option("--force", help=text_of(RetireParams, "force"))] = False,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Archive or delete what is published."""
    values = {
        "name": name,
        "version": version,
        "action": "delete" if delete else "archive",
        "collection": collection,
        "reason": reason,
        "force": force,
        "dry_run": dry_run,
    }
    params = build(RetireParams, "retire", values)
    how, title = How(wait, verbose, key, again), done("Deleted" if delete else "Archived", dry_run)
    run.do("retire", params, how, tags=[f"model:{name}"], title=title, also=CHANGES)


def predict(
    model: Annotated[str | None, typer.Argument(help=text_of(PredictParams, "model"))] = None,
    imagery: Annotated[str | None, typer.Argument(help=text_of(PredictParams, "imagery"))] = None,
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
    area: Annotated[str | None, typer.Option(help=text_of(PredictParams, "area"))] = None,
    zoom: Annotated[int | None, typer.Option(help=text_of(PredictParams, "zoom"))] = None,
    holes: Annotated[bool | None, typer.Option(help=text_of(PredictParams, "holes"))] = None,
    regularise: Annotated[
        bool, typer.Option("--regularise", help=text_of(PredictParams, "regularise"))
    ] = False,
    exclude: Annotated[
        str | None, typer.Option(metavar="FILE", help=text_of(PredictParams, "exclude"))
    ] = None,
    exclude_overlap: Annotated[
        float | None, typer.Option(help=text_of(PredictParams, "exclude_overlap"))
    ] = None,
    engine: Annotated[str | None, typer.Option(help=text_of(PredictParams, "engine"))] = None,
    fill: Annotated[str | None, typer.Option(help=text_of(PredictParams, "fill"))] = None,
    most_failed: Annotated[float | None, typer.Option(help=text_of(PredictParams, "most_failed"))] = None,
    sub_runs: Annotated[int | None, typer.Option(help=text_of(PredictParams, "sub_runs"))] = None,
    repeat: Annotated[
        str | None, typer.Option("--from", metavar="PREDICTION", help=text_of(RepeatParams, "prediction"))
    ] = None,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
) -> None:
    """Run a model over chips, an image or tiles, or repeat a prediction (--from)."""
    how, output = How(wait, verbose, key, again), absolute(str(into)) if into else None
    values = {
        "model": model,
        "imagery": absolute(imagery),
        "parameters": assignments(parameters or [], "--set"),
        "formats": formats,
        "area": area if area is None or is_given_by_value(area) else absolute(area),
        "zoom": zoom,
        "holes": holes,
        "regularise": regularise or None,
        "exclude": absolute(exclude),
        "exclude_overlap": exclude_overlap,
        "engine": engine,
        "fill": fill,
        "most_failed": most_failed,
    }
    where = {"output": output, "sub_runs": sub_runs}
    if repeat is not None:
        _refuse_beside_from(values)
        repeated = build(RepeatParams, "predict --from", {"prediction": absolute(repeat), **where})
        run.do("repeat-prediction", repeated, how, title="Predicted again")
        return
    params = build(PredictParams, "predict", {**values, **where})
    run.do("predict", params, how, tags=[f"model:{model}"], title="Predicted")


def _refuse_beside_from(values: Mapping[str, object]) -> None:
    """Beside --from, all but where the results go is the prediction's."""
    given = [name for name, value in values.items() if value not in (None, [], {})]
    if given:
        reasons = [f"{name} is that of the prediction that is repeated; leave it out" for name in given]
        raise InvalidParameters("predict --from", reasons)


def audit(
    rules: Annotated[list[str] | None, typer.Option("--rule", help=text_of(AuditParams, "rules"))] = None,
    digests: Annotated[bool, typer.Option(help=text_of(AuditParams, "digests"))] = False,
    sample: Annotated[float | None, typer.Option(help=text_of(AuditParams, "sample"))] = None,
    repair: Annotated[bool, typer.Option("--repair", help=text_of(AuditParams, "repair"))] = False,
    grace_hours: Annotated[float | None, typer.Option(help=text_of(AuditParams, "grace_hours"))] = None,
    licences: Annotated[
        list[str] | None, typer.Option("--licence", help=text_of(AuditParams, "licences"))
    ] = None,
    least: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=VALUE", help="Least value of a metric: see docs/operations.md."),
    ] = None,
    most: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=VALUE", help="Most value of a metric; above it is suspicious."),
    ] = None,
    report: Annotated[Path | None, typer.Option(help=text_of(AuditParams, "report"))] = None,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
) -> None:
    """Check the whole catalogue, and repair what is safe if asked. Ends with code 1 where errors are left."""
    thresholds: dict[str, dict[str, object]] = {}
    for bound, given in (("least", least), ("most", most)):
        for metric, value in assignments(given or [], f"--{bound}", lambda: "fair:building_iou=0.5").items():
            thresholds.setdefault(metric, {})[bound] = value
    values = {
        "rules": rules,
        "digests": digests,
        "sample": sample,
        "repair": repair,
        "grace_hours": grace_hours,
        "licences": licences,
        "thresholds": thresholds,
        "report": absolute(str(report)) if report else None,
    }
    params = build(AuditParams, "audit", values)
    how, also = How(wait, verbose, key, again), ("findings", "repairs") if repair else ("findings",)
    row = run.do("audit", params, how, title="Audited", also=also)
    if row is not None and not row["ok"]:
        raise typer.Exit(1)
