"""The command line: help, reads, bad input, exit codes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fair_models.catalog.changes.transitions import publish
from fair_models.catalog.opening import open_catalog
from fair_models.cli.app import app, load
from fair_models.cli.commands import COMMANDS
from fair_models.data.synthetic import make_settlement
from fair_models.params import IngestDatasetParams
from fair_models.publishing.datasets import ingest
from fair_models.settings import current
from fair_models.store.opening import open_store
from tests.catalog.item_factory import base_item, dataset_item, local_item

SUMMARIES = {name: told for commands in COMMANDS.values() for name, (_, told) in commands.items()}

HELP_MAY_LOAD = {"annotated_doc", "attr", "markdown_it", "mdurl", "pygments", "rich", "shellingham", "typer"}
"""What typer itself loads to print help."""


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and no server."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("FAIR_PREFECT_PORT", str(unused.getsockname()[1]))
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def published(home: Path, tmp_path: Path) -> Path:
    """A home with one dataset."""
    make_settlement(tmp_path / "town", seed=3, columns=4, rows=4, prediction_columns=0)
    params = IngestDatasetParams(name="town-buildings", title="Town", chips=str(tmp_path / "town" / "input"))
    ingest(params, open_catalog(current()), open_store(current()))
    return home


@pytest.mark.parametrize("command", sorted(SUMMARIES))
def test_every_command_explains_itself_and_its_options(command: str) -> None:
    loaded = load(command)
    assert " ".join(loaded.help.split("\n\n")[0].split()) == SUMMARIES[command]
    for part in getattr(loaded, "commands", {None: loaded}):
        shown = run(command, *([part] if part else []), "--help")
        assert shown.exit_code == 0
        assert "--json" in shown.output or command == "serve", part  # that one answers over HTTP


def test_help_documents_the_exit_codes() -> None:
    shown = " ".join(run("--help").output.split())
    for words in ("0 done", "1 the run failed", "2 bad input", "3 no server answers"):
        assert words in shown


def test_help_loads_no_more_than_it_prints() -> None:
    code = (
        "import sys; sys.argv = ['fair-models', '--help']\n"
        "from fair_models.cli import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    loaded = set(done.stderr.split())
    ours = {name for name in loaded if name.partition(".")[0] == "fair_models"}
    others = (
        {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - {"__main__", "fair_models"}
    )

    assert done.returncode == 0
    assert ours == {
        "fair_models",
        "fair_models.cli",
        "fair_models.cli.app",
        "fair_models.cli.commands",
        "fair_models.cli.output",
        "fair_models.errors",
        "fair_models.former_names",
        "fair_models.numbers",
    }
    assert {name for name in others if not name.startswith("_")} <= HELP_MAY_LOAD


def test_a_shell_completes_commands_options_and_values() -> None:
    def completed(*words: str) -> list[str]:
        environment = {"_FAIR_MODELS_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words)}
        code = "import sys; sys.argv = ['fair-models']; from fair_models.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environment, "COMP_CWORD": str(len(words) - 1)},
        )
        return done.stdout.split()

    assert completed("fair-models", "pr") == ["promote", "predict"]
    assert completed("fair-models", "predict", "--fo") == ["--format"]
    assert completed("fair-models", "predict", "--engine", "f") == ["fast"]
    assert completed("fair-models", "catalog", "in") == ["init"]


def test_an_empty_catalogue_lists_nothing_and_says_how_to_begin(home: Path) -> None:
    assert "fair-models demo" in run("list").stdout
    assert json.loads(run("list", "--json").stdout) == {"found": [], "next": None}


def test_what_is_published_is_listed(published: Path) -> None:
    assert "town-buildings-v1" in run("list", "datasets").stdout
    [row] = json.loads(run("list", "--json").stdout)["found"]
    assert (row["collection"], row["item"], row["deprecated"]) == ("datasets", "town-buildings-v1", False)
    assert json.loads(run("list", "base-models", "--json").stdout)["found"] == []


def test_a_list_is_chosen_by_conditions_and_read_page_by_page(home: Path) -> None:
    catalog = open_catalog(current())
    for item in (base_item(), dataset_item(), local_item()):
        publish(catalog, item)
    shown = run("list", "--limit", "2", "--json")
    first = json.loads(shown.stdout)
    rest = json.loads(run("list", "--limit", "2", "--cursor", first["next"], "--json").stdout)
    assert [row["item"] for row in (*first["found"], *rest["found"])] == [
        "roofs-unet-v1",
        "banepa-buildings-v1",
        "banepa-roofs-v1",
    ]
    assert rest["next"] is None

    better = run("list", "--where", "fair:building_iou > 0.1", "--where", "not pinned", "--order", "newest")
    assert "banepa-roofs-v1" in better.stdout
    assert "banepa-buildings" not in better.stdout
    nothing = run("list", "--where", "pinned").stdout
    assert "Leave out --where" in nothing
    assert str(current().catalog_folder) in nothing
    assert f"Published in {current().catalog_folder}" in better.stdout
    assert "--cursor" in run("list", "--limit", "1").stderr
    for wrong, said in (
        (["--where", "size > 1"], "is no condition"),
        (["--cursor", "x"], "is none that fair"),
    ):
        refused = run("list", *wrong)
        assert refused.exit_code == 2
        assert said in refused.stderr


@pytest.mark.parametrize("reference", ["town-buildings", "town-buildings-v1"])
def test_an_item_is_shown_by_name_or_id(published: Path, reference: str) -> None:
    assert "fair:chip_count" in run("show", reference).stdout
    assert json.loads(run("show", reference, "--json").stdout)["id"] == "town-buildings-v1"


def test_a_model_is_shown_with_what_its_hyperparameters_may_be(home: Path) -> None:
    publish(open_catalog(current()), base_item())
    shown = " ".join(run("show", "roofs-unet").stdout.split())
    spec = {entry["key"]: entry for entry in base_item().properties["fair:hyperparameters_spec"]}
    epochs = spec["training.epochs"]
    assert f"training.epochs {epochs['default']} int {epochs['min']} to {epochs['max']}" in shown


def test_a_fine_tuned_model_is_shown_with_its_figures_and_those_of_each_class(home: Path) -> None:
    figures = {
        "class": "building",
        "train": 900,
        "held_out": 300,
        "iou": 0.74,
        "iou_low": 0.7,
        "iou_high": 0.78,
    }
    item = local_item(
        intervals={"fair:building_iou": (0.7, 0.78)},
        classes=[{"class": "background", "train": None, "held_out": None, "iou": None}, figures],
        confusion={"building": {"background": 20, "building": 80}},
    )
    publish(open_catalog(current()), item)

    shown = " ".join(run("show", "banepa-roofs").stdout.split())

    assert "fair:building_iou 0.74 [0.7, 0.78] 0.377" in shown
    assert "building 900 300 0.74 [0.7, 0.78]" in shown
    assert "background – – –" in shown
    assert "building 20 80" in shown
    assert "fair:class_metrics" not in shown


def test_the_gate_of_a_model_is_shown_in_a_sentence(home: Path) -> None:
    gate = {
        "passed": False,
        "reasons": ["fair:building_iou is 0.74, 0.06 below the minimum of 0.8"],
        "override_reason": "A baseline for the workshop",
        "minimum": {"fair:building_iou": 0.8},
        "metric": "fair:building_iou",
        "challenger_value": 0.74,
        "measured_on": "banepa-buildings-v1",
        "held_out_count": 10,
    }
    publish(open_catalog(current()), local_item(gate=gate))
    shown = " ".join(run("show", "banepa-roofs").stdout.split())
    assert f"gate overridden (A baseline for the workshop): {gate['reasons'][0]}" in shown


def test_an_override_without_a_reason_worth_the_name_is_refused_before_anything_starts(home: Path) -> None:
    refused = run("promote", "banepa-roofs", "--override-reason", "because")
    assert refused.exit_code == 2
    assert "gate.override_reason" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "no-such-item"], "no-such-item"),
        (["list", "models"], "base-models, datasets, local-models"),
        (["finetune", "base", "data", "x", "--seed", "-4"], "seed"),
        (["finetune", "base", "data", "model", "--set", "epochs"], "NAME=VALUE"),
        (["promote", "Some Model"], "model"),
        (["ingest", "some-data", "chips", "--title", "a/b", "--held-out-ratio", "0.9"], "held_out_ratio"),
        (["predict", "some-model", "x", "--format", "shapefile"], "formats"),
    ],
)
def test_bad_input_is_one_readable_line_and_code_2(home: Path, arguments: list[str], words: str) -> None:
    plain = run(*arguments)
    assert plain.exit_code == 2
    assert words in plain.stderr
    assert len(plain.stderr.strip().splitlines()) == 1
    assert plain.stdout == ""
    told = run(*arguments, "--json")
    assert told.exit_code == 2
    assert words in json.loads(told.stdout)["error"]["message"]


@pytest.mark.parametrize(
    "arguments",
    [["show", "no-such-item"], ["rank", "no-such-item", "--text", "a roof"]],
    ids=lambda words: words[0],
)
def test_where_nothing_was_trained_no_database_of_trainings_is_made(home: Path, arguments: list[str]) -> None:
    shown = run(*arguments)
    assert shown.exit_code == 2
    assert "no-such-item" in shown.stderr
    assert not (home / "zenml").exists()


def test_everything_that_is_wrong_is_told_at_once(home: Path) -> None:
    shown = run("ingest", "Some Data", "chips", "--title", "a/b", "--held-out-ratio", "0.9", "--zoom", "99")
    for field in ("name", "title", "held_out_ratio", "zoom"):
        assert f"{field}: " in shown.stderr


def test_an_unknown_option_is_bad_input() -> None:
    assert run("list", "--colour").exit_code == 2


@pytest.mark.parametrize("arguments", [["audit"], ["promote", "some-model"], ["flow-runs"]])
def test_without_a_server_work_ends_with_code_3_and_says_how_to_start_one(
    home: Path, arguments: list[str]
) -> None:
    shown = run(*arguments, "--json")
    assert shown.exit_code == 3
    assert "fair-models up" in json.loads(shown.stdout)["error"]["message"]


def test_debugging_shows_where_an_error_comes_from(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIR_DEBUG", "1")
    shown = run("show", "no-such-item")
    assert shown.exc_info is not None
    assert shown.exc_info[2] is not None
    assert type(shown.exception).__name__ == "NotFound"
