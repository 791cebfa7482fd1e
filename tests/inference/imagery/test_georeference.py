"""Where results land: a mask that is all building covers its imagery to within a pixel."""

from pathlib import Path

import numpy as np
import orjson
import pytest
import shapely
from pyproj import Geod, Transformer

from fair_models.data.images import tiles
from fair_models.inference.network.session import Session
from fair_models.inference.prediction import predict
from tests.inference.tiny import (
    CORNER,
    Brightness,
    EverythingIsABuilding,
    Input,
    blobs,
    grey,
    lonlat_bounds,
    request_for,
    write_geotiff,
    write_jpeg_chip,
    write_png_chip,
)

PIXEL_DEGREES = 0.2646 / 111_320
UTM = "EPSG:32645"
UTM_CORNER = (353_000.0, 3_057_000.0)


def to_lonlat(column: float, row: float, step: float = 0.26) -> tuple[float, float]:
    """Longitude and latitude of a pixel position of the images in UTM."""
    place = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    longitude, latitude = place.transform(UTM_CORNER[0] + column * step, UTM_CORNER[1] - row * step)
    return longitude, latitude


def shape_of(feature: dict) -> shapely.Geometry:
    return shapely.from_geojson(orjson.dumps(feature["geometry"]))


def predicted(imagery: Path, folder: Path, session: Session, **changes: object) -> list[dict]:
    settings = {"processing": EverythingIsABuilding()} | changes
    predict(request_for(imagery, folder / "out", session, **settings))
    return orjson.loads((folder / "out" / "predictions.geojson").read_bytes())["features"]


def assert_covers(features: list[dict], expected: shapely.Polygon, tolerance: float = PIXEL_DEGREES) -> None:
    """No point of either outline is further from the other than the tolerance, in degrees."""
    found = shapely.union_all([shape_of(feature) for feature in features])
    assert shapely.hausdorff_distance(found.exterior, expected.exterior, densify=0.05) <= tolerance
    assert not shapely.get_num_interior_rings(found)


def test_a_jpeg_named_tif_is_covered_where_its_aux_xml_says(tmp_path: Path, network: Session) -> None:
    write_jpeg_chip(tmp_path / "chips", CORNER, grey(512, 512))

    features = predicted(tmp_path / "chips", tmp_path, network)

    assert len(features) == 1
    assert_covers(features, shapely.box(*lonlat_bounds(CORNER)))


def test_a_png_without_georeference_is_covered_where_its_tile_name_says(
    tmp_path: Path, network: Session
) -> None:
    write_png_chip(tmp_path / "chips", CORNER, grey(256, 256))

    features = predicted(tmp_path / "chips", tmp_path, network)

    assert len(features) == 1
    assert_covers(features, shapely.box(*lonlat_bounds(CORNER)))


def test_transparent_pixels_of_an_rgba_chip_are_background(tmp_path: Path, network: Session) -> None:
    rgba = np.concatenate([grey(256, 256), np.full((1, 256, 256), 255, np.uint8)])
    rgba[3, :, 128:] = 0
    write_png_chip(tmp_path / "chips", CORNER, rgba)

    features = predicted(tmp_path / "chips", tmp_path, network)

    west, south, east, north = lonlat_bounds(CORNER)
    assert_covers(features, shapely.box(west, south, (west + east) / 2, north))


@pytest.mark.parametrize("size", [500, 512, 700])
def test_chips_in_utm_are_covered_whatever_their_size(tmp_path: Path, network: Session, size: int) -> None:
    write_geotiff(tmp_path / "chips" / "survey.tif", grey(size, size), UTM, UTM_CORNER, 0.13)

    features = predicted(tmp_path / "chips", tmp_path, network)

    corners = [(0, 0), (size, 0), (size, size), (0, size)]
    expected = shapely.Polygon([to_lonlat(x, y, 0.13) for x, y in corners])
    assert_covers(features, expected)


def test_imagery_coarser_than_the_model_is_covered_too(tmp_path: Path, network: Session) -> None:
    write_png_chip(tmp_path / "chips", CORNER, grey(128, 128))

    features = predicted(tmp_path / "chips", tmp_path, network)

    assert_covers(features, shapely.box(*lonlat_bounds(CORNER)))


@pytest.mark.parametrize("resampling", ["average", "bilinear", "nearest"])
def test_every_resampling_keeps_the_place(tmp_path: Path, network: Session, resampling: str) -> None:
    """A bright square of whole model pixels is outlined where it is, wherever the windows begin."""
    pixels = grey(1024, 1536, 10)
    pixels[:, 400:800, 600:1000] = 250
    write_geotiff(tmp_path / "scene.tif", pixels, UTM, UTM_CORNER, 0.1)

    features = predicted(
        tmp_path / "scene.tif",
        tmp_path,
        network,
        input=Input(gsd_m=0.2, resampling=resampling),
        processing=Brightness(),
    )

    corners = [(600, 400), (1000, 400), (1000, 800), (600, 800)]
    expected = shapely.Polygon([to_lonlat(x, y, 0.1) for x, y in corners])
    assert len(features) == 1
    assert_covers(features, expected, 0.2 / 111_320)


def test_zooms_that_are_mixed_in_one_folder_are_all_covered(tmp_path: Path, network: Session) -> None:
    chips = [tiles.Tile(386690, 220241, 19), tiles.Tile(773390, 440490, 20), tiles.Tile(1546800, 881000, 21)]
    for tile in chips:
        write_png_chip(tmp_path / "chips", tile, grey(256, 256))

    features = predicted(tmp_path / "chips", tmp_path, network)

    assert [feature["properties"]["source"] for feature in features] == sorted(tile.name for tile in chips)
    by_source = {feature["properties"]["source"]: feature for feature in features}
    for tile in chips:
        assert_covers([by_source[tile.name]], shapely.box(*lonlat_bounds(tile)))


def test_a_polygon_over_the_antimeridian_has_parts_on_both_sides(tmp_path: Path, network: Session) -> None:
    """In UTM zone 60, Fiji goes on beyond 180° of longitude; in GeoJSON it must not span the world."""
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:32760", always_xy=True).transform(179.9999, -16.5)
    write_geotiff(tmp_path / "fiji.tif", grey(100, 200), "EPSG:32760", (x, y), 0.26)

    (feature,) = predicted(tmp_path / "fiji.tif", tmp_path, network)

    shape = shape_of(feature)
    assert feature["geometry"]["type"] == "MultiPolygon"
    assert all(part.bounds[2] - part.bounds[0] < 0.001 for part in shape.geoms)
    assert feature["properties"]["area_m2"] == pytest.approx(100 * 200 * 0.26**2, rel=2e-3)


def test_a_mosaic_of_chips_gives_the_polygons_of_the_same_imagery_in_one_file(
    tmp_path: Path, network: Session
) -> None:
    """Outlines over seams of chips, and of windows, come out whole."""
    scene = blobs(768, 1024, seed=3, smooth=4)
    corner, step = UTM_CORNER, 0.26
    write_geotiff(tmp_path / "scene.tif", scene, UTM, corner, step)
    for row in range(0, 768, 256):
        for column in range(0, 1024, 256):
            write_geotiff(
                tmp_path / "chips" / f"chip-{row}-{column}.tif",
                scene[:, row : row + 256, column : column + 256],
                UTM,
                (corner[0] + column * step, corner[1] - row * step),
                step,
            )

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = predicted(tmp_path / "scene.tif", tmp_path / "a", network, processing=Brightness())
    mosaic = predicted(tmp_path / "chips", tmp_path / "b", network, processing=Brightness())

    assert len(whole) > 40
    assert [feature["geometry"] for feature in mosaic] == [feature["geometry"] for feature in whole]
    assert [feature["properties"]["confidence"] for feature in mosaic] == [
        feature["properties"]["confidence"] for feature in whole
    ]
    seam = shapely.LineString([to_lonlat(0, 256), to_lonlat(1024, 256)])
    assert sum(shape_of(feature).crosses(seam) for feature in mosaic) > 3


def test_chips_of_web_map_tiles_in_degrees_lie_on_one_grid_over_many_rows(
    tmp_path: Path, network: Session
) -> None:
    """Their pixels' heights in degrees differ from row to row; 40 rows would be 3 pixels apart."""
    for row in range(40):
        write_jpeg_chip(tmp_path / "chips", tiles.Tile(CORNER.x, CORNER.y + row, 19), grey(64, 64))

    features = predicted(tmp_path / "chips", tmp_path, network)

    first = lonlat_bounds(CORNER)
    last = lonlat_bounds(tiles.Tile(CORNER.x, CORNER.y + 39, 19))
    assert len(features) == 1
    assert_covers(features, shapely.box(first[0], last[1], first[2], first[3]))


def test_areas_are_those_of_the_ellipsoid(tmp_path: Path, network: Session) -> None:
    write_png_chip(tmp_path / "chips", CORNER, grey(256, 256))

    (feature,) = predicted(tmp_path / "chips", tmp_path, network)

    ring = np.array(feature["geometry"]["coordinates"][0])
    area, _ = Geod(ellps="WGS84").polygon_area_perimeter(*ring.T)
    assert feature["properties"]["area_m2"] == pytest.approx(area, rel=1e-5)
