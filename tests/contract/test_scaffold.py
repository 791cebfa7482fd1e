"""New contributions: complete as they are made, and held to the contract as soon as they are changed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fair_models.contract import checks, scaffold
from fair_models.contract import contribution as contributions
from fair_models.errors import Conflict, Invalid, Unavailable
from fair_models.store.digests import checksum_file

TASK = "semantic-segmentation"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scaffold.create("street-roofs", tmp_path_factory.mktemp("elsewhere") / "street_roofs", TASK).folder


@pytest.fixture
def folder(pristine: Path, tmp_path: Path) -> Path:
    """A new contribution outside of the repository that a test may break."""
    return Path(shutil.copytree(pristine, tmp_path / pristine.name))


def edit(folder: Path, name: str, before: str, after: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert before in text
    (folder / name).write_text(text.replace(before, after), encoding="utf-8")


def edit_item(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "stac-item.json"
    item = json.loads(path.read_text(encoding="utf-8"))
    change(item)
    path.write_text(json.dumps(item), encoding="utf-8")


@pytest.mark.parametrize("task", scaffold.tasks())
@pytest.mark.parametrize("parent", ["elsewhere", "models"])
def test_nothing_is_wrong_with_a_new_contribution(tmp_path: Path, task: str, parent: str) -> None:
    made = scaffold.create("street-roofs", tmp_path / parent / "street_roofs", task)

    assert checks.problems(made.folder) == []
    assert contributions.read(made.folder).name == "street-roofs"


def test_it_is_imported_as_its_folder_says(pristine: Path, tmp_path: Path) -> None:
    inside = scaffold.create("roof-dots", tmp_path / "models" / "roof_dots", TASK)

    assert (inside.package, inside.import_root) == ("models.roof_dots", tmp_path)
    assert contributions.read(pristine).entrypoint == "street_roofs.pipeline"


@pytest.mark.parametrize("task", scaffold.tasks())
def test_its_own_tests_pass_where_it_lies(tmp_path: Path, task: str) -> None:
    folder = scaffold.create("street-roofs", tmp_path / "street_roofs", task).folder
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder.name],
        cwd=folder.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_making_its_weights_again_gives_the_same_files(folder: Path) -> None:
    before = {path: path.read_bytes() for path in (folder / "weights").iterdir()}
    item = (folder / "stac-item.json").read_bytes()

    subprocess.run([sys.executable, "-m", f"{folder.name}.weights"], cwd=folder.parent, check=True)

    assert {path: path.read_bytes() for path in (folder / "weights").iterdir()} == before
    assert (folder / "stac-item.json").read_bytes() == item


@pytest.mark.parametrize("task", scaffold.tasks())
def test_its_files_hold_no_word_that_was_not_filled_in(tmp_path: Path, task: str) -> None:
    made = scaffold.create("street-roofs", tmp_path / "street_roofs", task).folder
    files = [
        path for path in made.rglob("*") if path.suffix in {"", ".py", ".md", ".json"} and path.is_file()
    ]
    texts = {path.name: path.read_text(encoding="utf-8") for path in files}
    assert len(texts) == 8
    texts["Dockerfile"] = texts["Dockerfile"].replace("FROM ${", "FROM {")  # Docker's own words
    assert [name for name, text in texts.items() if "$" in text or "FOLDER." in text] == []


def test_a_new_model_of_objects_says_so_in_its_item(tmp_path: Path) -> None:
    made = scaffold.create("street-roofs", tmp_path / "street_roofs", "instance-segmentation")

    properties = contributions.read(made.folder).template["properties"]

    assert properties["mlm:tasks"] == ["instance-segmentation", "semantic-segmentation"]
    assert properties["mlm:output"][0]["result"]["shape"] == [-1, 4, -1, -1]
    assert properties["fair:thing_classes"] == ["building"]
    assert properties["mlm:hyperparameters"]["inference.marker_reach_m"] == 5
    assert "training.boundary_m" in properties["mlm:hyperparameters"]


def test_weights_of_another_network_are_told_until_their_digest_is_noted(folder: Path) -> None:
    edit(folder, "weights.py", "SEED = 0", "SEED = 1")
    edit(folder, "pipeline.py", "CHANNELS = 16", "CHANNELS = 8")
    assert any("the network takes (8, 3, 3, 3)" in problem for problem in checks.problems(folder))

    subprocess.run([sys.executable, "-m", f"{folder.name}.weights"], cwd=folder.parent, check=True)

    problems = checks.problems(folder)
    assert len(problems) == 1
    assert "mlm:total_parameters is" in problems[0]


def test_noting_weights_leaves_the_layout_of_the_item_alone(folder: Path) -> None:
    before = (folder / "stac-item.json").read_text(encoding="utf-8").splitlines()
    weights = folder / "weights" / "initial.safetensors"
    weights.write_bytes(b"other")

    contributions.note_weights(folder)

    after = (folder / "stac-item.json").read_text(encoding="utf-8").splitlines()
    changed = [line.strip() for old, line in zip(before, after, strict=True) if old != line]
    assert changed == [f'"file:checksum": "{checksum_file(weights)}",', '"file:size": 5']


def test_noting_weights_adds_what_the_item_did_not_say(folder: Path) -> None:
    edit_item(folder, lambda item: item["assets"]["checkpoint"].pop("file:checksum"))

    contributions.note_weights(folder)

    assert checks.problems(folder) == []


def test_everything_that_is_wrong_is_listed_at_once_down_to_the_onnx(folder: Path) -> None:
    (folder / "Dockerfile").unlink()
    edit(folder, "processing.py", "from fair_models", "import torch\nfrom fair_models")
    edit(folder, "weights.py", "from . import", "from street_roofs import")
    edit(
        folder,
        "pipeline.py",
        "    dropout: float",
        "    depth: int = Field(2, ge=1, le=4)\n    dropout: float",
    )
    edit(
        folder,
        "pipeline.py",
        "train, evaluate, export = training.train, training.evaluate, training.export",
        "train, evaluate = training.train, training.evaluate\n\n\n"
        "def export(network, path, params):\n    training.export(build(params), path, params)",
    )

    def spoil(item: dict[str, Any]) -> None:
        del item["properties"]["license"]
        entries = item["properties"]["fair:hyperparameters_spec"]
        next(each for each in entries if each["key"] == "training.epochs")["max"] = 5000
        item["assets"]["checkpoint"]["file:checksum"] = "1220" + 64 * "a"

    edit_item(folder, spoil)

    text = "\n".join(checks.problems(folder))

    for expected in (
        "Dockerfile is missing",
        "properties.license: is missing",
        "weights.py, line 16, imports street_roofs by its full name",
        "the weights weights/initial.safetensors have the digest 1220",
        "importing the processing loads torch",
        "training.depth is in Params but not in the item",
        "training.epochs: the item allows 5000, Params does not",
        "between ONNX and torch, allowed is",
    ):
        assert expected in text, text


def test_wrong_signatures_are_listed_with_the_rest(folder: Path) -> None:
    edit(
        folder,
        "processing.py",
        "preprocess = segmentation.scale_to_unit",
        "def preprocess(pixels, mean):\n    return pixels",
    )
    edit(
        folder,
        "pipeline.py",
        "train, evaluate, export = training.train, training.evaluate, training.export",
        "train = training.train\n\n\ndef evaluate(network): ...",
    )
    edit_item(folder, lambda item: item["properties"].update(license="as you like it"))
    (folder / "README.md").unlink()

    text = "\n".join(checks.problems(folder))

    for expected in (
        "README.md is missing",
        "properties.license: is 'as you like it'",
        "preprocess(pixels, mean) cannot be called as preprocess(window)",
        "evaluate(network) cannot be called as evaluate(network, samples, processing, params)",
        "export is missing",
    ):
        assert expected in text, text


def test_an_item_that_is_no_json_is_listed_with_the_files_that_are_missing(folder: Path) -> None:
    (folder / "stac-item.json").write_text("{")
    (folder / "README.md").unlink()

    missing, broken, unseen = checks.problems(folder)
    assert missing.startswith("README.md is missing")
    assert broken.startswith("stac-item.json")
    assert "JSON" in broken
    assert unseen.startswith("not checked, because stac-item.json cannot be read")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("checkpoint",), None),
        (("checkpoint", "href"), 5),
        (("checkpoint", "roles"), [["mlm:weights"]]),
        (("checkpoint", "file:checksum"), ["1220"]),
        (("readme",), {"title": "Card"}),
        (("training-runtime", "roles"), "mlm:training-runtime"),
    ],
)
def test_a_malformed_asset_is_a_problem_and_no_crash(
    folder: Path, place: tuple[str, ...], value: object
) -> None:
    def spoil(item: dict[str, Any]) -> None:
        *path, last = ("assets", *place)
        for key in path:
            item = item[key]
        item[last] = value

    edit_item(folder, spoil)

    assert any("assets" in problem for problem in checks.problems(folder))


@pytest.mark.parametrize(
    "name", ["Roofs", "ro", "street_roofs", "street--roofs", "2roofs", "../roofs", "r" * 64]
)
def test_a_name_that_is_no_slug_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="cannot name a model: use 3 to 63 lower-case letters"):
        scaffold.create(name, tmp_path / "roofs", TASK)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_ends_like_a_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="'roofs-v2' ends like a version"):
        scaffold.create("roofs-v2", tmp_path / "roofs", TASK)


@pytest.mark.parametrize("module", ["street-roofs", "class", "2roofs"])
def test_a_folder_that_python_cannot_import_is_refused(tmp_path: Path, module: str) -> None:
    with pytest.raises(Invalid, match="cannot be imported"):
        scaffold.create("street-roofs", tmp_path / module, TASK)


def test_a_folder_that_would_hide_an_installed_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="'numpy' is a Python package already"):
        scaffold.create("numpy", tmp_path / "numpy", TASK)


def test_name_folder_and_task_are_refused_in_one_answer(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as error:
        scaffold.create("Roofs", tmp_path / "my roofs", "divination")

    for part in ("'Roofs'", "'my roofs'", "'divination'", TASK):
        assert part in str(error.value)


def test_a_folder_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "roofs").mkdir()
    with pytest.raises(Conflict, match="exists already"):
        scaffold.create("roofs", tmp_path / "roofs", TASK)
    assert list(tmp_path.rglob("*")) == [tmp_path / "roofs"]


def test_a_folder_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Unavailable, match="Check the free space and the permissions"):
        scaffold.create("street-roofs", tmp_path / "file" / "street_roofs", TASK)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
