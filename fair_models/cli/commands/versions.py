"""Commands for training runs and their versions, as the ledger has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fair_models.choices import Choice
from fair_models.cli import followed_run, output
from fair_models.cli.commands.pages import Cursor, Limit, Where, show_page
from fair_models.cli.options import Again, How, Json, Key, Verbose, Wait, text_of
from fair_models.errors import Invalid
from fair_models.settings import current

if TYPE_CHECKING:
    from fair_models.training.config.run_config import RunConfig
    from fair_models.training.ledger import Ledger, ModelVersion


Model = Annotated[str, typer.Argument(help="Name of a fine-tuned model.")]


def versions(model: Model, json: Json = False) -> None:
    """List the versions of a model, with stage and metrics."""
    found = _ledger().versions(model)
    if output.wants_json():
        output.show_json([_json(version) for version in found])
        return
    output.show_rows(f"Versions of {model}", [_row(version) for version in found], f"{model} has no versions")


def runs(
    where: Where = None,
    order: Annotated[str, typer.Option(help=text_of(Choice, "order"))] = "newest",
    limit: Limit = 100,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """List training runs, page by page: all of them, or what conditions match."""
    from fair_models.training.ledger import history

    choice = Choice.of(where or [], order=order, limit=limit, cursor=cursor)
    page = history.page(_ledger(), choice)
    rows = [{"model": version.model, **_row(version)} for version in page.found]
    nothing = "No training yet. Begin with: fair-models finetune --help"
    if where or cursor:
        nothing = "No training matches. Leave out --where to list all"
    show_page(page, rows, [_json(version) for version in page.found], ("Training runs", nothing))


def show_recorded(ids: Sequence[str]) -> None:
    """Show what was recorded when versions were trained, and how their trainings differ.

    Raises:
        Invalid: One is no exact id of a version.
    """
    from fair_models.catalog.items.versions import split_id

    ledger = _ledger()
    found = []
    for each in ids:
        model, number = split_id(each)
        if number is None:
            raise Invalid(f"{each} is no exact id of a version. Write for example {each}-v1")
        found.append((ledger.get(model, number), ledger.config(model, number)))
    if output.wants_json():
        output.show_json([_json(version) for version, _ in found])
        return
    facts = {version.id: _facts(version, config) for version, config in found}
    metrics = {name for version, _ in found for name in version.metrics}
    rows = [
        {"": name, **{version: each.get(name) for version, each in facts.items()}}
        for name in dict.fromkeys(name for each in facts.values() for name in each)
        if name in metrics or len({repr(each.get(name)) for each in facts.values()}) > 1
    ]
    output.show_rows(f"As recorded: {', '.join(facts)}", rows, "There is no difference")


def rerun(
    model: Model,
    version: Annotated[int, typer.Argument(help="The version whose training is repeated.")],
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
) -> None:
    """Repeat the training of a version from its run config, as the next version."""
    config = _ledger().config(model, version)
    followed_run.do("train", config, How(wait, verbose, key, again), tags=[f"model:{model}"], title="Trained")


def _ledger() -> Ledger:
    from fair_models.training.ledger import open_ledger

    return open_ledger(current())


def _row(version: ModelVersion) -> dict[str, Any]:
    from fair_models.reports import metrics

    main = metrics.of_version(version).main
    return {
        "version": version.number,
        "run": version.status,
        "stage": version.stage,
        "pinned": version.pin is not None,
        "metric": main.metric if main else None,
        "value": main.shown if main else None,
        "baseline": main.baseline if main else None,
        "seconds": version.seconds,
        "made": f"{version.created.astimezone():%Y-%m-%d %H:%M}",
    }


def _json(version: ModelVersion) -> dict[str, Any]:
    from dataclasses import asdict

    return {"id": version.id, **asdict(version)}


def _facts(version: ModelVersion, config: RunConfig) -> dict[str, Any]:
    return {
        **version.metrics,
        "base model": config.base_model,
        "dataset": config.dataset,
        "seed": config.seed,
        **config.hyperparameters,
        "stage": version.stage,
        "run": version.status,
        "seconds": version.seconds,
        "held-out samples": version.held_out_count,
    }
