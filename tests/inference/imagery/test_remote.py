"""Images on the web, read in parts, and STAC items that name images."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from rasterio.shutil import copy

from fair_models.errors import FairModelsError, Invalid, InvalidImagery, InvalidItem, NotFound, Unavailable
from fair_models.inference.imagery import areas
from fair_models.inference.imagery.sources import stac
from fair_models.inference.imagery.sources.opening import open_source
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.inference.network.session import Session
from fair_models.inference.prediction import predict
from fair_models.inference.windows import Rectangle
from fair_models.store.web.policy import RetryPolicy
from fair_models.store.web.ranges import CHUNK_BYTES
from fair_models.types import Array
from tests.inference.tile_server import failing, in_parts
from tests.inference.tiny import Input, blobs, request_for, write_geotiff
from tests.store.faulty_proxy import proxying
from tests.store.web_server import WebServer, send

UTM = "EPSG:32645"
QUICK = RetryPolicy(per_second=1000, attempts=3, first_wait_s=0.01)


@pytest.fixture(scope="module")
def cog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2048 x 1536 pixels with overviews, too noisy to be small: some 7 MB."""
    folder = tmp_path_factory.mktemp("cog")
    noise = np.random.default_rng(0).integers(0, 60, (3, 1536, 2048), np.uint8)
    pixels = np.where(blobs(1536, 2048, smooth=20) > 130, 255 - noise, noise)
    plain = write_geotiff(folder / "plain.tif", pixels, UTM, (353_000, 3_057_000), 0.26)
    copy(plain, folder / "scene.tif", driver="COG", compress="DEFLATE", blocksize=256)
    return folder / "scene.tif"


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    folder = tmp_path / "web"
    folder.mkdir()
    with WebServer(folder).running() as server:
        yield server


def whole(imagery: str | Path, area: areas.Area | None = None) -> tuple[Array, Array]:
    with open_source(parse_source(imagery), Input(), area, retries=QUICK) as opened:
        (block,) = opened.blocks
        return block.read(Rectangle(0, 0, block.grid.height, block.grid.width))


def test_a_cog_on_the_web_gives_what_it_gives_here(
    web: WebServer, cog: Path, tmp_path: Path, network: Session
) -> None:
    web.answers["/scene.tif"] = in_parts(cog.read_bytes(), [], ETag='"one"')
    here = request_for(cog, tmp_path / "here", network, formats=["geojson", "preview"])
    there = replace(here, imagery=parse_source(web.url("scene.tif")), output=tmp_path / "there")
    mine, other = predict(here), predict(there)
    for name in ("predictions.geojson", "preview.png"):
        assert (mine.folder / name).read_bytes() == (other.folder / name).read_bytes()
    assert other.item["properties"]["title"] == "brightness-v1 over scene.tif"


def test_of_a_large_image_only_what_the_area_needs_is_read(web: WebServer, cog: Path) -> None:
    asked: list[tuple[int, int]] = []
    body = cog.read_bytes()
    web.answers["/scene.tif"] = in_parts(body, asked)
    with open_source(parse_source(cog), Input()) as opened:
        west, _, _, north = map(float, opened.blocks[0].native.grid.footprint.bounds)
    area = areas.read(f"{west + 0.0002},{north - 0.0006},{west + 0.0006},{north - 0.0003}")
    pixels, valid = whole(web.url("scene.tif"), area)
    expected, _ = whole(cog, area)
    np.testing.assert_array_equal(pixels, expected)
    assert valid.any()
    assert sum(last - first + 1 for first, last in asked) < len(body) / 2
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("bad", [failing(500), failing(429, Retry_After="0")])
def test_a_server_that_fails_for_a_while_is_asked_again(web: WebServer, cog: Path, bad: Any) -> None:
    good, count = in_parts(cog.read_bytes(), []), iter(range(1000))
    web.answers["/scene.tif"] = lambda request: (bad if next(count) % 3 == 1 else good)(request)
    pixels, _ = whole(web.url("scene.tif"))
    np.testing.assert_array_equal(pixels, whole(cog)[0])


def test_a_server_that_goes_on_failing_ends_the_prediction(web: WebServer, cog: Path) -> None:
    good, count = in_parts(cog.read_bytes(), []), iter(range(1000))
    web.answers["/scene.tif"] = lambda request: (good if next(count) < 3 else failing(503))(request)
    with pytest.raises(Unavailable, match="the server says 503"):
        whole(web.url("scene.tif"))


def test_a_file_that_changes_while_it_is_read_is_no_image(web: WebServer, cog: Path) -> None:
    count = iter(range(1000))

    def answer(request: BaseHTTPRequestHandler) -> None:
        in_parts(cog.read_bytes(), [], ETag=f'"{next(count) // 3}"')(request)

    web.answers["/scene.tif"] = answer
    with pytest.raises(Unavailable, match="was changed while it was read"):
        whole(web.url("scene.tif"))


def test_what_is_no_image_in_parts_is_refused_in_words(web: WebServer, cog: Path) -> None:
    web.answers["/whole.tif"] = lambda request: send(request, cog.read_bytes())
    with pytest.raises(Invalid, match="does not know ranges"):
        whole(web.url("whole.tif"))
    web.answers["/page.tif"] = lambda request: send(request, b"<html>" * 100)
    with pytest.raises(InvalidImagery, match="only GeoTIFF"):
        whole(web.url("page.tif"))
    web.answers["/cut.tif"] = in_parts(cog.read_bytes()[: 3 * CHUNK_BYTES], [])
    with pytest.raises(InvalidImagery, match="cannot be"):
        whole(web.url("cut.tif"))
    with pytest.raises(NotFound, match="does not exist"):
        whole(web.url("missing.tif"))


@pytest.mark.parametrize("status", [301, 302, 307])
def test_redirects_of_images_are_judged(
    web: WebServer, cog: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.answers["/scene.tif"] = in_parts(cog.read_bytes(), [])
    web.redirect("good.tif", "/scene.tif", status)
    web.redirect("bad.tif", "http://localhost:1/scene.tif", status)
    assert whole(web.url("good.tif"))[1].all()
    with pytest.raises(Invalid, match="redirects to where nothing may be read"):
        whole(web.url("bad.tif"))


def test_a_redirect_that_turns_bad_while_the_image_is_read_is_not_followed(web: WebServer, cog: Path) -> None:
    good, count = in_parts(cog.read_bytes(), []), iter(range(1000))
    web.redirect("elsewhere", "http://169.254.169.254/latest")
    bad = web.answers["/elsewhere"]
    web.answers["/scene.tif"] = lambda request: (good if next(count) < 3 else bad)(request)
    with pytest.raises(Invalid, match="redirects to where nothing may be read"):
        whole(web.url("scene.tif"))


def test_a_machine_of_this_network_is_not_asked_for_images(
    cog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAIR_ALLOWED_HOSTS", raising=False)
    for href in ("https://127.0.0.1/scene.tif", "https://localhost/scene.tif", "http://8.8.8.8/scene.tif"):
        with pytest.raises(Invalid, match="refused"):
            open_source(parse_source(href), Input(), retries=QUICK)


def test_an_image_that_nobody_closed_does_no_harm_when_the_process_ends(web: WebServer, cog: Path) -> None:
    web.answers["/scene.tif"] = in_parts(cog.read_bytes(), [])
    code = (
        "from fair_models.inference.imagery.sources.opening import open_source\n"
        "from fair_models.inference.imagery.sources.source import parse_source\n"
        "from tests.inference.tiny import Input\n"
        f"opened = open_source(parse_source({web.url('scene.tif')!r}), Input())\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def item(**assets: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "stac_version": "1.0.0", "id": "scene", "geometry": None, "assets": assets}


COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"


def asset(href: str, *roles: str, kind: str | None = COG_TYPE, **fields: Any) -> dict[str, Any]:
    return {
        "href": href,
        **({"roles": list(roles)} if roles else {}),
        **({"type": kind} if kind else {}),
        **fields,
    }


@pytest.mark.parametrize(
    ("assets", "chosen"),
    [
        ({"a": asset("a", "data"), "b": asset("b", "visual"), "c": asset("c", "overview")}, "b"),
        ({"a": asset("a", "overview"), "b": asset("b"), "c": asset("c", "data")}, "c"),
        ({"a": asset("a", "overview"), "b": asset("b")}, "b"),
        ({"a": asset("a", "thumbnail", "overview"), "b": asset("b", "overview")}, "b"),
        ({"a": asset("a.jpg", "visual", kind="image/jpeg"), "b": asset("b", "data")}, "b"),
        ({"a": asset("a.json", kind=None), "b": asset("b.TIF?x=1", kind=None)}, "b.TIF?x=1"),
        ({"a": asset("a", "data", bands=[{}]), "b": asset("b", "data", bands=[{}, {}, {}])}, "b"),
        ({"a": asset("a", "data"), "b": asset("b", "data")}, "a"),
    ],
)
def test_the_image_of_an_item_is_told_by_role_and_kind(assets: dict[str, Any], chosen: str) -> None:
    assert stac.image_href(item(**assets)) == chosen


@pytest.mark.parametrize(
    "document",
    [
        item(),
        item(a=asset("a", "thumbnail")),
        item(a=asset("a", kind="application/json")),
        {**item(), "assets": []},
        {**item(), "assets": {"a": {"href": 7}, "b": "c"}},
    ],
)
def test_an_item_without_an_image_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidItem, match="none of its assets is imagery"):
        stac.image_href(document)


def test_an_item_here_and_on_the_web_leads_to_its_image(web: WebServer, cog: Path, tmp_path: Path) -> None:
    web.answers["/images/scene.tif"] = in_parts(cog.read_bytes(), [])
    document = item(image=asset("../images/scene.tif", "data"), other=asset("gone.tif", "visual"))
    (web.folder / "items").mkdir()
    (web.folder / "items/scene.json").write_text(json.dumps(document))
    (tmp_path / "here/items").mkdir(parents=True)
    (tmp_path / "here/images").mkdir()
    (tmp_path / "here/images/scene.tif").write_bytes(cog.read_bytes())
    (tmp_path / "here/items/scene.json").write_text(json.dumps(document))
    (tmp_path / "here/items/web.json").write_text(
        json.dumps(item(image=asset(web.url("images/scene.tif"), "data")))
    )
    expected, _ = whole(cog)
    for imagery in (
        web.url("items/scene.json#image"),
        str(tmp_path / "here/items/scene.json#image"),
        tmp_path / "here/items/web.json",
    ):
        np.testing.assert_array_equal(whole(imagery)[0], expected)
    with pytest.raises(NotFound):
        whole(web.url("items/scene.json"))
    with pytest.raises(NotFound):
        whole(tmp_path / "here/items/scene.json")
    with pytest.raises(InvalidItem, match="no GeoTIFF asset 'third', only image, other"):
        whole(web.url("items/scene.json#third"))


@pytest.mark.parametrize("href", ["file:///etc/scene.tif", "http://169.254.169.254/a.tif", "ftp://a/b.tif"])
def test_an_item_on_the_web_does_not_lead_into_this_machine(web: WebServer, href: str) -> None:
    (web.folder / "item.json").write_text(json.dumps(item(image=asset(href, "data"))))
    with pytest.raises(Invalid):
        whole(web.url("item.json"))


def test_an_item_leads_to_no_file_outside_of_the_allowed_folders(
    cog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_FOLDERS", json.dumps([str(tmp_path)]))
    (tmp_path / "item.json").write_text(json.dumps(item(image=asset(str(cog), "data"))))
    with pytest.raises(Invalid, match="lies outside"):
        whole(tmp_path / "item.json")


def test_json_that_is_neither_item_nor_tiles_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(InvalidImagery, match="neither a STAC item, a TileJSON nor metadata of OpenAerialMap"):
        whole(tmp_path / "a.json")
    (tmp_path / "b.json").write_text('{"type": ')
    with pytest.raises(FairModelsError, match="cannot be read"):
        whole(tmp_path / "b.json")


def test_images_in_buckets_need_boto3_and_a_bucket_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Invalid, match="write s3://bucket/key"):
        whole("s3://bucket")
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["s3://mine"]')
    with pytest.raises(Invalid, match="s3://other is not one of FAIR_ALLOWED_HOSTS"):
        whole("s3://other/scene.tif")


@pytest.fixture
def bucket(s3_bucket: str, cog: Path) -> str:
    boto3.client("s3").upload_file(str(cog), s3_bucket, "area/scene.tif")
    return s3_bucket


def test_an_image_in_a_bucket_gives_what_it_gives_here(bucket: str, cog: Path) -> None:
    np.testing.assert_array_equal(whole(f"s3://{bucket}/area/scene.tif")[0], whole(cog)[0])
    with pytest.raises(NotFound, match="does not exist"):
        whole(f"s3://{bucket}/area/missing.tif")
    with pytest.raises(NotFound, match="does not exist"):
        whole("s3://nobodys/scene.tif")


@pytest.mark.parametrize("fault", ["drop", "drop-answer", "drop-download", "throttle"])
def test_an_image_in_a_bucket_outlives_connections_that_break(
    bucket: str, cog: Path, s3_endpoint: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with proxying(s3_endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        proxy.inject(fault, fault, fault)
        pixels, _ = whole(f"s3://{bucket}/area/scene.tif")
        assert proxy.left == 0
        proxy.inject("deny")
        with pytest.raises(Invalid, match="may not be read with the credentials of this machine"):
            whole(f"s3://{bucket}/area/scene.tif")
    np.testing.assert_array_equal(pixels, whole(cog)[0])
