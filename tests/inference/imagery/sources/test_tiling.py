"""Imagery of tile services, from a server of this machine that does not always behave."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from fair_models.catalog import validation
from fair_models.data.images import tiles
from fair_models.data.images.grid import WEB_MERCATOR
from fair_models.errors import FairModelsError, Invalid, InvalidImagery, NothingLookedAt, Unavailable
from fair_models.inference.imagery import areas
from fair_models.inference.imagery.reading import Imagery
from fair_models.inference.imagery.sources.opening import open_source
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.inference.network.session import Session
from fair_models.inference.prediction import predict
from fair_models.inference.request import PredictionRequest
from fair_models.inference.windows import Rectangle
from fair_models.store.web.policy import RetryPolicy
from fair_models.types import Array
from tests.inference.tile_server import TILE_PX, TileServer, broken_off, failing, page, png
from tests.inference.tiny import Input, blobs, grey, request_for, write_geotiff
from tests.store.web_server import send

CORNER = tiles.Tile(386690, 220241, 19)
QUICK = RetryPolicy(per_second=1000, attempts=3, first_wait_s=0.01)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TileServer]:
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    with TileServer(tmp_path, blobs(3 * TILE_PX, 4 * TILE_PX), CORNER).running() as running:
        assert isinstance(running, TileServer)
        yield running


def template(server: TileServer, y: str = "{y}") -> str:
    return server.url(f"{{z}}/{{x}}/{y}.png")


def opened(
    server: TileServer, retries: RetryPolicy = QUICK, imagery: str | None = None, inset: float = 0
) -> Imagery:
    return open_source(
        parse_source(imagery or template(server)), Input(), server.area(inset), CORNER.z, retries
    )


def whole(imagery: Imagery) -> tuple[Array, Array]:
    (block,) = imagery.blocks
    return block.read(Rectangle(0, 0, block.grid.height, block.grid.width))


def test_tiles_of_an_area_are_one_block_with_the_pixels_of_the_map(server: TileServer) -> None:
    with opened(server) as imagery:
        pixels, valid = whole(imagery)
        assert imagery.image_count == 12
        assert imagery.blocks[0].grid.crs == WEB_MERCATOR
        assert imagery.facts() == {"fair:tiles": {"all": 12, "holes": 0, "broken": 0}}
    assert valid.all()
    np.testing.assert_array_equal(pixels, server.pixels)
    assert len(server.asked) == 12
    assert all(agent.startswith("fair-models/") for agent in server.agents)


def test_tiles_give_what_the_same_pixels_as_one_image_give(
    server: TileServer, tmp_path: Path, network: Session
) -> None:
    transform = CORNER.transform(TILE_PX, TILE_PX)
    image = write_geotiff(
        tmp_path / "image.tif", server.pixels, WEB_MERCATOR, (transform[2], transform[5]), transform[0]
    )
    area = server.area(0.3)
    one = request_for(image, tmp_path / "one", network, area=area)
    many = replace(one, imagery=parse_source(template(server)), output=tmp_path / "many", zoom=CORNER.z)
    results = [predict(request) for request in (one, many)]

    (left, right) = (json.loads((result.folder / "predictions.geojson").read_text()) for result in results)
    assert results[0].counts["building"] > 5
    assert len(left["features"]) == len(right["features"])
    for mine, other in zip(left["features"], right["features"], strict=True):
        np.testing.assert_allclose(
            np.array(mine["geometry"]["coordinates"][0]),
            np.array(other["geometry"]["coordinates"][0]),
            atol=2e-9,
        )
        assert mine["properties"]["confidence"] == other["properties"]["confidence"]
    assert results[1].item["properties"]["fair:tiles"] == {"all": 12, "holes": 0, "broken": 0}
    assert validation.problems(results[1].item) == []


def test_tms_counts_from_the_south_and_means_the_same_place(server: TileServer) -> None:
    flipped = {server.path(tile): tiles.Tile(tile.x, 2**19 - 1 - tile.y, 19) for tile in server.all()}
    server.answers = {server.path(flipped[path]): answer for path, answer in server.answers.items()}
    with opened(server, imagery=template(server, "{-y}")) as imagery:
        pixels, _ = whole(imagery)
        grid = imagery.blocks[0].grid
    np.testing.assert_array_equal(pixels, server.pixels)
    assert grid.transform == pytest.approx(CORNER.transform(TILE_PX, TILE_PX))


def test_what_is_in_the_cache_is_not_asked_for_again(server: TileServer) -> None:
    missing = server.all()[5]
    server.answers[server.path(missing)] = failing(500)
    with opened(server) as imagery, pytest.raises(Unavailable, match="1 of 12 tiles"):
        whole(imagery)
    server.asked.clear()
    server.answers[server.path(missing)] = server.good(missing)

    with opened(server) as imagery:
        pixels, _ = whole(imagery)
    np.testing.assert_array_equal(pixels, server.pixels)
    assert server.asked == [server.path(missing)]


def test_old_tiles_are_asked_for_by_their_tag_and_kept_where_they_are_the_same(
    server: TileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(server) as imagery:
        whole(imagery)
    tags: list[str] = []

    def unchanged(request: BaseHTTPRequestHandler) -> None:
        tags.append(request.headers.get("If-None-Match", ""))
        send(request, b"", 304)

    server.answers = dict.fromkeys(server.answers, unchanged)
    monkeypatch.setenv("FAIR_TILE_DAYS", "0")
    with opened(server) as imagery:
        pixels, _ = whole(imagery)
        imagery.facts()
    np.testing.assert_array_equal(pixels, server.pixels)
    assert set(tags) == {f'"{tile.x}-{tile.y}"' for tile in server.all()}


def test_a_tile_that_was_damaged_in_the_cache_is_asked_for_again(server: TileServer, tmp_path: Path) -> None:
    with opened(server) as imagery:
        whole(imagery)
    damaged = sorted((tmp_path / "home/cache/tiles/data").glob("*/*"))[0]
    damaged.write_bytes(b"damaged")
    server.asked.clear()
    with opened(server) as imagery:
        pixels, _ = whole(imagery)
    np.testing.assert_array_equal(pixels, server.pixels)
    assert len(server.asked) == 1


def test_failures_that_pass_are_not_seen_in_the_result(server: TileServer) -> None:
    one, two, three, four = server.all()[:4]
    server.first_then(one, failing(500), failing(503, Retry_After="0"))
    server.first_then(two, broken_off)
    server.first_then(three, page, page)
    server.first_then(four, failing(429))
    with opened(server) as imagery:
        pixels, _ = whole(imagery)
        assert imagery.facts() == {"fair:tiles": {"all": 12, "holes": 0, "broken": 0}}
    np.testing.assert_array_equal(pixels, server.pixels)
    assert server.asked.count(server.path(one)) == 3


@pytest.mark.parametrize("status", [404, 204, 410])
def test_tiles_that_are_not_there_are_holes(server: TileServer, status: int) -> None:
    hole = server.all()[5]
    server.answers[server.path(hole)] = lambda request: send(request, b"", status)
    with opened(server) as imagery:
        _, valid = whole(imagery)
        assert imagery.facts()["fair:tiles"] == {"all": 12, "holes": 1, "broken": 0}
    assert not valid[TILE_PX : 2 * TILE_PX, TILE_PX : 2 * TILE_PX].any()
    assert valid.sum() == 11 * TILE_PX**2


@pytest.mark.parametrize(
    "bad", [failing(500), page, broken_off, failing(403), lambda request: send(request, b"")]
)
def test_a_few_broken_tiles_are_counted_and_named(
    server: TileServer, monkeypatch: pytest.MonkeyPatch, bad: object
) -> None:
    monkeypatch.setenv("FAIR_MOST_BROKEN_TILES", "0.1")
    broken = server.all()[0]
    server.answers[server.path(broken)] = bad  # type: ignore[assignment]
    with opened(server) as imagery:
        _, valid = whole(imagery)
        facts = imagery.facts()
    assert facts["fair:tiles"] == {"all": 12, "holes": 0, "broken": 1}
    assert facts["fair:broken_tiles"][0].startswith(f"19/{broken.x}/{broken.y}: ")
    assert valid.sum() == 11 * TILE_PX**2


def test_with_too_many_broken_tiles_the_prediction_fails_and_leaves_nothing(
    server: TileServer, tmp_path: Path, network: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_MOST_BROKEN_TILES", "0.1")
    for tile in server.all()[:2]:
        server.answers[server.path(tile)] = failing(403)
    request = request_for(tmp_path, tmp_path / "out", network)
    request = replace(request, imagery=parse_source(template(server)), area=server.area(), zoom=19)
    with pytest.raises(Unavailable, match="2 of 12 tiles could not be had"):
        predict(request)
    assert not request.output.exists()


def test_a_tile_that_leads_to_a_forbidden_machine_is_not_followed(server: TileServer) -> None:
    for tile in server.all():
        server.redirect(server.path(tile).lstrip("/"), "http://169.254.169.254/latest/meta-data")
    with pytest.raises(Invalid, match="redirects to where nothing may be read"):
        opened(server)


def test_a_host_is_asked_for_no_more_at_once_than_is_polite(
    server: TileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "FAIR_TILE_DAYS", "0"
    )  # the tile that is looked at first is asked for again: 12 in all
    looked, both = iter([True]), threading.Barrier(2)

    def hold() -> None:
        if not next(looked, False):
            both.wait(30)  # until another request is there too: with a limit of two they come in pairs

    server.hold = hold
    with opened(server, replace(QUICK, at_once=2)) as imagery:
        whole(imagery)
        assert imagery.facts() == {"fair:tiles": {"all": 12, "holes": 0, "broken": 0}}
    assert server.most_at_once == 2


def test_bodies_of_other_sizes_are_broken(server: TileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIR_MOST_BROKEN_TILES", "0.1")
    server.answers[server.path(server.all()[0])] = lambda request: send(request, png(grey(100, 100)))
    with opened(server) as imagery:
        whole(imagery)
        assert "100 x 100 pixels" in imagery.facts()["fair:broken_tiles"][0]


def test_transparent_pixels_are_no_imagery(server: TileServer) -> None:
    tile = server.all()[0]
    alpha = np.full((1, TILE_PX, TILE_PX), 255, np.uint8)
    alpha[:, :, :100] = 0
    body = png(np.concatenate([server.pixels[:, :TILE_PX, :TILE_PX], alpha]))
    server.answers[server.path(tile)] = lambda request: send(request, body)
    with opened(server) as imagery:
        pixels, valid = whole(imagery)
    assert not valid[:TILE_PX, :100].any()
    assert valid[:TILE_PX, 100:].all()
    assert not pixels[:, :TILE_PX, :100].any()


def tilejson(server: TileServer, **changes: object) -> str:
    west, south, east, north = server.area().bbox
    document = {
        "tilejson": "3.0.0",
        "name": "Village",
        "tiles": ["/{z}/{x}/{y}.png"],
        "attribution": '<a href="https://openaerialmap.org">OpenAerialMap</a> &amp; friends',
        "minzoom": 15,
        "maxzoom": 20,
        "bounds": [west, south, east, north],
    } | changes
    (server.folder / "tiles.json").write_text(json.dumps(document))
    return server.url("tiles.json")


def test_a_tilejson_says_where_its_tiles_are_and_whom_to_name(server: TileServer) -> None:
    with opened(server, imagery=tilejson(server)) as imagery:
        pixels, _ = whole(imagery)
        assert imagery.facts()["fair:attribution"] == "OpenAerialMap & friends"
        assert imagery.name == "Village"
    np.testing.assert_array_equal(pixels, server.pixels)


def test_beyond_the_bounds_of_a_tilejson_nothing_is_asked_for(server: TileServer) -> None:
    west, south, _, north = server.area(0.5).bbox
    href = tilejson(server, bounds=[west - 1, south - 1, west, north + 1])
    with opened(server, imagery=href) as imagery:
        assert imagery.image_count == 3


def test_area_and_zoom_that_a_service_does_not_have_are_refused(server: TileServer) -> None:
    with pytest.raises(InvalidImagery, match="zooms 15 to 18 and not 19"):
        opened(server, imagery=tilejson(server, maxzoom=18))
    with pytest.raises(Invalid, match=r"no ground in common: the imagery covers 1, 1, 2, 2"):
        opened(server, imagery=tilejson(server, bounds=[1, 1, 2, 2]))
    assert not [path for path in server.asked if path.endswith(".png")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tiles": []}, "names no tiles"),
        ({"tiles": ["/{z}/{x}.png"]}, "needs {z}, {x} and {y}"),
        ({"tiles": ["file:///{z}/{x}/{y}.png"]}, "scheme"),
        ({"tiles": ["http://10.0.0.1/{z}/{x}/{y}.png"]}, "refused"),
        ({"scheme": "wmts"}, "neither xyz nor tms"),
        ({"bounds": [1, 2]}, "no numbers"),
        ({"minzoom": "low"}, "no numbers"),
    ],
)
def test_a_tilejson_that_cannot_be_is_refused(
    server: TileServer, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(Invalid, match=reason):
        opened(server, imagery=tilejson(server, **changes))


def test_a_wms_gives_tiles_of_the_map(server: TileServer) -> None:
    boxes: list[str] = []
    by_box = {",".join(f"{at:.6f}" for at in tile.bounds_mercator()): tile for tile in server.all()}

    def answer(request: BaseHTTPRequestHandler) -> None:
        query = {name.lower(): values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        assert (query["srs"], query["width"], query["request"]) == ("EPSG:3857", "256", "GetMap")
        assert (query["layers"], query["map"]) == ("ortho,roads", "/data/a.map")
        boxes.append(query["bbox"])
        send(request, server.picture(by_box[query["bbox"]]))

    server.answers["/wms"] = answer
    with opened(server, imagery=server.url("wms?map=/data/a.map&SERVICE=WMS&layers=ortho,roads")) as imagery:
        pixels, _ = whole(imagery)
    np.testing.assert_array_equal(pixels, server.pixels)
    assert len(boxes) == 12


CAPABILITIES = """<?xml version="1.0"?>
<Capabilities xmlns="http://www.opengis.net/wmts/1.0" xmlns:ows="http://www.opengis.net/ows/1.1">
 <Contents>
  <Layer><ows:Identifier>ortho</ows:Identifier>
   <Style isDefault="true"><ows:Identifier>plain</ows:Identifier></Style>
   <Format>image/png</Format>
   <TileMatrixSetLink><TileMatrixSet>local</TileMatrixSet></TileMatrixSetLink>
   <TileMatrixSetLink><TileMatrixSet>web</TileMatrixSet></TileMatrixSetLink>{resource}</Layer>
  <Layer><ows:Identifier>other</ows:Identifier></Layer>
  <TileMatrixSet><ows:Identifier>local</ows:Identifier>
   <ows:SupportedCRS>urn:ogc:def:crs:EPSG::32645</ows:SupportedCRS>
  </TileMatrixSet>
  <TileMatrixSet><ows:Identifier>web</ows:Identifier>
   <ows:SupportedCRS>urn:ogc:def:crs:EPSG::3857</ows:SupportedCRS>
   <TileMatrix><ows:Identifier>level-19</ows:Identifier><ScaleDenominator>1066.36479192489</ScaleDenominator>
    <TopLeftCorner>-20037508.3428 20037508.3428</TopLeftCorner><TileWidth>256</TileWidth>
    <TileHeight>256</TileHeight>
   </TileMatrix>
  </TileMatrixSet>
 </Contents>
</Capabilities>"""
RESOURCE = (
    '<ResourceURL format="image/png" resourceType="tile" '
    'template="/rest/{Style}/{TileMatrixSet}/{TileMatrix}/{TileRow}/{TileCol}"/>'
)


@pytest.mark.parametrize("rest", [True, False])
def test_a_wmts_gives_tiles_of_the_map(server: TileServer, rest: bool) -> None:
    text = CAPABILITIES.replace("{resource}", RESOURCE if rest else "")
    by_key = {(str(tile.y), str(tile.x)): tile for tile in server.all()}

    def answer(request: BaseHTTPRequestHandler) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        if query["request"] == "GetCapabilities":
            send(request, text.encode(), kind="text/xml")
            return
        assert (query["layer"], query["style"], query["tilematrixset"]) == ("ortho", "plain", "web")
        assert query["tilematrix"] == "level-19"
        send(request, server.picture(by_key[query["tilerow"], query["tilecol"]]))

    server.answers["/wmts"] = answer
    for tile in server.all():
        server.answers[f"/rest/plain/web/level-19/{tile.y}/{tile.x}"] = server.good(tile)
    with opened(server, imagery=server.url("wmts?service=WMTS&layer=ortho")) as imagery:
        pixels, _ = whole(imagery)
    np.testing.assert_array_equal(pixels, server.pixels)
    with pytest.raises(InvalidImagery, match="ortho, other"):
        opened(server, imagery=server.url("wmts?service=WMTS"))
    with pytest.raises(InvalidImagery, match="no tiles on the web map's grid"):
        opened(server, imagery=server.url("wmts?service=WMTS&layer=other"))


def test_absurd_requests_are_refused_with_their_number_before_anything_is_asked_for(
    server: TileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidImagery, match=r"about 132,[0-9]{3},[0-9]{3} tiles of zoom 19.*50,000"):
        open_source(parse_source(template(server)), Input(), areas.read("85,27,94,33"), 19, QUICK)
    monkeypatch.setenv("FAIR_MOST_TILES", "11")
    with pytest.raises(InvalidImagery, match=r"about 1[23] tiles of zoom 19, at most 11"):
        opened(server)
    assert server.asked == []


def test_too_many_pixels_are_refused_before_the_tiles_are_asked_for(
    server: TileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_MOST_IMAGERY_PIXELS", "786431")
    with pytest.raises(InvalidImagery, match="786,432 pixels to read, at most 786,431"):
        opened(server)
    assert len(server.asked) == 1  # one tile says how many pixels tiles have


@pytest.mark.parametrize(
    ("imagery", "area", "zoom", "reason"),
    [
        ("https://tiles.example/{z}/{x}/{y}", False, 19, "give the area"),
        ("https://tiles.example/{z}/{x}/{y}", True, 23, "14 to 22"),
        ("https://tiles.example/{z}/{x}/{y}/{token}", True, 19, "{token} is not known"),
        ("https://tiles.example/{z}/{x}", True, 19, "needs {z}, {x} and {y}"),
        ("ftp://tiles.example/{z}/{x}/{y}", True, 19, "scheme"),
        ("https://user:secret@tiles.example/{z}/{x}/{y}", True, 19, "login"),
        ("http://10.1.2.3/{z}/{x}/{y}", True, 19, "refused"),
        ("https://tiles.example/wms?service=WMS", True, 19, "layers=NAME"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, imagery: str, area: bool, zoom: int | None, reason: str
) -> None:
    monkeypatch.delenv("FAIR_ALLOWED_HOSTS", raising=False)
    with pytest.raises(FairModelsError, match=reason):
        open_source(
            parse_source(imagery),
            Input(),
            areas.read("85.5,27.6,85.501,27.601") if area else None,
            zoom,
            QUICK,
        )


def test_a_zoom_is_refused_for_one_image_and_for_a_folder_that_has_no_chip_of_it(tmp_path: Path) -> None:
    image = write_geotiff(tmp_path / "a.tif", blobs(64, 64), "EPSG:32645", (353_000, 3_057_000), 0.26)
    with pytest.raises(Invalid, match="leave the zoom out"):
        open_source(parse_source(image), Input(), None, 19)
    with pytest.raises(InvalidImagery, match=r"no chip of zoom 17, only of 19 \(1 chips\)"):
        open_source(parse_source(tmp_path), Input(), None, 17)
    with open_source(parse_source(tmp_path), Input(), None, 19) as imagery:
        assert imagery.image_count == 1


def test_without_a_zoom_the_one_nearest_to_the_model_is_taken_and_written_down(
    server: TileServer, tmp_path: Path, network: Session
) -> None:
    request = request_for(tmp_path, tmp_path / "taken", network, options={"area": "x", "most_failed": 0})
    request = replace(request, imagery=parse_source(template(server)), area=server.area(0.3))
    taken = predict(request)
    options = {"area": "x", "zoom": 19, "most_failed": 0}
    given = predict(replace(request, output=tmp_path / "given", zoom=19, options=options))

    assert taken.item["properties"]["fair:options"]["zoom"] == 19
    assert (taken.folder / "predict.yaml").read_bytes() == (given.folder / "predict.yaml").read_bytes()


def test_a_service_that_is_down_is_told_after_a_few_tiles(server: TileServer) -> None:
    server.answers = dict.fromkeys(server.answers, failing(503, Retry_After="0"))
    with pytest.raises(Unavailable, match=r"try again later. Zoom 19 was asked for, .* give the zoom"):
        open_source(parse_source(template(server)), Input(), server.area(), None, QUICK)
    assert len(set(server.asked)) == 3


def test_a_zoom_beyond_the_range_of_an_address_is_refused_with_the_range(server: TileServer) -> None:
    with pytest.raises(InvalidImagery, match="zooms 14 to 18 and not 19"):
        opened(server, imagery=f"tms[1,18]:{template(server)}")
    with opened(server, imagery=f"tms[1,19]:{template(server)}") as imagery:
        np.testing.assert_array_equal(whole(imagery)[0], server.pixels)


def test_a_picture_of_one_pixel_is_a_hole(server: TileServer) -> None:
    hole = server.all()[0]
    server.answers[server.path(hole)] = lambda request: send(request, png(grey(1, 1)))
    for _ in range(2):  # the second time it comes from the cache
        with opened(server) as imagery:
            _, valid = whole(imagery)
            assert imagery.facts()["fair:tiles"] == {"all": 12, "holes": 1, "broken": 0}
            assert imagery.warnings() == ["1 of 12 tiles is not there: nothing was looked for in its place"]
        assert not valid[:TILE_PX, :TILE_PX].any()
        assert valid.sum() == 11 * TILE_PX**2


def asked_of(server: TileServer, tmp_path: Path, network: Session, **changes: object) -> PredictionRequest:
    request = request_for(tmp_path, tmp_path / "out", network)
    asked = {"imagery": parse_source(template(server)), "area": server.area(0.3), "zoom": 19}
    return replace(request, **(asked | changes))  # type: ignore[arg-type]


def moved(server: TileServer, place: Callable[[tiles.Tile], tiles.Tile]) -> None:
    """The tiles of the server are elsewhere."""
    server.answers = {server.path(place(tile)): server.good(tile) for tile in server.all()}


def test_where_no_tile_is_there_the_prediction_fails_with_an_address_and_the_zoom(
    server: TileServer, tmp_path: Path, network: Session
) -> None:
    server.answers = {}
    with pytest.raises(
        NothingLookedAt, match=r"none of the 12 tiles of zoom 19 in the area is there"
    ) as told:
        predict(asked_of(server, tmp_path, network))
    assert server.url(f"19/{CORNER.x + 2}/{CORNER.y + 1}.png") in str(told.value)
    assert "{-y}" in str(told.value)
    assert not (tmp_path / "out").exists()

    server.answers = {server.path(tile): server.good(tile) for tile in server.all()}
    assert predict(asked_of(server, tmp_path, network)).counts["building"] > 0  # holes are not remembered


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        (lambda tile: tiles.Tile(tile.x, 2**19 - 1 - tile.y, 19), r"write \{-y\} in place of \{y\}"),
        (lambda tile: tiles.Tile(tile.x // 4, tile.y // 4, 17), r"a tile of zoom 17: ask for that one"),
        (lambda tile: tiles.Tile(tile.x * 2 + 1, tile.y * 2 + 1, 20), r"a tile of zoom 20: ask for that"),
    ],
)
def test_where_tiles_are_elsewhere_that_is_told(
    server: TileServer,
    tmp_path: Path,
    network: Session,
    place: Callable[[tiles.Tile], tiles.Tile],
    hint: str,
) -> None:
    moved(server, place)
    with pytest.raises(NothingLookedAt, match=hint):
        predict(asked_of(server, tmp_path, network))


def test_an_area_with_latitude_first_is_told_by_the_tiles_that_are_there(
    server: TileServer, tmp_path: Path, network: Session
) -> None:
    kampala = tiles.at(32.58, 0.31, 19)
    with TileServer(tmp_path, blobs(TILE_PX, 2 * TILE_PX), kampala).running() as elsewhere:
        assert isinstance(elsewhere, TileServer)
        west, south, east, north = elsewhere.area(0.3).bbox
        swapped = areas.read(f"{south:.12f},{west:.12f},{north:.12f},{east:.12f}")
        with pytest.raises(NothingLookedAt, match=r"are swapped: write longitude first, 32\.58[0-9]*,0\.309"):
            predict(asked_of(elsewhere, tmp_path, network, area=swapped))


def test_tiles_without_a_visible_pixel_are_nothing_to_look_at(
    server: TileServer, tmp_path: Path, network: Session
) -> None:
    clear = png(np.zeros((4, TILE_PX, TILE_PX), np.uint8))
    server.answers = dict.fromkeys(server.answers, lambda request: send(request, clear))
    with pytest.raises(NothingLookedAt, match="no pixel in the area is imagery"):
        predict(asked_of(server, tmp_path, network))


def test_missing_tiles_are_told_in_the_result(server: TileServer, tmp_path: Path, network: Session) -> None:
    for tile in server.all()[:3]:
        server.answers.pop(server.path(tile))
    found = predict(asked_of(server, tmp_path, network))
    warning = found.notes[-1]
    assert warning.startswith("3 of 12 tiles are not there")
    assert found.item["properties"]["fair:warnings"] == [warning]
    assert validation.problems(found.item) == []
