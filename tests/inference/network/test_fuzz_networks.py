"""Broken ONNX files, images and mosaics."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.shutil import copy

from fair_models.inference.imagery.reading import open_imagery
from fair_models.inference.network.session import open_session
from fair_models.inference.windows import Rectangle
from tests.fuzzing import fuzz, mutated_bytes, only_our_errors
from tests.inference.tiny import Input, blobs, write_geotiff, write_network

UTM = "EPSG:32645"


@pytest.fixture(scope="module")
def network_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_network(tmp_path_factory.mktemp("network") / "n.onnx").read_bytes()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "a.tif"
    return write_geotiff(path, blobs(40, 40), UTM, (353_000, 3_057_000), 0.26, compress="deflate")


@given(data=st.data())
@fuzz(500)
def test_any_file_is_a_network_or_told(tmp_path: Path, network_bytes: bytes, data: st.DataObject) -> None:
    path = tmp_path / "n.onnx"
    path.write_bytes(data.draw(mutated_bytes(network_bytes)))

    with only_our_errors():
        session = open_session(path, threads=1)
        session.run(np.zeros((1, session.bands or 3, 8, 8), np.float32))


@given(data=st.data())
@fuzz(300)
def test_any_image_is_read_or_told(tmp_path: Path, image: Path, data: st.DataObject) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(data.draw(mutated_bytes(image.read_bytes(), head=600)))

    with only_our_errors(), open_imagery(path, Input()) as opened:
        opened.blocks[0].read(Rectangle(0, 0, 10, 10))
        opened.blocks[0].overview(16)


@given(data=st.data())
@fuzz(300)
def test_any_mosaic_is_read_or_told(tmp_path: Path, image: Path, data: st.DataObject) -> None:
    (tmp_path / "a.tif").write_bytes(image.read_bytes())
    path = tmp_path / "m.vrt"
    copy(tmp_path / "a.tif", path, driver="VRT")
    path.write_bytes(data.draw(mutated_bytes(path.read_bytes())))

    with only_our_errors(), open_imagery(path, Input()) as opened:
        opened.blocks[0].read(Rectangle(0, 0, 10, 10))
