import json

from fair_models.ml_tasks import pretraining
from fair_models.store.digests import checksum_file

RECIPE = pretraining.Recipe("scene-classification", ("background", "building"), size_px=64, gsd_m=1.06)


def test_samples_of_an_invented_settlement_have_the_targets_of_the_task():
    samples = pretraining.samples_of(RECIPE, seed=4, built_share=0.1)

    assert samples.images.shape == (48, 3, 64, 64)
    assert set(samples.targets.tolist()) == {0, 1}
    assert len(pretraining.joined([samples, samples])) == 96


def test_digest_and_size_of_the_weights_are_written_into_the_item(tmp_path):
    weights, item = tmp_path / "w.safetensors", tmp_path / "stac-item.json"
    weights.write_bytes(b"weights")
    item.write_text('{"checkpoint": {"file:checksum": "", "file:size": 0}, "other": {"file:size": 5}}')

    pretraining.note_digest(weights, item)

    assert json.loads(item.read_text()) == {
        "checkpoint": {"file:checksum": checksum_file(weights), "file:size": 7},
        "other": {"file:size": 5},
    }
