"""Rules of the architecture that import-linter cannot say."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "zenml", "mlflow", "onnxruntime")
FLOWS = sorted(f"flows.{path.stem}" for path in (PROJECT / "flows").glob("*.py") if path.stem != "__init__")
CONTRIBUTIONS = sorted(path.parent.name for path in (PROJECT / "models").glob("*/stac-item.json"))
LIGHT = [
    "fair_models.cli.app",
    "fair_models.client",
    "fair_models.training.config.run_config",
    *FLOWS,
    *(f"models.{name}.processing" for name in CONTRIBUTIONS),
]


def test_light_modules_load_nothing_heavy() -> None:
    code = f"""
import importlib, sys
for name in {LIGHT!r}:
    importlib.import_module(name)
    for heavy in [each for each in {HEAVY!r} if each in sys.modules]:
        sys.exit(f"importing {{name}} loads {{heavy}}")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_library_names_no_contribution() -> None:
    sources = [
        path for path in (PROJECT / "fair_models").rglob("*") if path.suffix in {".py", ".json", ".txt"}
    ]
    named = [
        f"{path.relative_to(PROJECT)}: {name}"
        for path in sources
        for name in CONTRIBUTIONS
        if name in path.read_text(encoding="utf-8")
        or name.replace("_", "-") in path.read_text(encoding="utf-8")
    ]
    assert CONTRIBUTIONS
    assert named == []


MAX_FLAT = 20
"""Modules in one folder: where there are more, a reader no longer finds one by its name."""


def modules(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.py") if path.name != "__init__.py")


def test_no_folder_of_the_library_or_of_flows_holds_too_many_modules() -> None:
    folders = [
        folder for top in ("fair_models", "flows") for folder in [PROJECT / top, *(PROJECT / top).rglob("*")]
    ]
    full = {
        str(folder.relative_to(PROJECT)): len(modules(folder))
        for folder in folders
        if len(modules(folder)) > MAX_FLAT
    }
    assert full == {}


def test_every_folder_of_tests_mirrors_one_of_the_project() -> None:
    """`tests/store/s3` tests `fair_models/store/s3`, and `tests/flows/runtime` tests `flows/runtime`."""
    tests = PROJECT / "tests"
    alone = [
        str(folder.relative_to(tests))
        for folder in sorted(tests.rglob("*"))
        if list(folder.glob("test_*.py"))
        and folder.name != "recorded"  # a home of before, for all of it
        and not any((PROJECT / top / folder.relative_to(tests)).is_dir() for top in ("", "fair_models"))
    ]
    assert alone == []
