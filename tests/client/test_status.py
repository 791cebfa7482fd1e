"""The eleven words: total over Prefect's types and over the names that Prefect itself gives."""

import ast
from collections.abc import Iterator
from pathlib import Path

import prefect
import pytest
from prefect.client.schemas.objects import TERMINAL_STATES, StateType

from fair_models.client import RunState, Status
from fair_models.client.runs import in_words
from fair_models.client.status import BY_NAME, BY_TYPE, UNPLANNED, status_of

TYPES = {each.value for each in StateType}
MAKERS = {each.value.capitalize() for each in StateType} | {
    "Suspended",
    "State",
    "StateCreate",
    "cls",
    "_traced",
}
"""What makes a state in Prefect's sources: the functions named after states, and the classes."""


def names_that_prefect_gives() -> set[str]:
    """The names of states in Prefect's sources, besides those that are made of a type."""
    found = {kind.capitalize() for kind in TYPES}
    for path in Path(prefect.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if any(words in text for words in ("name=", "name = ", "rename_state")):
            found |= {name for node in ast.walk(ast.parse(text)) for name in names_in(node)}
    return found


def names_in(node: ast.AST) -> Iterator[str]:
    """What a call that makes or renames a state names it, or what is assigned to a state's name."""
    values: list[ast.expr] = []
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in MAKERS:
            values = [each.value for each in node.keywords if each.arg == "name"]
        elif called == "rename_state":
            values = node.args
    elif isinstance(node, ast.Assign):
        [target, *_] = node.targets
        if isinstance(target, ast.Attribute) and target.attr == "name":
            values = [node.value] if getattr(target.value, "id", "").endswith("state") else []
    for value in values:
        if isinstance(value, ast.Constant):
            yield str(value.value)


def test_every_type_of_prefect_has_a_word() -> None:
    assert set(BY_TYPE) == TYPES
    assert {kind for kind, _ in BY_NAME} == TYPES


def test_every_name_that_prefect_gives_has_a_word() -> None:
    given = names_that_prefect_gives()
    assert {"Late", "AwaitingRetry", "Retrying", "Suspended", "TimedOut", "Resuming", "Cached"} <= given
    assert {name for _, name in BY_NAME} - {UNPLANNED} == given


def test_a_run_is_over_in_one_word_where_it_is_over_in_prefect() -> None:
    over = {each.value for each in TERMINAL_STATES}
    for kind, name in [*BY_NAME, *((kind, "Anything") for kind in BY_TYPE)]:
        assert status_of(kind, name).is_final == (kind in over) == RunState(kind, name, "").is_final


def test_the_words_are_those_of_the_backend() -> None:
    assert {each.value for each in Status} == {
        "initializing",
        "submitted",
        "provisioning",
        "running",
        "completed",
        "failed",
        "cached",
        "retrying",
        "retried",
        "stopping",
        "stopped",
    }


@pytest.mark.parametrize(
    ("kind", "name", "word"),
    [
        ("SCHEDULED", UNPLANNED, "initializing"),
        ("SCHEDULED", "Late", "submitted"),
        ("SCHEDULED", "AwaitingRetry", "retrying"),
        ("PENDING", "InfrastructurePending", "provisioning"),
        ("PAUSED", "Paused", "running"),
        ("PAUSED", "Suspended", "submitted"),
        ("COMPLETED", "Cached", "cached"),
        ("COMPLETED", "Nothing to do", "completed"),
        ("FAILED", "TimedOut", "failed"),
        ("CRASHED", "Crashed", "failed"),
        ("CANCELLED", "Cancelled", "stopped"),
        ("HIBERNATING", "Hibernating", "running"),
    ],
)
def test_a_state_has_its_word(kind: str, name: str, word: str) -> None:
    assert RunState(kind, name, "").status == word


def test_why_a_process_ended_is_told_in_words() -> None:
    said = "Execution was aborted by Python system exit call."
    assert said in (Path(prefect.__file__).parent / "states.py").read_text(encoding="utf-8")
    assert "its worker was stopped" in in_words(f"Crash: {said}")
    assert in_words("another reason") == "another reason"
