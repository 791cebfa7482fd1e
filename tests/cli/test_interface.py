"""What scripts rely on: the commands, their options, and the request that each command line makes.

`options.txt` and `requests.json` are the state that must stay. A new option is added to the first by hand;
one that is renamed or removed breaks somebody's script.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from fair_models.cli import followed_run
from fair_models.cli.app import app
from fair_models.cli.options import How

HERE = Path(__file__).parent
OPTIONS = HERE / "options.txt"
REQUESTS = json.loads((HERE / "requests.json").read_text(encoding="utf-8"))


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every command by its whole name."""
    context = typer.Context(group)
    for name in group.list_commands(context):
        _, command, _ = group.resolve_command(context, [name])
        if hasattr(command, "list_commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def described(parameter: Any) -> str:
    """An option or argument by what a script can rely on."""
    is_flag = getattr(parameter, "is_flag", False)
    many = "..." if parameter.multiple or parameter.nargs == -1 else ""
    if parameter.param_type_name == "argument":
        told = f"<{parameter.name}>{many}"
        return told if parameter.required else f"[{told}]"
    names = "/".join([*sorted(parameter.opts, reverse=True), *parameter.secondary_opts])
    value = "" if is_flag else f" VALUE{many}"
    default = f" = {parameter.default}" if parameter.default is not None and not is_flag else ""
    return f"{names}{value}{default}{' (required)' * parameter.required}{_variable(parameter)}"


def _variable(parameter: Any) -> str:
    return f" ${parameter.envvar}" if parameter.envvar else ""


def listed(group: Any) -> str:
    """Every command with its parameters: arguments in their order, then options by name."""
    lines = []
    for name, command in sorted(commands(group)):
        parameters = [each for each in command.params if each.name != "help"]
        arguments = [described(each) for each in parameters if each.param_type_name == "argument"]
        options = sorted(described(each) for each in parameters if each.param_type_name == "option")
        lines += [" ".join([name, *arguments]), *(f"  {option}" for option in options)]
    return "\n".join([*lines, ""])


def test_every_command_and_option_is_as_published() -> None:
    assert listed(typer.main.get_command(app)) == OPTIONS.read_text(encoding="utf-8")


@pytest.mark.parametrize("line", REQUESTS, ids=[" ".join(each["command"]) for each in REQUESTS])
def test_a_command_line_makes_the_same_request_as_ever(
    line: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert requested(line["command"], monkeypatch) == line["request"]


def requested(command: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The request that a command makes: deployment, what differs from defaults, tags, how to follow."""
    made: list[dict[str, Any]] = []

    def do(deployment: str, params: Any, how: How, **shown: Any) -> None:
        made.append(
            {
                "deployment": deployment,
                "params": params.model_dump(mode="json", exclude_defaults=True),
                "tags": list(shown.get("tags", ())),
                "tables": [*shown.get("also", ()), *shown.get("numbers", ())],
                "how": [how.wait, how.verbose, how.key, how.again],
            }
        )

    monkeypatch.setattr(followed_run, "do", do)
    monkeypatch.setattr("getpass.getuser", lambda: "somebody")
    monkeypatch.chdir("/")
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    [request] = made
    return request
