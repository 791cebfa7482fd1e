"""A mask that is all building covers its chip to within a pixel, whatever form the chip has."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.features import shapes
from shapely.geometry import shape

from fair_models.data.images import chips, tiles
from fair_models.data.images.grid import Grid, reproject
from fair_models.data.images.resampling import read_at
from fair_models.data.vectors import labels
from tests.data.messy import FORMS, TILE, jpeg_named_tif, png_without_place

CLASSES = ["background", "building"]


def in_tile_pixels(outline: shapely.Geometry, crs: str) -> shapely.Geometry:
    """An outline in pixels of a tile of 256 px, (0, 0) its top left corner."""
    place = Grid("EPSG:3857", TILE.transform(256, 256), 256, 256)
    a, _, c, _, e, f = place.transform

    def to_pixels(points: np.ndarray) -> np.ndarray:
        x, y = reproject(crs, "EPSG:3857", points[:, 0], points[:, 1])
        return np.column_stack([(x - c) / a, (y - f) / e])

    return shapely.transform(outline, to_pixels)


def masked_area(mask: np.ndarray, grid: Grid) -> shapely.Geometry:
    parts = shapes(mask, mask=mask > 0, transform=Affine(*grid.transform))
    return shapely.union_all([shape(geometry) for geometry, _ in parts])


@pytest.mark.parametrize("gsd_m", [0.13, 0.264, 0.5, 1.0])
@pytest.mark.parametrize("form", FORMS)
def test_a_mask_that_is_all_building_covers_its_chip(tmp_path: Path, form: str, gsd_m: float) -> None:
    chip = chips.describe(FORMS[form](tmp_path))
    view = read_at(chip, gsd_m)
    mask = np.ones(view.valid.shape, dtype=np.uint8)

    covered = in_tile_pixels(masked_area(mask, view.grid), chip.crs)

    expected = in_tile_pixels(shapely.Polygon(chip.grid.corners), chip.crs)
    pixel = max(1.0, gsd_m / 0.264)
    assert shapely.hausdorff_distance(covered.exterior, expected.exterior) <= pixel
    if form != "another reference system":
        tile = shapely.box(0, 0, 256, 256)
        assert shapely.hausdorff_distance(covered.exterior, tile.exterior) <= pixel


@pytest.mark.parametrize("form", FORMS)
def test_a_label_over_a_whole_chip_marks_its_every_pixel_and_none_beyond(tmp_path: Path, form: str) -> None:
    chip = chips.describe(FORMS[form](tmp_path))
    outlines = np.array([chip.grid.footprint], dtype=object)
    known = labels.Labels(outlines, ["building"], [{}])

    for gsd_m in (chip.gsd_m, 2 * chip.gsd_m, chip.gsd_m / 2):
        grid = read_at(chip, gsd_m).grid
        around = grid.window(-8, -8, grid.height + 16, grid.width + 16)
        mask = labels.rasterise(known, around.transform, around.height, around.width, around.crs, CLASSES)

        assert mask[9:-9, 9:-9].all()
        assert not mask[:7].any()
        assert not mask[:, :7].any()
        assert not mask[-7:].any()
        assert not mask[:, -7:].any()


def test_chips_of_several_zooms_lie_where_their_tiles_do(tmp_path: Path) -> None:
    """The four children of a tile cover it, each at its own resolution."""
    parent = chips.describe(jpeg_named_tif(tmp_path))
    children = [
        chips.describe(png_without_place(tmp_path, tiles.Tile(2 * TILE.x + i, 2 * TILE.y + j, 20)))
        for i in (0, 1)
        for j in (0, 1)
    ]

    views = [read_at(chip, 0.26) for chip in (parent, *children)]
    together = shapely.union_all([chip.grid.footprint for chip in children])

    assert [view.pixels.shape[1] for view in views] == [256, 128, 128, 128, 128]
    assert shapely.symmetric_difference(together, parent.grid.footprint).area < 1e-6 * together.area


@pytest.mark.shared
def test_labels_of_banepa_agree_at_every_resolution(shared_data: Path) -> None:
    known = labels.read(shared_data / "labels.geojson", ["building"])
    chip = chips.find(shared_data / "chips")[0]
    shares = []
    for gsd_m in (0.13, 0.26, 0.53):
        grid = read_at(chip, gsd_m).grid
        mask = labels.rasterise(known, grid.transform, grid.height, grid.width, grid.crs, CLASSES)
        shares.append(mask.mean())

    assert shares == pytest.approx([shares[0]] * 3, abs=0.01)
    assert 0.2 < shares[0] < 0.8
