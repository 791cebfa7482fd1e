from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from fair_models.data.images import chips, file_kinds
from fair_models.errors import InvalidImagery
from tests.data.messy import (
    FORMS,
    TILE,
    jpeg_named_png,
    jpeg_named_tif,
    lonlat_transform,
    picture,
    png_without_place,
    rgba,
    write_geotiff,
)


def reasons(folder: Path) -> str:
    with pytest.raises(InvalidImagery) as error:
        chips.find(folder)
    return "\n".join(error.value.reasons)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_chip_is_found_and_read(tmp_path: Path, form: str) -> None:
    path = FORMS[form](tmp_path)

    (chip,) = chips.find(tmp_path)
    pixels = chips.read(chip)

    assert chip.path == path
    assert pixels.shape == (3, chip.height, chip.width)
    assert pixels.dtype == np.uint8
    assert pixels.max() > 200


def test_what_is_no_image_is_passed_over(tmp_path: Path) -> None:
    jpeg_named_tif(tmp_path)
    for name in (
        "labels.geojson",
        ".DS_Store",
        "Thumbs.db",
        "notes.txt",
        "OAM-1-2-19.tif.ovr",
        "._OAM-1-2-19.tif",
    ):
        (tmp_path / name).write_bytes(b"II*\x00" if name.endswith((".ovr", "19.tif")) else b"text")
    (tmp_path / "folder.tif").mkdir()

    assert [chip.name for chip in chips.find(tmp_path)] == [TILE.name]


def test_an_image_without_an_image_ending_is_a_chip(tmp_path: Path) -> None:
    jpeg_named_tif(tmp_path).rename(tmp_path / TILE.name)

    assert chips.find(tmp_path)[0].placed_by_name


def test_the_place_in_the_file_goes_before_the_name(tmp_path: Path) -> None:
    write_geotiff(tmp_path / f"{TILE.name}.tif", picture(), "EPSG:4326", Affine(1e-6, 0, 10, 0, -1e-6, 20))

    (chip,) = chips.find(tmp_path)

    assert chip.crs == "EPSG:4326"
    assert chip.transform[2] == 10
    assert not chip.placed_by_name


def test_aux_xml_counts_even_where_the_environment_would_have_gdal_ignore_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")
    jpeg_named_tif(tmp_path)

    (chip,) = chips.find(tmp_path)

    assert (chip.crs, chip.placed_by_name) == ("EPSG:4326", False)
    assert [path.name for path in chips.files(chip)] == [f"{TILE.name}.tif", f"{TILE.name}.tif.aux.xml"]


def test_transparent_pixels_are_zero_and_masked(tmp_path: Path) -> None:
    rgba(tmp_path)

    (chip,) = chips.find(tmp_path)
    pixels, valid = chips.read_with_mask(chip)

    assert chip.masked
    assert chip.bands == 3
    assert not pixels[:, :, :64].any()
    assert not valid[:, :64].any()
    assert valid[:, 64:].all()


def test_nodata_is_masked(tmp_path: Path) -> None:
    pixels = picture() | 1
    pixels[:10] = 0
    write_geotiff(tmp_path / "a.tif", pixels, "EPSG:4326", lonlat_transform(TILE, 256), nodata=0)

    (chip,) = chips.find(tmp_path)

    assert chips.read_with_mask(chip)[1].sum() == 246 * 256


@pytest.mark.parametrize(
    ("crs", "transform", "gsd_m"),
    [
        ("EPSG:4326", lonlat_transform(TILE, 256), 0.264),
        ("EPSG:3857", Affine(*TILE.transform(256, 256)), 0.264),
        ("EPSG:32645", Affine(0.5, 0, 354000, 0, -0.5, 3057000), 0.5),
        ("EPSG:2229", Affine(1.0, 0, 6480000, 0, -1.0, 1840000), 0.3048),  # California, in US survey feet
    ],
)
def test_ground_resolution_is_in_metres_whatever_the_reference_system(
    tmp_path: Path, crs: str, transform: Affine, gsd_m: float
) -> None:
    path = write_geotiff(tmp_path / "a.tif", picture(), crs, transform)

    assert chips.describe(path).gsd_m == pytest.approx(gsd_m, rel=2e-3)


def test_the_time_in_a_file_is_told(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "a.tif", picture(), "EPSG:4326", lonlat_transform(TILE, 256))
    assert chips.describe(path).created is None
    with rasterio.open(path, "r+") as file:
        file.update_tags(TIFFTAG_DATETIME="2023:05:14 09:31:00")

    created = chips.describe(path).created

    assert created is not None
    assert created.isoformat() == "2023-05-14T09:31:00+00:00"


def test_a_folder_that_is_not_there_or_empty_is_refused(tmp_path: Path) -> None:
    assert "there is no such folder" in reasons(tmp_path / "nowhere")
    (tmp_path / "labels.geojson").write_text("{}")
    assert "it holds no image" in reasons(tmp_path)


def test_everything_wrong_in_a_folder_is_listed_at_once(tmp_path: Path) -> None:
    png_without_place(tmp_path).rename(tmp_path / "OAM-386691-220242-19.png")
    jpeg_named_tif(tmp_path).rename(tmp_path / "OAM-386691-220242-19.tif")
    Image.fromarray(picture()).save(tmp_path / "nowhere.png")
    write_geotiff(
        tmp_path / "deep.tif", picture().astype(np.uint16), "EPSG:4326", lonlat_transform(TILE, 256)
    )
    write_geotiff(
        tmp_path / "infrared.tif",
        picture()[..., [0, 1, 2, 0]],
        "EPSG:4326",
        lonlat_transform(TILE, 256),
        photometric="minisblack",
    )
    (tmp_path / "broken.jpg").write_bytes(b"hello")
    write_geotiff(tmp_path / "lost.tif", picture(), "EPSG:4326", Affine(0.3, 0, 500000, 0, -0.3, 3000000))

    told = reasons(tmp_path)

    assert "nowhere.png: it has neither a coordinate reference system nor a tile name" in told
    assert "name it OAM-{x}-{y}-{z}" in told
    assert "deep.tif: its pixels are uint16, uint8 is needed" in told
    assert "infrared.tif: it has 4 bands" in told
    assert "which of them are red, green and blue is not said" in told
    assert "broken.jpg: it is no image" in told
    assert "OAM-386691-220242-19.png and OAM-386691-220242-19.tif share the name" in told
    assert "lost.tif: its transform puts it outside of EPSG:4326" in told


@pytest.mark.parametrize("make", [jpeg_named_tif, jpeg_named_png, png_without_place])
def test_a_file_that_is_cut_off_is_refused_by_name(tmp_path: Path, make: object) -> None:
    path = make(tmp_path)  # type: ignore[operator]
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])

    with pytest.raises(InvalidImagery, match=r"OAM-386690-220241-19.*copy or download it again"):
        chips.read(chips.describe(path))


def test_a_file_of_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "OAM-386690-220241-19.tif"
    profile = {"driver": "GTiff", "width": 40_000, "height": 40_000, "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", sparse_ok=True, tiled=True, compress="deflate", **profile):
        pass

    assert "it has 40000 x 40000 pixels" in reasons(tmp_path)
    assert file_kinds.MAX_PIXELS < 40_000**2


def test_other_formats_of_gdal_are_not_opened(tmp_path: Path) -> None:
    """A VRT could have the worker read any file."""
    (tmp_path / "a.tif").write_text("<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>")

    assert "a.tif: it is no image" in reasons(tmp_path)


@pytest.mark.parametrize("make", [jpeg_named_tif, png_without_place])
def test_a_chip_that_changes_after_it_was_described_is_refused(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    chip = chips.describe(path)
    Image.fromarray(picture(100, 100)).save(path, format="JPEG" if make is jpeg_named_tif else "PNG")

    with pytest.raises(InvalidImagery, match="it has changed"):
        chips.read(chip)


@pytest.mark.shared
def test_the_chips_of_banepa_are_read(shared_data: Path) -> None:
    found = chips.find(shared_data / "chips")

    assert len(found) == 48
    assert {chip.crs for chip in found} == {"EPSG:4326"}
    assert all(chip.gsd_m == pytest.approx(0.132, abs=0.001) for chip in found)
    pixels = chips.read(found[0])
    assert pixels.shape == (3, 512, 512)
    with rasterio.open(found[0].path, driver="JPEG") as dataset:  # another decoder: colours differ at edges
        assert np.abs(pixels.astype(int) - dataset.read()).mean() < 1
