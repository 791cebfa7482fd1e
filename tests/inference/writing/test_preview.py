"""Pictures of predictions."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image

from fair_models.data.images import tiles
from fair_models.inference.imagery.reading import open_imagery
from fair_models.inference.outlines.features import Features, concatenate, none
from fair_models.inference.writing import preview
from fair_models.inference.writing.legend import Legend, add_legend, round_length_m
from fair_models.types import Array
from tests.inference.tiny import CORNER, Input, grey, lonlat_bounds, write_geotiff, write_png_chip


def picture(path: Path) -> Array:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def one(shape: shapely.Geometry, index: int = 1) -> Features:
    return Features(
        np.array([shape], dtype=object),
        np.array([index]),
        np.ones(1),
        np.ones(1),
        np.array(["chip"], dtype=object),
    )


def draw(folder: Path, features: Features, path: Path) -> Array:
    with open_imagery(folder, Input()) as imagery:
        classes = ["background", "building", "well"]
        preview.draw(imagery.blocks, lambda: [features], classes, "a model · a place", path)
    return picture(path)


def test_features_are_tinted_where_they_lie_and_holes_are_not(tmp_path: Path) -> None:
    write_png_chip(tmp_path / "chips", CORNER, grey(256, 256))
    west, south, east, north = lonlat_bounds(CORNER)
    middle = (west + east) / 2
    half = shapely.box(west, south, middle, north)
    hole = half.centroid.buffer((east - west) / 10)

    drawn = draw(tmp_path / "chips", one(half - hole), tmp_path / "preview.png")

    side = drawn.shape[1]
    cyan = drawn[..., 2] - drawn[..., 0]
    assert cyan[side // 8, side // 8] > 20
    assert cyan[side // 2, side // 4] == 0
    assert not cyan[:side, side // 2 + 10 :].any()


def test_neighbours_that_touch_have_a_line_between_them(tmp_path: Path) -> None:
    write_png_chip(tmp_path / "chips", CORNER, grey(256, 256))
    west, south, east, north = lonlat_bounds(CORNER)
    middle = (west + east) / 2
    houses = [one(shapely.box(west, south, middle, north)), one(shapely.box(middle, south, east, north))]

    drawn = draw(tmp_path / "chips", concatenate(houses), tmp_path / "preview.png")

    side = drawn.shape[1]
    row = drawn[side // 2].astype(int)
    inside, seam = row[side // 4], row[side // 2 - 4 : side // 2 + 4]
    assert (row[3 * side // 4] == inside).all()
    assert (seam == preview.colour(1)).all(axis=1).any()
    assert (seam.sum(axis=1) < inside.sum() - 100).any()


def test_points_are_dots(tmp_path: Path) -> None:
    write_png_chip(tmp_path / "chips", CORNER, grey(256, 256))
    west, south, east, north = lonlat_bounds(CORNER)
    point = shapely.Point((west + east) / 2, (south + north) / 2)

    drawn = draw(tmp_path / "chips", one(point, 2), tmp_path / "preview.png")

    side = drawn.shape[1]
    assert tuple(drawn[side // 2, side // 2]) == preview.colour(2)


def test_several_blocks_are_one_mosaic(tmp_path: Path) -> None:
    """Chips of two zooms side by side."""
    write_png_chip(tmp_path, CORNER, grey(256, 256, 60))
    write_png_chip(tmp_path, tiles.Tile(2 * CORNER.x + 2, 2 * CORNER.y, 20), grey(256, 256, 200))

    drawn = draw(tmp_path, none(), tmp_path / "preview.png")

    width = drawn.shape[1]
    assert tuple(drawn[width // 6, width // 3]) == (60, 60, 60)
    assert tuple(drawn[width // 6, width * 5 // 6]) == (200, 200, 200)
    assert tuple(drawn[width // 2, width * 5 // 6]) == preview._NO_IMAGERY


def test_of_blocks_far_apart_the_largest_is_drawn(tmp_path: Path) -> None:
    write_png_chip(tmp_path, CORNER, grey(256, 256, 60))
    write_png_chip(tmp_path, tiles.Tile(CORNER.x + 5000, CORNER.y, 19), grey(256, 256, 60))
    write_png_chip(tmp_path, tiles.Tile(CORNER.x + 5000, CORNER.y + 1, 19), grey(256, 256, 90))

    drawn = draw(tmp_path, none(), tmp_path / "preview.png")

    height, width = drawn.shape[:2]
    assert width < height
    assert tuple(drawn[width // 2, width // 2]) == (60, 60, 60)
    assert tuple(drawn[width * 3 // 2, width // 2]) == (90, 90, 90)


@pytest.mark.parametrize("size", [(40, 3000), (3000, 40), (7000, 5000)])
def test_a_picture_is_never_larger_than_people_want_to_load(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_geotiff(tmp_path / "scene.tif", grey(*size), "EPSG:32645", (353_000, 3_057_000), 0.26)

    drawn = draw(path, none(), tmp_path / "preview.png")

    assert max(drawn.shape) <= 1600


def test_scale_bars_have_round_lengths() -> None:
    assert [round_length_m(length) for length in (0.7, 1, 34, 199, 200, 4999)] == [0.5, 1, 20, 100, 200, 2000]


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    page = np.asarray(
        add_legend(Image.new("RGB", (1000, 100)), Legend([("building", 3, (255, 0, 0))], "caption", 0.5))
    )

    dark_row = max(range(100, len(page)), key=lambda row: int((page[row, 700:] < 60).all(axis=-1).sum()))
    assert (page[dark_row, 700:] < 60).all(axis=-1).sum() == pytest.approx(100 / 0.5, abs=3)


def test_more_classes_than_there_is_room_for_end_in_an_ellipsis() -> None:
    entries = [(f"class number {index}", index, (index, 0, 0)) for index in range(40)]

    page = add_legend(Image.new("RGB", (900, 50)), Legend(entries, "x" * 400, 0.5))

    assert page.width == 900


def test_features_in_batches_give_the_picture_of_all_at_once(tmp_path: Path) -> None:
    write_png_chip(tmp_path / "chips", CORNER, grey(256, 256))
    west, south, east, north = lonlat_bounds(CORNER)
    third = (east - west) / 3
    left = shapely.box(west, south, west + third, north)
    right = shapely.box(east - third, south, east, north)
    batches = [one(left, 2), one(right)]

    with open_imagery(tmp_path / "chips", Input()) as imagery:
        classes = ["background", "building", "well"]
        for name, read in (("all", [concatenate(batches)]), ("batches", batches)):
            preview.draw(imagery.blocks, lambda read=read: read, classes, "x", tmp_path / f"{name}.png")

    assert (tmp_path / "all.png").read_bytes() == (tmp_path / "batches.png").read_bytes()
