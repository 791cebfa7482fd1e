"""Items and configs name the rules by which imagery is read; those without keep the old ones."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from fair_models import imagery_rules
from fair_models.catalog.items import base_models, datasets, local_models
from fair_models.catalog.items.model import ModelItem
from fair_models.contract.plans import prediction_request
from fair_models.errors import Invalid
from fair_models.imagery_rules import CURRENT, FIELD, OLD
from fair_models.inference.network.session import open_session
from fair_models.inference.prediction import CONFIG, predict
from fair_models.inference.repeating import settle
from fair_models.params import FinetuneParams, PredictParams, RepeatParams
from fair_models.training.config.run_config import RunConfig
from fair_models.training.finetune_plan import plan_run
from fair_models.training.phases import sample_cache
from tests.catalog import item_factory
from tests.inference.tiny import CORNER, grey, request_for, write_network, write_png_chip

KEPT = CURRENT.model_copy(update={"fill": "kept"})


def planned(dataset_properties: dict[str, Any]) -> RunConfig:
    base, dataset = item_factory.base_item(), item_factory.dataset_item()
    dataset.properties.pop(FIELD)
    dataset.properties |= dataset_properties
    wish = FinetuneParams(base_model=base.id, dataset=dataset.id, model_name="banepa-roofs")
    return plan_run(base, dataset, wish)


def test_what_is_registered_and_ingested_now_names_the_current_rules() -> None:
    base = base_models.build(item_factory.template(), 1, item_factory.base_files())
    dataset = datasets.build(item_factory.dataset_facts())
    assert imagery_rules.of(base.properties) == imagery_rules.of(dataset.properties) == CURRENT


def test_a_local_model_names_the_rules_that_it_learnt_by() -> None:
    item = local_models.build(item_factory.local_facts(rules=KEPT))
    assert item.properties[FIELD] == KEPT.model_dump()


def test_an_item_that_names_no_rules_has_the_old_ones() -> None:
    assert imagery_rules.of({}) == OLD


def test_rules_that_are_not_known_are_refused() -> None:
    with pytest.raises(Invalid, match="shoe-v1 reads imagery by rules that are not known here"):
        imagery_rules.of({FIELD: {**OLD.model_dump(), "bands": "by-colour"}}, "shoe-v1")


@pytest.mark.parametrize(("said", "rules"), [({}, OLD), ({FIELD: KEPT.model_dump()}, KEPT)])
def test_a_training_reads_chips_by_the_rules_that_they_were_ingested_by(
    said: dict[str, Any], rules: imagery_rules.ImageryRules
) -> None:
    assert planned(said).input.rules == rules


def test_a_run_config_that_names_no_rules_has_the_old_ones_and_repeats_with_its_rules() -> None:
    config = planned({FIELD: KEPT.model_dump()})
    assert RunConfig.from_zenml(config.to_zenml()) == config

    document = yaml.safe_load(config.to_zenml())
    del document["parameters"]["config"]["input"]["rules"]
    assert RunConfig.from_zenml(yaml.safe_dump(document)).input.rules == OLD


def test_samples_decoded_by_other_rules_are_not_taken_for_the_same() -> None:
    assert sample_cache.key(planned({})) != sample_cache.key(planned({FIELD: CURRENT.model_dump()}))


@pytest.mark.parametrize(
    ("said", "asked", "rules"),
    [
        ({}, {}, OLD),
        ({}, {"fill": "border-is-no-data"}, OLD.model_copy(update={"fill": "border-is-no-data"})),
        ({FIELD: CURRENT.model_dump()}, {}, CURRENT),
        ({FIELD: CURRENT.model_dump()}, {"fill": "kept"}, KEPT),
        ({FIELD: CURRENT.model_dump()}, {"imagery_rules": OLD}, OLD),
    ],
)
def test_a_model_predicts_by_its_own_rules_unless_others_are_asked_for(
    said: dict[str, Any], asked: dict[str, Any], rules: imagery_rules.ImageryRules
) -> None:
    item = item_factory.base_item()
    item.properties.pop(FIELD, None)
    item.properties |= said
    params = PredictParams(model=item.id, imagery="chips", **asked)
    assert prediction_request.rules_of(ModelItem(item), params) == rules


@pytest.mark.parametrize("rules", [OLD, CURRENT, KEPT])
def test_the_config_beside_a_prediction_repeats_its_rules(
    tmp_path: Path, rules: imagery_rules.ImageryRules
) -> None:
    write_png_chip(tmp_path / "in", CORNER, grey(64, 64, 200))
    session = open_session(write_network(tmp_path / "model.onnx"))
    made = predict(request_for(tmp_path / "in", tmp_path / "out", session, rules=rules))

    assert made.item["properties"][FIELD] == rules.model_dump()
    assert settle(RepeatParams(prediction=str(made.folder)))[0].imagery_rules == rules


def test_a_prediction_by_the_old_rules_says_so_and_its_config_is_the_one_of_before(tmp_path: Path) -> None:
    write_png_chip(tmp_path / "in", CORNER, grey(64, 64, 200))
    session = open_session(write_network(tmp_path / "model.onnx"))
    old = predict(request_for(tmp_path / "in", tmp_path / "old", session, rules=OLD))
    new = predict(request_for(tmp_path / "in", tmp_path / "new", session))

    assert "brightness-v1 reads imagery by the rules of before" in old.notes[0]
    assert new.notes == []
    assert "rules" not in (old.folder / CONFIG).read_text()
