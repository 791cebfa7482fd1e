"""The command `fair-models`: its commands, and how errors become exit codes."""

from __future__ import annotations

import os
from typing import Any

import typer
from typer.core import TyperGroup

from fair_models.cli import output
from fair_models.cli.commands import (
    catalog,
    demo,
    doctor,
    items,
    judging,
    models,
    pages,
    ranking,
    runs,
    sample,
    server,
    versions,
    work,
)
from fair_models.cli.live import Interrupted
from fair_models.errors import Conflict, FairModelsError, Invalid, NotFound, Unavailable

FAILED = 1
BAD_INPUT = 2
UNAVAILABLE = 3
INTERRUPTED = 130

_EPILOG = (
    "Exit codes: 0 done · 1 the run failed, or the audit found errors · 2 bad input · 3 no server answers · "
    "130 stopped following. State lies under FAIR_HOME (default: .fair in the checkout). "
    "FAIR_DEBUG=1 shows where an error comes from."
)


class Commands(TyperGroup):
    """Turns errors into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        output.want_json(False)
        if os.environ.get("FAIR_DEBUG") == "1":
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except Interrupted as stopped:
            output.say(f"\n{stopped}")
            raise typer.Exit(INTERRUPTED) from stopped
        except KeyboardInterrupt as stopped:
            output.say("\nStopped. Runs that were started go on; list them with: fair-models flow-runs")
            raise typer.Exit(INTERRUPTED) from stopped
        except FairModelsError as error:
            output.show_error(error)
            raise typer.Exit(exit_code(error)) from error


def exit_code(error: FairModelsError) -> int:
    """The exit code of an error."""
    if isinstance(error, Unavailable):
        return UNAVAILABLE
    return BAD_INPUT if isinstance(error, Invalid | NotFound | Conflict) else FAILED


app = typer.Typer(
    cls=Commands,
    help="Registers, fine-tunes, publishes and runs models that map the world from imagery.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
demo.add_to(app)
sample.add_to(app)
work.add_to(app)
items.add_to(app)
ranking.add_to(app)
versions.add_to(app)
pages.add_to(app)
judging.add_to(app)
models.add_to(app)
doctor.add_to(app)
server.add_to(app)
runs.add_to(app)
catalog.add_to(app)
