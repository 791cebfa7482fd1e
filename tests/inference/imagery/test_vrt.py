"""VRT files of others: mosaics are read, all else that GDAL would do for one is not."""

from pathlib import Path

import numpy as np
import pytest
from rasterio.shutil import copy

from fair_models.errors import InvalidImagery
from fair_models.inference.imagery import images
from fair_models.inference.imagery.reading import open_imagery
from tests.inference.tiny import Input, blobs, write_geotiff

UTM = "EPSG:32645"


@pytest.fixture
def mosaic(tmp_path: Path) -> Path:
    """A VRT over one image in its folder."""
    folder = tmp_path / "mosaic"
    write_geotiff(folder / "a.tif", blobs(300, 300), UTM, (353_000, 3_057_000), 0.26)
    copy(folder / "a.tif", folder / "a.vrt", driver="VRT")
    return folder / "a.vrt"


def told(path: Path) -> str:
    with pytest.raises(InvalidImagery) as error, open_imagery(path, Input()):
        pass
    return str(error.value)


def rewritten(path: Path, before: str, after: str) -> Path:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    return path


def test_a_mosaic_may_name_its_images_by_their_whole_path(mosaic: Path) -> None:
    rewritten(mosaic, 'relativeToVRT="1">a.tif', f'relativeToVRT="0">{mosaic.parent}/a.tif')

    with open_imagery(mosaic, Input()) as opened:
        assert opened.image_count == 1


@pytest.mark.parametrize(
    "source",
    [
        "../outside.tif",
        "link.tif",
        "/vsicurl/http://169.254.169.254/latest/meta-data/a.tif",
        "/vsizip/a.zip/a.tif",
        "GTIFF_DIR:1:a.tif",
        "a.vrt",
        "notes.txt",
        "missing.tif",
        "",
        "x" * 5000,
    ],
)
def test_a_source_that_is_no_image_in_the_folder_is_refused(mosaic: Path, source: str) -> None:
    write_geotiff(mosaic.parent.parent / "outside.tif", blobs(9, 9), UTM, (353_000, 3_057_000), 0.26)
    (mosaic.parent / "link.tif").symlink_to(mosaic.parent.parent / "outside.tif")
    (mosaic.parent / "notes.txt").write_text("no image")
    rewritten(mosaic, ">a.tif<", f">{source}<")

    assert "is no image in its folder" in told(mosaic)


def test_a_path_from_the_folder_that_the_worker_was_started_in_is_refused(
    mosaic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mosaic.parent)
    rewritten(mosaic, 'relativeToVRT="1"', 'relativeToVRT="0"')

    assert "is no image in its folder" in told(mosaic)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("<VRTDataset ", '<VRTDataset subClass="VRTWarpedDataset" ', "it uses VRTWarpedDataset"),
        ("<VRTRasterBand ", '<VRTRasterBand subClass="VRTRawRasterBand" ', "it uses VRTRawRasterBand"),
        (
            "<VRTRasterBand ",
            '<VRTRasterBand subClass="VRTDerivedRasterBand" ',
            "it uses VRTDerivedRasterBand",
        ),
        ("<SimpleSource>", "<SimpleSource><OpenOptions/>", "it uses OpenOptions"),
        ("<SimpleSource>", "<SimpleSource><sourceFILENAME>/etc/x</sourceFILENAME>", "'/etc/x' is no image"),
        ("<SRS", '<Metadata domain="OVERVIEWS"/><SRS', "it uses OVERVIEWS"),
        ("<VRTDataset", '<!DOCTYPE x [<!ENTITY a "b">]><VRTDataset', "declares a document type"),
        ("</VRTDataset>", "", "it is no VRT"),
    ],
)
def test_what_is_more_than_a_mosaic_is_refused(mosaic: Path, before: str, after: str, said: str) -> None:
    assert said in told(rewritten(mosaic, before, after))


def test_an_aux_file_that_names_further_files_is_refused(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "a.tif", blobs(64, 64), UTM, (353_000, 3_057_000), 0.26)
    path.with_name("a.tif.aux.xml").write_text(
        '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/vsicurl/http://x/</MDI>'
        "</Metadata></PAMDataset>"
    )

    assert "names further files" in told(path)
    assert "names further files" in told(tmp_path)


def test_formats_that_are_not_meant_for_imagery_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("P3 1 1 255 0 0 0")  # PPM, which GDAL reads

    assert "the content is that of no image" in told(tmp_path / "a.tif").replace("its content", "the content")


def test_an_image_of_more_pixels_than_are_read_is_refused_with_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_geotiff(tmp_path / "a.tif", blobs(64, 64), UTM, (353_000, 3_057_000), 0.26)
    monkeypatch.setattr(images, "MAX_PIXELS", 4000)

    assert "it has 64 x 64 pixels, at most 4,000 are read" in told(path)


def test_an_image_that_must_be_decoded_in_one_piece_is_refused_with_the_remedy(tmp_path: Path) -> None:
    import rasterio

    profile = {"width": 10_240, "height": 10_240, "count": 3, "dtype": "uint8", "crs": UTM}
    blocks = {"tiled": True, "blockxsize": 8192, "blockysize": 8192, "compress": "deflate", "sparse_ok": True}
    transform = rasterio.transform.from_origin(353_000, 3_057_000, 0.26, 0.26)
    with rasterio.open(tmp_path / "a.tif", "w", "GTiff", **profile, **blocks, transform=transform):
        pass

    assert "its blocks have 8192 x 8192 pixels" in told(tmp_path / "a.tif")


def test_too_many_bands_are_refused(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "a.tif", np.zeros((65, 4, 4), np.uint8), UTM, (353_000, 3_057_000), 0.26)

    assert "it has 65 bands, at most 64 are read" in told(path)
    assert "it has 65 bands, more than 64" in told(tmp_path)
