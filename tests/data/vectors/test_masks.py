"""Labels that are masks: connected pixels are objects."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fair_models.data.chip_samples import LoadedSamples, load_samples
from fair_models.data.dataset_check import PreparedDataset
from fair_models.data.ingest import prepare
from fair_models.data.samples import IGNORE
from fair_models.data.splits import Split
from fair_models.data.vectors import geojson
from fair_models.errors import InvalidLabels
from fair_models.ml_tasks.registry import targets_for
from fair_models.params import IngestDatasetParams
from fair_models.store.archive import unpack
from tests.data.messy import write_geotiff
from tests.inference.tiny import CORNER, grey, write_jpeg_chip, write_png_chip

SIZE = 64


@pytest.fixture
def chips(tmp_path: Path) -> Path:
    """2 x 2 chips side by side."""
    folder = tmp_path / "chips"
    folder.mkdir()
    for at in range(4):
        tile = type(CORNER)(CORNER.x + at % 2, CORNER.y + at // 2, 19)
        (write_jpeg_chip if at % 2 else write_png_chip)(folder, tile, grey(SIZE, SIZE))
    return folder


def mask() -> np.ndarray:
    """Two regions, one of them two houses that touch, and one pixel that touches it at a corner alone."""
    values = np.zeros((SIZE, SIZE), np.uint8)
    values[5:20, 5:15] = values[5:20, 15:30] = values[20, 30] = 1
    values[40:, 40:] = 1
    return values


def masks_of(chips: Path, values: np.ndarray, left_out: int = 0) -> Path:
    """A mask for each chip but some of them."""
    folder = chips.parent / "masks"
    folder.mkdir()
    names = sorted(path.stem for path in chips.iterdir() if path.suffix in {".png", ".tif"})
    for at, name in enumerate(names[left_out:]):
        if at % 2:
            write_geotiff(folder / f"{name}.tif", values[:, :, None], None, None)
        else:
            Image.fromarray(values).save(folder / f"{name}.png")
    return folder


def ingested(chips: Path, masks: Path, work: Path, **more: object) -> PreparedDataset:
    params = {
        "name": "town",
        "title": "Town",
        "chips": str(chips),
        "labels": str(masks),
        "buffer_m": 0,
        **more,
    }
    return prepare(IngestDatasetParams.model_validate(params), work)


def loaded(prepared: PreparedDataset, classes: list[str], work: Path) -> LoadedSamples:
    unpack(prepared.chips, work / "unpacked")
    return load_samples(
        work / "unpacked",
        prepared.labels,
        Split.read(prepared.split),
        ["background", *classes],
        size_px=SIZE,
        gsd_m=prepared.gsd_m or 0,
        resampling="average",
        targets=targets_for("semantic-segmentation"),
    )


def refused(chips: Path, masks: Path, work: Path, **more: object) -> str:
    with pytest.raises(InvalidLabels) as error:
        ingested(chips, masks, work, **more)
    assert not work.exists()
    return str(error.value)


def test_connected_pixels_are_objects_on_the_very_same_pixels(chips: Path, tmp_path: Path) -> None:
    prepared = ingested(chips, masks_of(chips, 255 * mask()), tmp_path / "work")
    samples = loaded(prepared, ["building"], tmp_path / "work").all

    assert prepared.are_masks
    assert prepared.label_counts == {"building": 12}
    assert "objects that touch are one label" in prepared.objects_note
    assert samples.instances is not None
    for target, numbers in zip(samples.targets, samples.instances, strict=True):
        assert np.array_equal(target, mask())
        assert numbers.max() == 3
        assert len(np.unique(numbers[5:20, 5:30])) == 1
        assert numbers[20, 30] != numbers[19, 29]


def test_values_are_mapped_onto_classes_and_others_count_neither_way(chips: Path, tmp_path: Path) -> None:
    values = mask()
    values[30:35, :10], values[36:38, :10], values[:2] = 7, 9, 3
    masks = masks_of(chips, values)
    classes = ["building=1", "road=7", "background=3"]

    prepared = ingested(chips, masks, tmp_path / "work", classes=classes, keywords=["building", "road"])
    samples = loaded(prepared, ["building", "road"], tmp_path / "work").all

    assert prepared.label_counts == {"building": 12, "road": 4}
    assert prepared.repairs["other_class"] == 4
    expected = np.select([values == 1, values == 7, values == 9], [1, 2, IGNORE], 0)
    assert all(np.array_equal(target, expected) for target in samples.targets)


def test_the_ground_of_chips_without_a_mask_counts_neither_way(chips: Path, tmp_path: Path) -> None:
    prepared = ingested(chips, masks_of(chips, mask(), left_out=1), tmp_path / "work")
    samples = loaded(prepared, ["building"], tmp_path / "work").all

    assert prepared.repairs["without_mask"] == 1
    whole = [(target == IGNORE).all() for target in samples.targets]
    assert sum(whole) == 1
    assert sum((target == IGNORE).any() for target in samples.targets) == 1


def test_masks_whose_values_nobody_maps_are_refused_with_the_spelling(chips: Path, tmp_path: Path) -> None:
    masks = masks_of(chips, mask())

    two = refused(chips, masks, tmp_path / "work", classes=["building", "road"])
    words = refused(chips, masks, tmp_path / "work", classes=["building=yes"])
    none = refused(chips, masks, tmp_path / "work", classes=["building=1", "road=5"])

    assert "--class building=1 --class road=2" in two
    assert "whole numbers, not 'yes'" in words
    assert "no pixel of the masks is of the class road: they have the values 0, 1" in none


def test_what_is_no_mask_of_a_chip_is_refused_by_name(chips: Path, tmp_path: Path) -> None:
    masks = masks_of(chips, mask())
    first, second, third, fourth = sorted(masks.iterdir(), key=lambda path: path.stem)
    Image.fromarray(np.zeros((SIZE, SIZE, 3), np.uint8)).save(first)
    write_geotiff(second, np.zeros((SIZE, SIZE, 1), np.float32), None, None)
    Image.fromarray(np.zeros((SIZE, 32), np.uint8)).save(third)
    fourth.write_bytes(b"no image")

    told = refused(chips, masks, tmp_path / "work")

    assert f"{first.name}: it has 3 bands" in told
    assert f"{second.name}: its values are float32" in told
    assert f"{third.name}: it is 32 x 64 px, its chip 64 x 64" in told
    assert f"{fourth.name}: it is no image" in told


def test_a_folder_without_any_mask_is_refused(chips: Path, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()

    assert "no mask of any chip" in refused(chips, tmp_path / "masks", tmp_path / "work")


def test_masks_with_losses_and_those_that_are_photographs_are_refused(chips: Path, tmp_path: Path) -> None:
    masks = masks_of(chips, mask(), left_out=2)
    names = [path.stem for path in sorted(chips.iterdir()) if path.suffix in {".png", ".tif"}]
    Image.fromarray(mask()).save(masks / f"{names[0]}.jpg")
    many = np.arange(SIZE * SIZE, dtype=np.uint16).reshape(SIZE, SIZE, 1)
    write_geotiff(masks / f"{names[1]}.tif", many, None, None)

    told = refused(chips, masks, tmp_path / "work")

    assert "compressed with losses" in told
    assert "it has 4,096 values" in told


def test_more_regions_than_are_read_are_refused(
    chips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geojson, "MAX_FEATURES", 5)

    assert "more than 5 regions" in refused(chips, masks_of(chips, mask()), tmp_path / "work")
