"""Commands that start work: each is a deployment run, and takes the parameters of its deployment."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer

from fair_models.cli import followed_run
from fair_models.cli.options import Asked, How, absolute, assignments, takes, text_of
from fair_models.errors import FairModelsError, Invalid, InvalidParameters
from fair_models.params import (
    AuditParams,
    CleanRunsParams,
    CollectFeedbackParams,
    CompareParams,
    FinetuneParams,
    IngestDatasetParams,
    PinParams,
    PredictParams,
    PromoteParams,
    RegisterModelParams,
    RepeatParams,
    RetireParams,
    SearchParams,
    SliceDatasetParams,
)
from fair_models.settings import current
from fair_models.types import LOCAL_MODELS

CHANGES = ("changes",)
"""The table of what was changed, or would be."""

USUAL_METRIC = "fair:building_iou"
"""What a message names where nothing is known of a model."""

_REPEATED = "is that of the prediction that is repeated; leave it out"
_SET = {"overrides": ["--set"], "parameters": ["--set"]}


def done(word: str, dry_run: bool) -> str:
    """The title of a result."""
    return f"{word} (dry run: nothing was changed)" if dry_run else word


@takes(RegisterModelParams, arguments=["source"])
def register(asked: Asked[RegisterModelParams], how: How) -> None:
    """Publish a base model: a contribution's folder or a finished item."""
    params = asked.params()
    followed_run.do("register-model", params, how, title=done("Registered", params.dry_run), also=CHANGES)


@takes(IngestDatasetParams, arguments=["name", "chips"], without=["title"])
def ingest(
    asked: Asked[IngestDatasetParams],
    how: How,
    title: Annotated[str | None, typer.Option(help="Title for people. Default: the name.")] = None,
) -> None:
    """Publish image chips and labels as a dataset."""
    params = asked.params(title=title or asked.given["name"])
    followed_run.do("ingest-dataset", params, how, title=done("Ingested", params.dry_run), also=CHANGES)


@takes(CollectFeedbackParams, arguments=["prediction", "feedback", "dataset"])
def feedback(asked: Asked[CollectFeedbackParams], how: How) -> None:
    """Publish feedback on a prediction as a dataset, to train its model further."""
    params = asked.params()
    followed_run.do("collect-feedback", params, how, title=done("Ingested", params.dry_run), also=CHANGES)


@takes(FinetuneParams, arguments=["base_model", "dataset", "model_name"], names=_SET)
def finetune(asked: Asked[FinetuneParams], how: How) -> None:
    """Train the next version of a model on a dataset."""
    params = asked.params()
    followed_run.do("finetune", params, how, tags=[f"model:{params.model_name}"], title="Trained")


@takes(SearchParams, arguments=["base_model", "dataset", "model_name"], without=["vary"], names=_SET)
def search(
    asked: Asked[SearchParams],
    how: How,
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary",
            metavar="NAME[=RANGE]",
            help="A hyperparameter to vary. NAME alone: what the model allows. NAME=MIN..MAX: this range; "
            "with :log, steps multiply; with :5, a grid has five points. NAME=A,B,C: these values. "
            "Examples: --vary training.learning_rate=0.0001..0.01:log --vary training.width=8,16,32.",
        ),
    ],
) -> None:
    """Search for good hyperparameters: each trial is a version, the best is repeated.

    The best is trained again on all training chips, as a version that can be published.
    """
    params = asked.params(vary=dict(parse_range(each) for each in vary))
    followed_run.do(
        "search", params, how, tags=[f"model:{params.model_name}"], title="Searched", also=("trials",)
    )


@takes(
    PromoteParams,
    arguments=["model"],
    examples={"minimum": lambda typed: f"{metric_of(typed['model'])}=0.5"},
)
def promote(asked: Asked[PromoteParams], how: How) -> None:
    """Publish a version of a fine-tuned model, also one that was published before.

    A version that was published before becomes the active one again.
    """
    params = asked.params()
    title = done("Published", params.dry_run)
    followed_run.do("promote", params, how, tags=[f"model:{params.model}"], title=title, also=CHANGES)


@takes(RetireParams, arguments=["name"], without=["action"])
def retire(
    asked: Asked[RetireParams],
    how: How,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete for good. Default: archive, which can be taken back.")
    ] = False,
) -> None:
    """Archive or delete what is published."""
    params = asked.params(action="delete" if delete else "archive")
    title = done("Deleted" if delete else "Archived", params.dry_run)
    followed_run.do("retire", params, how, tags=[f"model:{params.name}"], title=title, also=CHANGES)


@takes(PinParams, arguments=["name", "version"], without=["by", "pinned"])
def pin(
    asked: Asked[PinParams],
    how: How,
    by: Annotated[str | None, typer.Option(help="Who says so. Default: your name on this machine.")] = None,
) -> None:
    """Pin a version, so that nothing deletes it."""
    _pin(asked, how, by, pinned=True)


@takes(PinParams, arguments=["name", "version"], without=["by", "pinned"])
def unpin(
    asked: Asked[PinParams],
    how: How,
    by: Annotated[str | None, typer.Option(help="Who says so. Default: your name on this machine.")] = None,
) -> None:
    """Remove the pin of a version."""
    _pin(asked, how, by, pinned=False)


def _pin(asked: Asked[PinParams], how: How, by: str | None, *, pinned: bool) -> None:
    params = asked.params(by=by or getpass.getuser(), pinned=pinned)
    followed_run.do(
        "pin", params, how, tags=[f"model:{params.name}"], title="Pinned" if pinned else "Unpinned"
    )


@takes(CleanRunsParams, without=["dry_run"])
def clean_runs(
    asked: Asked[CleanRunsParams],
    how: How,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete them. Default: only say which would be deleted.")
    ] = False,
) -> None:
    """List old training runs that are not published or pinned; --delete deletes them.

    Versions that are published, pinned, running or among the newest are kept.
    """
    params = asked.params(dry_run=not delete)
    title = "Cleaned" if delete else "Cleaned (dry run: nothing was deleted)"
    followed_run.do("clean-runs", params, how, title=title, also=("versions",))


@takes(
    PredictParams,
    arguments=["model", "imagery"],
    optional=True,
    without=["imagery_rules"],
    names={**_SET, "output": ["--output", "-o"]},
)
def predict(
    asked: Asked[PredictParams],
    how: How,
    repeat: Annotated[
        str | None, typer.Option("--from", metavar="PREDICTION", help=text_of(RepeatParams, "prediction"))
    ] = None,
) -> None:
    """Run a model over chips, an image or tiles, or repeat a prediction (--from)."""
    if repeat is None:
        params = asked.params()
        followed_run.do("predict", params, how, tags=[f"model:{params.model}"], title="Predicted")
        return
    again = {name: value for name, value in asked.given.items() if name in RepeatParams.model_fields}
    if reasons := [f"{name} {_REPEATED}" for name in asked.given if name not in again]:
        raise InvalidParameters("predict --from", reasons)
    repeated = Asked(RepeatParams, "predict --from", {**again, "prediction": absolute(repeat)}).params()
    followed_run.do("repeat-prediction", repeated, how, title="Predicted again")


@takes(CompareParams, without=["versions"])
def compare(
    asked: Asked[CompareParams],
    how: How,
    references: Annotated[
        list[str],
        typer.Argument(
            metavar="VERSION...",
            help="Names or exact ids, of versions that are not published too; numbers after a name are "
            "versions of it: my-roofs 1 2.",
        ),
    ],
    recorded: Annotated[
        bool,
        typer.Option(
            "--recorded",
            help="Measure nothing: show what was recorded at each training, and where they differ. Needs no "
            "server.",
        ),
    ] = False,
) -> None:
    """Measure versions side by side on the same held-out chips."""
    named = list(exact_references(references))
    if recorded:
        from fair_models.cli.commands import versions

        versions.show_recorded(named)
        return
    params = asked.params(versions=named)
    tables = ("side-by-side", *(("by-area",) if params.by == "area" else ()), "versions")
    followed_run.do("compare", params, how, title="Compared", also=tables, numbers=("metrics",))


@takes(SliceDatasetParams, arguments=["dataset", "name"], without=["tags"])
def slice_dataset(
    asked: Asked[SliceDatasetParams],
    how: How,
    tags: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", metavar="NAME=VALUE[,VALUE]", help="Chips with a label that has one of these values."
        ),
    ] = None,
) -> None:
    """Publish a part of a dataset, by area, class or tag, to evaluate on."""
    params = asked.params(tags=dict(parse_tag(each) for each in tags or []))
    followed_run.do("slice-dataset", params, how, title=done("Sliced", params.dry_run), also=CHANGES)


@takes(AuditParams, without=["thresholds"], names={"digests": ["--digests/--no-digests"]})
def audit(
    asked: Asked[AuditParams],
    how: How,
    least: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=VALUE", help="Minimum of a metric: a model below it is too weak."),
    ] = None,
    most: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=VALUE", help="Maximum of a metric: a model above it is suspicious."),
    ] = None,
) -> None:
    """Check the whole catalogue, and repair it if asked. Code 1 if it has errors.

    Only what can be repaired safely is repaired. Ends with code 1 if errors are left.
    """
    thresholds: dict[str, dict[str, object]] = {}
    for bound, given in (("least", least), ("most", most)):
        for metric, value in assignments(given or [], f"--{bound}", lambda: f"{USUAL_METRIC}=0.5").items():
            thresholds.setdefault(metric, {})[bound] = value
    params = asked.params(thresholds=thresholds)
    row = followed_run.do(
        "audit",
        params,
        how,
        title="Audited",
        also=("findings", "repairs") if params.repair else ("findings",),
    )
    if row is not None and not row["ok"]:
        raise typer.Exit(1)


def exact_references(references: Sequence[str]) -> Iterator[str]:
    """References with numbers joined to the name before them: roofs 1 2 is roofs-v1 and roofs-v2.

    Raises:
        Invalid: A number comes first.
    """
    name, used = "", True
    for each in references:
        if not each.isdigit():
            if not used:
                yield name
            name, used = each, False
        elif not name:
            raise Invalid(f"{each} is a version without a model. Name the model first: my-roofs {each}")
        else:
            yield f"{name}-v{each}"
            used = True
    if not used:
        yield name


def parse_tag(text: str) -> tuple[str, list[str]]:
    """A tag as it is typed: NAME=VALUE or NAME=VALUE,VALUE. Raises Invalid."""
    name, equals, values = text.partition("=")
    if not equals or not name:
        raise Invalid(f"--tag {text!r} should be NAME=VALUE, for example --tag building=school,hospital")
    return name, values.split(",")


def parse_range(text: str) -> tuple[str, dict[str, Any]]:
    """A range as it is typed: NAME, NAME=MIN..MAX with :log and :POINTS, or NAME=VALUE,VALUE.

    Raises:
        Invalid: It is none of these.
    """
    name, equals, written = text.partition("=")
    if not equals:
        return name, {}
    if ".." not in written:
        typed = (f"{name}={each}" for each in written.split(","))
        return name, {"values": [assignments([each], "--vary")[name] for each in typed]}
    ends, *further = written.split(":")
    values: dict[str, Any] = {}
    try:
        values |= {
            end: float(value) for end, value in zip(("least", "most"), ends.split(".."), strict=True) if value
        }
        for each in further:
            values |= {"log": True} if each == "log" else {"points": int(each)}
    except ValueError as error:
        raise Invalid(
            f"--vary {text!r} is no range; write --vary {name}=0.001..0.1:log, or values with commas"
        ) from error
    return name, values


def metric_of(model: str) -> str:
    """Key of a model's main metric: of its published versions, else of those that were trained."""
    with suppress(FairModelsError, ImportError):
        return _published_metric(model) or _trained_metric(model) or USUAL_METRIC
    return USUAL_METRIC


def _published_metric(model: str) -> str | None:
    from fair_models.catalog.items.model import ModelItem
    from fair_models.catalog.opening import open_catalog

    items = open_catalog(current()).search(LOCAL_MODELS, name=model, limit=1)
    return next((str(ModelItem(item).main_metric["key"]) for item in items), None)


def _trained_metric(model: str) -> str | None:
    from fair_models.training.ledger import open_ledger

    if not ((current().home / "zenml").exists() or "ZENML_STORE_URL" in os.environ):
        return None  # setting up ZenML takes long, and nothing was trained here
    measured = [each for each in open_ledger(current()).versions(model) if each.metrics]
    return next(iter(measured[-1].metrics)) if measured else None
