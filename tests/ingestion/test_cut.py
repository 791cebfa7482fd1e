"""Chips cut from imagery: the right pixels in the right place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from fair_models.data.images import chips, tiles
from fair_models.data.images.grid import LONLAT, Grid, reproject
from fair_models.errors import Invalid, InvalidImagery
from fair_models.inference.imagery import areas
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.ingestion import cut
from fair_models.ingestion.cut import CutChips
from fair_models.params import IngestDatasetParams
from fair_models.types import Array
from tests.inference.tile_server import TileServer, png
from tests.ingestion.town import ZOOM, Town
from tests.store.web_server import send


def cut_chips(imagery: Path | str, folder: Path, area: str | None = None, **more: object) -> CutChips:
    given = {"name": "town", "title": "Town", "imagery": str(imagery), "labels": "labels.geojson", **more}
    params = IngestDatasetParams.model_validate(given)
    where = None if area is None else areas.read(area)
    return cut.cut(params, parse_source(str(imagery)), where, folder)


def require_equal(folder: Path, town: Town) -> None:
    """The chips of a folder are those of the settlement, to the last pixel and corner."""
    found = chips.find(folder)
    assert [chip.name for chip in found] == [chip.name for chip in town.chips]
    for one, other in zip(found, town.chips, strict=True):
        np.testing.assert_array_equal(chips.read(one), chips.read(other))
        assert one.transform == other.transform
        assert not one.masked


@pytest.fixture
def server(town: Town, tmp_path: Path) -> Iterator[TileServer]:
    with TileServer(tmp_path, town.picture, town.corner).running() as running:
        assert isinstance(running, TileServer)
        yield running


@pytest.mark.parametrize("form", ["web mercator", "degrees"])
def test_chips_put_together_and_cut_again_are_the_same_chips(town: Town, tmp_path: Path, form: str) -> None:
    path = tmp_path / "mosaic.tif"
    image = town.in_web_mercator(path) if form == "web mercator" else town.in_degrees(path)

    made = cut_chips(image, tmp_path / "cut", zoom=ZOOM)

    assert (made.count, made.empty, made.zoom) == (12, 0, ZOOM)
    require_equal(tmp_path / "cut", town)


def test_a_folder_of_chips_gives_the_same_chips(town: Town, tmp_path: Path) -> None:
    cut_chips(town.folder / "input", tmp_path / "cut", town.area(), zoom=ZOOM)

    require_equal(tmp_path / "cut", town)


def test_a_service_of_tiles_gives_its_tiles_as_they_are(
    town: Town, server: TileServer, tmp_path: Path
) -> None:
    cut_chips(server.url("{z}/{x}/{y}.png"), tmp_path / "cut", town.area(), zoom=ZOOM)

    require_equal(tmp_path / "cut", town)
    assert sorted(set(server.asked)) == sorted(server.path(tile) for tile in server.all())
    assert len(server.asked) == 12  # opened twice, and asked once


def test_without_a_zoom_chips_have_the_one_whose_pixels_are_nearest_in_size(
    town: Town, server: TileServer, tmp_path: Path
) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")

    assert cut_chips(image, tmp_path / "a").zoom == 19
    assert cut_chips(image, tmp_path / "b", gsd_m=0.6).zoom == 18
    assert cut_chips(image, tmp_path / "c", chip_size_px=512).zoom == 18
    assert cut_chips(server.url("{z}/{x}/{y}.png"), tmp_path / "d", town.area()).zoom == 19


def test_larger_chips_hold_several_tiles_of_a_service(town: Town, server: TileServer, tmp_path: Path) -> None:
    made = cut_chips(
        server.url("{z}/{x}/{y}.png"), tmp_path / "cut", town.area(), zoom=ZOOM - 1, chip_size_px=512
    )

    for chip in chips.find(made.folder):
        pixels, valid = chips.read_with_mask(chip)
        assert chip.tile is not None
        left = (2 * chip.tile.x - town.corner.x) * 256
        top = (2 * chip.tile.y - town.corner.y) * 256
        for row in range(0, 512, 256):
            for column in range(0, 512, 256):
                y, x = top + row, left + column
                there = 0 <= y < town.picture.shape[1] and 0 <= x < town.picture.shape[2]
                assert valid[row : row + 256, column : column + 256].all() == there
                if there:
                    wanted = town.picture[:, y : y + 256, x : x + 256]
                    np.testing.assert_array_equal(pixels[:, row : row + 256, column : column + 256], wanted)


def of_512_px(server: TileServer, picture: Array, corner: tiles.Tile) -> None:
    """Let a server have a picture as tiles of 512 px."""
    for row in range(picture.shape[1] // 512):
        for column in range(picture.shape[2] // 512):
            tile = tiles.Tile(corner.x + column, corner.y + row, corner.z)
            body = png(picture[:, row * 512 : row * 512 + 512, column * 512 : column * 512 + 512])
            server.answers[server.path(tile)] = lambda request, body=body: send(request, body)  # type: ignore[misc]


@pytest.mark.parametrize("lower_zoom", [True, False])
def test_tiles_of_512_px_make_chips_of_their_pixels_or_are_brought_down(
    town: Town, server: TileServer, tmp_path: Path, lower_zoom: bool
) -> None:
    """At zoom 18 tiles of 512 px have the pixels of zoom 19; at zoom 19 they have four for each of these."""
    server.answers.clear()
    of_512_px(server, town.picture.repeat(2, axis=1).repeat(2, axis=2), town.corner)
    if lower_zoom:
        corner = tiles.Tile(town.corner.x // 2, town.corner.y // 2, ZOOM - 1)
        top, left = (town.corner.y - 2 * corner.y) * 256, (town.corner.x - 2 * corner.x) * 256
        picture = np.full((3, 1536, 1536), 90, np.uint8)
        picture[:, top : top + 768, left : left + 1024] = town.picture
        of_512_px(server, picture, corner)

    cut_chips(server.url("{z}/{x}/{y}.png"), tmp_path / "cut", town.area(), zoom=ZOOM)

    require_equal(tmp_path / "cut", town)


def slope(crs: str, transform: tuple[float, ...], size: int, place: tuple[float, float]) -> Array:
    """A picture whose red grows by one every metre and a half to the east, and its green to the north."""
    rows, columns = np.mgrid[:size, :size] + 0.5
    grid = Grid(crs, transform, size, size)  # type: ignore[arg-type]
    longitude, latitude = reproject(crs, LONLAT, *grid.places(columns.ravel(), rows.ravel()))
    east = (longitude - place[0]) * 111_320 * np.cos(np.radians(place[1])) / 1.5 + 128
    north = (latitude - place[1]) * 111_320 / 1.5 + 128
    picture = np.stack([east, north, np.full(east.shape, 77.0)])
    return picture.reshape(3, size, size).clip(0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("pixel_m", [0.07, 0.2, 0.27, 0.4, 1.0])
def test_imagery_in_another_projection_lies_where_it_was(tmp_path: Path, pixel_m: float) -> None:
    place = (5.4003, 27.5997)
    crs = "EPSG:32631"
    x, y = (float(each) for each in reproject(LONLAT, crs, np.array(place[0]), np.array(place[1])))
    size = round(230 / pixel_m)
    transform = (pixel_m, 0.0, x - 115, 0.0, -pixel_m, y + 115)
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "height": size, "width": size, "crs": crs}
    with rasterio.open(
        tmp_path / "slope.tif", "w", transform=Affine(*transform), tiled=True, **profile
    ) as image:
        image.write(slope(crs, transform, size, place))

    cut_chips(tmp_path / "slope.tif", tmp_path / "cut", zoom=ZOOM)

    found = chips.find(tmp_path / "cut")
    assert len(found) >= 9
    seen = 0
    for chip in found:
        pixels, valid = chips.read_with_mask(chip)
        wanted = slope(chip.crs, chip.transform, chip.width, place)
        wrong = np.abs(pixels.astype(int) - wanted)[:, valid]
        assert wrong.max() <= 1  # a metre and a half, by rounding twice; a pixel of 0.26 m is a sixth of it
        assert abs((pixels[:2].astype(float) - wanted[:2])[:, valid].mean()) < 0.15
        assert not pixels[:, ~valid].any()
        seen += int(valid.sum())
    ground_m2 = seen * found[0].gsd_m ** 2
    assert ground_m2 == pytest.approx(230**2, rel=0.01)


def test_what_the_imagery_does_not_show_is_masked_and_chips_without_any_are_left_out(
    town: Town, tmp_path: Path
) -> None:
    """The mosaic begins in the middle of the second column."""
    part = Town(town.folder, town.picture[:, :, 384:], town.corner)
    image = part.in_web_mercator(tmp_path / "mosaic.tif")
    with rasterio.open(image) as before:
        profile, pixels = before.profile, before.read()
    profile |= {"driver": "GTiff", "transform": profile["transform"] * Affine.translation(384, 0)}
    with rasterio.open(tmp_path / "part.tif", "w", **profile) as moved:
        moved.write(pixels)

    made = cut_chips(tmp_path / "part.tif", tmp_path / "cut", town.area(), zoom=ZOOM)

    assert (made.count, made.empty) == (9, 3)
    half = [chip for chip in chips.find(made.folder) if chip.tile and chip.tile.x == town.corner.x + 1]
    assert len(half) == 3
    for chip in half:
        valid = chips.read_with_mask(chip)[1]
        assert not valid[:, :128].any()
        assert valid[:, 128:].all()


def test_the_same_imagery_gives_the_same_bytes(town: Town, tmp_path: Path) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")
    for name in ("a", "b"):
        cut_chips(image, tmp_path / name, town.area(), zoom=ZOOM)

    first, second = (sorted((tmp_path / name).iterdir()) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_progress_is_told_tile_by_tile(town: Town, tmp_path: Path) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")
    params = IngestDatasetParams(name="town", title="Town", imagery=str(image), labels=town.labels, zoom=ZOOM)
    told: list[tuple[int, int]] = []
    cut.cut(params, parse_source(image), None, tmp_path / "cut", lambda *each: told.append(each))

    assert told == [(done, 12) for done in range(1, 13)]


def test_a_tilejson_says_whom_to_name(town: Town, server: TileServer, tmp_path: Path) -> None:
    document = {
        "tilejson": "3.0.0",
        "tiles": [server.url("{z}/{x}/{y}.png")],
        "attribution": '&copy; <a href="https://example.org">Mappers of <b>Banepa</b></a>',
        "maxzoom": ZOOM,
    }
    (tmp_path / "tiles.json").write_text(json.dumps(document))

    made = cut_chips(tmp_path / "tiles.json", tmp_path / "cut", town.area(), zoom=ZOOM)

    assert made.rights.attribution == "© Mappers of Banepa"
    assert made.rights.license == ""
    document["attribution"] = '<a href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a> Mappers'
    (tmp_path / "tiles.json").write_text(json.dumps(document))
    again = cut_chips(tmp_path / "tiles.json", tmp_path / "again", town.area(), zoom=ZOOM)
    assert (again.rights.license, again.rights.attribution) == ("CC-BY-4.0", "CC BY 4.0 Mappers")
    require_equal(tmp_path / "cut", town)


def test_a_stac_item_says_licence_and_providers(town: Town, tmp_path: Path) -> None:
    town.in_web_mercator(tmp_path / "mosaic.tif")
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "mosaic",
        "properties": {
            "license": "CC-BY-SA-4.0",
            "providers": [
                {"name": "Flyers", "roles": ["producer"]},
                {"name": "Owners", "roles": ["licensor"]},
                {"name": "Cloud", "roles": ["host"]},
            ],
        },
        "assets": {"visual": {"href": "mosaic.tif", "type": "image/tiff", "roles": ["visual"]}},
    }
    (tmp_path / "item.json").write_text(json.dumps(item))

    made = cut_chips(tmp_path / "item.json", tmp_path / "cut", zoom=ZOOM)

    assert (made.rights.license, made.rights.attribution) == ("CC-BY-SA-4.0", "Flyers, Owners")
    require_equal(tmp_path / "cut", town)


FAR = "85.1,27.1,85.2,27.2"


def test_an_area_without_imagery_is_refused_with_both_places(town: Town, tmp_path: Path) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")
    with pytest.raises(Invalid, match=r"no ground in common: the imagery covers 5\.39"):
        cut_chips(image, tmp_path / "cut", FAR, zoom=ZOOM)


def test_a_service_without_any_tile_there_says_what_was_asked_for(server: TileServer, tmp_path: Path) -> None:
    with pytest.raises(InvalidImagery, match=r"none of the .* tiles of zoom 19 in the area is there"):
        cut_chips(server.url("{z}/{x}/{y}.png"), tmp_path / "cut", "85.1,27.1,85.101,27.101", zoom=ZOOM)
    assert not list(tmp_path.glob("cut/*"))


def test_a_zoom_that_a_service_lacks_is_refused_with_those_it_has(
    town: Town, server: TileServer, tmp_path: Path
) -> None:
    document = {"tilejson": "3.0.0", "tiles": [server.url("{z}/{x}/{y}.png")], "minzoom": 19, "maxzoom": 20}
    (tmp_path / "tiles.json").write_text(json.dumps(document))
    with pytest.raises(InvalidImagery, match="it has zooms 19 to 20 and not 18"):
        cut_chips(tmp_path / "tiles.json", tmp_path / "cut", town.area(), zoom=18)


def test_imagery_that_is_transparent_in_the_area_is_refused(tmp_path: Path, town: Town) -> None:
    clear = Town(town.folder, np.zeros_like(town.picture), town.corner).in_web_mercator(
        tmp_path / "clear.tif"
    )
    with pytest.raises(InvalidImagery, match="no pixel in the area that is imagery"):
        cut_chips(clear, tmp_path / "cut", town.area(), zoom=ZOOM)


def test_more_chips_than_allowed_are_refused_before_one_is_cut(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_MOST_TILES", "20")
    image = town.in_web_mercator(tmp_path / "mosaic.tif")
    with pytest.raises(InvalidImagery, match=r"about 48 tiles of zoom 20, at most 20"):
        cut_chips(image, tmp_path / "cut", zoom=20)
    assert not (tmp_path / "cut").exists()


def test_imagery_that_is_much_coarser_is_said_and_too_coarse_is_refused(town: Town, tmp_path: Path) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")

    made = cut_chips(image, tmp_path / "a", town.area(1.2), zoom=21)
    assert any("4.0 times wider" in note and "--zoom 19" in note for note in made.notes)
    with pytest.raises(Invalid, match=r"too coarse|times wider"):
        cut_chips(image, tmp_path / "b", town.area(1.4), zoom=23)
