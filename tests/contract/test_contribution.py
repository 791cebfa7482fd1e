from pathlib import Path

import pytest

from fair_models.contract import contribution as contributions
from fair_models.errors import InvalidContribution, NotFound


def test_a_folder_outside_the_repository_is_read_without_being_executed(contribution):
    contribution.write("__init__.py", "raise RuntimeError('executed')")

    found = contributions.read(contribution.path)

    assert found.name == "roof-dots"
    assert found.package == "roof_dots"
    assert found.entrypoint == "roof_dots.pipeline"
    assert found.preprocess == "roof_dots.processing:preprocess"
    assert found.weights == contribution.path / "weights" / "initial.safetensors"
    assert not found.own_pipeline


def test_a_folder_in_models_is_named_as_it_is_imported_in_a_checkout():
    assert contributions.package_of(Path("/checkout/models/roofs")) == "models.roofs"
    assert contributions.package_of(Path("/elsewhere/roofs")) == "roofs"


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(NotFound, match=r"no folder .*roofs"):
        contributions.read(tmp_path / "roofs")


def test_a_folder_without_an_item_is_told_what_it_lacks(tmp_path):
    with pytest.raises(NotFound, match=r"has no stac-item\.json"):
        contributions.read(tmp_path)


def test_an_item_that_is_no_json_is_refused(contribution):
    contribution.write("stac-item.json", "{")
    with pytest.raises(InvalidContribution, match=r"stac-item\.json: it is no JSON"):
        contributions.read(contribution.path)


def test_everything_that_an_item_fails_to_name_is_listed_at_once(contribution):
    contribution.write_item({"properties": {"mlm:input": ["text"]}, "assets": {"other": None}})

    with pytest.raises(InvalidContribution) as error:
        contributions.read(contribution.path)

    text = str(error.value)
    for missing in (
        "mlm:name",
        "pre_processing_function",
        "post_processing_function",
        "mlm:entrypoint",
        "mlm:weights",
        "mlm:hyperparameters",
    ):
        assert missing in text
