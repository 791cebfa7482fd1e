"""Commands that judge: versions side by side, slices of datasets to judge on, and hyperparameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from fair_models.cli import run
from fair_models.cli.commands import versions
from fair_models.cli.commands import work as starting
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
from fair_models.errors import Invalid
from fair_models.params import CompareParams, SearchParams, SliceDatasetParams

_PANEL = "Judging (needs a server: fair-models up)"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("compare", rich_help_panel=_PANEL)(compare)
    app.command("slice", rich_help_panel=_PANEL)(slice_dataset)
    app.command("search", rich_help_panel=_PANEL)(search)


def compare(
    references: Annotated[
        list[str],
        typer.Argument(
            metavar="VERSION...",
            help="Names or exact ids, of versions that are not published too; numbers after a name are "
            "versions of it: my-roofs 1 2.",
        ),
    ],
    dataset: Annotated[str | None, typer.Option(help=text_of(CompareParams, "dataset"))] = None,
    slices: Annotated[
        list[str] | None, typer.Option("--slice", help=text_of(CompareParams, "slices"))
    ] = None,
    pictures: Annotated[int | None, typer.Option(help=text_of(CompareParams, "pictures"))] = None,
    recorded: Annotated[
        bool,
        typer.Option(
            "--recorded",
            help="Measure nothing: show what was recorded at each training, and where they differ. Needs no "
            "server.",
        ),
    ] = False,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
) -> None:
    """Measure versions side by side on the same held-out chips."""
    named = list(named_exactly(references))
    if recorded:
        versions.show_recorded(named)
        return
    values = {"versions": named, "dataset": dataset, "slices": slices, "pictures": pictures}
    params = build(CompareParams, "compare", values)
    run.do(
        "compare",
        params,
        How(wait, verbose, key, again),
        title="Compared",
        also=("side-by-side", "versions"),
        numbers=("figures",),
    )


def named_exactly(references: Sequence[str]) -> Iterator[str]:
    """References with numbers put to the name before them: roofs 1 2 is roofs-v1 and roofs-v2.

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
            raise Invalid(f"{each} is the version of what? Name the model first: my-roofs {each}")
        else:
            yield f"{name}-v{each}"
            used = True
    if not used:
        yield name


def slice_dataset(
    dataset: Annotated[str, typer.Argument(help=text_of(SliceDatasetParams, "dataset"))],
    name: Annotated[str, typer.Argument(help=text_of(SliceDatasetParams, "name"))],
    area: Annotated[str | None, typer.Option(help=text_of(SliceDatasetParams, "area"))] = None,
    classes: Annotated[
        list[str] | None, typer.Option("--class", help=text_of(SliceDatasetParams, "classes"))
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", metavar="NAME=VALUE[,VALUE]", help="Chips with a label that has one of these values."
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help=text_of(SliceDatasetParams, "title"))] = None,
    description: Annotated[str | None, typer.Option(help=text_of(SliceDatasetParams, "description"))] = None,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Publish a part of a dataset, by area, class or tag, to judge versions on."""
    values = {
        "dataset": dataset,
        "name": name,
        "area": area if area is None or is_given_by_value(area) else absolute(area),
        "classes": classes,
        "tags": dict(wished_tag(each) for each in tags or []),
        "title": title,
        "description": description,
        "dry_run": dry_run,
    }
    params = build(SliceDatasetParams, "slice", values)
    how, told = How(wait, verbose, key, again), starting.done("Sliced", dry_run)
    run.do("slice-dataset", params, how, title=told, also=starting.CHANGES)


def wished_tag(text: str) -> tuple[str, list[str]]:
    """A tag as it is typed: NAME=VALUE or NAME=VALUE,VALUE. Raises Invalid."""
    name, equals, values = text.partition("=")
    if not equals or not name:
        raise Invalid(f"--tag {text!r} should be NAME=VALUE, for example --tag building=school,hospital")
    return name, values.split(",")


def search(
    base_model: Annotated[str, typer.Argument(help=text_of(SearchParams, "base_model"))],
    dataset: Annotated[str, typer.Argument(help=text_of(SearchParams, "dataset"))],
    model_name: Annotated[str, typer.Argument(help=text_of(SearchParams, "model_name"))],
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary",
            metavar="NAME[=RANGE]",
            help="A hyperparameter to vary: all that the model allows, or LEAST..MOST (with :log for steps "
            "that multiply, :5 for five points of a grid), or values with commas. Examples: --vary "
            "training.learning_rate=0.0001..0.01:log --vary training.width=8,16,32.",
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter of all trials."),
    ] = None,
    method: Annotated[str | None, typer.Option(help=text_of(SearchParams, "method"))] = None,
    most_trials: Annotated[int | None, typer.Option(help=text_of(SearchParams, "most_trials"))] = None,
    most_minutes: Annotated[float | None, typer.Option(help=text_of(SearchParams, "most_minutes"))] = None,
    patience: Annotated[int | None, typer.Option(help=text_of(SearchParams, "patience"))] = None,
    stop_after_epoch: Annotated[
        int | None, typer.Option(help=text_of(SearchParams, "stop_after_epoch"))
    ] = None,
    finish: Annotated[bool, typer.Option(help=text_of(SearchParams, "finish"), show_default=False)] = True,
    title: Annotated[str | None, typer.Option(help=text_of(SearchParams, "title"))] = None,
    seed: Annotated[int | None, typer.Option(help=text_of(SearchParams, "seed"))] = None,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
) -> None:
    """Search for good hyperparameters: each trial is a version, the best is trained once more."""
    values = {
        "base_model": base_model,
        "dataset": dataset,
        "model_name": model_name,
        "vary": dict(wished_range(each) for each in vary),
        "overrides": assignments(overrides or [], "--set"),
        "method": method,
        "most_trials": most_trials,
        "most_minutes": most_minutes,
        "patience": patience,
        "stop_after_epoch": stop_after_epoch,
        "finish": finish,
        "title": title,
        "seed": seed,
    }
    params = build(SearchParams, "search", values)
    how = How(wait, verbose, key, again)
    run.do("search", params, how, tags=[f"model:{model_name}"], title="Searched", also=("trials",))


def wished_range(text: str) -> tuple[str, dict[str, Any]]:
    """A range as it is typed: NAME, NAME=LEAST..MOST with :log and :POINTS, or NAME=VALUE,VALUE.

    Raises:
        Invalid: It is none of these.
    """
    name, equals, said = text.partition("=")
    if not equals:
        return name, {}
    if ".." not in said:
        return name, {"values": [assignments([f"{name}={each}"], "--vary")[name] for each in said.split(",")]}
    ends, *further = said.split(":")
    wish: dict[str, Any] = {}
    try:
        wish |= {
            end: float(value) for end, value in zip(("least", "most"), ends.split(".."), strict=True) if value
        }
        for each in further:
            wish |= {"log": True} if each == "log" else {"points": int(each)}
    except ValueError as error:
        raise Invalid(
            f"--vary {text!r} is no range; write --vary {name}=0.001..0.1:log, or values with commas"
        ) from error
    return name, wish
