"""Objects of a prediction, their smallest size, the ceiling, and the threshold of interiors."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from fair_models.data.samples import IGNORE, Samples
from fair_models.inference.instances.growth import number_objects
from fair_models.inference.parts import InstancePart, RasterPart
from fair_models.ml_tasks.segmentation import evaluation, instances
from fair_models.ml_tasks.segmentation.instances import InstanceRule

CLASSES = ["background", "building", "road"]
SIZE = 64
KEYS = {f"fair:instance_{measure}" for measure in ("f1", "precision", "recall", "pq", "ap50", "ap")}
RULE = InstanceRule(min_area_m2=4)


def town(count: int = 3, touching: bool = True) -> Samples:
    """Rows of houses that touch, beside a road whose objects are not told apart; 0.5 m a pixel."""
    targets = np.zeros((count, SIZE, SIZE), np.uint8)
    numbers = np.zeros((count, SIZE, SIZE), np.uint16)
    for at in range(count):
        for place in range(5):
            left = 2 + 12 * place
            rows, columns = slice(4, 18 + at), slice(left, left + (12 if touching else 9))
            targets[at, rows, columns], numbers[at, rows, columns] = 1, place + 1
    targets[:, 40:50] = 2
    images = np.zeros((count, 3, SIZE, SIZE), np.uint8)
    return Samples(
        images,
        targets,
        [f"chip-{at}" for at in range(count)],
        CLASSES,
        instances=numbers,
        pixel_m=np.full(count, 0.5),
    )


def certain(samples: Samples) -> list[np.ndarray]:
    """Probabilities of a perfect mask."""
    return [np.eye(3, dtype=np.float32)[target].transpose(2, 0, 1) for target in samples.targets]


def with_interiors(samples: Samples, level: float = 0.98) -> list[InstancePart]:
    """The same with perfect interiors, which are as likely as `level`; all else is half as likely."""
    return [
        InstancePart(likely, np.where(instances.interiors(numbers, 1), level, level / 2).astype(np.float32))
        for likely, numbers in zip(certain(samples), samples.instances, strict=True)
    ]


def test_without_numbered_objects_none_are_measured():
    samples = replace(town(), instances=None)

    found = evaluation.evaluate(samples, certain(samples), 0.5, RULE)

    assert not KEYS & set(found.metrics)
    assert not found.ceiling
    assert not any("instance_f1" in row for row in found.classes)
    assert found.metrics["fair:boundary_f1_1px"] == 1


def test_interiors_without_numbered_objects_are_not_measured_and_that_is_told():
    samples = replace(town(), instances=None)

    found = evaluation.evaluate(samples, with_interiors(town()), 0.5, RULE)

    for values in (found.metrics, found.baseline, found.intervals, found.ceiling, found.samples["chip-0"]):
        assert {key: values[key] for key in KEYS} == dict.fromkeys(KEYS)
    assert found.metrics["fair:building_iou"] == 1


def test_a_perfect_mask_without_interiors_joins_neighbours_and_reaches_its_own_ceiling():
    samples = town()

    found = evaluation.evaluate(samples, certain(samples), 0.5, RULE)

    assert found.metrics["fair:object_f1"] == 1
    assert found.metrics["fair:instance_f1"] == found.ceiling["fair:instance_f1"] == 0
    assert set(found.ceiling) == KEYS <= set(found.metrics)


def test_with_interiors_neighbours_are_told_apart():
    samples = town()

    found = evaluation.evaluate(samples, with_interiors(samples), 0.5, RULE)

    assert {key: found.metrics[key] for key in KEYS} == dict.fromkeys(KEYS, pytest.approx(1))
    assert found.ceiling == dict.fromkeys(KEYS, pytest.approx(1))
    rows = {row["class"]: row for row in found.classes}
    assert rows["building"]["instance_f1"] == rows["building"]["instance_f1_low"] == 1
    assert "instance_f1" not in rows["road"]
    assert found.samples["chip-1"]["fair:instance_pq"] == pytest.approx(1)


def test_an_evaluation_with_objects_says_all_of_it_with_intervals_and_baselines():
    random = np.random.default_rng(0)
    samples = town(6)
    blurred = [
        RasterPart(ndimage.gaussian_filter(one + random.normal(0, 0.6, one.shape), (0, 1, 1)).clip(0, 1))
        for one in certain(town(6, touching=False))
    ]

    found = evaluation.evaluate(samples, blurred, 0.5, RULE)

    assert set(found.intervals) == set(found.metrics) == set(found.baseline)
    low, high = found.intervals["fair:instance_pq"]
    assert 0 < low <= found.metrics["fair:instance_pq"] <= high < 1
    assert found.metrics["fair:instance_ap"] < found.metrics["fair:instance_ap50"]
    assert found.baseline["fair:instance_f1"] == 0
    assert found.baseline_names["fair:instance_f1"] == "everything is building"
    rows = {row["class"]: row for row in found.classes}
    assert rows["building"]["instance_pq_low"] <= rows["building"]["instance_pq"]
    assert rows["building"]["instance_f1_baseline"] == 0
    assert set(found.samples["chip-0"]) == set(found.metrics)


def test_one_object_that_fills_a_chip_is_the_best_guess_of_it():
    samples = town(2)
    samples.targets[:], samples.instances[:] = 1, 1
    samples.targets[:, :10], samples.instances[:, :10] = 0, 0

    found = evaluation.evaluate(samples, certain(town(2)), 0.5, RULE)

    assert found.baseline["fair:instance_f1"] == found.baseline["fair:instance_ap50"] == 1
    assert found.baseline["fair:instance_pq"] == pytest.approx(54 / 64)
    assert found.baseline_names["fair:instance_pq"] == "everything is building"


def test_the_score_of_an_object_is_the_mean_probability_of_its_pixels():
    likely = np.zeros((2, 8, 8), np.float32)
    likely[1, :4, :4], likely[1, 0, 0] = 0.8, 0.5
    likely[0] = 1 - likely[1]

    found = instances.found((likely[1] >= 0.5).astype(np.uint8), likely, None, [1], RULE, None)

    assert found.scores == pytest.approx([(15 * 0.8 + 0.5) / 16])


def test_objects_are_those_that_a_prediction_numbers():
    samples = town(1)
    (part,) = with_interiors(samples)
    mask = np.where(samples.targets[0] == 1, 1, 0).astype(np.uint8)

    found = instances.found(
        samples.targets[0], part.probabilities, part.interior, [1], InstanceRule(marker_reach_m=2), 0.5
    )

    assert np.array_equal(found.numbers, number_objects(mask, part.interior >= 0.5, 4))
    assert len(found.classes) == 5


@pytest.mark.parametrize(("pixel_m", "counts"), [(0.5, False), (1.0, True), (np.nan, False)])
def test_the_smallest_object_is_one_rule_in_square_metres_or_in_pixels_where_their_size_is_not_known(
    pixel_m, counts
):
    targets, numbers = np.zeros((2, SIZE, SIZE), np.uint8), np.zeros((2, SIZE, SIZE), np.uint16)
    targets[:, 4:7, 4:9] = numbers[:, 4:7, 4:9] = 1  # 15 pixels
    samples = Samples(
        np.zeros((2, 3, SIZE, SIZE), np.uint8),
        targets,
        ["a", "b"],
        CLASSES[:2],
        instances=numbers,
        pixel_m=np.full(2, pixel_m),
    )
    likely = [np.stack([1.0 - each, each]).astype(np.float32) for each in targets]

    found = evaluation.evaluate(samples, likely, 0.5, InstanceRule(min_area_m2=10)).metrics

    assert found["fair:instance_f1"] == (1 if counts else None)


def test_pixels_that_are_ignored_are_no_interior_and_end_no_object():
    samples = town()
    for values in (samples.targets, samples.instances):
        values[:, :8] = 0
    samples.targets[:, :8] = IGNORE

    found = evaluation.evaluate(samples, with_interiors(town()), 0.5, RULE)

    assert found.metrics["fair:instance_f1"] == 1
    assert found.metrics["fair:instance_pq"] == pytest.approx(1)


def test_interiors_are_further_from_the_outline_than_the_erosion_and_the_edge_of_a_chip_is_none():
    numbers = np.zeros((20, 20), np.uint16)
    numbers[0:10, 0:8], numbers[0:10, 8:20] = 1, 2

    inside = instances.interiors(numbers, 1.5)

    expected = np.zeros((20, 20), bool)
    expected[0:8, 0:6] = expected[0:8, 10:20] = True  # the distance is more than 1.5, so 2 pixels go
    assert np.array_equal(inside, expected)
    assert instances.interiors(np.ones((5, 5), np.uint16), 50).all()
    assert not instances.interiors(numbers, 50)[:, :7].any()


def test_interiors_are_those_of_each_object_alone():
    random = np.random.default_rng(1)
    numbers = ndimage.zoom(random.integers(0, 6, (8, 8)), 8, order=0).astype(np.uint16)

    inside = instances.interiors(numbers, 1.2)

    for number in range(1, 6):
        own = np.pad(numbers == number, 40, mode="edge")
        far = (ndimage.distance_transform_edt(own) - 0.5 > 1.2)[40:-40, 40:-40]
        assert np.array_equal(inside & (numbers == number), far)


@pytest.mark.parametrize(("level", "expected"), [(1.0, 0.55), (0.9, 0.5), (0.58, 0.5), (0.38, 0.35)])
def test_the_threshold_of_interiors_is_the_one_that_is_best_on_the_samples_and_nearest_to_one_half(
    level, expected
):
    samples = town()

    chosen = evaluation.best_marker_threshold(samples, with_interiors(samples, level), 0.5, RULE)

    assert chosen == pytest.approx(expected)
    rule = replace(RULE, marker_threshold=chosen)
    assert evaluation.evaluate(samples, with_interiors(samples, level), 0.5, rule).metrics[
        "fair:instance_f1"
    ] == pytest.approx(1)


def test_no_threshold_of_interiors_is_chosen_where_none_finds_anything():
    samples, apart = town(), with_interiors(town())
    nowhere = [replace(part, probabilities=np.zeros_like(part.probabilities)) for part in apart]

    assert evaluation.best_marker_threshold(samples, nowhere, 0.5, RULE) is None
    assert evaluation.best_marker_threshold(samples, certain(samples), 0.5, RULE) is None
    assert evaluation.best_marker_threshold(replace(samples, instances=None), apart, 0.5, RULE) is None


def test_classes_are_told_apart_as_the_rule_says_or_as_the_samples_number_them():
    samples = town()

    assert RULE.thing_indices(samples) == [1]
    assert replace(RULE, things=["road", "building"]).thing_indices(samples) == [1, 2]
    assert replace(RULE, things=[]).thing_indices(samples) == []
    samples.targets[samples.targets == 2] = 0
    assert RULE.thing_indices(samples) == [1, 2]
    assert RULE.thing_indices(replace(samples, things=["building"]).select([0, 1])) == [1]


def test_the_entries_that_the_documents_give_an_item_name_what_is_measured():
    document = Path(__file__).parents[3] / "docs/explanation/metrics.md"
    entries = json.loads(document.read_text(encoding="utf-8").partition("```json")[2].partition("```")[0])
    samples = town()

    measured = evaluation.evaluate(samples, with_interiors(samples), 0.5, RULE).metrics

    assert {entry["key"] for entry in entries} == KEYS | {key for key in measured if "boundary" in key}
    assert all(entry["higher_is_better"] and entry["name"] and entry["description"] for entry in entries)
