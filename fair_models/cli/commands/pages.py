"""Options by which lists are chosen, and the commands by which people judge what there is."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from fair_models.choosing import Choice, Page
from fair_models.cli import output, run
from fair_models.cli.options import Again, DryRun, Json, Key, Verbose, Wait, absolute, build, text_of
from fair_models.cli.run import How
from fair_models.params import CleanRunsParams, CollectFeedbackParams, PinParams

Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="name contains WORD · id = ID or ID · task = TASK · keyword = WORD · trained · pinned · "
        "fair:METRIC > NUMBER · fair:METRIC < NUMBER; each also with 'not ' before it. All must hold.",
    ),
]
Limit = Annotated[int, typer.Option("--limit", help=text_of(Choice, "limit"), show_default=False)]
Cursor = Annotated[str | None, typer.Option("--cursor", help=text_of(Choice, "cursor"))]

_PANEL = "Work (needs a server: fair-models up)"
_Name = Annotated[str, typer.Argument(help=text_of(PinParams, "name"))]
_Version = Annotated[int, typer.Argument(help=text_of(PinParams, "version"))]
_Collection = Annotated[str | None, typer.Option(help=text_of(PinParams, "collection"))]
_By = Annotated[str | None, typer.Option(help="Who says so. Default: your name on this machine.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command in (
        ("feedback", feedback),
        ("pin", pin),
        ("unpin", unpin),
        ("clean-runs", clean_runs),
    ):
        app.command(name, rich_help_panel=_PANEL)(command)


def show_page(
    page: Page[Any], rows: Sequence[Mapping[str, Any]], documents: Sequence[Any], titles: tuple[str, str]
) -> None:
    """Print a page, and how to get the next one.

    Args:
        page: What was found.
        rows: The same for people.
        documents: The same for programs.
        titles: Heading of the table, and what is said where nothing was found.
    """
    if output.wants_json():
        output.show_json({"found": list(documents), "next": page.next})
        return
    output.show_rows(titles[0], rows, titles[1])
    if page.next is not None:
        output.say(f"There is more: the same again with --cursor {page.next}")


def feedback(
    prediction: Annotated[str, typer.Argument(help=text_of(CollectFeedbackParams, "prediction"))],
    verdicts: Annotated[str, typer.Argument(help=text_of(CollectFeedbackParams, "feedback"))],
    dataset: Annotated[str, typer.Argument(help=text_of(CollectFeedbackParams, "dataset"))],
    imagery: Annotated[str | None, typer.Option(help=text_of(CollectFeedbackParams, "imagery"))] = None,
    title: Annotated[str | None, typer.Option(help=text_of(CollectFeedbackParams, "title"))] = None,
    description: Annotated[
        str | None, typer.Option(help=text_of(CollectFeedbackParams, "description"))
    ] = None,
    license: Annotated[str | None, typer.Option(help=text_of(CollectFeedbackParams, "license"))] = None,  # noqa: A002
    provider: Annotated[str | None, typer.Option(help=text_of(CollectFeedbackParams, "provider"))] = None,
    held_out_ratio: Annotated[
        float | None, typer.Option(help=text_of(CollectFeedbackParams, "held_out_ratio"))
    ] = None,
    buffer_m: Annotated[float | None, typer.Option(help=text_of(CollectFeedbackParams, "buffer_m"))] = None,
    seed: Annotated[int | None, typer.Option(help=text_of(CollectFeedbackParams, "seed"))] = None,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Publish what people say of a prediction as a dataset, to train its model further."""
    values = {
        "prediction": absolute(prediction),
        "feedback": absolute(verdicts),
        "dataset": dataset,
        "imagery": absolute(imagery),
        "title": title,
        "description": description,
        "license": license,
        "provider": provider,
        "held_out_ratio": held_out_ratio,
        "buffer_m": buffer_m,
        "seed": seed,
        "dry_run": dry_run,
    }
    params = build(CollectFeedbackParams, "feedback", values)
    title_of_result = "Ingested (dry run: nothing was changed)" if dry_run else "Ingested"
    how = How(wait, verbose, key, again)
    run.do("collect-feedback", params, how, title=title_of_result, also=("changes",))


def pin(
    name: _Name,
    version: _Version,
    reason: Annotated[str, typer.Option(help=text_of(PinParams, "reason"))],
    by: _By = None,
    collection: _Collection = None,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
) -> None:
    """Pin a version, so that nothing deletes it."""
    _pin("pin", (name, version, collection), reason, by, How(wait, verbose, key, again))


def unpin(
    name: _Name,
    version: _Version,
    reason: Annotated[str, typer.Option(help=text_of(PinParams, "reason"))],
    by: _By = None,
    collection: _Collection = None,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
) -> None:
    """Take the pin off a version."""
    _pin("unpin", (name, version, collection), reason, by, How(wait, verbose, key, again))


def clean_runs(
    models: Annotated[
        list[str] | None, typer.Option("--model", help=text_of(CleanRunsParams, "models"))
    ] = None,
    older_than_days: Annotated[
        int | None, typer.Option(help=text_of(CleanRunsParams, "older_than_days"))
    ] = None,
    keep_last: Annotated[int | None, typer.Option(help=text_of(CleanRunsParams, "keep_last"))] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete them. Default: only say which would be deleted.")
    ] = False,
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
) -> None:
    """Delete old training runs that are neither published nor pinned; without --delete only list them."""
    values = {
        "models": models,
        "older_than_days": older_than_days,
        "keep_last": keep_last,
        "dry_run": not delete,
    }
    params = build(CleanRunsParams, "clean-runs", values)
    title = "Cleaned" if delete else "Cleaned (dry run: nothing was deleted)"
    run.do("clean-runs", params, How(wait, verbose, key, again), title=title, also=("versions",))


def _pin(word: str, which: tuple[str, int, str | None], reason: str, by: str | None, how: How) -> None:
    name, version, collection = which
    values = {
        "name": name,
        "version": version,
        "collection": collection,
        "reason": reason,
        "by": by or getpass.getuser(),
        "pinned": word == "pin",
    }
    params = build(PinParams, word, values)
    title = "Pinned" if word == "pin" else "Pinned no more"
    run.do("pin", params, how, tags=[f"model:{name}"], title=title)
