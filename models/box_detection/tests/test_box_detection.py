"""Box detection as a whole: its network, its weights, its item."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fair_models.data.samples import Samples
from fair_models.inference.parts import FeaturePart, Window
from fair_models.ml_tasks import pretraining, weights
from fair_models.store.digests import checksum_file
from models.box_detection import pipeline, processing
from models.box_detection import weights as making

FOLDER = Path(__file__).resolve().parents[1]
INITIAL = FOLDER / "weights" / "initial.safetensors"


@pytest.fixture(scope="module")
def pretrained() -> nn.Module:
    network = pipeline.build(pipeline.Params())
    weights.load(network, INITIAL)
    return network.eval()


@pytest.fixture(scope="module")
def unseen() -> Samples:
    """A settlement that the weights have not seen."""
    return pretraining.samples_of(making.RECIPE, seed=31)


def test_the_network_has_a_quarter_of_a_million_weights() -> None:
    network = pipeline.build(pipeline.Params())
    assert sum(weight.numel() for weight in network.parameters()) == 241_269


@pytest.mark.parametrize("size", [(256, 256), (64, 96), (37, 219)])
def test_any_size_has_one_cell_for_four_pixels(pretrained: nn.Module, size: tuple[int, int]) -> None:
    with torch.no_grad():
        assert pretrained(torch.zeros(2, 3, *size)).shape == (2, 5, -(-size[0] // 4), -(-size[1] // 4))


def test_the_initial_weights_are_small_enough_to_be_checked_in() -> None:
    assert INITIAL.stat().st_size < 600_000


def test_the_item_says_the_digest_of_the_weights() -> None:
    asset = json.loads((FOLDER / "stac-item.json").read_text(encoding="utf-8"))["assets"]["checkpoint"]
    assert asset["file:checksum"] == checksum_file(INITIAL)
    assert asset["file:size"] == INITIAL.stat().st_size


def test_the_item_names_all_that_is_measured_and_the_initial_weights_do_well_in_it(
    pretrained: nn.Module, unseen: Samples
) -> None:
    item = json.loads((FOLDER / "stac-item.json").read_text(encoding="utf-8"))

    evaluation = pipeline.evaluate(pretrained, unseen, processing, pipeline.Params())

    assert {entry["key"] for entry in item["properties"]["fair:metrics_spec"]} == set(evaluation.metrics)
    assert (evaluation.metrics["fair:map_50"] or 0) > 0.9
    assert (evaluation.metrics["fair:building_f1"] or 0) > 0.85
    assert (evaluation.baseline["fair:map_50"] or 0) < 0.1


def test_the_seeds_of_the_weights_are_those_of_no_demo_and_no_test() -> None:
    assert not set(making.SEEDS) & {0, 31, *making.UNSEEN_SEEDS}


def test_making_weights_writes_what_training_starts_from(tmp_path: Path, unseen: Samples) -> None:
    made = tmp_path / "made.safetensors"
    making.make(made, unseen.select(range(8)), pipeline.Params(epochs=1))

    weights.load(pipeline.build(pipeline.Params()), made)
    assert made.stat().st_size == INITIAL.stat().st_size


def test_processing_turns_pixels_and_output_into_boxes_with_scores(
    pretrained: nn.Module, unseen: Samples
) -> None:
    pixels = unseen.images[0]
    with torch.no_grad():
        heads = pretrained(torch.from_numpy(processing.preprocess(pixels))[None])[0].numpy()

    (part,) = processing.postprocess({"heads": heads}, Window(0, 0, 256, 256, "chip"), {})

    assert isinstance(part, FeaturePart)
    assert part.geometries.shape == (len(part.scores), 4)
    assert (np.diff(part.scores) <= 0).all()
    assert part.scores[0] > 0.5
    assert set(part.classes) == {1}
