"""Addresses of tile services as JOSM, the Tasking Manager, iD, QGIS and OpenAerialMap write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fair_models.cli.options import absolute
from fair_models.data.images.tiles import Tile
from fair_models.errors import FairModelsError, Invalid, InvalidImagery, NotFound
from fair_models.inference.imagery import areas
from fair_models.inference.imagery.sources import addresses, services
from fair_models.inference.imagery.sources.opening import open_source
from fair_models.inference.imagery.sources.services import Service
from fair_models.inference.imagery.sources.source import ImageSource, parse_source
from fair_models.params import PredictParams
from fair_models.store.locations import LocalPath
from tests.inference.tiny import Input

TILE = Tile(386690, 220241, 19)
FROM_SOUTH = 2**19 - 1 - 220241
HERE = "https://tiles.example.org/19/386690/220241.png"
QUADKEY = "1231312231012020012"
AREA = areas.read("85.519,27.6325,85.521,27.634")


@pytest.mark.parametrize(
    ("copied", "asked", "zooms"),
    [
        ("https://tiles.example.org/{z}/{x}/{y}.png", HERE, (14, 22)),
        ("tms[1,22]:https://tiles.example.org/{zoom}/{x}/{y}.png", HERE, (14, 22)),
        ("TMS[1,20]: https://tiles.example.org/{zoom}/{x}/{y}.png", HERE, (14, 20)),
        ("tms[20]:https://tiles.example.org/{zoom}/{x}/{y}.png", HERE, (14, 20)),
        ("tms[16-20]:https://tiles.example.org/{zoom}/{x}/{y}.png", HERE, (16, 20)),
        ("tms:https://tiles.example.org/{zoom}/{x}/{y}.png", HERE, (14, 22)),
        ("xyz:https://tiles.example.org/{z}/{x}/{y}.png", HERE, (14, 22)),
        ("custom:https://tiles.example.org/{zoom}/{x}/{y}.png", HERE, (14, 22)),
        ("tms(EPSG:3857)[1,20]:https://tiles.example.org/{zoom}/{x}/{y}.png", HERE, (14, 20)),
        ("https://tiles.example.org/${z}/${x}/${y}.png", HERE, (14, 22)),
        ("https://tiles.example.org/{Z}/{X}/{Y}.png", HERE, (14, 22)),
        ("https://tiles.example.org/{z}/{x}/{y}{r}.png", HERE, (14, 22)),
        ("https://tiles.example.org/{z}/{x}/{y}{ratio}.png", HERE, (14, 22)),
        ("https://tiles.example.org/{z}/{x}/{y}{@2x}.png", HERE, (14, 22)),
        ("https://tiles.example.org/{TileMatrix}/{TileCol}/{TileRow}.png", HERE, (14, 22)),
        ("https://tiles.example.org/{20-zoom}/{x}/{y}.png", HERE.replace("/19/", "/1/"), (14, 22)),
        ("https://tiles.example.org/{z-1}/{x}/{y}.png", HERE.replace("/19/", "/18/"), (14, 22)),
        ("https://tiles.example.org/%7Bz%7D/%7Bx%7D/%7By%7D.png", HERE, (14, 22)),
        ("'https://tiles.example.org/{z}/{x}/{y}.png'", HERE, (14, 22)),
        (
            "https://tiles.example.org/{z}/{x}/{y}.png?a=1&amp;b=2",
            f"{HERE}?a=1&b=2",
            (14, 22),
        ),
        ("https://tiles.example.org/{zoom}/{x}/{-y}.png", HERE.replace("220241", str(FROM_SOUTH)), (14, 22)),
        ("https://tiles.example.org/{z}/{x}/{ty}.png", HERE.replace("220241", str(FROM_SOUTH)), (14, 22)),
        (
            "https://tiles.example.org/a{q}.jpeg?g=1",
            f"https://tiles.example.org/a{QUADKEY}.jpeg?g=1",
            (14, 22),
        ),
        ("https://tiles.example.org/{quadkey}", f"https://tiles.example.org/{QUADKEY}", (14, 22)),
        ("https://tiles.example.org/{u}", f"https://tiles.example.org/{QUADKEY}", (14, 22)),
        ("https://{switch:a,b}.example.org/{z}/{x}/{y}", "https://b.example.org/19/386690/220241", (14, 22)),
        ("https://{s}.example.org/{z}/{x}/{y}", "https://b.example.org/19/386690/220241", (14, 22)),
        ("https://t{0-3}.example.org/{z}/{x}/{y}", "https://t3.example.org/19/386690/220241", (14, 22)),
        ("https://{s:one,two}.example.org/{z}/{x}/{y}", "https://two.example.org/19/386690/220241", (14, 22)),
        ("type=xyz&url=https://tiles.example.org/{z}/{x}/{y}.png&zmax=21&zmin=0", HERE, (14, 21)),
        (
            "crs=EPSG:3857&format&type=xyz&url=https%3A%2F%2Ftiles.example.org%2F%7Bz%7D%2F%7Bx%7D%2F%7By%7D.png"
            "%3Fa%3D1%26b%3D2&zmax=20&zmin=16&http-header:referer=",
            f"{HERE}?a=1&b=2",
            (16, 20),
        ),
        ("url=https://tiles.example.org/{z}/{x}/{y}.png?a=1&b=2&type=xyz", f"{HERE}?a=1&b=2", (14, 22)),
    ],
)
def test_an_address_of_other_software_is_asked_as_that_software_asks_it(
    copied: str, asked: str, zooms: tuple[int, int]
) -> None:
    service = services.from_template(addresses.template(copied))
    assert service.address(TILE) == asked
    assert service.zooms == zooms


def test_a_quadkey_is_that_of_the_documentation() -> None:
    assert addresses.quadkey(Tile(3, 5, 3)) == "213"


def test_a_box_in_an_address_is_that_of_the_tile_in_metres_of_the_web_map() -> None:
    template = (
        "wms:https://maps.example.org/wms?SERVICE=WMS&VERSION=1.3.0&REQUEST=GetMap&LAYERS=ortho&CRS={proj}"
        "&WIDTH={width}&HEIGHT={height}&BBOX={bbox}"
    )
    box = ",".join(f"{side:.6f}" for side in TILE.bounds_mercator())
    assert (
        services.from_template(addresses.template(template))
        .address(TILE)
        .endswith(f"CRS=EPSG:3857&WIDTH=256&HEIGHT=256&BBOX={box}")
    )
    sides = services.from_template(
        addresses.template("https://maps.example.org/export?bbox={w},{s},{e},{n}&size=256")
    )
    assert sides.address(TILE) == f"https://maps.example.org/export?bbox={box}&size=256"


@pytest.mark.parametrize(
    ("copied", "kind", "href"),
    [
        ("wms:https://maps.example.org/wms?LAYERS=a", "wms", "https://maps.example.org/wms?LAYERS=a"),
        ("wms[1,20]:https://maps.example.org/wms?LAYERS=a", "wms", "https://maps.example.org/wms?LAYERS=a"),
        ("wmts:https://maps.example.org/wmts", "wmts", "https://maps.example.org/wmts"),
        (
            "contextualWMSLegend=0&crs=EPSG:3857&format=image/png&layers=ortho&styles=&url=https://maps.example.org/wms",
            "wms",
            "https://maps.example.org/wms?service=WMS&layers=ortho&format=image/png",
        ),
        (
            "crs=EPSG:3857&layers=ortho&styles=plain&tileMatrixSet=web&url=https://maps.example.org/wmts?map%3Da",
            "wmts",
            "https://maps.example.org/wmts?map=a&service=WMTS&layer=ortho",
        ),
    ],
)
def test_other_kinds_of_addresses_are_told_apart(copied: str, kind: str, href: str) -> None:
    read = addresses.read(copied)
    assert read is not None
    assert (read.kind, read.href, str(read)) == (kind, href, copied)
    assert parse_source(copied) == read


@pytest.mark.parametrize(
    ("written", "location", "asset"),
    [
        ("https://example.org/image.tif", "https://example.org/image.tif", ""),
        ("https://example.org/image.tif?sig=%7Bz1%7D", "https://example.org/image.tif?sig=%7Bz1%7D", ""),
        ("https://example.org/item.json#visual", "https://example.org/item.json", "visual"),
        ("s3://bucket/image.tif", "s3://bucket/image.tif", ""),
        ("s3://bucket/image#1.tif", "s3://bucket/image#1.tif", ""),
        ("{folder}/chips", "{folder}/chips", ""),
        ("{folder}/item.json#visual", "{folder}/item.json", "visual"),
        ("{folder}/a#b.tif", "{folder}/a#b.tif", ""),
    ],
)
def test_other_imagery_is_parsed_as_where_it_lies(
    tmp_path: Path, written: str, location: str, asset: str
) -> None:
    (tmp_path / "a#b.tif").touch()
    written, location = written.format(folder=tmp_path), location.format(folder=tmp_path)
    assert addresses.read(written) is None
    source = parse_source(written)
    assert isinstance(source, ImageSource)
    assert (str(source.location), source.asset, str(source)) == (location, asset, written)


@pytest.mark.parametrize("kind", ["wms", "wmts"])
def test_a_query_that_names_the_service_names_its_kind(kind: str) -> None:
    written = f"https://maps.example.org/ows?SERVICE={kind.upper()}&layers=a"
    assert parse_source(written) == addresses.TileAddress(kind, written, written)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("ftp://example.org/image.tif", "its scheme is ftp"),
        ("http://example.org/image.tif", "plain http"),
        ("https://user:secret@example.org/image.tif", "has a login"),
        ("s3://bucket/../other/image.tif", "write s3://bucket/key"),
        ("file://elsewhere/image.tif", "write file:///path"),
    ],
)
def test_imagery_that_may_not_be_read_is_refused_when_it_is_parsed(written: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason) as raised:
        parse_source(written)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("prefix", ["/vsicurl/https://example.org/", "/vsis3/bucket/", "/vsizip/"])
def test_paths_of_gdals_own_file_systems_are_plain_paths(prefix: str) -> None:
    source = parse_source(f"{prefix}image.tif")
    assert isinstance(source, ImageSource)
    assert isinstance(source.location, LocalPath)
    with pytest.raises(NotFound, match="There is no imagery at /vsi"):
        open_source(source, Input())


@pytest.mark.parametrize(
    ("copied", "reason"),
    [
        ("wms_endpoint:https://maps.example.org/wms?", "service=WMS&layers=NAME"),
        ("bing:https://www.bing.com/maps", "no address that others may use"),
        ("tms[22,1]:https://tiles.example.org/{z}/{x}/{y}", r"no range of zooms; write \[min,max\]"),
        ("tms[x]:https://tiles.example.org/{z}/{x}/{y}", "no range of zooms"),
        ("tms:tiles/{z}/{x}/{y}", "write tms:https://host/path"),
        ("tms:https://tiles.example.org/tile.png", "needs {z}, {x} and {y}"),
        ("https://tiles.example.org/{z}/{x}", "needs {z}, {x} and {y}"),
        ("https://tiles.example.org/{z}/{x}/{y}?key={apikey}", "write your key in its place"),
        ("https://tiles.example.org/{TileMatrixSet}/{TileMatrix}/{TileCol}/{TileRow}", "name its WMTS"),
        ("https://tiles.example.org/{z}/{x}/{y}/{flavour}", "{flavour} is not known"),
        ("type=xyz&url=tiles&zmax=3", "its url is no address"),
        ("tms:file:///etc/{z}/{x}/{y}", "there is no address"),
        ("tms:http://10.1.2.3/{z}/{x}/{y}", "plain http"),
        ("https://user:secret@tiles.example.org/{z}/{x}/{y}", "login"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_to_write(copied: str, reason: str) -> None:
    with pytest.raises(FairModelsError, match=reason) as raised:
        services.from_template(addresses.template(copied))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "copied",
    [
        "https://{switch:tiles.example.org,evil.example}/{z}/{x}/{y}",
        "tms[1,22]:https://{switch:tiles.example.org/a,tiles.example.org,169.254.169.254}/{zoom}/{x}/{y}",
        "type=xyz&url=https%3A%2F%2F%7Bswitch%3Atiles.example.org%2Cevil.example%7D%2F{z}%2F{x}%2F{y}",
        "https://{switch:tiles.example.org,tiles.example.org@evil.example}/{z}/{x}/{y}",
    ],
)
def test_each_alternative_host_must_be_allowed(monkeypatch: pytest.MonkeyPatch, copied: str) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["tiles.example.org"]')
    services.from_template(
        addresses.template("https://{switch:tiles.example.org,tiles.example.org}/{z}/{x}/{y}")
    )
    with pytest.raises(Invalid, match=r"not one of FAIR_ALLOWED_HOSTS|login"):
        services.from_template(addresses.template(copied))


@pytest.mark.parametrize(
    ("gsd_m", "zooms", "zoom"),
    [
        (0.2646, (14, 22), 19),
        (0.6, (14, 22), 18),
        (0.2646, (1, 18), 18),
        (9.0, (14, 22), 14),
        (0.01, (0, 30), 22),
    ],
)
def test_the_zoom_nearest_to_the_models_resolution_is_taken(
    gsd_m: float, zooms: tuple[int, int], zoom: int
) -> None:
    assert services.nearest_zoom(Service("here", str, zooms), AREA, gsd_m) == zoom


def test_a_service_of_coarse_zooms_alone_is_refused() -> None:
    with pytest.raises(InvalidImagery, match="it has zooms 1 to 9, 14 to 22 are used"):
        services.nearest_zoom(Service("here", str, (1, 9)), AREA, 0.3)


def test_addresses_stay_addresses_on_their_way_from_the_command_line(tmp_path: Path) -> None:
    encoded = "type=xyz&url=https%3A%2F%2Ftiles.example.org%2F%7Bz%7D&zmax=20"
    for copied in ("tms[1,22]:https://tiles.example.org/{zoom}/{x}/{y}", encoded):
        assert absolute(copied) == copied
        assert addresses.is_address(copied)
        assert PredictParams(model="roofs", imagery=copied).imagery == copied
    assert not addresses.is_address(str(tmp_path))
    assert not addresses.is_address(tmp_path.as_uri())
