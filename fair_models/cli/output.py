"""What the command line prints: tables for people, one JSON document for programs, errors in one line.

Only the answer goes to standard output; progress, log lines and errors go to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from fair_models.numbers import NOT_MEASURED, shown

if TYPE_CHECKING:
    from rich.console import Console

_LONG = frozenset({"title", "message", "next_step"})
_WIDE = 300

_json_wanted: ContextVar[bool] = ContextVar("json_wanted", default=False)


def want_json(wanted: bool) -> bool:
    """Set whether the answer is for a program. Callback of the option --json."""
    _json_wanted.set(wanted)
    return wanted


def wants_json() -> bool:
    """Whether the answer is for a program."""
    return _json_wanted.get()


def show_json(document: Any) -> None:
    """Print one JSON document."""
    import orjson

    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2, default=str).decode() + "\n")


def show_fields(title: str, fields: Mapping[str, Any]) -> None:
    """Print one thing, a line for each of its fields. Those without a value are left out."""
    from rich.markup import escape

    shown = {_label(name): value for name, value in fields.items() if value not in (None, "", [], {})}
    width = max(map(len, shown), default=0)
    console = _console()
    console.print(f"[bold]{escape(title)}[/bold]", soft_wrap=True)
    for name, value in shown.items():
        console.print(f"  [dim]{escape(name.ljust(width))}[/dim]  {escape(_text(value))}", soft_wrap=True)


def show_rows(title: str, rows: Sequence[Mapping[str, Any]], empty: str) -> None:
    """Print things of one kind, a row for each; `empty` if there is none."""
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        _console().print(empty, soft_wrap=True)
        return
    # Rich folds the title of a table to the table's width.
    _console().print(f"[italic]{escape(title)}[/italic]", soft_wrap=True)
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for name in rows[0]:
        table.add_column(_label(name), overflow="fold", no_wrap=name not in _LONG)
    for row in rows:
        table.add_row(*(escape(_text(value)) for value in row.values()))
    _console().print(table)


def show_check(part: str, works: bool, says: str) -> None:
    """Print the result of a check, in one line."""
    from rich.markup import escape

    mark = "[green]works[/green]" if works else "[red]WRONG[/red]"
    _console().print(f"{mark}  [bold]{escape(part)}[/bold]: {escape(says)}", soft_wrap=True)


def say(message: str) -> None:
    """Print a message for people, which is no part of the answer."""
    sys.stderr.write(f"{message}\n")


def show_error(error: BaseException) -> None:
    """Print an error in one line; for a program as a JSON document too."""
    message = " ".join(str(error).split())
    if wants_json():
        show_json({"error": {"type": type(error).__name__, "message": message}})
    say(f"Error: {message}")


def _console() -> Console:
    """Standard output: as wide as the terminal, or wide enough for everything where a program reads."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDE)


def _label(name: str) -> str:
    """The name of a column for people. Fields of items and hyperparameters stay as they are called."""
    return name if ":" in name or "." in name else name.replace("_", " ")


def _text(value: Any) -> str:
    if value is None:
        return NOT_MEASURED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return shown(value)
    if isinstance(value, list | tuple):
        return ", ".join(_text(each) for each in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(each)}" for key, each in value.items())
    return str(value)
