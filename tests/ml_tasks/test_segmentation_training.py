from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from fair_models.data.samples import IGNORE, Samples
from fair_models.errors import Invalid, TrainingFailed
from fair_models.inference.parts import Scores
from fair_models.ml_tasks import segmentation
from fair_models.ml_tasks.segmentation import augmentation, training

PROCESSING = SimpleNamespace(
    preprocess=segmentation.scale_to_unit, postprocess=segmentation.class_probabilities
)
PARAMS = training.Params(epochs=25, batch_size=4, learning_rate=0.02, precision="float32", augment=False)
CLASSES = ["background", "building"]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1))


def samples(count: int = 8, seed: int = 0) -> Samples:
    """Bright red squares on dark ground: what a network learns in seconds."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 90, (count, 3, 32, 32), dtype=np.uint8)
    targets = np.zeros((count, 32, 32), dtype=np.uint8)
    for image, target in zip(images, targets, strict=True):
        top, left = random.integers(0, 20, 2)
        image[0, top : top + 12, left : left + 12] = 220
        target[top : top + 12, left : left + 12] = 1
    return Samples(images, targets, [f"chip-{number}" for number in range(count)], CLASSES)


def fit(params=PARAMS, seed=0, data=None, report=lambda epoch: None):
    fitted = network()
    data = samples() if data is None else data
    training.train(fitted, data, PROCESSING, params, seed, report)
    return fitted


def weights_of(fitted):
    return torch.cat([tensor.detach().flatten().float() for tensor in fitted.state_dict().values()])


def test_a_network_learns_what_buildings_look_like():
    evaluation = training.evaluate(fit(), samples(seed=1), PROCESSING, PARAMS)

    assert evaluation.metrics["fair:building_iou"] > 0.9
    assert evaluation.metrics["fair:object_f1"] > 0.9
    assert evaluation.baseline["fair:building_iou"] == pytest.approx(144 / 1024)
    assert evaluation.baseline_name == "everything is building"
    assert evaluation.sample_count == 8


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_equal_seeds_give_equal_weights(precision):
    params = PARAMS.model_copy(update={"augment": True, "epochs": 3, "precision": precision})

    assert torch.equal(weights_of(fit(params, seed=7)), weights_of(fit(params, seed=7)))
    assert not torch.equal(weights_of(fit(params, seed=7)), weights_of(fit(params, seed=8)))


def test_training_leaves_the_global_generators_alone():
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    fitted = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Dropout(0.1))
    torch.random.set_rng_state(before[0])
    training.train(
        fitted, samples(), PROCESSING, PARAMS.model_copy(update={"epochs": 1}), 0, lambda epoch: None
    )

    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_each_epoch_is_reported_with_its_figures():
    epochs = []
    fit(PARAMS.model_copy(update={"epochs": 10}), report=epochs.append)

    assert [epoch.number for epoch in epochs] == list(range(1, 11))
    assert {epoch.total for epoch in epochs} == {10}
    assert set(epochs[0].values) == {"loss", "cross_entropy", "dice", "learning_rate"}
    assert epochs[-1].values["loss"] < epochs[0].values["loss"]
    assert epochs[-1].values["learning_rate"] < PARAMS.learning_rate / 5


def test_what_the_report_raises_ends_the_training():
    def stop(epoch):
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(report=stop)


@pytest.mark.parametrize(("value", "learns"), [(IGNORE, True), (1, False)])
def test_pixels_to_be_ignored_are_not_learnt_from(value, learns):
    """Two thirds of the ground wrongly called building spoil a training, unless they are ignored."""
    data = samples()
    data.targets[:, :20] = np.where(data.targets[:, :20] == 1, 1, value)

    iou = training.evaluate(fit(data=data), samples(seed=1), PROCESSING, PARAMS).metrics["fair:building_iou"]

    assert (iou > 0.6) is learns


def test_samples_that_are_ignored_whole_do_no_harm():
    data = samples()
    data.targets[:4] = IGNORE

    assert torch.isfinite(
        weights_of(fit(PARAMS.model_copy(update={"epochs": 2, "batch_size": 1}), data=data))
    ).all()


def test_a_loss_that_is_no_number_ends_the_training_with_advice():
    data = samples()
    processing = SimpleNamespace(
        preprocess=lambda image: segmentation.scale_to_unit(image) * np.float32(np.nan)
    )

    with pytest.raises(TrainingFailed, match=r"loss became nan in epoch 1.*training\.learning_rate"):
        training.train(network(), data, processing, PARAMS, 0, lambda epoch: None)


def test_nothing_to_train_or_measure_on_is_told():
    nothing = samples().select([])
    with pytest.raises(Invalid, match="no sample to train on"):
        fit(data=nothing)
    with pytest.raises(Invalid, match="no held-out sample"):
        training.evaluate(network(), nothing, PROCESSING, PARAMS)


def test_evaluation_uses_the_contributions_own_processing():
    """Post-processing that swaps the classes swaps the metrics."""

    def swapped(outputs, window, params):
        return segmentation.class_probabilities({"logits": outputs["logits"][::-1]}, window, params)

    other = SimpleNamespace(preprocess=segmentation.scale_to_unit, postprocess=swapped)
    fitted, data = fit(), samples(seed=1)

    assert training.evaluate(fitted, data, PROCESSING, PARAMS).metrics["fair:recall"] > 0.9
    assert training.evaluate(fitted, data, other, PARAMS).metrics["fair:recall"] < 0.1


def test_post_processing_that_gives_no_raster_is_told():
    wrong = SimpleNamespace(
        preprocess=segmentation.scale_to_unit,
        postprocess=lambda outputs, window, params: [Scores({"building": 1})],
    )
    with pytest.raises(Invalid, match="postprocess returned Scores"):
        training.evaluate(network(), samples(), wrong, PARAMS)


def test_pictures_show_chip_truth_and_prediction_beside_each_other():
    data = samples(seed=1)
    evaluation = training.evaluate(fit(), data, PROCESSING, PARAMS)

    assert 1 <= len(evaluation.pictures) <= 3
    name, picture = next(iter(evaluation.pictures.items()))
    assert name in data.names
    assert picture.dtype == np.uint8
    assert picture.shape == (32, 3 * 32 + 2 * 4, 3)
    chip = data.images[data.names.index(name)].transpose(1, 2, 0)
    assert np.array_equal(picture[:, :32], chip)


def test_an_export_takes_any_size_and_is_the_same_twice(tmp_path):
    fitted = fit(PARAMS.model_copy(update={"epochs": 1}))
    for name in ("a.onnx", "b.onnx"):
        training.export(fitted, tmp_path / name, PARAMS)

    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    pixels = np.zeros((3, 3, 45, 70), dtype=np.float32)
    assert session.run(["logits"], {"pixels": pixels})[0].shape == (3, 2, 45, 70)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_an_export_holds_no_path_of_this_machine(tmp_path):
    training.export(network(), tmp_path / "a.onnx", PARAMS)
    content = (tmp_path / "a.onnx").read_bytes()

    assert b".py" not in content
    assert b"site-packages" not in content


def test_varied_samples_keep_images_and_masks_together():
    data = samples()
    images, targets = augmentation.vary(data.images, data.targets, np.random.default_rng(0))

    assert images.shape == data.images.shape
    assert images.dtype == targets.dtype == np.uint8
    assert not np.array_equal(targets, data.targets)
    inside, outside = images[:, 0][targets == 1].mean(), images[:, 0][targets == 0].mean()
    assert inside > 140 > 80 > outside


def test_varying_never_makes_a_class_that_was_not_there():
    data = samples()
    data.targets[:, :5] = IGNORE
    _, targets = augmentation.vary(data.images, data.targets, np.random.default_rng(0))

    assert set(np.unique(targets)) <= {0, 1, IGNORE}


def test_equal_generators_vary_alike():
    data = samples()
    once, again = (augmentation.vary(data.images, data.targets, np.random.default_rng(3)) for _ in range(2))

    assert np.array_equal(once[0], again[0])
    assert np.array_equal(once[1], again[1])


@pytest.mark.parametrize(
    "values",
    [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0}, {"unknown": 1}, {"precision": "float64"}],
)
def test_hyperparameters_out_of_bounds_are_refused(values):
    with pytest.raises(ValidationError):
        training.Params(**values)


def test_hyperparameters_say_what_they_are():
    fields = training.Params.model_json_schema()["properties"]

    assert all(field.get("description") for field in fields.values())
    assert all("default" in field for field in fields.values())
