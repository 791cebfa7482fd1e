"""The ledger over real ZenML."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from fair_models.catalog.items.pins import Pin
from fair_models.choices import Choice, walk
from fair_models.errors import Conflict, Invalid, NotFound
from fair_models.settings import Settings
from fair_models.training import launch
from fair_models.training.ledger import history
from fair_models.training.process.environment import zenml_client


@pytest.fixture(scope="module")
def two_versions(make_config):
    config = make_config("models.tiny.own:training_pipeline", model_name="staged-roofs")
    return [launch.run(config), launch.run(config)]


def stages(ledger) -> list[str]:
    return [version.stage for version in ledger.versions("staged-roofs")]


def test_versions_are_numbered_in_the_order_of_their_runs(two_versions, ledger):
    assert ledger.versions("staged-roofs") == two_versions
    assert [version.number for version in two_versions] == [1, 2]
    assert two_versions[0].created < two_versions[1].created
    assert two_versions[0].created.tzinfo is not None


def test_production_archives_the_version_that_held_it(two_versions, ledger):
    ledger.set_stage("staged-roofs", 1, "production")
    ledger.set_stage("staged-roofs", 2, "production")
    assert stages(ledger) == ["archived", "production"]

    ledger.set_stage("staged-roofs", 2, "none")
    assert stages(ledger) == ["archived", "none"]


def test_setting_a_stage_again_changes_nothing(two_versions, ledger):
    ledger.set_stage("staged-roofs", 2, "production")
    ledger.set_stage("staged-roofs", 2, "production")

    assert stages(ledger)[1] == "production"


def test_a_failed_version_is_failed_even_when_zenml_has_it_in_production(failed, ledger, home_for_tests):
    zenml_client(Settings()).update_model_version(
        failed.model, str(failed.number), stage="production", force=True
    )

    version = ledger.get(failed.model, failed.number)

    assert (version.stage, version.status) == ("production", "failed")


def test_a_version_without_a_run_is_missing_one(ledger):
    client = zenml_client(Settings())
    client.create_model_version(client.create_model("by-hand").id)

    version = ledger.get("by-hand", 1)

    assert (version.status, version.run_id) == ("missing", None)
    with pytest.raises(Conflict, match="its run is missing"):
        ledger.set_stage("by-hand", 1, "production")
    with pytest.raises(NotFound, match="No run is known"):
        ledger.config("by-hand", 1)


def test_only_models_with_versions_are_listed(two_versions, ledger):
    zenml_client(Settings()).create_model("empty-model")

    assert "staged-roofs" in ledger.models()
    assert "empty-model" not in ledger.models()


def test_what_does_not_exist_is_not_found_with_what_does(two_versions, ledger, tmp_path):
    with pytest.raises(NotFound, match="staged-roofs"):
        ledger.versions("staged-roof")
    with pytest.raises(NotFound, match="Its versions: 1, 2"):
        ledger.get("staged-roofs", 7)
    with pytest.raises(NotFound, match="no training run"):
        ledger.mark_failed("00000000-0000-0000-0000-000000000000")


def test_files_of_a_run_that_did_not_get_that_far_are_not_found(failed, ledger, tmp_path):
    with pytest.raises(NotFound, match="left no onnx"):
        ledger.fetch(failed.model, failed.number, "onnx", tmp_path)
    assert not list(tmp_path.iterdir())


def test_curves_have_a_row_for_each_epoch(completed, ledger):
    curves = ledger.curves(completed.model, completed.number)

    assert [row["epoch"] for row in curves] == [1, 2, 3]


def test_marking_a_completed_run_changes_nothing(completed, ledger):
    ledger.mark_failed(completed.run_id)
    ledger.mark_cancelled(completed.run_id)

    assert ledger.get(completed.model, completed.number).status == "completed"


def test_a_second_home_in_one_process_is_refused(ledger, tmp_path):
    with pytest.raises(Conflict, match="Use another process"):
        zenml_client(Settings(home=tmp_path))


def test_a_deleted_version_is_gone_and_deleting_it_again_is_no_error(make_config, ledger):
    client = zenml_client(Settings())
    model = client.create_model("short-lived")
    client.create_model_version(model.id)
    client.create_model_version(model.id)

    ledger.delete("short-lived", 1)
    ledger.delete("short-lived", 1)
    assert [version.number for version in ledger.versions("short-lived")] == [2]

    ledger.delete_model("short-lived")
    ledger.delete_model("short-lived")
    assert "short-lived" not in ledger.models()
    with pytest.raises(NotFound):
        ledger.versions("short-lived")


def test_numbers_of_deleted_versions_are_not_used_again(make_config, ledger):
    config = make_config("models.tiny.own:training_pipeline", model_name="numbered-roofs")
    ledger.reserve("numbered-roofs", 3)
    ledger.reserve("numbered-roofs", 3)
    ledger.reserve("numbered-roofs", 2)
    assert "numbered-roofs" not in ledger.models()

    version = launch.run(config)
    assert version.number == 4
    assert version.notes == ("Its labels are few",)
    assert ledger.versions("numbered-roofs") == [version]

    ledger.delete("numbered-roofs", 4)
    assert launch.run(config, above=4).number == 5


def test_a_pin_says_why_and_by_whom_until_it_is_taken_off(two_versions, ledger):
    pin = Pin("the flood of May", "ana", "2026-11-21T08:30:00Z")
    ledger.set_pin("staged-roofs", 1, Pin("a first word", "ben", pin.at))
    ledger.set_pin("staged-roofs", 1, pin)

    assert ledger.get("staged-roofs", 1).pin == pin
    assert [version.pin for version in ledger.versions("staged-roofs")] == [pin, None]
    ledger.set_pin("staged-roofs", 1, None)
    assert ledger.get("staged-roofs", 1).pin is None
    with pytest.raises(NotFound, match="no version 9"):
        ledger.set_pin("staged-roofs", 9, pin)


def test_a_version_goes_with_its_run_its_files_and_its_curves(make_config, ledger):
    client = zenml_client(Settings())
    version = launch.run(make_config("models.tiny.own:training_pipeline", model_name="gone-roofs"))
    kept = launch.run(make_config("models.tiny.own:training_pipeline", model_name="gone-roofs"))
    run = client.get_pipeline_run(version.run_id)
    places = [Path(each.uri) for step in run.steps.values() for out in step.outputs.values() for each in out]
    assert places
    assert all(place.exists() for place in places)

    ledger.delete("gone-roofs", version.number, with_run=True)
    ledger.delete("gone-roofs", version.number, with_run=True)

    assert [each.number for each in ledger.versions("gone-roofs")] == [kept.number]
    assert ledger.get("gone-roofs", kept.number).status == "completed"
    assert not any(place.exists() for place in places)
    with pytest.raises(KeyError):
        client.get_pipeline_run(version.run_id)
    curves = MlflowClient(Settings().mlflow_uri).get_run(version.mlflow_run_id)
    assert curves.info.lifecycle_stage == "deleted"


def test_runs_are_listed_by_conditions_and_page_by_page(two_versions, failed, ledger):
    def listed(*where, **values):
        choice = Choice.of(where, limit=1, **values)
        return [version.id for version in walk(choice, lambda each: history.page(ledger, each))]

    ours = "name contains staged"
    assert listed(ours, order="newest") == ["staged-roofs-v2", "staged-roofs-v1"]
    assert listed(ours) == ["staged-roofs-v1", "staged-roofs-v2"]
    assert listed(f"id = {failed.id}", "not trained") == [failed.id]
    assert listed(f"id = {failed.id}", "trained") == []
    assert listed(ours, "task = semantic-segmentation", "fair:building_iou > 0.4", order="id") == listed(ours)
    assert listed(ours, "not task = semantic-segmentation") == []
    with pytest.raises(Invalid, match="Runs have no keywords"):
        listed("keyword = building")
