"""Folders and images as blocks at the model's resolution."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rasterio.shutil import copy

from fair_models.data.images import chips, resampling, tiles
from fair_models.data.images.grid import Factors
from fair_models.errors import Invalid, InvalidImagery, NotFound
from fair_models.imagery_rules import OLD
from fair_models.inference.imagery.grids import blocks
from fair_models.inference.imagery.reading import open_imagery
from fair_models.inference.windows import Rectangle
from tests.inference.tiny import CORNER, Input, blobs, grey, write_geotiff, write_jpeg_chip, write_png_chip

UTM = "EPSG:32645"


def east(tile: tiles.Tile, columns: int, rows: int = 0) -> tiles.Tile:
    return tiles.Tile(tile.x + columns, tile.y + rows, tile.z)


def test_chips_that_touch_are_one_block_and_others_are_not(tmp_path: Path) -> None:
    for tile in (CORNER, east(CORNER, 1), east(CORNER, 2, 1), east(CORNER, 9)):
        write_png_chip(tmp_path, tile, grey(256, 256))

    with open_imagery(tmp_path, Input()) as imagery:
        sizes = [(block.grid.height, block.grid.width) for block in imagery.blocks]
        assert sizes == [(512, 768), (256, 256)]
        assert imagery.image_count == 4
        assert imagery.blocks[0].has_imagery(Rectangle(256, 512, 256, 256))
        assert not imagery.blocks[0].has_imagery(Rectangle(256, 0, 256, 256))


def test_chips_off_the_grid_of_the_others_are_a_block_of_their_own(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "a.tif", grey(100, 100), UTM, (353_000, 3_057_000), 0.26)
    write_geotiff(tmp_path / "b.tif", grey(100, 100), UTM, (353_026, 3_057_000), 0.26)
    write_geotiff(tmp_path / "c.tif", grey(100, 100), UTM, (353_052.13, 3_057_000), 0.26)

    with open_imagery(tmp_path, Input()) as imagery:
        assert [[placed.chip.name for placed in block.native.chips] for block in imagery.blocks] == [
            ["a", "b"],
            ["c"],
        ]


def test_a_tile_name_that_the_file_contradicts_does_not_count(tmp_path: Path) -> None:
    write_geotiff(tmp_path / f"{CORNER.name}.tif", grey(100, 100), UTM, (353_000, 3_057_000), 0.26)

    with open_imagery(tmp_path, Input()) as imagery:
        assert imagery.blocks[0].grid.crs == UTM


@pytest.mark.parametrize("method", ["average", "bilinear", "nearest"])
@pytest.mark.parametrize(("gsd_m", "factor"), [(0.26, 1), (0.52, 2), (0.78, 3), (0.13, Fraction(1, 2))])
def test_windows_of_a_block_are_cut_from_what_training_would_see(
    tmp_path: Path, method: str, gsd_m: float, factor: Fraction
) -> None:
    """Reading by windows gives the pixels of resampling the whole image at once."""
    path = write_geotiff(tmp_path / "scene.tif", blobs(250, 301), UTM, (353_000, 3_057_000), 0.26)
    chip = chips.describe(path)
    expected = resampling.read_at(chip, gsd_m, method)

    with open_imagery(path, Input(gsd_m=gsd_m, resampling=method)) as imagery:
        (block,) = imagery.blocks
        assert block.factor == factor
        assert (block.grid.height, block.grid.width) == expected.valid.shape
        assert block.grid.transform == pytest.approx(expected.grid.transform)
        for area in (
            Rectangle(0, 0, 20, 30),
            Rectangle(17, 31, 40, 50),
            Rectangle(block.grid.height - 9, block.grid.width - 11, 9, 11),
            Rectangle(0, 0, block.grid.height, block.grid.width),
        ):
            pixels, valid = block.read(area)
            assert np.abs(pixels.astype(int) - expected.pixels[:, *area.slices]).max() <= (
                method == "bilinear"
            )
            assert (valid == expected.valid[area.slices]).all()


@pytest.mark.parametrize("method", ["average", "bilinear", "nearest"])
@pytest.mark.parametrize(
    ("latitude", "size_m"), [(70.0, 0.66), (45.0, 0.3), (60.0, 0.12), (80.0, 0.2), (65.0, 1.3)]
)
def test_windows_of_pixels_in_degrees_are_cut_from_what_training_would_see(
    tmp_path: Path, method: str, latitude: float, size_m: float
) -> None:
    path = write_geotiff(
        tmp_path / "scene.tif", blobs(250, 301), "EPSG:4326", (25.0, latitude), size_m / 111_195
    )
    expected = resampling.read_at(chips.describe(path), 0.3, method)

    with open_imagery(path, Input(gsd_m=0.3, resampling=method)) as imagery:
        (block,) = imagery.blocks
        across, down = block.grid.pixel_size_m
        assert 0.9 < across / down < 1.12
        assert (block.grid.height, block.grid.width) == expected.valid.shape
        assert block.grid.transform == pytest.approx(expected.grid.transform)
        height, width = block.grid.height, block.grid.width
        for area in (
            Rectangle(7, 11, 20, 17),
            Rectangle(height - 9, width - 11, 9, 11),
            Rectangle(0, 0, height, width),
        ):
            pixels, valid = block.read(area)
            assert np.abs(pixels.astype(int) - expected.pixels[:, *area.slices]).max() <= (
                method == "bilinear"
            )
            assert (valid == expected.valid[area.slices]).all()


def test_a_name_that_the_georeference_contradicts_is_told_with_the_result(tmp_path: Path) -> None:
    path = write_geotiff(
        tmp_path / "in" / f"{CORNER.name}.tif", blobs(90, 120), UTM, (353_000, 3_057_000), 0.26
    )
    for source in (path, path.parent):
        with open_imagery(source, Input()) as imagery:
            (said,) = imagery.warnings()
        assert said.startswith(f"{path.name}: the georeference contradicts the tile in the name")


def test_models_of_before_take_one_factor_for_both_axes(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "scene.tif", blobs(90, 120), "EPSG:4326", (25.0, 70.0), 0.66 / 111_195)

    with open_imagery(path, Input(gsd_m=0.3), rules=OLD) as imagery:
        assert imagery.blocks[0].factors == Factors.of(Fraction(1))
    with open_imagery(path, Input(gsd_m=0.3)) as imagery:
        assert imagery.blocks[0].factors == Factors(Fraction(3, 2), Fraction(1, 2))


def test_a_folder_and_a_mosaic_of_it_read_the_same(tmp_path: Path) -> None:
    scene = blobs(512, 512)
    for row in (0, 1):
        for column in (0, 1):
            part = scene[:, row * 256 : row * 256 + 256, column * 256 : column * 256 + 256]
            write_png_chip(tmp_path, east(CORNER, column, row), part)

    with open_imagery(tmp_path, Input()) as imagery:
        pixels, valid = imagery.blocks[0].read(Rectangle(100, 100, 300, 300))

    assert (pixels == scene[:, 100:400, 100:400]).all()
    assert valid.all()


def test_decoded_chips_are_forgotten_when_they_are_too_many(tmp_path: Path) -> None:
    from fair_models.inference.imagery.pixels import ChipReader

    found = [chips.describe(write_png_chip(tmp_path, east(CORNER, at), grey(64, 64, at))) for at in range(5)]
    reader = ChipReader(cache_bytes=40_000)

    for _ in range(2):
        for at, chip in enumerate(found):
            assert (reader.part(chip, Rectangle(0, 0, 64, 64))[0] == at).all()
    assert reader._bytes <= 40_000


def test_a_vrt_is_read_by_windows(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "a.tif", blobs(300, 300), UTM, (353_000, 3_057_000), 0.26)
    copy(tmp_path / "a.tif", tmp_path / "a.vrt", driver="VRT")

    with open_imagery(tmp_path / "a.vrt", Input()) as imagery:
        pixels, _ = imagery.blocks[0].read(Rectangle(10, 20, 30, 40))

    assert (pixels == blobs(300, 300)[:, 10:40, 20:60]).all()


def test_pixels_without_data_are_no_imagery(tmp_path: Path) -> None:
    pixels = grey(100, 100)
    pixels[:, :50] = 0
    write_geotiff(tmp_path / "a.tif", pixels, UTM, (353_000, 3_057_000), 0.26, nodata=0)

    with open_imagery(tmp_path / "a.tif", Input()) as imagery:
        _, valid = imagery.blocks[0].read(Rectangle(0, 0, 100, 100))

    assert not valid[:50].any()
    assert valid[50:].all()


def test_an_image_that_only_its_name_places_lies_on_its_tile(tmp_path: Path) -> None:
    path = write_png_chip(tmp_path, CORNER, grey(256, 256))

    with open_imagery(path, Input()) as imagery:
        left, bottom, right, top = imagery.blocks[0].grid.bounds

    assert (left, bottom, right, top) == pytest.approx(CORNER.bounds_mercator())


def test_imagery_that_cannot_be_used_is_refused_with_all_reasons(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(nowhere / "one.png")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(nowhere / "two.png")
    with pytest.raises(InvalidImagery, match=r"one\.png.*neither.*two\.png"):
        open_imagery(nowhere, Input())
    with pytest.raises(InvalidImagery, match="neither a coordinate reference system nor a tile name"):
        open_imagery(nowhere / "one.png", Input())
    with pytest.raises(NotFound, match="no imagery at"):
        open_imagery(tmp_path / "missing", Input())

    deep = write_geotiff(
        tmp_path / "deep.tif", np.zeros((1, 9, 9), np.uint16), UTM, (353_000, 3_057_000), 0.26
    )
    with pytest.raises(InvalidImagery, match=r"deep\.tif.*its pixels are uint16, uint8 is needed"):
        open_imagery(deep, Input())
    (tmp_path / "text.tif").write_text("no image")
    with pytest.raises(InvalidImagery, match=r"text\.tif.*cannot be opened"):
        open_imagery(tmp_path / "text.tif", Input())


def test_imagery_and_models_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_png_chip(tmp_path, CORNER, grey(256, 256))

    with pytest.raises(Invalid, match="cubic"):
        open_imagery(tmp_path, Input(resampling="cubic"))
    with pytest.raises(InvalidImagery, match="model takes 4"):
        open_imagery(tmp_path, Input(bands=4))
    with pytest.raises(Invalid, match="too coarse"):
        open_imagery(tmp_path, Input(gsd_m=0.01))


def test_an_image_that_is_cut_off_is_refused_when_its_pixels_are_read(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "cut.tif", blobs(300, 300), UTM, (353_000, 3_057_000), 0.26)
    path.write_bytes(path.read_bytes()[:-100_000])

    with (
        open_imagery(path, Input()) as imagery,
        pytest.raises(InvalidImagery, match=r"cut\.tif.*cannot be decoded"),
    ):
        imagery.blocks[0].read(Rectangle(0, 0, 300, 300))


def test_the_overview_of_a_block_lies_where_the_block_lies(tmp_path: Path) -> None:
    for at in (0, 1):
        write_jpeg_chip(tmp_path, east(CORNER, at), grey(512, 512, 40 + 100 * at))

    with open_imagery(tmp_path, Input()) as imagery:
        pixels, valid, grid = imagery.blocks[0].overview(200)
        assert grid.bounds == pytest.approx(imagery.blocks[0].grid.bounds)

    assert pixels.shape == (3, 100, 200)
    assert valid.all()
    assert (np.abs(pixels[:, :, :99].astype(int) - 40) < 3).all()
    assert (np.abs(pixels[:, :, 101:].astype(int) - 140) < 3).all()


@pytest.mark.parametrize("step", [1e-300, 1e300, float("nan")])
def test_an_image_that_lies_nowhere_on_the_earth_is_refused(tmp_path: Path, step: float) -> None:
    path = write_geotiff(tmp_path / "a.tif", grey(40, 40), UTM, (353_000, 3_057_000), step)

    with pytest.raises(InvalidImagery, match=r"a\.tif"):
        open_imagery(path, Input())


def test_a_chip_is_on_its_own_grid_even_where_its_numbers_round(tmp_path: Path) -> None:
    """Far out and with tiny pixels a corner is not found again to a pixel."""
    chip = replace(
        chips.describe(write_geotiff(tmp_path / "a.tif", grey(40, 40), UTM, (353_000, 3_057_000), 0.26)),
        transform=(1e-12, 0.0, 353_000.0, 0.0, -1e-12, 3_057_000.0),
    )

    (block,) = blocks([chip])

    assert [placed.chip for placed in block.chips] == [chip]
