"""Commands over training runs and the versions that came out of them. They read the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fair_models.cli import output, work
from fair_models.cli.options import Again, Json, Key, Verbose, Wait
from fair_models.settings import current

if TYPE_CHECKING:
    from fair_models.training.ledger import Ledger, ModelVersion
    from fair_models.training.run_config import RunConfig

_PANEL = "Trainings"

Model = Annotated[str, typer.Argument(help="Name of a fine-tuned model.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("versions", rich_help_panel=_PANEL)(versions)
    app.command("runs", rich_help_panel=_PANEL)(runs)
    app.command("compare", rich_help_panel=_PANEL)(compare)
    app.command("rerun", rich_help_panel=_PANEL)(rerun)


def versions(model: Model, json: Json = False) -> None:
    """List the versions of a model, with stage and metrics."""
    found = _ledger().versions(model)
    if output.wants_json():
        output.show_json([_json(version) for version in found])
        return
    output.show_rows(f"Versions of {model}", [_row(version) for version in found], "None")


def runs(json: Json = False) -> None:
    """List all training runs, newest first."""
    ledger = _ledger()
    found = [version for model in ledger.models() for version in ledger.versions(model)]
    found.sort(key=lambda version: version.created, reverse=True)
    if output.wants_json():
        output.show_json([_json(version) for version in found])
        return
    rows = [{"model": version.model, **_row(version)} for version in found]
    output.show_rows("Training runs", rows, "No training yet. Begin with: fair-models finetune --help")


def compare(
    model: Model,
    first: Annotated[int, typer.Argument(help="A version.")],
    second: Annotated[int, typer.Argument(help="Another version.")],
    json: Json = False,
) -> None:
    """Compare two versions: metrics, data, and the hyperparameters that differ."""
    ledger = _ledger()
    sides = [(ledger.get(model, number), ledger.config(model, number)) for number in (first, second)]
    facts = [_facts(version, config) for version, config in sides]
    names = list(dict.fromkeys([*facts[0], *facts[1]]))
    metrics = {name for version, _ in sides for name in version.metrics}
    rows = [
        {"": name, f"v{first}": facts[0].get(name), f"v{second}": facts[1].get(name)}
        for name in names
        if name in metrics or facts[0].get(name) != facts[1].get(name)
    ]
    if output.wants_json():
        output.show_json([_json(version) for version, _ in sides])
        return
    output.show_rows(f"{model}: v{first} and v{second}", rows, "They do not differ")


def rerun(
    model: Model,
    version: Annotated[int, typer.Argument(help="The version whose training is repeated.")],
    json: Json = False,
    wait: Wait = True,
    verbose: Verbose = False,
    key: Key = None,
    again: Again = False,
) -> None:
    """Repeat the training of a version from its run config. The result is the next version."""
    config = _ledger().config(model, version)
    work.do("train", config, work.How(wait, verbose, key, again), tags=[f"model:{model}"], title="Trained")


def _ledger() -> Ledger:
    from fair_models.training.ledger import open_ledger

    return open_ledger(current())


def _row(version: ModelVersion) -> dict[str, Any]:
    main = next(iter(version.metrics), None)
    return {
        "version": version.number,
        "run": version.status,
        "stage": version.stage,
        "metric": main,
        "value": version.metrics[main] if main else None,
        "baseline": version.baseline.get(main) if main else None,
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
