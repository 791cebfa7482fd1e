"""Imagery by OpenAerialMap's metadata: a server of this machine that has both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fair_models.data.images import chips
from fair_models.errors import FairModelsError, InvalidImagery, InvalidItem
from fair_models.inference.imagery.areas import read
from fair_models.inference.imagery.rights import NOTHING_SAID, Rights
from fair_models.inference.imagery.sources import oam
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.ingestion import cut
from fair_models.ingestion.cut import CutChips
from fair_models.params import IngestDatasetParams
from tests.inference.tile_server import TileServer, in_parts
from tests.ingestion.town import ZOOM, Town, make_town

UPLOAD = "593164d3e407d7001138610d"
TAKEN = (datetime(2017, 5, 31, 22, tzinfo=UTC), datetime(2017, 6, 1, 17, 1, 26, tzinfo=UTC))
FLYERS = Rights("CC-BY-4.0", "Aeracoop")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return make_town(tmp_path_factory.mktemp("town"))


@pytest.fixture
def server(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TileServer]:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    made = TileServer(tmp_path, town.picture, town.corner)
    body = town.in_web_mercator(tmp_path / "cog.tif").read_bytes()
    made.answers[f"/{UPLOAD}/0/image.tif"] = in_parts(body, [])
    for tile in made.all():
        made.answers[f"/{UPLOAD}/0/image{made.path(tile).removesuffix('.png')}"] = made.good(tile)
    with made.running():
        yield made


def metadata(server: TileServer, **changes: Any) -> dict[str, Any]:
    image = f"{UPLOAD}/0/image"
    return {
        "uuid": server.url(f"{image}.tif"),
        "title": "Finca La escalera",
        "provider": "Aeracoop",
        "contact": "Aeracoop,aeracoop@example.org",
        "properties": {
            "tms": server.url(f"{image}/{{z}}/{{x}}/{{y}}"),
            "sensor": "DJI Mavic",
            "license": "CC-BY 4.0",
        },
        "acquisition_start": "2017-05-31T22:00:00.000Z",
        "acquisition_end": "2017-06-01T17:01:26.728Z",
        "gsd": 0.013,
        **changes,
    }


def put(server: TileServer, name: str, document: Any) -> str:
    path = server.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return server.url(name)


def cut_chips(imagery: str | Path, folder: Path, town: Town) -> CutChips:
    given = {"name": "town", "title": "Town", "imagery": str(imagery), "labels": "labels.geojson"}
    params = IngestDatasetParams.model_validate({**given, "zoom": ZOOM})
    return cut.cut(params, parse_source(str(imagery)), read(town.area()), folder)


@pytest.mark.parametrize("form", ["one result", "a list of one", "as it lies beside the image"])
@pytest.mark.parametrize("key", ["", "#image", "#tms"])
def test_metadata_names_imagery_rights_and_time(
    form: str, key: str, server: TileServer, town: Town, tmp_path: Path
) -> None:
    image = metadata(server)
    document = {
        "one result": {"meta": {"license": "CC-BY 4.0"}, "results": image},
        "a list of one": {"meta": {}, "results": [image]},
        "as it lies beside the image": image,
    }[form]
    address = put(server, f"meta/{UPLOAD}", document)

    made = cut_chips(f"{address}{key}", tmp_path / "cut", town)

    assert made.rights == FLYERS
    assert made.taken == (TAKEN[0], TAKEN[1].replace(microsecond=728_000))
    assert made.count == 12
    asked_for_tiles = any(path.startswith(f"/{UPLOAD}/0/image/") for path in server.asked)
    assert asked_for_tiles is (key == "#tms")


def test_chips_say_when_their_imagery_was_taken(server: TileServer, town: Town, tmp_path: Path) -> None:
    cut_chips(put(server, f"meta/{UPLOAD}", metadata(server)), tmp_path / "cut", town)

    assert {chip.taken for chip in chips.find(tmp_path / "cut")} == {TAKEN}


def test_tiles_are_looked_up_in_the_metadata_beside_them(
    server: TileServer, town: Town, tmp_path: Path
) -> None:
    put(server, f"{UPLOAD}/0/image_meta.json", metadata(server))

    made = cut_chips(server.url(f"{UPLOAD}/0/image/{{z}}/{{x}}/{{y}}"), tmp_path / "cut", town)
    assert made.rights == FLYERS
    assert made.taken is not None


@pytest.mark.parametrize("is_local", [True, False])
def test_a_cog_is_looked_up_in_the_metadata_beside_it(
    is_local: bool, server: TileServer, town: Town, tmp_path: Path
) -> None:
    put(server, "cog_meta.json" if is_local else f"{UPLOAD}/0/image_meta.json", metadata(server))
    imagery = tmp_path / "cog.tif" if is_local else server.url(f"{UPLOAD}/0/image.tif")

    made = cut_chips(imagery, tmp_path / "cut", town)
    assert made.rights == FLYERS
    assert made.taken is not None


@pytest.mark.parametrize("beside", [None, "no JSON", '{"meta": {}, "results": []}', "[]"])
def test_imagery_without_metadata_is_imagery_still(
    beside: str | None, server: TileServer, town: Town, tmp_path: Path
) -> None:
    if beside is not None:
        (tmp_path / "cog_meta.json").write_text(beside)

    made = cut_chips(tmp_path / "cog.tif", tmp_path / "cut", town)
    assert (made.rights, made.taken) == (NOTHING_SAID, None)


def test_other_tiles_are_not_asked_for_metadata(server: TileServer, town: Town, tmp_path: Path) -> None:
    cut_chips(server.url("{z}/{x}/{y}.png"), tmp_path / "cut", town)

    assert [path for path in server.asked if path.endswith(".json")] == []


def test_openaerialmap_keeps_the_metadata_of_its_tiles_in_its_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAIR_ALLOWED_HOSTS", raising=False)
    tiles = parse_source(f"https://tiles.openaerialmap.org/{UPLOAD}/0/image/{{z}}/{{x}}/{{y}}")

    assert [str(place) for place in oam.beside(tiles)] == [
        f"https://oin-hotosm.s3.amazonaws.com/{UPLOAD}/0/image_meta.json"
    ]


def test_plain_http_of_older_metadata_is_asked_for_safely(server: TileServer) -> None:
    image = metadata(server, uuid="http://oin-hotosm.s3.amazonaws.com/a/0/b.tif")

    assert oam.href_of(image, "", "x") == ("image", "https://oin-hotosm.s3.amazonaws.com/a/0/b.tif")


@pytest.mark.parametrize(
    ("changes", "key", "error", "told"),
    [
        ({"results": [], "meta": {}}, "", InvalidItem, "it describes 0 images and not one"),
        ({"results": [{"_id": "a"}, {"_id": "b"}], "meta": {}}, "", InvalidItem, "one of the ids a, b"),
        ({"properties": {}}, "#tms", InvalidItem, "it names no tms, only image"),
        ({"uuid": "", "properties": {"tms": None}}, "", InvalidItem, "neither a COG .uuid. nor tiles .tms."),
        ({"uuid": "https://other.example/a.tif"}, "", FairModelsError, "not one of FAIR_ALLOWED_HOSTS"),
        ({"uuid": None}, "", InvalidImagery, "neither a STAC item, a TileJSON nor metadata of OpenAerialMap"),
    ],
)
def test_metadata_that_names_no_imagery_is_told(
    changes: dict[str, Any],
    key: str,
    error: type[FairModelsError],
    told: str,
    server: TileServer,
    town: Town,
    tmp_path: Path,
) -> None:
    address = put(server, f"meta/{UPLOAD}", metadata(server, **changes))
    with pytest.raises(error, match=told):
        cut_chips(f"{address}{key}", tmp_path / "cut", town)


@pytest.mark.parametrize(
    "start", [None, "", "yesterday", "0000-01-01", 7, {"$date": "2017-05-31"}, "2017-06-01T17:01:26.728Z"]
)
def test_a_time_that_is_none_is_left_out(start: object, server: TileServer) -> None:
    taken = oam.taken_of(metadata(server, acquisition_start=start))

    assert taken is not None
    assert taken[0] == taken[1] == TAKEN[1].replace(microsecond=728_000)
