"""Rules of the architecture that import-linter cannot say."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "zenml", "mlflow", "onnxruntime")
FLOWS = sorted(f"flows.{path.stem}" for path in (PROJECT / "flows").glob("*.py") if path.stem != "__init__")
CONTRIBUTIONS = sorted(path.parent.name for path in (PROJECT / "models").glob("*/stac-item.json"))
LIGHT = [
    "fair_models.cli",
    "fair_models.client",
    "fair_models.training.run_config",
    *FLOWS,
    *(f"models.{name}.processing" for name in CONTRIBUTIONS),
]


@pytest.mark.parametrize("module", LIGHT)
def test_a_light_module_loads_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


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
