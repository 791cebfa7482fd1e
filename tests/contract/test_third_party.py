"""A model from a folder outside the repository goes the whole way through the contract."""

import numpy as np
import pytest

from fair_models.contract import blueprint
from fair_models.contract.code import loader
from fair_models.contract.contribution import read as read_contribution
from fair_models.contract.verification import export_check
from fair_models.data.samples import Samples
from fair_models.errors import InvalidContribution
from fair_models.ml_tasks import weights


def test_a_contribution_from_outside_is_built_trained_measured_and_exported(contribution, tmp_path):
    read = read_contribution(contribution.path)
    made = blueprint.make(read, tmp_path / "made")
    pipeline = loader.load_pipeline(made.code, made.code_checksum, read.entrypoint)
    processing = loader.load_processing(made.code, made.code_checksum, read.preprocess, read.postprocess)
    params = pipeline.Params(epochs=2, batch_size=2)
    random = np.random.default_rng(0)
    samples = Samples(
        random.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8),
        random.integers(0, 2, (4, 32, 32), dtype=np.uint8),
        ["a", "b", "c", "d"],
        ["background", "building"],
    )
    network = pipeline.build(params)
    weights.load(network, read.weights)
    epochs = []

    pipeline.train(network, samples, processing, params, 0, epochs.append)
    evaluation = pipeline.evaluate(network, samples, processing, params)
    pipeline.export(network, tmp_path / "trained.onnx", params)

    assert [epoch.number for epoch in epochs] == [1, 2]
    assert evaluation.metrics["fair:building_iou"] is not None
    facts = blueprint.input_of(read.template)
    assert export_check.check(tmp_path / "trained.onnx", network, processing, facts) < 1e-4
    assert made.total_parameters == 2 * 3 * 3 * 3 + 2


def test_values_of_the_item_that_the_code_does_not_take_are_all_named(contribution, tmp_path):
    template = contribution.item()
    template["properties"]["mlm:hyperparameters"] |= {"training.epochs": 0, "training.size": 99}
    contribution.write_item(template)

    with pytest.raises(InvalidContribution, match=r"training\.epochs.*training\.size"):
        blueprint.make(read_contribution(contribution.path), tmp_path / "made")
