from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from fair_models.data.samples import Samples
from fair_models.errors import Invalid
from fair_models.inference.parts import Scores
from fair_models.ml_tasks import detection
from fair_models.ml_tasks.detection import training
from fair_models.ml_tasks.detection.aims import aims, box_loss, centre_loss
from fair_models.ml_tasks.detection.processing import STRIDE, USUAL_PX
from fair_models.ml_tasks.detection.targets import filled_up

PROCESSING = SimpleNamespace(preprocess=detection.scale_to_unit, postprocess=detection.found_objects)
PARAMS = training.Params(epochs=30, batch_size=8, learning_rate=0.02, precision="float32")
CLASSES = ["background", "building"]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 24, 5, stride=2, padding=2),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            nn.Conv2d(24, 24, 5, padding=2),
            nn.BatchNorm2d(24),
            nn.ReLU(),
        )
        self.head = nn.Conv2d(24, 5, 1)
        nn.init.constant_(self.head.bias, -1)

    def forward(self, pixels):
        return self.head(self.look(pixels))


def network() -> nn.Module:
    torch.manual_seed(0)
    return Net()


def samples(count: int = 24, seed: int = 0) -> Samples:
    """Noise with bright red buildings of 10 to 24 px."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 90, (count, 3, 64, 64), dtype=np.uint8)
    targets = []
    for image in images:
        rows = []
        for left in (2, 34):
            x, y = left + random.integers(0, 6), random.integers(2, 38)
            width, height = random.integers(10, 25, 2)
            image[0, y : y + height, x : x + width] = 230
            rows.append([x, y, x + width, y + height, 1])
        targets.append(filled_up(np.array(rows)))
    return Samples(images, np.stack(targets), [f"chip-{number}" for number in range(count)], CLASSES)


def fit(params=PARAMS, seed=0, data=None, report=lambda epoch: None):
    fitted = network()
    training.train(fitted, samples() if data is None else data, PROCESSING, params, seed, report)
    return fitted


@pytest.fixture(scope="module")
def fitted() -> nn.Module:
    return fit()


def weights_of(one):
    return torch.cat([tensor.detach().flatten() for tensor in one.state_dict().values()])


def test_a_tiny_training_finds_buildings_where_the_simplest_guess_does_not(fitted):
    evaluation = training.evaluate(fitted, samples(seed=1), PROCESSING, PARAMS)

    assert evaluation.metrics["fair:map_50"] > 0.6
    assert evaluation.metrics["fair:map_50"] > evaluation.baseline["fair:map_50"] + 0.4
    assert evaluation.metrics["fair:map_50_95"] > evaluation.baseline["fair:map_50_95"] + 0.2
    assert evaluation.sample_count == 24


def test_the_threshold_is_chosen_on_the_samples_that_are_given(fitted):
    chosen = training.calibrate(fitted, samples(), PROCESSING, PARAMS)
    data = samples(seed=1)

    with_it = training.evaluate(fitted, data, PROCESSING, PARAMS, inference=chosen).metrics
    with_none = training.evaluate(
        fitted, data, PROCESSING, PARAMS, inference={"confidence_threshold": 1}
    ).metrics

    assert 0.05 <= chosen["confidence_threshold"] <= 0.95
    assert with_it["fair:building_f1"] > 0.6
    assert with_none["fair:building_recall"] == 0
    assert with_none["fair:building_precision"] is None
    assert with_none["fair:map_50"] == with_it["fair:map_50"]


def test_where_there_is_nothing_to_find_no_threshold_is_better():
    data = samples(2)
    empty = Samples(data.images, np.full_like(data.targets, 255), data.names, CLASSES)

    assert training.calibrate(network(), empty, PROCESSING, PARAMS) == {}


def test_equal_seeds_give_equal_weights():
    params = PARAMS.model_copy(update={"epochs": 2})

    assert torch.equal(weights_of(fit(params, seed=7)), weights_of(fit(params, seed=7)))
    assert not torch.equal(weights_of(fit(params, seed=7)), weights_of(fit(params, seed=8)))


def test_each_epoch_is_reported_with_its_figures():
    epochs = []
    fit(PARAMS.model_copy(update={"epochs": 4}), report=epochs.append)

    assert set(epochs[0].values) == {"loss", "centres", "boxes", "learning_rate"}
    assert epochs[-1].values["loss"] < epochs[0].values["loss"]


def test_samples_without_any_box_are_refused():
    data = samples()
    empty = Samples(data.images, np.full_like(data.targets, 255), data.names, CLASSES)

    with pytest.raises(Invalid, match="None of 24 samples has a box"):
        fit(data=empty)
    with pytest.raises(Invalid, match="no sample to train on"):
        fit(data=data.select([]))


def test_post_processing_that_gives_no_boxes_is_told():
    wrong = SimpleNamespace(
        preprocess=detection.scale_to_unit, postprocess=lambda outputs, window, params: [Scores({"hut": 1})]
    )

    with pytest.raises(Invalid, match="postprocess returned Scores where a detection gives one FeaturePart"):
        training.evaluate(network(), samples(), wrong, PARAMS)


def test_a_hill_has_its_top_in_the_cell_of_the_centre():
    rows = np.array([[8, 8, 24, 40, 1], [40, 40, 52, 50, 2]])
    aim = aims(torch.from_numpy(filled_up(rows))[None], 2, 16, 16)

    assert aim.centres.shape == (1, 2, 16, 16)
    assert (aim.centres == 1).nonzero().tolist() == [[0, 0, 6, 4], [0, 1, 11, 11]]
    assert aim.boxes[0, :, 6, 4].tolist() == [8, 8, 24, 40]
    assert aim.boxes[0, :, 11, 11].tolist() == [40, 40, 52, 50]
    assert aim.weights[0, 0, 15] == 0


def test_the_losses_are_least_for_the_output_that_decodes_to_the_truth():
    rows = np.array([[8, 8, 24, 40, 1]])
    aim = aims(torch.from_numpy(filled_up(rows))[None], 1, 16, 16)
    logits = torch.full((1, 1, 16, 16), -8.0)
    logits[0, 0, 6, 4] = 8
    cells_x, cells_y = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="xy")
    sizes = torch.stack(
        [
            16 / STRIDE - 0.5 - cells_x,
            24 / STRIDE - 0.5 - cells_y,
            torch.full((16, 16), np.log(16 / USUAL_PX)),
            torch.full((16, 16), np.log(32 / USUAL_PX)),
        ]
    )[None]

    assert box_loss(sizes, aim).item() == pytest.approx(0, abs=1e-5)
    assert box_loss(sizes + 0.5, aim).item() > 0.2
    assert centre_loss(logits, aim.centres).item() < 0.01
    assert centre_loss(-logits, aim.centres).item() > 10


def test_hyperparameters_say_what_they_are():
    fields = training.Params.model_json_schema()["properties"]

    assert all(field.get("description") for field in fields.values())
    assert all("default" in field for field in fields.values())
