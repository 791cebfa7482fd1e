"""What counts of the imagery: how an area is given, and where results end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from fair_models.data.images import tiles
from fair_models.data.images.grid import WEB_MERCATOR, to_lonlat
from fair_models.errors import FairModelsError, Invalid, InvalidDocument, InvalidImagery
from fair_models.inference.imagery import areas
from fair_models.inference.imagery.reading import open_imagery
from fair_models.inference.imagery.sources.tiling import tiles_of
from fair_models.inference.network.session import Session
from fair_models.inference.parts import Scores
from fair_models.inference.prediction import predict
from fair_models.inference.windows import Rectangle
from tests.inference.tiny import (
    CORNER,
    Brightness,
    EverythingIsABuilding,
    Input,
    blobs,
    grey,
    request_for,
    write_geotiff,
    write_png_chip,
)
from tests.store.web_server import WebServer

BOX = "85.5,27.6,85.52,27.61"
UTM = "EPSG:32645"
WEST, NORTH = 353_000.0, 3_057_000.0


def polygon(west: float, south: float, east: float, north: float) -> dict[str, object]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def of_pixels(rows: tuple[float, float], columns: tuple[float, float], step: float = 0.26) -> areas.Area:
    """An area whose edges are those of pixels of an image in UTM, to a hair."""
    x = np.array([WEST + columns[0] * step, WEST + columns[1] * step])
    y = np.array([NORTH - rows[1] * step, NORTH - rows[0] * step])
    corners = np.array([(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])])
    ring = np.column_stack(to_lonlat(UTM, corners[:, 0], corners[:, 1]))
    outline = {"type": "Polygon", "coordinates": [[*ring.tolist(), ring[0].tolist()]]}
    return areas.read(json.dumps(outline))


def test_a_box_and_its_polygon_in_any_wrapping_are_the_same_area(tmp_path: Path) -> None:
    geometry = polygon(85.5, 27.6, 85.52, 27.61)
    feature = {"type": "Feature", "properties": {}, "geometry": geometry}
    (tmp_path / "area.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    given = [BOX, json.dumps(geometry), json.dumps(feature), str(tmp_path / "area.geojson")]
    found = [areas.read(text) for text in given]
    assert all(shapely.equals(area.outline, found[0].outline) for area in found)
    assert found[0].text == BOX
    assert all(shapely.equals(areas.read(area.text).outline, area.outline) for area in found)


def test_an_area_on_the_web_is_read_under_the_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "area.geojson").write_text(json.dumps(polygon(85.5, 27.6, 85.52, 27.61)))
    with WebServer(tmp_path).running() as server:
        with pytest.raises(Invalid, match="refused"):
            areas.read(server.url("area.geojson"))
        monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
        assert areas.read(server.url("area.geojson")).bbox == (85.5, 27.6, 85.52, 27.61)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("85.5,27.6,85.52", "it is no box"),
        ("85.52,27.6,85.5,27.61", "antimeridian"),
        ("179.9,0,-180.1,1", "longitude goes from -180 to 180"),
        ("85.5,27.61,85.52,27.6", "no extent"),
        ("85.5,27.6,85.5,27.61", "no extent"),
        ("27.6,85.5,27.61,95.52", "latitude from -90 to 90"),
        ("353000,3057000,353100,3057100", "it is no box"),
        ("-179,0,179,1", "half the Earth"),
        ('{"type": "Point", "coordinates": [85, 27]}', "polygons and nothing else"),
        ('{"type": "FeatureCollection", "features": []}', "polygons and nothing else"),
        ('{"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}', "polygons and nothing else"),
        ('{"type": "Polygon", "coordinates": "x"}', "polygons and nothing else"),
        ('{"type": "Polygon"', "cannot be read"),
        ('{"crs": {"properties": {"name": "EPSG:32645"}}, "type": "Polygon"}', "not in longitude"),
        (json.dumps(polygon(353000, 3057000, 353100, 3057100)), "longitude goes from -180 to 180"),
        ("/nowhere/area.geojson", "nowhere"),
    ],
)
def test_what_is_no_area_is_refused_in_words(text: str, reason: str) -> None:
    with pytest.raises(FairModelsError, match=reason):
        areas.read(text)


def test_an_area_of_too_many_corners_is_refused() -> None:
    turns = np.linspace(0, 2 * np.pi, 5002)[:-1]
    ring = np.column_stack((85 + np.cos(turns), 27 + np.sin(turns))).tolist()
    text = json.dumps({"type": "Polygon", "coordinates": [[*ring, ring[0]]]})
    with pytest.raises(InvalidDocument, match="5,002 corners, at most 5,000"):
        areas.read(text)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_geotiff(tmp_path / "image.tif", blobs(900, 1200), UTM, (WEST, NORTH), 0.26)


def test_pixels_count_whose_middle_lies_in_the_area(image: Path) -> None:
    with open_imagery(image, Input(), of_pixels((100.4, 300.6), (200.4, 500.6))) as imagery:
        (block,) = imagery.blocks
        pixels, valid = block.read(Rectangle(0, 0, block.grid.height, block.grid.width))
    counted = np.argwhere(valid)
    assert valid.sum() == 201 * 301
    assert (counted.min(axis=0) == (64, 64)).all()  # around them there is a margin to be seen
    assert pixels[:, ~valid].any()


def test_an_area_gives_the_pixels_that_the_whole_image_gives_there(image: Path) -> None:
    area = of_pixels((101, 301), (203, 503))
    for gsd_m in (0.26, 0.52, 0.78, 0.13):
        model = Input(gsd_m=gsd_m)
        with open_imagery(image, model) as whole, open_imagery(image, model, area) as part:
            (large,), (small,) = whole.blocks, part.blocks
            column, row = (
                areas.pixels_of(large.grid, np.array([small.grid.places(0.0, 0.0)]))[0].round().astype(int)
            )
            shape = small.grid.height, small.grid.width
            everything, _ = large.read(Rectangle(row, column, *shape))
            pixels, valid = small.read(Rectangle(0, 0, *shape))
        np.testing.assert_array_equal(pixels[:, valid], everything[:, valid])
        assert valid.any()


def test_polygons_end_at_the_edge_of_the_area(image: Path, tmp_path: Path, network: Session) -> None:
    area = of_pixels((100, 300), (200, 500))
    request = request_for(
        image, tmp_path / "out", network, area=area, processing=EverythingIsABuilding(), formats=["geojson"]
    )
    result = predict(request)
    (found,) = json.loads((result.folder / "predictions.geojson").read_text())["features"]
    assert found["properties"]["area_m2"] == pytest.approx(200 * 300 * 0.26**2, rel=0.002)
    outline = shapely.geometry.shape(found["geometry"])
    assert shapely.hausdorff_distance(outline.exterior, area.outline.exterior) < 1e-7
    footprint = shapely.geometry.shape(result.item["geometry"])
    assert shapely.equals_exact(footprint.normalize(), area.outline.normalize(), 1e-7)


def test_clipped_results_are_those_of_the_whole_cut_at_the_edge(
    image: Path, tmp_path: Path, network: Session
) -> None:
    area = of_pixels((100, 300), (200, 500))
    request = request_for(image, tmp_path / "whole", network, formats=["geojson"])
    results = [predict(request), predict(replace(request, output=tmp_path / "part", area=area))]
    whole, part = (
        shapely.union_all(
            [
                shapely.geometry.shape(feature["geometry"])
                for feature in json.loads((result.folder / "predictions.geojson").read_text())["features"]
            ]
        )
        for result in results
    )
    expected = shapely.intersection(whole, area.outline)
    assert expected.area > 0
    assert shapely.symmetric_difference(expected, part).area < 1e-4 * expected.area


def test_an_area_of_several_parts_and_holes_is_clipped_by_pixels(image: Path) -> None:
    one, two, hole = (
        of_pixels(*box).outline
        for box in (((0, 100), (0, 100)), ((500, 600), (700, 800)), ((20, 40), (30, 60)))
    )
    outline = shapely.union_all([shapely.difference(one, hole), two])
    with open_imagery(image, Input(), areas.read(shapely.to_geojson(outline))) as imagery:
        (block,) = imagery.blocks
        _, valid = block.read(Rectangle(0, 0, block.grid.height, block.grid.width))
        assert valid.sum() == 100 * 100 - 20 * 30 + 100 * 100
        assert not block.has_imagery(Rectangle(200, 0, 100, 800))
        assert block.has_imagery(Rectangle(20, 30, 21, 31))


def test_of_chips_only_those_in_and_around_the_area_are_read(tmp_path: Path) -> None:
    for column in range(6):
        write_png_chip(tmp_path, tiles.Tile(CORNER.x + column, CORNER.y, 19), grey(256, 256))
    west, north = tiles.lonlat(CORNER.x + 2.5, CORNER.y + 0.25, 19)
    east, south = tiles.lonlat(CORNER.x + 3.5, CORNER.y + 0.75, 19)
    area = areas.read(f"{west:.12f},{south:.12f},{east:.12f},{north:.12f}")
    with open_imagery(tmp_path, Input(), area) as imagery:
        (block,) = imagery.blocks
        names = [placed.chip.name for placed in block.native.chips]
        assert names == [f"OAM-{CORNER.x + column}-{CORNER.y}-19" for column in (2, 3)]
        pixels, valid, grid = block.overview(100)
        assert (grid.height, grid.width) == valid.shape
        assert valid.all()
        assert (pixels == 128).all()


class Scored(Brightness):
    def postprocess(self, outputs: object, window: object, params: object) -> list[Scores]:
        return [Scores({"building": 0.9})]


def test_chips_that_are_judged_whole_count_where_their_middle_lies_in_the_area(
    tmp_path: Path, network: Session
) -> None:
    for column in range(4):
        write_png_chip(tmp_path / "chips", tiles.Tile(CORNER.x + column, CORNER.y, 19), grey(256, 256))
    west, north = tiles.lonlat(CORNER.x + 0.6, CORNER.y - 1, 19)
    east, south = tiles.lonlat(CORNER.x + 2.6, CORNER.y + 1, 19)
    area = areas.read(f"{west:.12f},{south:.12f},{east:.12f},{north:.12f}")
    request = request_for(
        tmp_path / "chips",
        tmp_path / "out",
        network,
        area=area,
        processing=Scored(),
        task="classification",
    )
    result = predict(request)
    found = json.loads((result.folder / "predictions.geojson").read_text())["features"]
    assert len(found) == 2


def test_an_area_beside_the_imagery_is_refused_with_both_boxes(image: Path) -> None:
    with pytest.raises(Invalid, match=r"imagery covers 85\.5.* the area 10, 10, 11, 11 \(west"):
        open_imagery(image, Input(), areas.read("10,10,11,11"))


@pytest.mark.parametrize("text", ["27.56,85.51,27.64,85.53", "27.56,85.51,27.64,95.53"])
def test_an_area_with_latitude_first_is_refused_with_the_box_to_write(image: Path, text: str) -> None:
    south, west, north, east = text.split(",")
    with pytest.raises(Invalid, match=f"write longitude first, {west},{south},{east},{north}"):
        open_imagery(image, Input(), areas.read(text))


def test_more_pixels_than_the_settings_allow_are_refused(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_MOST_IMAGERY_PIXELS", "100000")
    with pytest.raises(InvalidImagery, match="1,080,000 pixels to read, at most 100,000"):
        open_imagery(image, Input())
    with open_imagery(image, Input(), of_pixels((100, 150), (100, 150))) as imagery:
        assert imagery.blocks[0].native.pixels < 100_000


def cover(area: areas.Area, zoom: int) -> set[tiles.Tile]:
    """The plain way: each tile of the box is compared with the area."""
    west, south, east, north = area.bbox
    first, last = tiles.at(west, north, zoom), tiles.at(east, south, zoom)
    outline = area.on_map(WEB_MERCATOR)
    found = set()
    for x in range(first.x, last.x + 1):
        for y in range(first.y, last.y + 1):
            tile = tiles.Tile(x, y, zoom)
            if shapely.intersection(outline, shapely.box(*tile.bounds_mercator())).area > 1e-3:
                found.add(tile)
    return found


@pytest.mark.parametrize(
    "text",
    [
        BOX,
        json.dumps(
            {"type": "Polygon", "coordinates": [[[85.5, 27.6], [85.53, 27.61], [85.51, 27.63], [85.5, 27.6]]]}
        ),
        "-0.01,-0.01,0.01,0.01",
    ],
)
def test_the_tiles_of_an_area_are_those_that_have_ground_in_common_with_it(text: str) -> None:
    area = areas.read(text)
    found = tiles_of(area, 17, 10_000, "here")
    assert set(found) == cover(area, 17)
    assert len(found) == len(set(found))
    assert found == sorted(found, key=lambda tile: (tile.y, tile.x))


def test_a_tile_that_is_given_as_an_area_is_one_tile() -> None:
    for tile in (CORNER, tiles.Tile(0, 2**18, 19), tiles.Tile(2**19 - 1, 100_000, 19)):
        (west, east), (north, south) = tiles.lonlat(
            np.array([tile.x, tile.x + 1]), np.array([tile.y, tile.y + 1]), tile.z
        )
        area = areas.read(f"{west:.12f},{south:.12f},{east:.12f},{north:.12f}")
        assert tiles_of(area, 19, 10, "here") == [tile]
