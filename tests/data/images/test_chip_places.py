"""Where an image lies, by all that can say so, the same for chips and single images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from fair_models.data.images import chips
from fair_models.data.images.chips import Chip
from fair_models.errors import InvalidImagery
from fair_models.imagery_rules import OLD
from fair_models.inference.imagery.images import ImageReader
from tests.data.messy import TILE, picture, write_geotiff

UTM = "EPSG:32645"
TRANSFORM = Affine(0.3, 0, 354000.0, 0, -0.3, 3057000.0)
WORLD = "0.3\n0\n0\n-0.3\n354000.15\n3056999.85\n"


def as_image(path: Path) -> Chip:
    reader = ImageReader(path, 3)
    reader.close()
    return reader.chip


both = pytest.mark.parametrize("describe", [chips.describe, as_image], ids=["chip", "image"])


def with_points(path: Path, bend: float, crs: str | None = UTM) -> Path:
    """A GeoTIFF placed by nine ground control points, the middle one off by `bend` pixels."""
    places = [(row, column) for row in (0, 64, 128) for column in (0, 64, 128)]
    points = [
        GroundControlPoint(row, column, *(TRANSFORM @ (column + bend * (row == column == 64), row)))
        for row, column in places
    ]
    with rasterio.open(path, "w", driver="GTiff", height=128, width=128, count=3, dtype="uint8") as file:
        file.write(np.moveaxis(picture(128, 128), -1, 0))
        file.gcps = points, CRS.from_string(crs) if crs else CRS()
    return path


@both
def test_ground_control_points_on_one_grid_place_an_image(
    tmp_path: Path, describe: Callable[[Path], Chip]
) -> None:
    found = describe(with_points(tmp_path / "a.tif", 0.2))

    assert found.grid.transform == pytest.approx(tuple(TRANSFORM)[:6], abs=0.1)
    assert found.crs == UTM


@both
def test_ground_control_points_that_bend_are_refused_with_the_command(
    tmp_path: Path, describe: Callable[[Path], Chip]
) -> None:
    with pytest.raises(InvalidImagery, match=r"9 ground control points do not fit one grid.*gdalwarp -tps"):
        describe(with_points(tmp_path / "a.tif", 8))


@both
@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
@pytest.mark.parametrize("world", [None, "wld"])
def test_a_world_file_with_a_prj_places_an_image(
    tmp_path: Path, describe: Callable[[Path], Chip], ending: str, world: str | None
) -> None:
    Image.fromarray(picture(64, 80)).save(tmp_path / f"a.{ending}")
    (tmp_path / f"a.{world or ending[0] + ending[-1] + 'w'}").write_text(WORLD)
    (tmp_path / "a.prj").write_text(CRS.from_string(UTM).to_wkt(morph_to_esri_dialect=True))

    found = describe(tmp_path / f"a.{ending}")

    assert found.grid.transform == pytest.approx(tuple(TRANSFORM)[:6])
    assert found.gsd_m == pytest.approx(0.3, rel=0.002)
    assert tmp_path / "a.prj" in chips.files(found)


@both
def test_a_world_file_without_a_reference_system_is_refused_with_the_remedy(
    tmp_path: Path, describe: Callable[[Path], Chip]
) -> None:
    Image.fromarray(picture(64, 80)).save(tmp_path / "a.png")
    (tmp_path / "a.pgw").write_text(WORLD)

    with pytest.raises(InvalidImagery, match=r"a\.pgw beside it .* put a\.prj there"):
        describe(tmp_path / "a.png")


@both
def test_a_world_file_that_contradicts_the_name_of_a_tile_is_refused(
    tmp_path: Path, describe: Callable[[Path], Chip]
) -> None:
    path = tmp_path / f"{TILE.name}.png"
    Image.fromarray(picture()).save(path)
    path.with_suffix(".pgw").write_text(WORLD)
    with pytest.raises(InvalidImagery, match="the tile in its name contradict each other"):
        describe(path)

    a, _, c, _, e, f = TILE.transform(256, 256)
    path.with_suffix(".pgw").write_text(f"{a}\n0\n0\n{e}\n{c + a / 2}\n{f + e / 2}\n")
    assert describe(path).grid.transform == TILE.transform(256, 256)


@both
def test_georeferences_that_contradict_each_other_are_refused(
    tmp_path: Path, describe: Callable[[Path], Chip]
) -> None:
    path = write_geotiff(tmp_path / "a.tif", picture(64, 64), UTM, TRANSFORM)
    (tmp_path / "a.tfw").write_text("0.3\n0\n0\n-0.3\n354000.15\n3056999.85\n")
    assert describe(path).crs == UTM

    (tmp_path / "a.tfw").write_text("0.3\n0\n0\n-0.3\n354030.15\n3056999.85\n")
    with pytest.raises(InvalidImagery, match=r"a\.tfw beside it puts it 100 px off"):
        describe(path)
    assert chips.describe(path, OLD).crs == UTM

    (tmp_path / "a.tfw").unlink()
    moved = (TRANSFORM @ Affine.translation(40, 0)).to_gdal()
    (tmp_path / "a.tif.aux.xml").write_text(
        f"<PAMDataset><SRS>{UTM}</SRS><GeoTransform>{', '.join(map(repr, moved))}</GeoTransform></PAMDataset>"
    )
    with pytest.raises(InvalidImagery, match=r"a\.tif\.aux\.xml beside it puts it 40 px off"):
        describe(path)


@both
def test_sheared_pixels_are_refused_and_turned_or_south_up_ones_are_not(
    tmp_path: Path, describe: Callable[[Path], Chip]
) -> None:
    turned = write_geotiff(tmp_path / "a.tif", picture(64, 64), UTM, TRANSFORM @ Affine.rotation(30))
    south_up = write_geotiff(
        tmp_path / "b.tif", picture(64, 64), UTM, Affine(0.3, 0, 354000, 0, 0.3, 3057000)
    )
    sheared = write_geotiff(tmp_path / "c.tif", picture(64, 64), UTM, TRANSFORM @ Affine.shear(20))

    assert describe(turned).gsd_m == pytest.approx(0.3, rel=0.01)
    assert describe(south_up).gsd_m == pytest.approx(0.3, rel=0.01)
    with pytest.raises(InvalidImagery, match="sheared"):
        describe(sheared)


@both
def test_a_side_file_that_is_not_read_is_named(tmp_path: Path, describe: Callable[[Path], Chip]) -> None:
    Image.fromarray(picture(64, 80)).save(tmp_path / "a.png")
    (tmp_path / "a.points").write_text("mapX,mapY,sourceX,sourceY,enable\n")

    with pytest.raises(InvalidImagery, match=r"a\.points beside it is not read"):
        describe(tmp_path / "a.png")
