import pytest

from fair_models.ml_tasks import pretraining

RECIPE = pretraining.Recipe("scene-classification", ("background", "building"), size_px=64, gsd_m=1.06)


def test_samples_of_an_invented_settlement_have_the_targets_of_the_task():
    samples = pretraining.samples_of(RECIPE, seed=4, built_share=0.1)

    assert samples.images.shape == (48, 3, 64, 64)
    assert set(samples.targets.tolist()) == {0, 1}
    assert len(pretraining.joined([samples, samples])) == 96


def test_masks_of_an_invented_settlement_number_its_buildings():
    recipe = pretraining.Recipe("semantic-segmentation", ("background", "building"), size_px=64, gsd_m=1.06)

    samples = pretraining.joined([pretraining.samples_of(recipe, seed=4)] * 2)

    assert samples.instances.shape == samples.targets.shape == (96, 64, 64)
    assert ((samples.instances > 0) == (samples.targets == 1)).all()
    assert samples.instances.max(axis=(1, 2)).min() > 1
    assert samples.pixel_m == pytest.approx([1.06] * 96, rel=0.05)
