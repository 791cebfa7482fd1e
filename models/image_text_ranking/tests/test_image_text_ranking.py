"""Image-text ranking as a whole: its networks, its weights, its item."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fair_models.cli.commands import demo_tasks
from fair_models.data.samples import Samples
from fair_models.inference.network.texts import open_texts
from fair_models.inference.parts import Embedding, Window
from fair_models.ml_tasks import weights
from fair_models.store.digests import checksum_file
from models.image_text_ranking import pipeline, processing
from models.image_text_ranking import weights as making

FOLDER = Path(__file__).resolve().parents[1]
INITIAL = FOLDER / "weights" / "initial.safetensors"
MAIN = "fair:text_to_image_recall_at_10"


@pytest.fixture(scope="module")
def pretrained() -> pipeline.DualEncoder:
    network = pipeline.build(pipeline.Params())
    weights.load(network, INITIAL)
    return network.eval()


@pytest.fixture(scope="module")
def unseen() -> Samples:
    return making.samples_of(seed=31, count=60)


def test_images_and_texts_are_given_directions_of_length_one(pretrained: pipeline.DualEncoder) -> None:
    tokens = torch.from_numpy(processing.tokenise(["two houses in the north", ""]))
    with torch.no_grad():
        images, texts = pretrained(torch.rand(3, 3, 64, 64)), pretrained.text(tokens)

    assert images.shape == (3, 256)
    assert texts.shape == (2, 256)
    assert torch.allclose(torch.cat([images, texts]).norm(dim=1), torch.ones(5), atol=1e-5)


def test_words_after_the_end_of_a_text_change_nothing(pretrained: pipeline.DualEncoder) -> None:
    tokens = torch.from_numpy(processing.tokenise(["two houses in the north"]))
    pretrained.train()
    try:
        torch.manual_seed(0)
        for layer in pretrained.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
        short = pretrained.text(tokens)
    finally:
        pretrained.eval()
    assert torch.allclose(short, pretrained.text(tokens), atol=1e-5)


def test_the_item_says_digest_and_size_of_the_weights_and_their_number() -> None:
    item = json.loads((FOLDER / "stac-item.json").read_text(encoding="utf-8"))
    asset = item["assets"]["checkpoint"]
    assert asset["file:checksum"] == checksum_file(INITIAL)
    assert asset["file:size"] == INITIAL.stat().st_size < 3_000_000
    network = pipeline.build(pipeline.Params())
    assert item["properties"]["mlm:total_parameters"] == sum(each.numel() for each in network.parameters())


def test_the_initial_weights_find_scenes_that_they_have_not_seen(
    pretrained: pipeline.DualEncoder, unseen: Samples
) -> None:
    evaluation = pipeline.evaluate(pretrained, unseen, processing, pipeline.Params())

    assert (evaluation.metrics[MAIN] or 0) > 0.8
    # Whoever is blind finds 10 of 60; who always names the most frequent sentences first, a little more.
    assert 10 / 60 - 0.01 <= (evaluation.baseline[MAIN] or 0) < 0.25
    spec = json.loads((FOLDER / "stac-item.json").read_text())["properties"]["fair:metrics_spec"]
    assert set(evaluation.metrics) == {entry["key"] for entry in spec}
    assert next(iter(evaluation.metrics)) == spec[0]["key"] == MAIN


def test_the_onnx_of_the_text_encoder_says_what_torch_says(
    pretrained: pipeline.DualEncoder, tmp_path: Path
) -> None:
    files = pipeline.extra_assets(pretrained, None, processing, pipeline.Params())
    assert list(files) == ["text-encoder.onnx"]
    (tmp_path / "text.onnx").write_bytes(files["text-encoder.onnx"])
    tokens = processing.tokenise(["A road from north to south.", "no buildings", "seven roofs in the centre"])

    given = open_texts(tmp_path / "text.onnx")(tokens)

    with torch.no_grad():
        wanted = pretrained.text(torch.from_numpy(tokens)).numpy()
    assert np.allclose(given, wanted, atol=1e-5)


def test_the_seeds_of_the_weights_are_those_of_no_demo_and_no_test() -> None:
    elsewhere = {making.UNSEEN_SEED, demo_tasks.SCENES_SEED, 31, 0}
    assert elsewhere.isdisjoint({making.SEED, making.VALIDATION_SEED})


def test_making_weights_writes_what_training_starts_from(tmp_path: Path) -> None:
    made = tmp_path / "made.safetensors"
    making.make(made, pipeline.Params(epochs=1, batch_size=8), count=12)

    weights.load(pipeline.build(pipeline.Params()), made)
    assert made.stat().st_size == INITIAL.stat().st_size


def test_processing_gives_one_embedding(pretrained: pipeline.DualEncoder) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    with torch.no_grad():
        given = pretrained(torch.from_numpy(processing.preprocess(pixels))[None])[0].numpy()

    (part,) = processing.postprocess({"embedding": given}, Window(0, 0, 64, 64, "noise"), {})

    assert isinstance(part, Embedding)
    assert part.vector.shape == (256,)
