"""The wheel: complete, installable alone, quick to answer."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--wheel-dir",
            str(folder),
            str(PROJECT),
        ],
        check=True,
    )
    return next(folder.glob("fair_models-*.whl"))


def test_the_wheel_holds_the_library_and_its_schemas_only(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"fair_models"}
    for schema in (PROJECT / "schemas").glob("*.json"):
        assert f"fair_models/schemas/{schema.name}" in names
    assert "fair_models/py.typed" in names


@pytest.mark.proof
def test_the_wheel_installs_into_an_empty_environment_and_answers(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    constraints = PROJECT / "constraints.txt"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-c", constraints, wheel], check=True)
    done = subprocess.run(
        [python.parent / "fair-models", "--help"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "predict" in done.stdout
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    assert "torch" not in listed
    assert "zenml" not in listed
