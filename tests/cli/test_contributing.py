"""`new-model` and `check-model` as people type them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fair_models.cli.app import app


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside of any checkout."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fair_models(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_a_new_model_passes_and_the_way_on_is_told(here: Path) -> None:
    made = fair_models("new-model", "street-roofs")
    checked = fair_models("check-model", "street_roofs")

    assert made.exit_code == 0, made.output
    assert (here / "street_roofs" / "stac-item.json").is_file()
    for words in (
        "fair-models check-model street_roofs",
        "python -m pytest street_roofs",
        "fair-models register",
    ):
        assert words in made.stdout
    assert (checked.exit_code, checked.stdout) == (0, "street_roofs passes\n")


def test_in_a_checkout_a_new_model_lies_among_the_others(here: Path) -> None:
    (here / "flows").mkdir()
    (here / "prefect.yaml").touch()
    (here / "docs").mkdir()

    made = fair_models("new-model", "street-roofs", "--json")

    document = json.loads(made.stdout)
    assert document["folder"] == str(here / "models" / "street_roofs")
    assert document["package"] == "models.street_roofs"
    assert document["next"]["make its weights again"] == "python -m models.street_roofs.weights"
    assert "weights/initial.safetensors" in document["files"]


def test_every_problem_is_a_line_and_the_exit_code_is_that_of_bad_input(here: Path) -> None:
    fair_models("new-model", "street-roofs")
    for name in ("Dockerfile", "README.md"):
        (here / "street_roofs" / name).unlink()

    checked = fair_models("check-model", "street_roofs")

    assert checked.exit_code == 2
    assert [line.partition(":")[0] for line in checked.stdout.splitlines()] == [
        "- README.md is missing",
        "- Dockerfile is missing",
    ]
    assert "street_roofs does not pass" in checked.stderr


def test_a_program_gets_the_problems_as_json(here: Path) -> None:
    fair_models("new-model", "street-roofs")
    (here / "street_roofs" / "Dockerfile").unlink()

    checked = fair_models("check-model", "street_roofs", "--json")

    document = json.loads(checked.stdout)
    assert (checked.exit_code, document["passes"], len(document["problems"])) == (2, False, 1)
    assert document["folder"] == str(here / "street_roofs")


@pytest.mark.parametrize(
    "arguments",
    [("new-model", "Street Roofs"), ("new-model", "street-roofs", "--task", "x"), ("check-model", "nothing")],
)
def test_what_cannot_be_done_is_told_in_one_line(here: Path, arguments: tuple[str, ...]) -> None:
    done = fair_models(*arguments)

    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert list(here.iterdir()) == []


def test_the_commands_load_torch_only_when_they_run() -> None:
    program = (
        "import sys\nfrom fair_models.cli.app import app\n"
        "print([name for name in ('torch', 'zenml', 'mlflow', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
