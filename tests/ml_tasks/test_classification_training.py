from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from fair_models.data.samples import Samples
from fair_models.errors import Invalid
from fair_models.inference.parts import Scores
from fair_models.ml_tasks import classification, training_loop
from fair_models.ml_tasks.classification import augmentation, training
from fair_models.ml_tasks.classification.pictures import FRAME_PX

CLASSES = ["background", "building"]
PROCESSING = SimpleNamespace(
    preprocess=classification.scale_to_unit, postprocess=classification.class_scores(CLASSES)
)
PARAMS = training.Params(epochs=25, batch_size=4, learning_rate=0.03, precision="float32")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.look = nn.Conv2d(3, 8, 5, stride=2)
        self.head = nn.Linear(8, 2)

    def forward(self, pixels):
        return self.head(torch.relu(self.look(pixels)).amax(dim=(2, 3)))


def network() -> nn.Module:
    torch.manual_seed(0)
    return Net()


def samples(count: int = 16, seed: int = 0, built: int = 4) -> Samples:
    """Noise; the first of every `built` chips has a bright red square in it."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 90, (count, 3, 32, 32), dtype=np.uint8)
    targets = np.zeros(count, dtype=np.uint8)
    for index in range(0, count, built):
        top, left = random.integers(0, 26, 2)
        images[index, 0, top : top + 6, left : left + 6] = 220
        targets[index] = 1
    return Samples(images, targets, [f"chip-{number}" for number in range(count)], CLASSES)


def fit(params=PARAMS, seed=0, data=None, report=lambda epoch: None):
    fitted = network()
    training.train(fitted, samples() if data is None else data, PROCESSING, params, seed, report)
    return fitted


def weights_of(fitted):
    return torch.cat([tensor.detach().flatten() for tensor in fitted.state_dict().values()])


def test_a_network_learns_which_chips_hold_buildings():
    evaluation = training.evaluate(fit(), samples(seed=1), PROCESSING, PARAMS)

    assert evaluation.metrics["fair:accuracy"] == 1
    assert evaluation.metrics["fair:building_f1"] == 1
    assert evaluation.baseline["fair:accuracy"] == 0.75
    assert evaluation.baseline["fair:building_recall"] == 1
    assert evaluation.baseline["fair:building_precision"] == 0.25
    assert evaluation.baseline_name == "every chip is background"
    assert evaluation.sample_count == 16


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_equal_seeds_give_equal_weights(precision):
    params = PARAMS.model_copy(update={"epochs": 3, "precision": precision})

    assert torch.equal(weights_of(fit(params, seed=7)), weights_of(fit(params, seed=7)))
    assert not torch.equal(weights_of(fit(params, seed=7)), weights_of(fit(params, seed=8)))


def test_each_epoch_is_reported_with_its_figures():
    epochs = []
    fit(PARAMS.model_copy(update={"epochs": 10}), report=epochs.append)

    assert [epoch.number for epoch in epochs] == list(range(1, 11))
    assert set(epochs[0].values) == {"loss", "learning_rate"}
    assert epochs[-1].values["loss"] < epochs[0].values["loss"]


def test_balance_makes_a_rare_class_count_as_much_as_a_frequent_one():
    """A network that sees nothing says what it was told to expect."""
    blind = samples(count=32, built=16)
    blind.images[:] = 100

    def preference_for_the_frequent_class(balance):
        params = PARAMS.model_copy(update={"epochs": 30, "augment": False, "balance": balance})
        scores = training_loop.scores(fit(params, data=blind), blind, PROCESSING, batch_size=4)
        return np.mean([background - building for _, (background, building) in scores])

    assert preference_for_the_frequent_class(balance=False) == pytest.approx(np.log(15), abs=0.7)
    assert preference_for_the_frequent_class(balance=True) == pytest.approx(0, abs=0.7)


def test_samples_of_one_class_are_refused_with_their_number():
    with pytest.raises(Invalid, match="All 16 samples are building"):
        fit(data=samples(built=1))


def test_nothing_to_train_or_measure_on_is_told():
    nothing = samples().select([])
    with pytest.raises(Invalid, match="no sample to train on"):
        fit(data=nothing)
    with pytest.raises(Invalid, match="no held-out sample"):
        training.evaluate(network(), nothing, PROCESSING, PARAMS)


def test_evaluation_uses_the_contributions_own_processing():
    """Post-processing that swaps the classes swaps the metrics."""
    other = SimpleNamespace(
        preprocess=classification.scale_to_unit, postprocess=classification.class_scores(CLASSES[::-1])
    )

    assert training.evaluate(fit(), samples(seed=1), other, PARAMS).metrics["fair:accuracy"] == 0


def test_post_processing_that_gives_no_scores_of_the_classes_is_told():
    wrong = SimpleNamespace(
        preprocess=classification.scale_to_unit,
        postprocess=lambda outputs, window, params: [Scores({"hut": 1})],
    )
    with pytest.raises(Invalid, match=r"postprocess returned hut .* background, building"):
        training.evaluate(network(), samples(), wrong, PARAMS)


def test_pictures_say_what_a_chip_is_and_what_it_was_taken_for():
    data = samples(seed=1)
    evaluation = training.evaluate(fit(), data, PROCESSING, PARAMS)

    assert 1 <= len(evaluation.pictures) <= 3
    name, picture = next(iter(evaluation.pictures.items()))
    chip, words = name.split("-b", 1)
    assert words in {"ackground-seen-as-background", "uilding-seen-as-building"}
    inside = picture[FRAME_PX:-FRAME_PX, FRAME_PX:-FRAME_PX]
    assert np.array_equal(inside, data.images[data.names.index(chip)].transpose(1, 2, 0))


def test_an_export_takes_chips_of_one_size_and_is_the_same_twice(tmp_path):
    fitted = fit(PARAMS.model_copy(update={"epochs": 1}))
    for name in ("a.onnx", "b.onnx"):
        training.export(fitted, tmp_path / name, PARAMS, size_px=64)

    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    assert session.get_inputs()[0].shape[1:] == [3, 64, 64]
    assert session.run(["logits"], {"pixels": np.zeros((5, 3, 64, 64), np.float32)})[0].shape == (5, 2)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_varied_samples_stay_whole():
    """Turned and mirrored, with every pixel still there; no other light, so that pixels can be compared."""
    data = samples(built=1)
    images, targets = augmentation.vary(data.images, data.targets, np.random.default_rng(0))

    assert images.shape == data.images.shape
    assert images.dtype == np.uint8
    assert np.array_equal(targets, data.targets)
    assert not np.array_equal(images, data.images)
    assert ((images[:, 0] > 150).sum(axis=(1, 2)) == 36).all()


def test_hyperparameters_say_what_they_are():
    fields = training.Params.model_json_schema()["properties"]

    assert all(field.get("description") for field in fields.values())
    assert all("default" in field for field in fields.values())
