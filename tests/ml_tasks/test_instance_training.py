from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from fair_models.data.samples import IGNORE, Samples
from fair_models.errors import Invalid
from fair_models.inference.parts import Window
from fair_models.ml_tasks import segmentation
from fair_models.ml_tasks.segmentation import augmentation, instance_training, training

PROCESSING = SimpleNamespace(
    preprocess=segmentation.scale_to_unit, postprocess=segmentation.class_and_interior
)
PARAMS = instance_training.Params(
    epochs=30,
    batch_size=4,
    learning_rate=0.02,
    precision="float32",
    augment=False,
    boundary_m=0.3,
    contact_m=0.3,
)
CLASSES = ["background", "building"]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 4, 3, padding=1)
    )


def samples(count: int = 8, seed: int = 0) -> Samples:
    """Two bright roofs that touch along a wall a pixel wide and darker than they are."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 60, (count, 3, 32, 32), dtype=np.uint8)
    targets = np.zeros((count, 32, 32), dtype=np.uint8)
    instances = np.zeros((count, 32, 32), dtype=np.uint16)
    for image, target, numbers in zip(images, targets, instances, strict=True):
        top, left = random.integers(0, 16, 2)
        image[0, top : top + 12, left : left + 16] = 220
        image[0, top : top + 12, left + 7 : left + 9] = 150
        target[top : top + 12, left : left + 16] = 1
        numbers[top : top + 12, left : left + 8] = 1
        numbers[top : top + 12, left + 8 : left + 16] = 2
    names = [f"chip-{number}" for number in range(count)]
    return Samples(images, targets, names, CLASSES, instances=instances, pixel_m=np.full(count, 0.3))


def fitted(data: Samples, params=PARAMS) -> nn.Module:
    made = network()
    instance_training.train(made, data, PROCESSING, params, 0, lambda epoch: None)
    return made


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    return fitted(samples())


def test_a_network_learns_to_tell_roofs_apart_that_touch(trained):
    evaluation = instance_training.evaluate(trained, samples(seed=1), PROCESSING, PARAMS)

    assert evaluation.metrics["fair:instance_f1"] > 0.9
    assert evaluation.metrics["fair:building_iou"] > 0.9
    assert evaluation.ceiling["fair:instance_f1"] == 1


def test_without_interiors_the_same_roofs_are_one_object():
    semantic = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1))
    processing = SimpleNamespace(
        preprocess=segmentation.scale_to_unit, postprocess=segmentation.class_probabilities
    )
    params = training.Params(epochs=25, learning_rate=0.02, precision="float32", augment=False)
    training.train(semantic, samples(), processing, params, 0, lambda epoch: None)

    evaluation = training.evaluate(semantic, samples(seed=1), processing, params)

    assert evaluation.metrics["fair:building_iou"] > 0.8
    assert evaluation.metrics["fair:instance_f1"] < 0.5


def test_thresholds_of_classes_and_markers_are_chosen_on_the_training_side(trained):
    chosen = instance_training.calibrate(trained, samples(), PROCESSING, PARAMS, {"marker_reach_m": 2.0})

    assert set(chosen) == {"confidence_threshold", "marker_threshold"}
    assert all(0 < value < 1 for value in chosen.values())


def test_samples_without_numbered_objects_teach_classes_alone():
    data = samples()
    unnumbered = Samples(data.images, data.targets, data.names, CLASSES)
    before = network()
    after = fitted(unnumbered)

    evaluation = instance_training.evaluate(after, unnumbered, PROCESSING, PARAMS)

    assert evaluation.metrics["fair:building_iou"] > 0.9
    assert evaluation.metrics["fair:instance_f1"] is None
    assert torch.allclose(before[-1].bias[2:], after[-1].bias[2:]), "no loss reaches the other channels"


def test_boundaries_and_contacts_have_their_widths():
    data = samples(1)
    params = PARAMS.model_copy(update={"boundary_m": 0.54, "contact_m": 0.3})

    classes, boundary, contact = instance_training._aims(data, params)[0]

    # Of 8 x 12 pixels of 0.3 m, 4 x 8 lie further than 0.54 m from the outline. Along the wall one pixel on
    # either side is within 0.3 m of the other roof, and one above and below it.
    assert (boundary == 1).sum() == 2 * (8 * 12 - 4 * 8)
    assert (contact == 1).sum() == 2 * (12 + 2)
    assert (classes == data.targets[0]).all()


def test_ground_that_does_not_count_has_no_boundary_either_way():
    data = samples(1)
    data.targets[0, :, :10] = IGNORE

    aims = instance_training._aims(data, PARAMS)[0]

    assert (aims[:, :, :10] == IGNORE).all()


def test_classes_and_interiors_are_varied_together():
    random = np.random.default_rng(3)
    targets = (random.random((4, 32, 32)) < 0.5).astype(np.uint8)
    images = np.repeat(targets[:, None] * 200, 3, axis=1).astype(np.uint8)
    both = np.stack([targets, 1 - targets], axis=1)

    _, varied = augmentation.vary(images, both, np.random.default_rng(5))
    _, alone = augmentation.vary(images, targets, np.random.default_rng(5))

    assert (varied[:, 0] + varied[:, 1] == 1).all()
    assert (varied[:, 0] == alone).all()


def test_post_processing_without_interiors_is_refused():
    processing = SimpleNamespace(
        preprocess=segmentation.scale_to_unit, postprocess=segmentation.class_probabilities
    )

    with pytest.raises(Invalid, match="RasterPart where a model of objects gives one InstancePart"):
        instance_training.evaluate(network(), samples(1), processing, PARAMS)


def test_interiors_are_neither_boundary_nor_contact_averaged_over_nine_pixels():
    logits = np.full((4, 5, 5), -100, np.float32)
    logits[1] = 100
    logits[2] = 100
    logits[2, 2, 2] = -100

    (part,) = segmentation.class_and_interior({"logits": logits}, Window(0, 0, 5, 5, "chip"), {})

    assert part.interior[1:4, 1:4] == pytest.approx(1 / 9)
    assert part.interior.sum() == pytest.approx(1)
    assert part.probabilities.sum(axis=0) == pytest.approx(1)
    assert part.interior.dtype == part.probabilities.dtype == np.float32


@pytest.mark.parametrize("channel", [2, 3])
def test_a_boundary_or_a_contact_is_enough_to_end_an_interior(channel):
    logits = np.full((4, 5, 5), -100, np.float32)
    logits[1] = 100
    logits[channel, :, 2] = 100

    (part,) = segmentation.class_and_interior({"logits": logits}, Window(0, 0, 5, 5, "chip"), {})

    assert part.interior[:, 2] == pytest.approx(2 / 3)
    assert part.interior[:, [0, 4]] == pytest.approx(1)


def test_pictures_show_where_one_object_ends_and_the_next_begins(trained):
    data = samples(1, seed=1)

    (picture,) = instance_training.evaluate(trained, data, PROCESSING, PARAMS).pictures.values()

    rows, columns = np.nonzero(data.instances[0] == 2)
    line = tuple(int(part) for part in picture[rows[20], 32 + 4 + columns.min()])
    assert line == (255, 255, 0)
