"""Chip classification as a whole: its network, its weights, its item."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fair_models.inference.parts import Scores, Window
from fair_models.ml_tasks import pretraining, weights
from fair_models.store.digests import checksum_file
from models.chip_classification import pipeline, processing
from models.chip_classification import weights as making

FOLDER = Path(__file__).resolve().parents[1]
INITIAL = FOLDER / "weights" / "initial.safetensors"


@pytest.fixture(scope="module")
def pretrained() -> nn.Module:
    network = pipeline.build(pipeline.Params())
    weights.load(network, INITIAL)
    return network.eval()


def test_the_network_has_an_eighth_of_a_million_weights() -> None:
    network = pipeline.build(pipeline.Params())
    assert sum(weight.numel() for weight in network.parameters()) == 125_234


def test_a_chip_has_one_score_for_each_class() -> None:
    network = pipeline.build(pipeline.Params()).eval()
    with torch.no_grad():
        assert network(torch.zeros(3, 3, 256, 256)).shape == (3, len(processing.CLASSES))


def test_the_initial_weights_are_small_enough_to_be_checked_in() -> None:
    assert INITIAL.stat().st_size < 300_000


def test_the_item_says_the_digest_of_the_weights() -> None:
    asset = json.loads((FOLDER / "stac-item.json").read_text(encoding="utf-8"))["assets"]["checkpoint"]
    assert asset["file:checksum"] == checksum_file(INITIAL)
    assert asset["file:size"] == INITIAL.stat().st_size


def test_the_item_names_the_classes_of_the_processing() -> None:
    item = json.loads((FOLDER / "stac-item.json").read_text(encoding="utf-8"))
    classes = item["properties"]["mlm:output"][0]["classification:classes"]
    assert tuple(entry["name"] for entry in classes) == processing.CLASSES


def test_the_initial_weights_tell_chips_apart_in_a_settlement_they_have_not_seen(
    pretrained: nn.Module,
) -> None:
    unseen = pretraining.samples_of(making.RECIPE, seed=31, built_share=0.15)

    evaluation = pipeline.evaluate(pretrained, unseen, processing, pipeline.Params())

    assert (evaluation.metrics["fair:accuracy"] or 0) > 0.85
    assert (evaluation.metrics["fair:mean_f1"] or 0) > 0.8
    assert (evaluation.baseline["fair:mean_f1"] or 1) < 0.5


def test_the_seeds_of_the_weights_are_those_of_no_demo_and_no_test() -> None:
    learnt = {seed for seed, _ in making.SETTLEMENTS}
    assert not learnt & {0, 31, *(seed for seed, _ in making.UNSEEN_SETTLEMENTS)}


def test_making_weights_writes_what_training_starts_from(tmp_path: Path) -> None:
    made = tmp_path / "made.safetensors"
    making.make(made, pipeline.Params(epochs=1, batch_size=16), settlements=((31, 0.15),))

    weights.load(pipeline.build(pipeline.Params()), made)
    assert made.stat().st_size == INITIAL.stat().st_size


def test_processing_turns_pixels_and_scores_into_one_probability_of_each_class(pretrained: nn.Module) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 256, 256), dtype=np.uint8)
    with torch.no_grad():
        scores = pretrained(torch.from_numpy(processing.preprocess(pixels))[None])[0].numpy()

    (part,) = processing.postprocess({"logits": scores}, Window(0, 0, 256, 256, "noise"), {})

    assert isinstance(part, Scores)
    assert set(part.values) == {"background", "building"}
    assert sum(part.values.values()) == pytest.approx(1)
