from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from PIL import Image
from rasterio.features import rasterize

from fair_models.data.chip_samples import LoadedSamples, Targets, load_samples
from fair_models.data.images import chips, tiles
from fair_models.data.images.grid import Grid
from fair_models.data.samples import IGNORE
from fair_models.data.splits import Split, by_area
from fair_models.data.vectors import labels
from fair_models.data.vectors.labels import Labels
from fair_models.errors import Invalid
from fair_models.imagery_rules import OLD
from tests.data.messy import TILE, jpeg_named_tif, rgba, square, write_features

CLASSES = ["background", "building"]


def mask(known: Labels, grid: Grid, classes: Sequence[str], imagery: np.ndarray) -> np.ndarray:
    return labels.rasterise(known, grid.transform, grid.height, grid.width, grid.crs, classes)


def has_buildings(known: Labels, grid: Grid, classes: Sequence[str], imagery: np.ndarray) -> np.ndarray:
    return np.asarray(int(len(known.touching(grid)) > 0))


def one_and_one(name: str) -> Split:
    return Split("area", 0.5, 0.0, 0, "south", (name,), (name,), ())


def load(
    folder: Path, split: Split, size_px: int = 128, gsd_m: float = 0.53, targets: Targets = mask
) -> LoadedSamples:
    path = folder / "labels.geojson"
    return load_samples(folder, path, split, CLASSES, size_px, gsd_m, "average", targets, class_property=None)


@pytest.fixture
def single(tmp_path: Path) -> Path:
    """One chip of 512 px at 0.13 m whose north-western quarter is a building."""
    chip = chips.describe(jpeg_named_tif(tmp_path))
    west, south, east, north = chip.grid.footprint.bounds
    feature = square(west, (south + north) / 2, (east - west) / 2)
    feature["geometry"]["coordinates"][0][2][1] = north  # type: ignore[index]
    feature["geometry"]["coordinates"][0][3][1] = north  # type: ignore[index]
    write_features(tmp_path / "labels.geojson", [feature])
    return tmp_path


def test_both_sides_come_at_the_models_resolution_with_their_targets(settlement: Path) -> None:
    found = chips.find(settlement / "input")
    split = by_area(found, 0.25, 0, 0)

    loaded = load(settlement / "input", split)

    assert loaded.train.images.shape == (9, 3, 128, 128)
    assert loaded.held_out.images.shape == (3, 3, 128, 128)
    assert loaded.train.names == list(split.train)
    assert loaded.train.classes == CLASSES
    assert set(np.unique(loaded.train.targets)) == {0, 1}
    first = next(chip for chip in found if chip.name == split.train[0])
    assert (loaded.train.images[0] == chips.read(first)).all()


def test_a_chip_of_the_size_of_a_sample_is_one_sample(single: Path) -> None:
    samples = load(single, one_and_one(TILE.name), 256, 0.264).train

    assert samples.names == [TILE.name]
    assert samples.targets[0][:128, :128].all()
    assert samples.targets.sum() == 128 * 128


def test_a_smaller_chip_is_padded_and_the_padding_ignored(single: Path) -> None:
    samples = load(single, one_and_one(TILE.name), 300, 0.264).train

    assert samples.images.shape == (1, 3, 300, 300)
    assert (samples.targets[0, 256:] == IGNORE).all()
    assert (samples.targets[0, :, 256:] == IGNORE).all()
    assert not samples.images[0, :, 256:].any()
    assert (samples.targets[0, :256, :256] != IGNORE).all()


@pytest.mark.parametrize(("size_px", "count"), [(128, 4), (100, 9), (200, 4), (250, 1)])
def test_a_larger_chip_is_cut_and_no_pixel_counts_twice(single: Path, size_px: int, count: int) -> None:
    samples = load(single, one_and_one(TILE.name), size_px, 0.264).train

    counted = (samples.targets != IGNORE).sum()
    assert len(samples) == count
    assert len(set(samples.names)) == count
    assert counted == (256 if count > 1 else 250) ** 2
    assert (samples.targets == 1).sum() == 128 * 128


def test_transparent_pixels_are_ignored(tmp_path: Path) -> None:
    chip = chips.describe(rgba(tmp_path))
    west, south, _, _ = chip.grid.footprint.bounds
    write_features(tmp_path / "labels.geojson", [square(west, south, 0.01)])

    samples = load(tmp_path, one_and_one(TILE.name), 256, 0.264).train

    assert (samples.targets[0][:, :64] == IGNORE).all()
    assert (samples.targets[0][:, 64:] == 1).all()


def test_targets_may_be_something_else_than_a_mask(single: Path) -> None:
    samples = load(single, one_and_one(TILE.name), 128, 0.264, has_buildings).train

    assert samples.targets.tolist() == [1, 0, 0, 0]


def test_chips_of_other_resolutions_become_samples_of_one(single: Path) -> None:
    (single / f"{TILE.name}.tif").unlink()
    (single / f"{TILE.name}.tif.aux.xml").unlink()
    Image.new("RGB", (1024, 1024), (9, 9, 9)).save(single / f"{TILE.name}.png")

    samples = load(single, one_and_one(TILE.name), 256, 0.264).train

    assert samples.images.shape == (1, 3, 256, 256)
    assert (samples.targets == 1).sum() == 128 * 128


def test_chips_of_the_split_that_are_missing_are_named(single: Path) -> None:
    with pytest.raises(Invalid, match=r"lacks 2 chips of the split, the first is OAM-1-2-19"):
        load(single, one_and_one("OAM-1-2-19"))


@pytest.fixture
def pieces(tmp_path: Path) -> Path:
    """8 x 4 chips of zoom 21, 256 px each, over which one house lies."""
    for column in range(8):
        for row in range(4):
            tile = tiles.Tile(4 * TILE.x + column, 4 * TILE.y + row, 21)
            pixels = np.full((256, 256, 3), 20 + 10 * column + row, np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{tile.name}.png")
    longitude, latitude = tiles.lonlat(
        np.array([TILE.x + 0.4, TILE.x + 0.6]), np.array([TILE.y + 0.6] * 2), 19
    )
    size = float(longitude[1] - longitude[0])
    write_features(tmp_path / "labels.geojson", [square(float(longitude[0]), float(latitude[0]), size)])
    return tmp_path


def test_chips_that_are_pieces_of_one_picture_make_whole_samples(pieces: Path) -> None:
    names = sorted(path.stem for path in pieces.glob("*.png"))
    west = tuple(name for name in names if int(name.split("-")[1]) < 4 * TILE.x + 4)
    east = tuple(name for name in names if name not in west)
    split = Split("area", 0.5, 0.0, 0, "east", west, east, ())

    loaded = load(pieces, split, 256, 0.2646)
    alone = load_samples(
        pieces,
        pieces / "labels.geojson",
        split,
        CLASSES,
        256,
        0.2646,
        "average",
        mask,
        class_property=None,
        rules=OLD,
    )

    assert loaded.train.images.shape == (1, 3, 256, 256)
    assert (loaded.train.targets != IGNORE).all()
    # what each side has is its own: no pixel of one is in a sample of the other
    assert set(np.unique(loaded.train.images)) == {20 + 10 * x + y for x in range(4) for y in range(4)}
    assert set(np.unique(loaded.held_out.images)) == {20 + 10 * x + y for x in range(4, 8) for y in range(4)}
    assert (loaded.train.targets == 1).sum() == (alone.train.targets == 1).sum() > 100
    assert len(alone.train) == 16
    assert (alone.train.targets != IGNORE).mean() == 1 / 16


def test_samples_of_joined_chips_count_each_pixel_once(pieces: Path) -> None:
    names = tuple(sorted(path.stem for path in pieces.glob("*.png")))
    some = tuple(name for name in names if not name.endswith("-21") or int(name.split("-")[1]) % 8 != 3)
    split = Split("area", 0.5, 0.0, 0, "east", some, some, ())

    loaded = load(pieces, split, 100, 0.2646).train

    assert len(set(loaded.names)) == len(loaded)
    assert (loaded.targets != IGNORE).sum() == 64 * 64 * len(some)


def test_a_side_that_is_wholly_transparent_is_refused(single: Path) -> None:
    Image.new("RGBA", (256, 256)).save(single / "OAM-386690-220242-19.png")

    with pytest.raises(Invalid, match="transparent"):
        load(single, one_and_one("OAM-386690-220242-19"))


def test_masks_come_with_the_numbers_of_their_objects_and_the_size_of_a_pixel(single: Path) -> None:
    samples = load(single, one_and_one(TILE.name), 256, 0.264).train

    assert samples.instances is not None
    assert samples.pixel_m is not None
    assert samples.instances.dtype == np.uint16
    assert np.array_equal(samples.instances, (samples.targets == 1).astype(np.uint16))
    assert samples.pixel_m.tolist() == pytest.approx([0.264], rel=0.02)


def test_targets_that_are_no_mask_have_no_objects(single: Path) -> None:
    samples = load(single, one_and_one(TILE.name), 128, 0.264, has_buildings).train

    assert samples.instances is None
    assert samples.pixel_m is not None


def test_ground_that_an_earlier_sample_counts_has_no_object(single: Path) -> None:
    samples = load(single, one_and_one(TILE.name), 200, 0.264).train

    assert samples.instances is not None
    assert np.array_equal(samples.instances > 0, samples.targets == 1)
    assert (samples.instances > 0).sum() == 128 * 128


def test_classes_without_things_have_no_object(single: Path) -> None:
    path = single / "labels.geojson"
    split = one_and_one(TILE.name)

    loaded = load_samples(
        single, path, split, CLASSES, 128, 0.264, "average", mask, class_property=None, things=[]
    )

    assert loaded.train.instances is not None
    assert not loaded.train.instances.any()


def test_samples_of_joined_chips_keep_their_objects(pieces: Path) -> None:
    names = tuple(sorted(path.stem for path in pieces.glob("*.png")))
    split = Split("area", 0.5, 0.0, 0, "east", names, names, ())

    everything = load(pieces, split, 256, 0.2646).all

    assert everything.instances is not None
    assert everything.pixel_m is not None
    assert len(everything) == len(everything.pixel_m) == 4
    assert np.array_equal(everything.instances > 0, everything.targets == 1)


@pytest.mark.shared
def test_banepa_has_as_many_objects_as_labels_that_cover_a_pixel(shared_data: Path) -> None:
    chip = max(chips.find(shared_data / "chips"), key=lambda one: one.path.stat().st_size)
    known = labels.read_stored(shared_data / "labels.geojson", CLASSES[1:], None)

    samples = load_samples(
        shared_data / "chips",
        shared_data / "labels.geojson",
        one_and_one(chip.name),
        CLASSES,
        256,
        0.26,
        "average",
        mask,
        class_property=None,
    ).train

    grid = chip.grid.decimated(Fraction(2))
    visible = 0
    outlines, _ = known.around(grid)
    for index in known.touching(grid):
        alone = rasterize([outlines[index]], out_shape=(256, 256), transform=Affine(*grid.transform))
        visible += bool(alone.any())
    assert samples.instances is not None
    assert len(samples) == 1
    assert int(samples.instances.max()) == visible > 10


@pytest.mark.shared
def test_half_of_banepa_is_built(shared_data: Path) -> None:
    split = by_area(chips.find(shared_data / "chips"), 0.25, 0, 0)

    loaded = load_samples(
        shared_data / "chips",
        shared_data / "labels.geojson",
        split,
        CLASSES,
        256,
        0.26,
        "average",
        mask,
        None,
    )

    assert loaded.train.images.shape == (36, 3, 256, 256)
    assert loaded.held_out.targets.mean() == pytest.approx(0.377, abs=0.01)
    assert (loaded.train.targets != IGNORE).all()
