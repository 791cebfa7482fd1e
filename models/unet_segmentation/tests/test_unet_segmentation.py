"""U-Net segmentation as a whole: its network, its weights, its item."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fair_models.contract.contribution import note_weights
from fair_models.inference.parts import InstancePart, Window
from fair_models.ml_tasks import weights
from fair_models.store.digests import checksum_file
from models.unet_segmentation import pipeline, processing
from models.unet_segmentation import weights as making

FOLDER = Path(__file__).resolve().parents[1]
INITIAL = FOLDER / "weights" / "initial.safetensors"


@pytest.fixture(scope="module")
def pretrained() -> nn.Module:
    network = pipeline.build(pipeline.Params())
    weights.load(network, INITIAL)
    return network.eval()


def test_the_network_has_half_a_million_weights() -> None:
    network = pipeline.build(pipeline.Params())
    assert sum(weight.numel() for weight in network.parameters()) == 490_644


@pytest.mark.parametrize("width", [4, 16, 64])
@pytest.mark.parametrize(("height", "columns"), [(32, 32), (256, 256), (45, 99)])
def test_scores_have_the_size_of_the_input(width: int, height: int, columns: int) -> None:
    network = pipeline.build(pipeline.Params(width=width)).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, height, columns)).shape == (1, 4, height, columns)


def test_the_initial_weights_are_small_enough_to_be_checked_in() -> None:
    assert INITIAL.stat().st_size < 1_100_000


def test_the_item_says_the_digest_of_the_weights() -> None:
    item = json.loads((FOLDER / "stac-item.json").read_text(encoding="utf-8"))
    assert item["assets"]["checkpoint"]["file:checksum"] == checksum_file(INITIAL)
    assert item["assets"]["checkpoint"]["file:size"] == INITIAL.stat().st_size


def test_the_initial_weights_find_buildings_in_a_settlement_they_have_not_seen(pretrained: nn.Module) -> None:
    unseen = making.samples_of((31,)).select(range(0, 48, 6))

    evaluation = pipeline.evaluate(pretrained, unseen, processing, pipeline.Params())

    assert (evaluation.metrics["fair:building_iou"] or 0) > 0.85
    assert (evaluation.baseline["fair:building_iou"] or 1) < 0.4


def test_the_seeds_of_the_weights_are_those_of_no_demo_and_no_test() -> None:
    assert not {0, 31, making.UNSEEN_SEED} & set(making.SEEDS)


def test_making_weights_writes_what_training_starts_from(tmp_path: Path) -> None:
    made = tmp_path / "weights" / "initial.safetensors"
    made.parent.mkdir()
    making.make(made, pipeline.Params(epochs=1, batch_size=16), seeds=(31,))
    item = tmp_path / "stac-item.json"
    item.write_text((FOLDER / "stac-item.json").read_text(encoding="utf-8"), encoding="utf-8")

    note_weights(tmp_path)

    weights.load(pipeline.build(pipeline.Params()), made)
    asset = json.loads(item.read_text(encoding="utf-8"))["assets"]["checkpoint"]
    assert asset["file:checksum"] == checksum_file(made)
    assert asset["file:size"] == made.stat().st_size


def test_processing_turns_pixels_and_scores_into_probabilities(pretrained: nn.Module) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    with torch.no_grad():
        scores = pretrained(torch.from_numpy(processing.preprocess(pixels))[None])[0].numpy()

    (part,) = processing.postprocess({"logits": scores}, Window(0, 0, 64, 64, "noise"), {})

    assert isinstance(part, InstancePart)
    assert part.probabilities.shape == (2, 64, 64)
    assert part.probabilities.sum(axis=0) == pytest.approx(np.ones((64, 64)))
