"""Predictions over the antimeridian are what they are elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from PIL import Image
from pyproj import Transformer

from fair_models.data.images import antimeridian, tiles
from fair_models.inference.imagery import areas
from fair_models.inference.imagery.reading import open_imagery
from fair_models.inference.imagery.sources.opening import open_source
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.inference.imagery.sources.tiling import tiles_of
from fair_models.inference.network.session import Session
from fair_models.inference.prediction import PredictionResult, predict
from fair_models.inference.windows import Rectangle
from fair_models.store.web.policy import RetryPolicy
from tests.inference.tile_server import TILE_PX, TileServer
from tests.inference.tiny import EverythingIsABuilding, Input, blobs, request_for, write_geotiff

SOUTH = -16.9


def scene(folder: Path, crs: str, longitude: float = 180.0) -> Path:
    """400 x 300 px with bright blobs, whose middle column lies on a meridian."""
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(longitude - 1e-9, SOUTH)
    step = 2.5e-6 if crs == "EPSG:4326" else 0.2646
    folder.mkdir(parents=True, exist_ok=True)
    return write_geotiff(folder / "scene.tif", blobs(300, 400), crs, (x - 200 * step, y + 150 * step), step)


def features(result: PredictionResult) -> list[Any]:
    return list(json.loads((result.folder / "predictions.geojson").read_text())["features"])


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:3832", "EPSG:32701"])
def test_an_image_over_the_antimeridian_gives_what_it_gives_elsewhere(
    tmp_path: Path, network: Session, crs: str
) -> None:
    files = ["geojson", "preview"]
    over = predict(request_for(scene(tmp_path / "in", crs), tmp_path / "out", network, formats=files))
    elsewhere = scene(tmp_path / "here", "EPSG:3857", 178.0)
    here = predict(request_for(elsewhere, tmp_path / "elsewhere", network, formats=files))

    west, south, east, north = over.item["bbox"]
    assert west > 179.99
    assert east < -179.99
    assert south < SOUTH < north
    assert over.item["geometry"]["type"] == "MultiPolygon"
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in features(over)]
    assert len(shapes) == len(features(here))
    assert all(shape.is_valid for shape in shapes)
    bounds = np.array([part.bounds for shape in shapes for part in shapely.get_parts([shape])])
    assert (np.abs(bounds[:, [0, 2]]) <= 180).all()
    assert (bounds[:, 2] - bounds[:, 0] < 0.01).all()
    assert max(len(shapely.get_parts([shape])) for shape in shapes) > 1
    pictures = [np.asarray(Image.open(result.folder / "preview.png")) for result in (over, here)]
    seen = [(picture != picture[0, 0]).any(axis=-1).mean() for picture in pictures]
    assert seen[0] == pytest.approx(seen[1], rel=0.1)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:3832"])
@pytest.mark.parametrize("as_ring", [False, True], ids=["box", "ring"])
def test_an_area_over_the_antimeridian_is_clipped_on_both_sides_of_it(
    tmp_path: Path, network: Session, crs: str, as_ring: bool
) -> None:
    box = (179.9998, SOUTH - 1e-4, -179.9999, SOUTH + 1e-4)
    ring = [[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]], [box[0], box[1]]]
    text = json.dumps({"type": "Polygon", "coordinates": [ring]}) if as_ring else ",".join(map(repr, box))
    area = areas.read(text)
    request = request_for(
        scene(tmp_path / "in", crs), tmp_path / "out", network, processing=EverythingIsABuilding(), area=area
    )

    result = predict(request)

    assert area.bbox == pytest.approx(box)
    assert shapely.equals(areas.read(area.text).outline, area.outline)
    found = shapely.union_all([shapely.geometry.shape(one["geometry"]) for one in features(result)])
    assert found.area == pytest.approx(area.outline.area, rel=0.05)
    assert result.item["bbox"] == pytest.approx(box)


def test_what_exists_on_both_sides_is_left_out(tmp_path: Path, network: Session) -> None:
    image = scene(tmp_path / "in", "EPSG:4326")
    first = predict(request_for(image, tmp_path / "first", network))
    request = request_for(image, tmp_path / "second", network)

    second = predict(replace(request, exclude=first.folder / "predictions.geojson"))

    assert sum(first.counts.values()) > 3
    assert sum(second.counts.values()) == 0


def test_a_folder_with_chips_on_both_sides_is_one_place(tmp_path: Path, network: Session) -> None:
    for name, west in (("a", 180 - 256 * 2.5e-6), ("b", -180.0)):
        write_geotiff(tmp_path / "in" / f"{name}.tif", blobs(256, 256), "EPSG:4326", (west, SOUTH), 2.5e-6)

    result = predict(
        request_for(tmp_path / "in", tmp_path / "out", network, processing=EverythingIsABuilding())
    )

    west, _, east, _ = result.item["bbox"]
    assert (west, east) == pytest.approx((180 - 256 * 2.5e-6, -180 + 256 * 2.5e-6))


class OverTheLine(TileServer):
    """A service whose picture goes on beyond the last column of tiles with the first."""

    def path(self, tile: tiles.Tile) -> str:
        return f"/{tile.z}/{tile.x % 2**tile.z}/{tile.y}.png"


def test_tiles_on_both_sides_are_one_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    corner = tiles.Tile(2**19 - 2, 286_000, 19)
    west, north = tiles.lonlat(corner.x, corner.y, 19)
    east, south = tiles.lonlat(corner.x + 3, corner.y + 2, 19)
    box = float(west), float(south), float(antimeridian.wrapped(east)), float(north)
    area = areas.read(",".join(map(repr, box)))

    found = tiles_of(area, 19, 100, "tiles")

    assert {tile.x for tile in found} == {2**19 - 2, 2**19 - 1, 0}
    with OverTheLine(tmp_path, blobs(2 * TILE_PX, 3 * TILE_PX), corner).running() as server:
        with open_source(
            parse_source(server.url("{z}/{x}/{y}.png")), Input(), area, 19, RetryPolicy(per_second=1000)
        ) as imagery:
            (block,) = imagery.blocks
            pixels, valid = block.read(Rectangle(0, 0, block.grid.height, block.grid.width))
        assert valid.all()
        assert isinstance(server, TileServer)
        np.testing.assert_array_equal(pixels, server.pixels)


def test_imagery_and_an_area_on_the_other_side_have_nothing_in_common(tmp_path: Path) -> None:
    image = scene(tmp_path, "EPSG:3832", 179.0)

    with pytest.raises(Exception, match="no ground in common"):
        open_imagery(image, Input(), areas.read("179.9,-17,-179.9,-16"))
