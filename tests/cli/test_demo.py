"""What the demo would do for each task, without doing it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fair_models.cli.commands import demo, demo_tasks
from fair_models.cli.commands.demo_tasks import TASKS, TaskName
from fair_models.data.synthetic.scenes import make_scenes
from fair_models.params import IngestDatasetParams
from fair_models.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without contributions."""
    monkeypatch.setattr(demo_tasks, "checkout_root", lambda: tmp_path)
    return tmp_path


def _contribute(checkout: Path, name: str, task: str, size: int, *, ships: bool) -> None:
    folder = checkout / "models" / name
    folder.mkdir(parents=True)
    (folder / "own.safetensors").write_bytes(b"")
    href = "own.safetensors" if ships else "https://example.org/published.pth"
    template = {
        "properties": {"mlm:tasks": [task], "mlm:total_parameters": size},
        "assets": {"checkpoint": {"href": href, "roles": ["mlm:weights"]}},
    }
    (folder / "stac-item.json").write_text(json.dumps(template))


def _labels(path: Path, *materials: tuple[str | None, int]) -> Path:
    features = [
        {"type": "Feature", "properties": {demo_tasks.TAG: material}, "geometry": None}
        for material, count in materials
        for _ in range(count)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_a_task_takes_the_smallest_contribution_that_ships_its_weights(checkout: Path) -> None:
    _contribute(checkout, "a_download", "semantic-segmentation", 10, ships=False)
    _contribute(checkout, "b_large", "semantic-segmentation", 300, ships=True)
    _contribute(checkout, "c_small", "semantic-segmentation", 200, ships=True)
    _contribute(checkout, "d_other", "object-detection", 1, ships=True)

    assert demo_tasks.contribution(TASKS[TaskName.SEGMENTATION]).name == "c_small"
    assert demo_tasks.contribution(TASKS[TaskName.DETECTION]).name == "d_other"

    _contribute(checkout, "e_objects", "instance-segmentation", 150, ships=True)
    assert demo_tasks.contribution(TASKS[TaskName.SEGMENTATION]).name == "e_objects"


def test_a_task_without_a_contribution_is_told(checkout: Path) -> None:
    with pytest.raises(demo_tasks.NotFound, match="is for similarity-search"):
        demo_tasks.contribution(TASKS[TaskName.RANKING])


@pytest.mark.parametrize("name", list(TaskName))
def test_each_task_has_a_contribution_that_ships_its_weights(name: TaskName) -> None:
    folder = demo_tasks.contribution(TASKS[name])
    template = json.loads((folder / "stac-item.json").read_text(encoding="utf-8"))
    assert TASKS[name].words & set(template["properties"]["mlm:tasks"])
    assert demo_tasks._ships_weights(template, folder)


@pytest.mark.parametrize("name", list(TaskName))
def test_the_ingest_of_each_task_takes_what_the_demo_asks(name: TaskName, tmp_path: Path) -> None:
    labels = _labels(tmp_path / "labels.geojson", ("concrete", 5), ("metal", 5))
    asked = TASKS[name].ingest(labels)
    params = IngestDatasetParams(name="demo-town", title="Town", chips=str(tmp_path), **asked)
    assert not TASKS[name].words.isdisjoint(params.keywords)


def test_classes_are_the_materials_of_many_labels(tmp_path: Path) -> None:
    labels = _labels(
        tmp_path / "labels.geojson",
        ("concrete", 51),
        ("tin", 36),
        ("clay_tiles", 1),
        ("Metal Sheet", 30),
        (None, 12),
    )
    asked = demo_tasks.materials(labels)
    assert asked["classes"] == ["concrete", "tin"]
    assert asked["class_property"] == "roof:material"


def test_labels_with_too_few_materials_tell_buildings_from_none_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = _labels(tmp_path / "labels.geojson", ("concrete", 51), (None, 3))
    assert "classes" not in demo_tasks.materials(labels)
    assert "no two values of roof:material are on 20% of the labels" in capsys.readouterr().err
    assert "classes" not in demo_tasks.materials(tmp_path / "missing.geojson")


def test_sentences_of_the_demo_tell_roads_from_buildings_where_labels_do(tmp_path: Path) -> None:
    make_scenes(tmp_path, seed=demo_tasks.SCENES_SEED, count=8)
    asked = demo_tasks.captions(tmp_path / "labels.geojson")
    assert (asked["classes"], asked["class_property"]) == (["building", "road"], "class")
    assert "classes" not in demo_tasks.captions(_labels(tmp_path / "buildings.geojson", ("tin", 3)))


def test_what_a_prediction_found_is_told_by_class() -> None:
    prediction = {"by_class": "concrete 37, tin 11", "vectors": "a.geojson", "preview": "a.png"}
    assert demo._used({"predict": prediction})["found"] == "concrete 37, tin 11"
    assert demo._used({"predict": {**prediction, "by_class": ""}})["found"] == "nothing"


def test_the_ingest_names_the_classes_that_labels_tell_apart() -> None:
    told = demo._ingest_heading({"classes": ["concrete", "tin"], "class_property": "roof:material"})
    assert told == "Ingest the dataset: concrete, tin, by the labels' roof:material"
    assert demo._ingest_heading({}) == "Ingest the dataset"


def test_invented_data_have_a_licence_and_those_of_people_the_one_that_they_choose(tmp_path: Path) -> None:
    task = TASKS[TaskName.SEGMENTATION]
    (tmp_path / "demo" / task.generated.name).mkdir(parents=True)  # as if made before
    invented = demo._generated(task, Settings(home=tmp_path))
    params = IngestDatasetParams(name="a-town", title="T", chips="x", license=invented.license)
    assert params.license == "CC-BY-4.0"
    assert demo._given(tmp_path).license is None


def test_generated_data_are_made_once(tmp_path: Path) -> None:
    made = []
    generated = demo_tasks.Generated(
        "town-7", lambda folder: made.append(folder) or folder.mkdir(parents=True), ".", ".", "Town"
    )
    assert generated.at(tmp_path) == generated.at(tmp_path) == tmp_path / "demo" / "town-7"
    assert len(made) == 1
