"""What the look at the house counts."""

from __future__ import annotations

from pathlib import Path

from benchmarks import house
from fair_models.catalog.items import versions


def test_a_file_is_passed_when_a_function_of_it_is_called() -> None:
    assert house.passed(lambda: versions.split_id("roofs-v2")) == {"fair_models/catalog/items/versions.py"}
    assert house.passed(lambda: None) == set()


def test_modules_are_counted_by_folder_and_shared_names_without_those_of_single_tasks() -> None:
    names = ("a/run.py", "a/__init__.py", "a/b/run.py", "a/b/plan.py", "fair_models/ml_tasks/one/plan.py")
    files = [Path(name) for name in names]
    assert house.modules_by_folder(files) == {"a": 1, "a/b": 2, "fair_models/ml_tasks/one": 1}
    assert house.shared_names(files) == {"run": 2}
