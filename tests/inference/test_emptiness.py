"""Predictions without a pixel to look at: none of them is a success."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fair_models.data.images import tiles
from fair_models.errors import InvalidImagery, NothingLookedAt
from fair_models.inference.imagery import areas
from fair_models.inference.network.session import Session, open_session
from fair_models.inference.prediction import predict
from fair_models.inference.request import PredictionRequest
from fair_models.inference.shards.sharding import sharded
from fair_models.store.local import LocalStore
from tests.inference.imagery.test_areas import Scored, of_pixels
from tests.inference.tiny import (
    CORNER,
    Brightness,
    blobs,
    grey,
    request_for,
    write_geotiff,
    write_network,
    write_png_chip,
)

UTM, PLACE = "EPSG:32645", (353_000.0, 3_057_000.0)


def refused(request: PredictionRequest) -> str:
    with pytest.raises(NothingLookedAt) as raised:
        predict(request)
    assert not request.output.exists()
    return str(raised.value)


def test_an_image_whose_pixels_are_all_nodata_is_refused(tmp_path: Path, network: Session) -> None:
    image = write_geotiff(tmp_path / "in/empty.tif", grey(300, 300, 0), UTM, PLACE, 0.26, nodata=0)
    assert "no pixel of it is imagery" in refused(request_for(image, tmp_path / "out", network))


def test_chips_that_are_transparent_throughout_are_refused(tmp_path: Path, network: Session) -> None:
    clear = np.zeros((4, 256, 256), np.uint8)
    for column in range(2):
        write_png_chip(tmp_path / "chips", tiles.Tile(CORNER.x + column, CORNER.y, 19), clear)
    request = request_for(tmp_path / "chips", tmp_path / "out", network)
    assert "no pixel of it is imagery" in refused(request)
    scored = replace(request, task="classification", processing=Scored())
    assert "no pixel of it is imagery" in refused(scored)


def test_a_folder_of_which_one_chip_is_broken_and_the_other_clear_is_refused_with_both(
    tmp_path: Path, network: Session
) -> None:
    write_png_chip(tmp_path / "chips", CORNER, np.zeros((4, 256, 256), np.uint8))
    broken = write_png_chip(tmp_path / "chips", tiles.Tile(CORNER.x + 1, CORNER.y, 19), blobs(256, 256))
    broken.write_bytes(broken.read_bytes()[:2000])
    request = request_for(tmp_path / "chips", tmp_path / "out", network, most_failed=0.9)
    assert broken.name in refused(request)


@pytest.mark.parametrize("most_failed", [0, 0.5, 1.0])
def test_a_folder_whose_chips_are_all_broken_is_refused(
    tmp_path: Path, network: Session, most_failed: float
) -> None:
    for column in range(2):
        path = write_png_chip(
            tmp_path / "chips", tiles.Tile(CORNER.x + column, CORNER.y, 19), blobs(256, 256)
        )
        path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InvalidImagery):
        predict(request_for(tmp_path / "chips", tmp_path / "out", network, most_failed=most_failed))
    assert not (tmp_path / "out").exists()


def test_an_area_that_holds_the_middle_of_no_pixel_is_refused_with_its_size(
    tmp_path: Path, network: Session
) -> None:
    image = write_geotiff(tmp_path / "in/image.tif", blobs(300, 300), UTM, PLACE, 0.26)
    area = of_pixels((100.6, 100.9), (50.6, 51.4))
    said = refused(request_for(image, tmp_path / "out", network, area=area))
    assert "holds the middle of no pixel, and a pixel is 0.26 m wide" in said
    assert re.search(r"\(0\.2[0-9] m by 0\.0[789][0-9]? m\)", said)


def test_an_area_in_a_gap_between_chips_is_refused(tmp_path: Path, network: Session) -> None:
    for column, row in ((0, 0), (1, 1), (2, 0)):
        write_png_chip(tmp_path / "chips", tiles.Tile(CORNER.x + column, CORNER.y + row, 19), blobs(256, 256))
    west, north = tiles.lonlat(CORNER.x + 1.2, CORNER.y + 0.2, 19)
    east, south = tiles.lonlat(CORNER.x + 1.8, CORNER.y + 0.9, 19)
    area = areas.read(f"{west:.12f},{south:.12f},{east:.12f},{north:.12f}")
    assert "no pixel in the area is imagery" in refused(
        request_for(tmp_path / "chips", tmp_path / "out", network, area=area)
    )


def test_shards_count_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several shards each may be empty; a prediction fails where all of them are, and leaves none."""
    monkeypatch.setattr("fair_models.inference.windowing.plan.MIN_SHARD_PX", 128 * 128 * 3)
    network = open_session(write_network(tmp_path / "n.onnx", size_px=128), threads=1)
    store = LocalStore(tmp_path / "store")
    pixels = grey(300, 900, 0)
    empty = write_geotiff(tmp_path / "in/empty.tif", pixels, UTM, PLACE, 0.26, nodata=0)
    pixels[:, :200, :200] = 200
    partly = write_geotiff(tmp_path / "in/partly.tif", pixels, UTM, PLACE, 0.26, nodata=0)

    with sharded(request_for(empty, tmp_path / "empty", network), store) as work:
        for shard in work.shards:
            work.make(shard)
        with pytest.raises(NothingLookedAt):
            work.write(lambda step: None)
    assert list(store.hrefs("shards/")) == []
    with sharded(request_for(partly, tmp_path / "partly", network), store) as work:
        assert len(work.shards) > 1
        for shard in work.shards:
            work.make(shard)
        found = work.write(lambda step: None)
    assert found.item["properties"]["fair:counts"]["pixels"] == 200 * 200
    assert found.counts == {"building": 1}


def test_imagery_in_which_nothing_is_found_is_a_success(tmp_path: Path, network: Session) -> None:
    image = write_geotiff(tmp_path / "in/dark.tif", grey(300, 300, 10), UTM, PLACE, 0.26)
    found = predict(request_for(image, tmp_path / "out", network, processing=Brightness()))
    assert sum(found.counts.values()) == 0
    assert found.item["properties"]["fair:counts"]["pixels"] == 300 * 300
