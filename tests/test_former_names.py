"""Modules that moved are found by their former names, by code of before alone."""

import importlib
import re
from pathlib import Path

import pytest

from fair_models import former_names

PROJECT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(("former", "current"), former_names.MOVED.items())
def test_a_former_name_gives_the_module_of_today(former: str, current: str) -> None:
    package, _, name = former.rpartition(".")
    today = importlib.import_module(current)
    spec = today.__spec__

    assert importlib.import_module(former) is today
    assert getattr(importlib.import_module(package), name) is today
    assert today.__spec__ is spec


def test_an_unknown_name_is_still_unknown() -> None:
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        importlib.import_module("fair_models.contract.nothing_of_this_name")


def test_the_project_itself_imports_no_former_name() -> None:
    names = "|".join(re.escape(name) for name in former_names.MOVED)
    sources = [
        path
        for folder in ("fair_models", "flows", "blocks", "models")
        for path in (PROJECT / folder).rglob("*.py")
    ]

    found = [
        f"{path.relative_to(PROJECT)}: {match.group(0)}"
        for path in sources
        if path.name != "former_names.py"
        for match in re.finditer(rf"\b({names})\b", path.read_text(encoding="utf-8"))
    ]

    assert sources
    assert found == []
