"""Classes and confidence as Cloud Optimized GeoTIFFs."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from fair_models.errors import Unavailable
from fair_models.inference.imagery.reading import open_imagery
from fair_models.inference.parts import NO_IMAGERY, to_percent
from fair_models.inference.windows import Rectangle
from fair_models.inference.writing.rasters import RasterFiles, class_colour
from fair_models.types import Array
from tests.inference.tiny import CORNER, Input, blobs, grey, write_geotiff, write_png_chip

CLASSES = ["background", "building", "well"]
HEIGHT, WIDTH = 1300, 1100


def values(height: int = HEIGHT, width: int = WIDTH) -> tuple[Array, Array]:
    rows, columns = np.mgrid[:height, :width]
    classes = ((rows // 40 + columns // 60) % 3).astype(np.uint8)
    confidence = ((rows + 3 * columns) % 101).astype(np.uint8)
    classes[:, :90] = confidence[:, :90] = NO_IMAGERY
    return classes, confidence


def write(folder: Path, step: int, imagery: Path) -> RasterFiles:
    folder.mkdir(parents=True)
    classes, confidence = values()
    with open_imagery(imagery, Input(gsd_m=0.26)) as opened:
        sink = RasterFiles(folder, ("classes", "confidence"), CLASSES, opened.blocks)
        for row in range(0, HEIGHT, step):
            rows = Rectangle(row, 0, min(step, HEIGHT - row), WIDTH)
            part = slice(row, row + rows.height)
            sink.write(opened.blocks[0], rows, classes[part], confidence[part])
    return sink


@pytest.fixture(scope="module")
def imagery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("imagery") / "scene.tif"
    return write_geotiff(path, blobs(HEIGHT, WIDTH), "EPSG:32645", (353_000.0, 3_057_000.0), 0.26)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, imagery: Path) -> Path:
    folder = tmp_path_factory.mktemp("rasters") / "out"
    write(folder, 300, imagery)
    return folder


def test_the_rasters_hold_what_was_written_where_the_imagery_lies(folder: Path, imagery: Path) -> None:
    for name, expected in zip(("classes", "confidence"), values(), strict=True):
        with rasterio.open(folder / f"{name}.tif") as file, rasterio.open(imagery) as source:
            assert (file.read(1) == expected).all()
            assert file.transform.almost_equals(source.transform)
            assert (file.crs, file.nodata, file.dtypes) == (source.crs, NO_IMAGERY, ("uint8",))


@pytest.mark.parametrize("name", ["classes", "confidence"])
def test_they_are_cloud_optimized(folder: Path, name: str) -> None:
    """Tiles, overviews, and all directories before the pixels, the smallest overview's pixels first."""
    path = folder / f"{name}.tif"
    with rasterio.open(path) as file:
        assert file.block_shapes == [(512, 512)]
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.overviews(1) == [2, 4]
    head = path.read_bytes()[:300]
    assert b"LAYOUT=IFDS_BEFORE_DATA" in head
    assert b"KNOWN_INCOMPATIBLE_EDITION=NO" in head
    offsets = [_first_tile(path, level) for level in (None, 0, 1)]
    assert offsets == sorted(offsets, reverse=True)


def _first_tile(path: Path, level: int | None) -> int:
    options = {} if level is None else {"overview_level": level}
    with rasterio.open(path, **options) as file:
        return int(file.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))


def test_classes_bring_their_names_and_colours(folder: Path) -> None:
    with rasterio.open(folder / "classes.tif") as file:
        tags, colours = file.tags(), file.colormap(1)
        smallest = file.read(1, out_shape=(HEIGHT // 4, WIDTH // 4))

    assert [tags[f"CLASS_{index}"] for index in range(3)] == CLASSES
    assert [colours[index][:3] for index in range(3)] == [class_colour(index) for index in range(3)]
    assert set(np.unique(smallest)) == {0, 1, 2, NO_IMAGERY}


def test_overviews_of_classes_hold_no_class_that_is_not_there(tmp_path: Path, imagery: Path) -> None:
    stripes = np.ones((HEIGHT, WIDTH), np.uint8)
    stripes[::2] = 2
    with open_imagery(imagery, Input(gsd_m=0.26)) as opened:
        sink = RasterFiles(tmp_path, ("classes",), CLASSES, opened.blocks)
        sink.write(opened.blocks[0], Rectangle(0, 0, HEIGHT, WIDTH), stripes, stripes)

    with rasterio.open(tmp_path / "classes.tif", overview_level=0) as file:
        assert set(np.unique(file.read(1))) <= {1, 2}


def test_confidence_says_how_it_becomes_a_probability(folder: Path) -> None:
    with rasterio.open(folder / "confidence.tif") as file:
        assert (file.scales, file.offsets, file.units) == ((0.01,), (0.0,), ("probability",))
        assert not file.read(1, masked=True).mask[:, 90:].any()


def test_probabilities_are_kept_in_per_cent() -> None:
    probability = np.array([0, 0.004, 0.006, 0.5, 0.999, 1.0, 0.7], np.float32)
    valid = np.array([True] * 6 + [False])

    assert to_percent(probability, valid).tolist() == [0, 0, 1, 50, 100, 100, NO_IMAGERY]


def test_however_strips_come_the_bytes_are_the_same(tmp_path: Path, folder: Path, imagery: Path) -> None:
    write(tmp_path / "again", 777, imagery)

    for name in ("classes.tif", "confidence.tif"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_nothing_but_the_rasters_is_left(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["classes.tif", "confidence.tif"]


def test_each_of_several_areas_has_a_file_of_its_own(tmp_path: Path) -> None:
    for at in range(3):
        write_png_chip(tmp_path / "chips", type(CORNER)(CORNER.x + 5 * at, CORNER.y, 19), grey(256, 256))
    (tmp_path / "out").mkdir()
    with open_imagery(tmp_path / "chips", Input()) as imagery:
        sink = RasterFiles(tmp_path / "out", ("classes",), CLASSES, imagery.blocks)
        for at, block in enumerate(imagery.blocks):
            full = np.full((256, 256), at, np.uint8)
            sink.write(block, Rectangle(0, 0, 256, 256), full, full)

    assert [path.name for path in sink.paths["classes"]] == [f"classes-{at}.tif" for at in (1, 2, 3)]
    for at, path in enumerate(sink.paths["classes"]):
        with rasterio.open(path) as file:
            assert (file.read(1) == at).all()


def test_a_strip_that_is_not_the_next_one_is_refused(tmp_path: Path, imagery: Path) -> None:
    part = np.zeros((10, WIDTH), np.uint8)
    with open_imagery(imagery, Input(gsd_m=0.26)) as opened:
        sink = RasterFiles(tmp_path, ("classes",), CLASSES, opened.blocks)
        sink.write(opened.blocks[0], Rectangle(0, 0, 10, WIDTH), part, part)
        with pytest.raises(ValueError, match="row 10 on"):
            sink.write(opened.blocks[0], Rectangle(20, 0, 10, WIDTH), part, part)
        sink.abandon()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, imagery: Path) -> None:
    part = np.zeros((10, WIDTH), np.uint8)
    with open_imagery(imagery, Input(gsd_m=0.26)) as opened:
        sink = RasterFiles(tmp_path / "nowhere", ("classes",), CLASSES, opened.blocks)
        with pytest.raises(Unavailable, match=r"Cannot write .*classes\.tif"):
            sink.write(opened.blocks[0], Rectangle(0, 0, 10, WIDTH), part, part)
