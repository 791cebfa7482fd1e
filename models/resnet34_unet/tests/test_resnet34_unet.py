"""The U-Net with a ResNet-34 encoder as a whole: its network, published weights, its item."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from fair_models.errors import InvalidContribution
from fair_models.inference.parts import InstancePart, Window
from models.resnet34_unet import pipeline, processing
from models.resnet34_unet.tests import layout

FOLDER = Path(__file__).resolve().parents[1]
NARROW = pipeline.Params(width=8)


def test_the_encoder_has_the_names_and_shapes_of_published_weights() -> None:
    with torch.device("meta"):
        network = pipeline.build(pipeline.Params())
    own = {name: tuple(tensor.shape) for name, tensor in network.encoder.state_dict().items()}
    published = {name: shape for name, shape in layout.shapes().items() if not name.startswith("fc.")}
    assert own == published


def test_the_network_has_24_million_weights_as_its_item_says() -> None:
    item = json.loads((FOLDER / "stac-item.json").read_text(encoding="utf-8"))
    with torch.device("meta"):
        network = pipeline.build(pipeline.Params())
    assert sum(weight.numel() for weight in network.parameters()) == 24_436_804
    assert item["properties"]["mlm:total_parameters"] == 24_436_804


@pytest.mark.parametrize(("height", "columns"), [(32, 32), (64, 96), (45, 99)])
def test_scores_have_the_size_of_the_input(height: int, columns: int) -> None:
    network = pipeline.build(NARROW).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, height, columns)).shape == (1, 4, height, columns)


def test_published_weights_go_into_the_encoder_and_nowhere_else() -> None:
    published = layout.state(8)
    network, untouched = pipeline.build(NARROW), pipeline.build(NARROW)
    untouched.load_state_dict(network.state_dict())

    pipeline.adopt(network, published)

    own = network.encoder.state_dict()
    assert all(torch.equal(own[name], tensor) for name, tensor in published.items() if name in own)
    rest = {name for name in network.state_dict() if not name.startswith("encoder.")}
    assert all(torch.equal(network.state_dict()[name], untouched.state_dict()[name]) for name in rest)


def test_published_weights_change_what_the_encoder_sees() -> None:
    network = pipeline.build(NARROW).eval()
    pixels = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = network.encoder(pixels)[-1]
        pipeline.adopt(network, layout.state(8))
        after = network.encoder(pixels)[-1]
    assert not torch.allclose(before, after)


def test_weights_without_counters_of_batches_are_taken_too() -> None:
    published = {k: v for k, v in layout.state(8).items() if not k.endswith("num_batches_tracked")}
    network = pipeline.build(NARROW)
    pipeline.adopt(network, published)
    assert torch.equal(network.encoder.conv1.weight, published["conv1.weight"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layer1.0.conv1.weight": None}, "missing: layer1.0.conv1.weight"),
        ({"layer5.0.conv1.weight": torch.zeros(1)}, "not in the network: layer5.0.conv1.weight"),
        ({"conv1.weight": torch.zeros(8, 4, 7, 7)}, "conv1.weight has the shape (8, 4, 7, 7)"),
        ({"bn1.bias": torch.full((8,), torch.nan)}, "not finite: bn1.bias"),
    ],
)
def test_weights_of_another_network_are_refused(change: dict[str, torch.Tensor | None], said: str) -> None:
    published = {**layout.state(8), **change}
    found = {name: tensor for name, tensor in published.items() if tensor is not None}
    with pytest.raises(InvalidContribution) as told:
        pipeline.adopt(pipeline.build(NARROW), found)
    assert said in str(told.value)


def test_processing_centres_pixels_and_gives_probabilities() -> None:
    grey = np.full((3, 32, 32), 255 * processing.MEAN[1], dtype=np.uint8)
    assert processing.preprocess(grey)[1].mean() == pytest.approx(0, abs=0.02)
    assert processing.preprocess(grey).dtype == np.float32

    window = Window(0, 0, 32, 32, "grey")
    (part,) = processing.postprocess({"logits": np.zeros((4, 32, 32), np.float32)}, window, {})

    assert isinstance(part, InstancePart)
    assert part.probabilities.sum(axis=0) == pytest.approx(np.ones((32, 32)))


def test_the_item_says_how_pixels_are_scaled() -> None:
    item = json.loads((FOLDER / "stac-item.json").read_text(encoding="utf-8"))
    said = item["properties"]["mlm:input"][0]["value_scaling"]
    assert [entry["mean"] / 255 for entry in said] == pytest.approx(processing.MEAN, abs=1e-4)
    assert [entry["stddev"] / 255 for entry in said] == pytest.approx(processing.DEVIATION, abs=1e-4)
