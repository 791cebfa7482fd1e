"""The command `fair-models`: its commands, and how errors become exit codes.

A command's module is loaded when the command is run, completed or explained, not before.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from fair_models.cli import output
from fair_models.cli.commands import COMMANDS
from fair_models.errors import Conflict, FairModelsError, Invalid, NotFound, Unavailable

FAILED = 1
BAD_INPUT = 2
UNAVAILABLE = 3
INTERRUPTED = 130

_EPILOG = (
    "Exit codes: 0 done · 1 the run failed, or the audit found errors · 2 bad input · 3 no server answers · "
    "130 stopped following. All state is under FAIR_HOME (default: .fair in the checkout). "
    "FAIR_DEBUG=1 shows where an error comes from."
)
_STOPPED = "Stopped. Runs that were started continue. List them with: fair-models flow-runs"


class Commands(TyperGroup):
    """Loads a command when it is needed, and turns errors into one line and an exit code."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for panel, commands in COMMANDS.items():
            for name, (_, told) in commands.items():
                self.add_command(TyperCommand(name, help=told, rich_help_panel=panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command that is named first, and load it."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and load(str(found.name)), rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        output.want_json(False)
        if os.environ.get("FAIR_DEBUG") == "1":
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            output.say(f"\n{stopped if stopped.args else _STOPPED}")
            raise typer.Exit(INTERRUPTED) from stopped
        except FairModelsError as error:
            output.show_error(error)
            raise typer.Exit(exit_code(error)) from error


def load(name: str) -> Any:
    """The command itself, or the group of commands, of a name that `COMMANDS` has."""
    place, summary = next(commands[name] for commands in COMMANDS.values() if name in commands)
    module, _, attribute = place.partition(".")
    found = getattr(import_module(f"{__package__}.commands.{module}"), attribute or name.replace("-", "_"))
    if isinstance(found, typer.Typer):
        group = typer.main.get_command(found)
        group.help = summary
        return group
    single = typer.Typer(add_completion=False)
    single.command(name)(found if callable(found) else found.callback(name))
    return typer.main.get_command(single)


def exit_code(error: FairModelsError) -> int:
    """The exit code of an error."""
    if isinstance(error, Unavailable):
        return UNAVAILABLE
    return BAD_INPUT if isinstance(error, Invalid | NotFound | Conflict) else FAILED


app = typer.Typer(
    cls=Commands,
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root() -> None:
    """Registers, fine-tunes, publishes and runs models that map the world from imagery."""
