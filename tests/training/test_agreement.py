"""Networks in 8 bits: how they are made, how well they agree, and which are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

from fair_models.catalog.items.agreement import Agreement, from_json
from fair_models.data.chip_samples import LoadedSamples
from fair_models.data.samples import Samples
from fair_models.data.synthetic import make_settlement
from fair_models.inference.network.openvino import open_openvino
from fair_models.inference.network.session import open_session
from fair_models.inference.parts import InstancePart, Part, Processing, Scores, Window
from fair_models.ml_tasks import segmentation
from fair_models.ml_tasks.segmentation.instances import InstanceRule, Objects
from fair_models.training.phases import quantization
from fair_models.training.phases.agreement import ObjectRule, Quick, instance_f1, mask_iou, quicken
from fair_models.types import Array
from tests.inference.tiny import write_network

UNET = Path(__file__).resolve().parents[2] / "models" / "unet_segmentation"
SIZE_PX = 256


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real network that knows what a building is, as ONNX."""
    from fair_models.ml_tasks import weights
    from models.unet_segmentation import pipeline

    params = pipeline.Params()
    network = pipeline.build(params)
    weights.load(network, UNET / "weights" / "initial.safetensors")
    path = tmp_path_factory.mktemp("unet") / "model.onnx"
    pipeline.export(network, path, params)
    return path


@pytest.fixture(scope="module")
def processing() -> Processing:
    from models.unet_segmentation import processing

    return processing


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> LoadedSamples:
    """Chips of a town that was made up; nobody looks at their targets here."""
    import rasterio

    folder = tmp_path_factory.mktemp("town")
    make_settlement(folder, seed=5, columns=3, rows=2, size_px=SIZE_PX, prediction_columns=0)
    paths = sorted((folder / "input").glob("*.tif"))
    images = []
    for path in paths:
        with rasterio.open(path) as chip:
            images.append(chip.read())
    assert len(images) == 6

    def some(chosen: slice) -> Samples:
        pixels = np.stack(images[chosen])
        targets = np.zeros((len(pixels), *pixels.shape[2:]), np.uint8)
        names = [path.stem for path in paths[chosen]]
        return Samples(images=pixels, targets=targets, names=names, classes=["background", "building"])

    return LoadedSamples(train=some(slice(0, 4)), held_out=some(slice(4, 6)))


@pytest.fixture(scope="module")
def quick(unet: Path, samples: LoadedSamples, processing: Processing) -> Quick:
    return quicken(unet, samples, processing, threads=1)


@pytest.fixture(scope="module")
def int8(quick: Quick, tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert quick.int8 is not None
    path = tmp_path_factory.mktemp("int8") / "model-int8.onnx"
    path.write_bytes(quick.int8)
    return path


def test_every_engine_that_is_here_has_a_figure_that_is_high_enough(quick: Quick) -> None:
    assert quick.agreement is not None
    measured = {(figure.engine, figure.precision) for figure in quick.agreement.figures}
    assert measured >= {("onnxruntime", "int8"), ("openvino", "int8")}
    assert measured <= {("onnxruntime", "int8"), ("openvino", "int8"), ("openvino", "bfloat16")}
    assert 0.995 <= (quick.agreement.int8_mask_iou or 0) < 1  # 1 would be the network in float32
    assert (quick.agreement.held_out_count, quick.agreement.calibration_count) == (2, 4)
    assert from_json(quick.agreement.to_json()) == quick.agreement


def test_the_network_in_8_bits_is_smaller_and_as_dynamic_in_both_engines(unet: Path, int8: Path) -> None:
    exact = open_session(unet, threads=1)
    assert int8.stat().st_size < 0.4 * unet.stat().st_size
    batch = np.random.default_rng(0).random((3, 3, 64, 160), np.float32)
    for session in (open_session(int8, 1, "int8"), open_openvino(int8, "int8", 1)):
        assert (session.dynamic, session.batch, session.bands) == (True, None, 3)
        assert session.outputs == exact.outputs
        outputs = session.run(batch)["logits"]
        assert outputs.shape == (3, 4, 64, 160)
        assert not np.array_equal(outputs, exact.run(batch)["logits"])


def test_what_comes_in_and_goes_out_is_not_rounded_to_8_bits(int8: Path) -> None:
    nodes = onnx.load(int8).graph.node

    (pad,) = [node for node in nodes if node.op_type == "Pad"]
    (last,) = [node for node in nodes if "logits" in node.output]
    assert pad.input[0] == "pixels"
    assert last.op_type == "Slice"
    assert any(node.op_type == "QuantizeLinear" for node in nodes)


def test_the_same_network_and_chips_give_the_same_bytes(
    unet: Path, samples: LoadedSamples, processing: Processing, quick: Quick
) -> None:
    again = quicken(unet, samples, processing, threads=1)

    assert again.int8 == quick.int8
    assert again.agreement == quick.agreement


def test_a_network_in_8_bits_that_does_not_agree_is_not_kept_and_its_figure_is(
    unet: Path, samples: LoadedSamples, processing: Processing
) -> None:
    """Calibrated on black chips, it takes all that is bright for the same."""
    black = replace(samples.train, images=np.zeros_like(samples.train.images))

    quick = quicken(unet, LoadedSamples(train=black, held_out=samples.held_out), processing, threads=1)

    assert quick.int8 is None
    assert quick.agreement is not None
    assert (quick.agreement.int8_mask_iou or 0) < 0.995
    assert quick.agreement.figure("onnxruntime", "int8") is not None


@pytest.fixture(scope="module")
def apart(processing: Processing) -> Processing:
    """Tells buildings apart: where the network is very sure, it lies in the interior of one."""

    def postprocess(outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]) -> list[Part]:
        scores = outputs["logits"][:2]
        powers = np.exp(scores - scores.max(axis=0))
        likely = powers / powers.sum(axis=0)
        return [InstancePart(likely, likely[1] ** 4)]

    made: Any = SimpleNamespace(preprocess=processing.preprocess, postprocess=postprocess)
    return made


RULE = ObjectRule(InstanceRule(things=["building"], pixel_m=0.3), 0.5)


def test_objects_are_compared_where_a_model_tells_them_apart(
    unet: Path, samples: LoadedSamples, apart: Processing, quick: Quick
) -> None:
    measured = quicken(unet, samples, apart, 1, RULE).agreement

    assert measured is not None
    assert all(0.5 < (figure.instance_f1 or 0) <= 1 for figure in measured.figures)
    assert from_json(measured.to_json()) == measured
    assert quick.agreement is not None
    assert {figure.instance_f1 for figure in quick.agreement.figures} == {None}


def test_a_network_in_8_bits_whose_objects_differ_is_not_kept_though_its_masks_agree(
    unet: Path, samples: LoadedSamples, processing: Processing, quick: Quick
) -> None:
    """Interiors hang on the last digits of the scores, as no network in 8 bits has them."""

    def postprocess(outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]) -> list[Part]:
        scores = outputs["logits"][:2]
        powers = np.exp(scores - scores.max(axis=0))
        return [InstancePart(powers / powers.sum(axis=0), np.modf(np.abs(scores[1]) * 1e4)[0])]

    fragile: Any = SimpleNamespace(preprocess=processing.preprocess, postprocess=postprocess)
    found = quicken(unet, samples, fragile, 1, RULE)

    assert found.int8 is None
    assert found.agreement is not None
    assert (found.agreement.int8_mask_iou or 0) >= 0.995
    assert (found.agreement.int8_instance_f1 or 0) < 0.98


def test_the_f1_of_objects_counts_those_that_are_the_same_above_half_an_iou() -> None:
    exact = objects([[1, 1, 1, 1, 0, 2, 2, 3, 3]], [1, 1, 2])
    joined = objects([[1, 1, 1, 1, 0, 2, 2, 2, 2]], [1, 1])
    other_class = objects([[1, 1, 1, 1, 0, 2, 2, 3, 3]], [1, 2, 2])

    assert instance_f1([exact], [exact], [1]) == 1
    assert instance_f1([joined], [exact], [1]) == pytest.approx(2 / 5)
    assert instance_f1([other_class], [exact], [1]) == pytest.approx(4 / 6)
    assert instance_f1([objects([[0] * 9], [])], [exact], [1]) == 0
    assert instance_f1([objects([[0] * 9], [])], [objects([[0] * 9], [])], [1]) is None


def test_objects_that_are_too_small_count_on_neither_side() -> None:
    exact, found = objects([[1, 1, 1, 1, 0, 2]], [1, 1]), objects([[1, 1, 1, 1, 0, 0]], [1])

    assert instance_f1([found], [exact], [1]) == pytest.approx(2 / 3)
    assert instance_f1([found], [exact], [2]) == 1


def objects(numbers: Sequence[Sequence[int]], classes: Sequence[int]) -> Objects:
    return Objects(np.array(numbers, np.int32), np.array(classes, np.int64), np.ones(len(classes)))


def test_a_model_that_judges_whole_images_is_left_as_it_is(
    unet: Path, samples: LoadedSamples, processing: Processing
) -> None:
    class Judging:
        preprocess = staticmethod(processing.preprocess)

        def postprocess(
            self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
        ) -> Sequence[Part]:
            return [Scores({"building": 0.7})]

    assert quicken(unet, samples, Judging(), threads=1) == Quick()


def test_a_network_without_layers_to_quantise_is_not_quantised(
    tmp_path: Path, samples: LoadedSamples, processing: Processing
) -> None:
    path = write_network(tmp_path / "brightness.onnx")
    brightness = SimpleNamespace(
        preprocess=processing.preprocess,
        postprocess=lambda outputs, window, params: segmentation.class_probabilities(
            {"logits": outputs["probabilities"]}, window, params
        ),
    )

    quick = quicken(path, samples, brightness, threads=1)

    assert quick.int8 is None
    assert (quick.agreement or Agreement()).int8_mask_iou is None


def test_a_quantiser_that_fails_is_told_and_the_rest_goes_on(
    unet: Path,
    samples: LoadedSamples,
    processing: Processing,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("no scale")

    monkeypatch.setattr(quantization, "quantize", fail)
    with caplog.at_level("WARNING", "fair_models.training"):
        quick = quicken(unet, samples, processing, threads=1)

    assert quick.int8 is None
    assert "no 8-bit network was made: ZeroDivisionError: no scale" in caplog.text


def test_the_first_and_last_layers_are_kept_in_float32_step_by_step(unet: Path, tmp_path: Path) -> None:
    attempts = quantization.float_layers(unet)

    assert [len(kept) for kept in attempts] == [0, 2, 4]
    assert attempts[1][0] == attempts[2][0]
    assert attempts[1][-1] == attempts[2][-1]
    assert quantization.float_layers(write_network(tmp_path / "no-layers.onnx")) == []


def test_calibration_takes_few_chips_and_the_same_ones_every_time() -> None:
    assert quantization.calibration_indices(3) == [0, 1, 2]
    many = quantization.calibration_indices(1000)
    assert (len(many), many[0], many[-1]) == (32, 0, 999)


def test_mask_iou_is_the_mean_over_classes_that_occur_besides_the_background() -> None:
    exact = np.array([[[0, 1, 1, 1, 1, 2, 2, 0]]], np.uint8)
    other = np.array([[[0, 1, 1, 1, 0, 2, 2, 0]]], np.uint8)

    assert mask_iou(exact, exact) == 1
    assert mask_iou(other, exact) == pytest.approx((3 / 4 + 2 / 2) / 2)
    assert mask_iou(other * 0, exact) == 0
    assert mask_iou(exact * 0, exact * 0) is None
