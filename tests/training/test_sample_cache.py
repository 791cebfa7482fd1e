"""Samples are decoded once for equal data and settings."""

from dataclasses import replace

import numpy as np
import pytest

from fair_models.catalog.schemas.keywords import SEARCH
from fair_models.data.chip_samples import LoadedSamples
from fair_models.data.samples import IGNORE, Samples
from fair_models.errors import Corrupted, IncompatibleDataset, Invalid, InvalidContribution
from fair_models.ml_tasks.detection.targets import filled_up
from fair_models.settings import current
from fair_models.store.opening import open_store
from fair_models.training.config.run_config import FileRef, InputSpec
from fair_models.training.phases import preparation, sample_cache


class Plain:
    def preprocess(self, window):
        return window.astype(np.float32) / 255

    def postprocess(self, outputs, window, params):
        return []


def samples(count: int) -> Samples:
    targets = np.zeros((count, 4, 4), np.uint8)
    targets[:, 0] = 1
    targets[:, 3] = 255
    return Samples(
        np.zeros((count, 3, 4, 4), np.uint8),
        targets,
        [f"chip-{index}" for index in range(count)],
        ["background", "building"],
    )


def test_samples_come_out_at_the_models_size_on_both_sides(make_config, tmp_path):
    loaded = sample_cache.load(make_config(), open_store(current()), tmp_path)

    assert loaded.train.images.shape == (6, 3, 64, 64)
    assert loaded.held_out.targets.shape == (2, 64, 64)
    assert loaded.train.images.dtype == np.uint8
    assert loaded.train.targets.max() == 1


def test_a_second_load_reads_what_the_first_decoded(make_config, tmp_path):
    config = make_config()
    first = sample_cache.load(config, open_store(current()), tmp_path)
    gone = config.model_copy(
        update={
            "data": config.data.model_copy(
                update={"chips": FileRef(href="/nowhere.zip", checksum=config.data.chips.checksum)}
            )
        }
    )

    second = sample_cache.load(gone, open_store(current()), tmp_path)

    assert np.array_equal(first.train.images, second.train.images)
    assert list(first.train.names) == list(second.train.names)


def test_objects_and_the_size_of_a_pixel_are_kept(make_config, tmp_path):
    config = make_config()

    first = sample_cache.load(config, open_store(current()), tmp_path)
    second = sample_cache.load(config, open_store(current()), tmp_path)

    for side in (first.train, second.train):
        assert np.array_equal(side.instances > 0, side.targets == 1)
        assert side.instances.dtype == np.uint16
        assert side.instances.max() > 1
        assert (side.pixel_m > 0).all()
    assert np.array_equal(first.held_out.instances, second.held_out.instances)


def test_writing_into_samples_leaves_the_cache_as_it_is(make_config, tmp_path):
    config = make_config()
    sample_cache.load(config, open_store(current()), tmp_path).train.images[:] = 7

    assert not (sample_cache.load(config, open_store(current()), tmp_path).train.images == 7).all()


def test_another_resolution_or_file_has_another_key(make_config):
    config = make_config()
    finer = config.model_copy(update={"input": InputSpec(bands=3, size_px=64, gsd_m=0.5)})
    other = FileRef(href=config.data.split.href, checksum="1220" + "1" * 64)
    resplit = config.model_copy(update={"data": config.data.model_copy(update={"split": other})})

    assert len({sample_cache.key(each) for each in (config, finer, resplit)}) == 3
    assert sample_cache.key(config) == sample_cache.key(config.model_copy(update={"seed": 99}))


def test_other_classes_of_things_have_another_key(make_config):
    config = make_config(classes=["background", "building", "road"])
    only = config.model_copy(update={"thing_classes": ["building"]})
    both = config.model_copy(update={"thing_classes": ["road", "building"]})

    assert sample_cache.key(config) == sample_cache.key(both) != sample_cache.key(only)


def test_a_file_with_other_bytes_is_refused_before_anything_is_cached(make_config, tmp_path):
    config = make_config()
    wrong = FileRef(href=config.data.chips.href, checksum="1220" + "2" * 64)
    config = config.model_copy(update={"data": config.data.model_copy(update={"chips": wrong})})

    with pytest.raises(Corrupted):
        sample_cache.load(config, open_store(current()), tmp_path)
    assert not list(tmp_path.rglob("*.npy"))


def test_class_shares_leave_out_what_does_not_count():
    assert preparation.class_shares(samples(2)) == {
        "background": pytest.approx(2 / 3, abs=1e-6),
        "building": pytest.approx(1 / 3, abs=1e-6),
    }


def test_targets_that_are_no_classes_have_no_shares():
    ranking = Samples(np.zeros((2, 3, 4, 4), np.uint8), np.array([0.5, 0.7]), ["a", "b"], ["background", "x"])

    assert preparation.class_shares(ranking) == {}


def test_an_empty_side_is_refused_by_name(make_config):
    with pytest.raises(Invalid, match=r"town-v1 has no sample .*held_out"):
        preparation.prepare(make_config(), LoadedSamples(samples(2), samples(0)), Plain())


def test_a_preprocess_that_breaks_the_contract_is_refused_with_every_reason(make_config):
    class Wrong(Plain):
        def preprocess(self, window):
            return np.full((1, 4, 4), np.nan)

    with pytest.raises(InvalidContribution) as caught:
        preparation.prepare(make_config(), LoadedSamples(samples(2), samples(1)), Wrong())
    assert len(caught.value.reasons) == 3


def test_samples_with_other_bands_than_the_model_takes_are_refused(make_config):
    config = make_config(input=InputSpec(bands=4, size_px=64, gsd_m=1.0))

    with pytest.raises(InvalidContribution, match="the samples have 3 bands, its mlm:input declares 4"):
        preparation.prepare(config, LoadedSamples(samples(2), samples(1)), Plain())


def whole(*classes: int) -> Samples:
    count = len(classes)
    return Samples(
        np.zeros((count, 3, 4, 4), np.uint8),
        np.array(classes, np.uint8),
        [f"chip-{index}" for index in range(count)],
        ["background", "building"],
    )


def test_samples_of_one_class_cannot_be_told_apart(make_config):
    with pytest.raises(IncompatibleDataset) as caught:
        preparation.prepare(make_config(), LoadedSamples(whole(1, 1, 1), whole(0)), Plain())

    assert str(caught.value).startswith("town-v1 cannot train tiny-v1: ")
    assert len(caught.value.reasons) == 2
    assert "all 3 chips are building (0 background, 3 building)" in caught.value.reasons[0]
    assert "all 1 chips are background" in caught.value.reasons[1]


def masks(count: int, value: int) -> Samples:
    return Samples(
        np.zeros((count, 3, 4, 4), np.uint8),
        np.full((count, 4, 4), value, np.uint8),
        [f"chip-{index}" for index in range(count)],
        ["background", "building"],
    )


@pytest.mark.parametrize("value", [0, IGNORE])
def test_sides_without_a_pixel_of_any_class_are_refused_before_the_training(make_config, value):
    with pytest.raises(IncompatibleDataset) as caught:
        preparation.prepare(make_config(), LoadedSamples(masks(3, value), masks(1, value)), Plain())

    train, held_out = caught.value.reasons
    assert "the training side of the split has nothing of building to learn from" in train
    assert "none of its 3 samples" in train
    assert "smaller than a pixel" in train
    assert "the held-out side of the split has nothing of building to measure on" in held_out
    assert "none of its 1 samples" in held_out


def test_one_side_without_a_pixel_of_any_class_is_enough_to_refuse(make_config):
    with pytest.raises(IncompatibleDataset, match=r"^town-v1 cannot train tiny-v1: the held-out side"):
        preparation.prepare(make_config(), LoadedSamples(masks(3, 1), masks(1, IGNORE)), Plain())


def test_one_pixel_on_each_side_is_enough_to_begin(make_config):
    train, held_out = masks(3, 0), masks(2, IGNORE)
    train.targets[1, 2, 2] = held_out.targets[0, 0, 0] = 1

    assert preparation.prepare(make_config(), LoadedSamples(train, held_out), Plain()).class_shares


@pytest.mark.parametrize(
    ("task", "empty", "full"),
    [
        ("object-detection", filled_up(np.empty((0, 5))), filled_up(np.array([[0, 0, 4, 4, 1]]))),
        (SEARCH, np.array([b"", b""]), np.array([b"a few huts", b""])),
    ],
)
def test_boxes_and_captions_are_looked_for_too(task, empty, full):
    names = ["background", "building"]
    images = np.zeros((2, 3, 4, 4), np.uint8)
    none = Samples(images, np.stack([empty, empty]), ["a", "b"], names)
    one = Samples(images, np.stack([empty, full]), ["a", "b"], names)

    assert "to measure on" in (preparation.unlabelled(task, "held_out", none) or "")
    assert preparation.unlabelled(task, "held_out", one) is None


APART = "instance-segmentation"


def houses(*boxes: tuple[int, int, int, int], size: int = 8) -> Samples:
    """One sample for each box (top, left, bottom, right) with one house there."""
    instances = np.zeros((len(boxes), size, size), np.uint16)
    for at, (top, left, bottom, right) in enumerate(boxes):
        instances[at, top:bottom, left:right] = 1
    names = [f"chip-{at}" for at in range(len(boxes))]
    images = np.zeros((len(boxes), 3, size, size), np.uint8)
    targets = (instances > 0).astype(np.uint8)
    return Samples(images, targets, names, ["background", "building"], instances=instances)


def test_labels_that_are_one_block_over_all_samples_are_refused_where_objects_are_told_apart(make_config):
    block = houses((0, 2, 8, 8), (3, 0, 5, 4), (6, 6, 8, 7))
    one = LoadedSamples(block, houses((2, 2, 4, 4)))

    with pytest.raises(
        IncompatibleDataset, match=r"no object lies whole in any of the 3 training samples of 8"
    ):
        preparation.prepare(make_config(task=APART), one, Plain())
    assert preparation.prepare(make_config(), one, Plain()).notes == []


def test_an_object_that_meets_ground_that_does_not_count_is_not_whole(make_config):
    cut, held_out = houses((2, 2, 4, 4)), houses((2, 2, 4, 4))
    assert preparation.prepare(make_config(task=APART), LoadedSamples(cut, held_out), Plain()).notes == []
    cut.targets[0, 4, 2:4] = IGNORE

    with pytest.raises(IncompatibleDataset, match="no object lies whole"):
        preparation.prepare(make_config(task=APART), LoadedSamples(cut, held_out), Plain())


def test_labels_without_objects_train_the_masks_and_the_run_says_so(make_config):
    masks_alone = LoadedSamples(masks(3, 1), masks(1, 1))

    train, held_out = preparation.prepare(make_config(task=APART), masks_alone, Plain()).notes

    assert "Its labels tell no objects apart" in train
    assert "predicts objects that touch as one" in train
    assert "metrics of objects were not measured" in held_out
    assert preparation.prepare(make_config(), masks_alone, Plain()).notes == []


def test_samples_of_both_classes_are_prepared_with_their_shares(make_config):
    prepared = preparation.prepare(make_config(), LoadedSamples(whole(1, 0, 0, 0), whole(0, 1)), Plain())

    assert prepared.class_shares["train"] == {"background": 0.75, "building": 0.25}


def test_a_classification_decodes_to_one_class_for_each_chip(make_config, tmp_path):
    loaded = sample_cache.load(make_config(task="scene-classification"), open_store(current()), tmp_path)

    assert loaded.train.targets.shape == (6,)
    assert loaded.train.targets.dtype == np.uint8


def numbered(*numbers: np.ndarray) -> Samples:
    stacked = np.stack(numbers).astype(np.uint16)
    images = np.zeros((len(stacked), 3, *stacked.shape[1:]), np.uint8)
    targets = (stacked > 0).astype(np.uint8)
    return replace(samples(len(numbers)), images=images, targets=targets, instances=stacked)


BLOCK = np.zeros((6, 6), np.uint16)
BLOCK[1:-1, :] = 1
WHOLE = np.zeros((6, 6), np.uint16)
WHOLE[1:-1, 1:-1] = 1
HOUSES = np.zeros((6, 6), np.uint16)
HOUSES[1:5, 1:3], HOUSES[1:5, 3:5] = 1, 2


def test_labels_that_are_one_block_teach_nobody_to_tell_objects_apart(make_config):
    loaded = LoadedSamples(numbered(WHOLE, *[BLOCK] * 5), numbered(*[BLOCK] * 4))
    of_objects = make_config(task=APART)

    with pytest.raises(IncompatibleDataset, match=r"in 9 of the 10 pictures .* a polygon of its own"):
        preparation.prepare(of_objects, loaded, Plain())
    assert preparation.prepare(make_config(), loaded, Plain())
    some = LoadedSamples(numbered(HOUSES, HOUSES, *[BLOCK] * 4), numbered(*[BLOCK] * 4))
    assert preparation.prepare(of_objects, some, Plain())


def test_objects_of_a_class_that_all_are_smaller_than_a_pixel_are_told(make_config):
    config = make_config(task=APART, classes=["background", "building", "tank"])
    counts = {"train": {"building": 4, "tank": 7}, "held_out": {"building": 2, "tank": 1}}
    config = config.model_copy(update={"data": config.data.model_copy(update={"class_counts": counts})})
    train, held_out = (replace(numbered(HOUSES, HOUSES), classes=config.classes) for _ in range(2))
    loaded = LoadedSamples(train, held_out)

    with pytest.raises(IncompatibleDataset, match=r"none of the 7 labels of tank to learn from covers"):
        preparation.prepare(config, loaded, Plain())
    only = config.model_copy(update={"thing_classes": ["building"]})
    assert preparation.prepare(only, loaded, Plain())


def test_labels_that_are_connected_pixels_train_with_a_note(make_config):
    config = make_config(task=APART)
    masks = config.model_copy(update={"data": config.data.model_copy(update={"connected": True})})
    loaded = LoadedSamples(numbered(BLOCK, BLOCK), numbered(BLOCK))

    [note] = preparation.prepare(masks, loaded, Plain()).notes

    assert "objects that touch are one there" in note
