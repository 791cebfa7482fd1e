"""Commands that texts tell people to run: each exists, with its options."""

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from fair_models.cli.app import app, load

PROJECT = Path(__file__).resolve().parent.parent
TEXTS = ("*.md", "*.tmpl", "*.yaml", "*.example", "Makefile")
SOURCES = (
    "fair_models/*.py",
    "flows/*.py",
    "blocks/*.py",
    "deployments/*.py",
    "benchmarks/*.py",
    "models/*.py",
)
COMMANDS = typer.main.get_command(app)


def files(patterns: tuple[str, ...]) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [PROJECT / name for name in listed.stdout.splitlines() if (PROJECT / name).is_file()]


def told() -> Iterator[tuple[str, str]]:
    """Each file with what it shows as code: between backticks, in blocks, calls of ours with options."""
    for path in files(TEXTS):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(PROJECT).as_posix()
        for block in re.findall(r"```(?:bash|sh|console)\n(.*?)```", text, re.S):
            yield from ((name, line) for line in block.replace("\\\n", " ").splitlines())
        for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.S)):
            yield name, " ".join(span.split())
    for path in files(SOURCES):
        name = path.relative_to(PROJECT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = " ".join(node.value.split())
                yield from ((name, span) for span in re.findall(r"`([^`]+)`", text))
                yield from ((name, span) for span in re.findall(r"fair-models [a-z-]+ --?[a-z][\w-]*", text))


def calls(program: str) -> list[tuple[str, list[str]]]:
    """Each file and the words after a program that it tells to run."""
    found = []
    for name, line in told():
        for part in re.split(r"\s*(?:&&|\|\|?|;)\s*", line.split(" #")[0].strip()):
            at = re.search(rf"(?:^|(?<= ))(?:\S+=\S+ )*{program} (.*)", part)
            starts = at is not None and not part[: at.start()].strip(" $")
            behind = re.match(rf"python -m flows\.runtime\.places {program} (.*)", part)
            if behind or (at and starts):
                words = (behind or at)[1]  # type: ignore[index]
                found.append((name, _words(words)))
    return found


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote that another line ends
        return text.split()


def _options(words: list[str]) -> list[str]:
    return [word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)]


def _missing(words: list[str]) -> str | None:
    """What of a call of fair-models does not exist."""
    command: Any = COMMANDS
    for word in words:
        inner = getattr(command, "commands", {})
        if not inner or word.startswith("-"):
            break
        if word not in inner:
            return None if re.search(r"[^a-z-]", word) else word
        command = load(word) if command is COMMANDS else inner[word]
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    return next((option for option in _options(words) if option not in known), None)


def test_each_command_of_ours_that_is_told_exists_with_its_options() -> None:
    found = calls("fair-models")
    assert len(found) > 80
    assert [(name, words) for name, words in found if _missing(words)] == []


@pytest.mark.parametrize("words", [["models"], ["audit", "--fix"], ["catalog", "make"], ["-h"]])
def test_a_command_or_an_option_that_does_not_exist_is_found(words: list[str]) -> None:
    assert _missing(words) == words[-1]


def test_each_target_that_is_told_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.M))
    variables = set(re.findall(r"^([A-Z]+) *[:?]?=", makefile, re.M))
    found = [(name, words) for name, words in calls("make") if words]
    assert len(found) > 5
    for name, words in found:
        for word in words:
            assert word in targets or word.partition("=")[0] in variables, f"{name}: make {' '.join(words)}"


def test_each_module_that_is_told_exists() -> None:
    found = [(name, words[1]) for name, words in calls("python") if words[:1] == ["-m"]]
    assert len(found) > 10
    for name, module in found:
        if module.startswith("models.street_roofs") or "{" in module or "$" in module:  # made by the reader
            continue
        assert find_spec(module), f"{name}: python -m {module}"


HELP = """
import contextlib, io, json, sys
from prefect.cli import app
said = {}
for words in json.loads(sys.argv[1]):
    sys.argv = ["prefect", *words, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        try:
            app()
            code = 0
        except SystemExit as error:
            code = error.code or 0
    said[" ".join(words)] = [code, out.getvalue()]
print("\\n" + json.dumps(said))
"""


def test_each_command_of_prefect_that_is_told_exists_with_its_options() -> None:
    deployments = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    known = {each["name"] for each in deployments}
    asked: dict[str, set[str]] = {}
    for name, words in calls("prefect"):
        if not words or not re.fullmatch(r"[a-z][a-z-]*", words[0]) or words[0] in {"yaml", "server"}:
            continue
        command = words[:1] if words[0] == "deploy" else words[:2]
        asked.setdefault(" ".join(command), set()).update(_options(words))
        if command == ["deployment", "run"]:
            assert words[2].partition("/")[2] in known, f"{name}: {' '.join(words)}"
    assert "deployment run" in asked
    done = subprocess.run(
        [sys.executable, "-c", HELP, json.dumps([each.split() for each in asked])],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "COLUMNS": "200", "PYTHONPATH": str(PROJECT)},
    )
    said = json.loads(done.stdout.splitlines()[-1])
    for command, options in asked.items():
        code, text = said[command]
        assert code == 0, f"prefect {command}"
        assert "Usage" in text, f"prefect {command}"
        for option in options:
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", text), f"prefect {command} {option}"
