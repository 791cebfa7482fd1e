"""Broken images, as chips and as one image to predict on."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fair_models.data.images import chips
from tests.data.messy import TILE, lonlat_transform, picture, write_geotiff
from tests.fuzzing import fuzz, mutated_bytes, only_our_errors


def images(folder: Path) -> list[bytes]:
    """A small image of each format."""
    pixels = picture(24, 24)
    found = []
    for name in ("a.png", "a.jpg", "a.webp", "a.jp2"):
        Image.fromarray(pixels).save(folder / name)
        found.append((folder / name).read_bytes())
    for compression in ("deflate", "jpeg", "lzw", None):
        more = {"compress": compression} if compression else {}
        write_geotiff(folder / "b.tif", pixels, "EPSG:4326", lonlat_transform(TILE, 24), **more)
        found.append((folder / "b.tif").read_bytes())
    return found


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return images(tmp_path_factory.mktemp("images"))


def use(folder: Path) -> None:
    for chip in chips.find(folder):
        pixels, valid = chips.read_with_mask(chip)
        assert pixels.shape == (3, *valid.shape)
        assert pixels.dtype == np.uint8
        chips.files(chip)


@given(data=st.data())
@fuzz(600)
def test_any_file_is_a_chip_or_told(tmp_path: Path, seeds: list[bytes], data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(seeds))
    path = tmp_path / f"{TILE.name}.tif"
    path.write_bytes(data.draw(mutated_bytes(seed, head=300)))

    with only_our_errors():
        use(tmp_path)
    for each in tmp_path.iterdir():
        each.unlink()


@given(
    text=mutated_bytes(
        b"<PAMDataset><SRS>EPSG:4326</SRS><GeoTransform>1, 1e-6, 0, 1, 0, -1e-6</GeoTransform></PAMDataset>"
    )
)
@fuzz(150)
def test_any_file_beside_a_chip_is_understood_or_told(tmp_path: Path, text: bytes) -> None:
    Image.fromarray(picture(24, 24)).save(tmp_path / f"{TILE.name}.png")
    (tmp_path / f"{TILE.name}.png.aux.xml").write_bytes(text)

    with only_our_errors():
        use(tmp_path)
