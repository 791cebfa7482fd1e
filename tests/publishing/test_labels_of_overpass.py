"""Labels that are asked of Overpass: a server of this machine answers, well or badly."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import orjson
import pytest

from fair_models.data.vectors.osm.overpass_service import query_text
from fair_models.data.vectors.osm.tags import rules
from fair_models.errors import Invalid, InvalidLabels, Unavailable
from tests.data.vectors.osm.osm_files import TIME
from tests.publishing.conftest import Publish, Refused
from tests.publishing.label_servers import Overpass, make_town
from tests.store.web_server import WebServer


@pytest.fixture
def overpass(web: WebServer, tmp_path: Path) -> Overpass:
    return Overpass(web, make_town(tmp_path))


@pytest.fixture
def publish(overpass: Overpass, ingested: Publish, tmp_path: Path) -> Publish:
    return partial(ingested, chips=str(tmp_path / "town"), labels=overpass.address)


def test_labels_are_asked_for_around_the_chips(overpass: Overpass, publish: Publish) -> None:
    item = publish()

    [query] = overpass.queries
    west, south, east, north = item.bbox
    assert query.startswith("[out:json][timeout:180][bbox:")
    asked = [float(each) for each in query.partition("bbox:")[2].partition("]")[0].split(",")]
    assert asked == pytest.approx([south, west, north, east], abs=1e-6)
    assert '(nwr["building"];);out meta geom;' in query
    said = item.properties
    assert said["license"] == "ODbL-1.0"
    assert said["fair:labels_datetime"] == TIME
    assert sum(said["fair:class_counts"]["train"].values()) > 0


def test_an_area_is_asked_for_instead_where_one_is_given(overpass: Overpass, publish: Publish) -> None:
    west, south, east, north = publish().bbox
    half = (west + east) / 2

    publish(name="west", area=f"{west},{south},{half},{north}")
    assert f"[bbox:{south:.7f},{west:.7f},{north:.7f},{half:.7f}]" in overpass.queries[-1]


def test_values_are_asked_for_as_they_are_written() -> None:
    asked = rules(["road", "a"], {"road": ["highway=a.b", 'c"d'], "a": ["a"]})

    assert query_text(asked, (1, 2, 3, 4)) == (
        "[out:json][timeout:180][bbox:2.0000000,1.0000000,4.0000000,3.0000000];"
        '(nwr["highway"~"(^|;) *(a\\\\.b|c\\"d) *(;|$)"];nwr["a"];);out meta geom;'
    )


def test_a_busy_service_is_asked_again(overpass: Overpass, publish: Publish) -> None:
    overpass.failures = [429, 504]

    assert publish().id == "town-v1"
    assert len(overpass.queries) == 3


@pytest.mark.parametrize("status", [429, 504])
def test_a_service_that_stays_busy_is_told_with_the_way_by_hand(
    overpass: Overpass, publish: Publish, refused: Refused, status: int
) -> None:
    overpass.failures = [status] * 10

    said = refused(publish, Unavailable)
    assert f"the server says {status}" in said
    assert "download the area as a file" in said
    assert len(overpass.queries) == 3


def test_half_an_answer_is_none(overpass: Overpass, publish: Publish, refused: Refused) -> None:
    overpass.says(overpass.body[:1000], promised=len(overpass.body))

    assert "download the area as a file" in refused(publish, Unavailable)


def test_an_answer_that_ran_out_of_time_is_refused(
    overpass: Overpass, publish: Publish, refused: Refused
) -> None:
    overpass.says(orjson.dumps({**orjson.loads(overpass.body), "remark": "runtime error: Query timed out"}))

    said = refused(publish, InvalidLabels)
    assert "its answer is incomplete: runtime error: Query timed out; ask for a smaller area" in said


def test_an_empty_answer_is_told_with_tags_and_place(
    overpass: Overpass, publish: Publish, refused: Refused
) -> None:
    overpass.says(b'{"version": 0.6, "elements": []}')

    said = refused(publish, InvalidLabels)
    assert "OpenStreetMap has nothing with building=* within (5.39978, 27.59898" in said


def test_a_page_in_place_of_an_answer_is_quoted(
    overpass: Overpass, publish: Publish, refused: Refused
) -> None:
    overpass.says(b"<html><body>The server is <b>too busy</b></body></html>")

    assert "no answer of Overpass but 'The server is too busy'" in refused(publish, Unavailable)


def test_a_large_area_is_not_asked_for(overpass: Overpass, publish: Publish) -> None:
    with pytest.raises(Invalid, match=r"more than 0.25 square degrees: give a smaller area"):
        publish(area="5,27,6,28")
    assert overpass.queries == []


def test_other_addresses_are_refused_before_anything_is_asked(
    overpass: Overpass, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        Invalid, match="is no service of OpenStreetMap's data that is known by its address: name Overpass"
    ):
        publish(labels=overpass.web.url("labels.geojson"))
    with pytest.raises(Invalid, match="not one of FAIR_ALLOWED_HOSTS"):
        publish(labels="https://overpass.example.org/api/interpreter")
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", "[]")
    with pytest.raises(Invalid, match="plain http"):
        publish()
    assert overpass.queries == []


def test_labels_that_are_not_read_are_refused_before_imagery_is_asked_for(
    overpass: Overpass, publish: Publish, refused: Refused, tmp_path: Path
) -> None:
    labels = tmp_path / "town.kml"
    labels.write_text('<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"></kml>')

    tiles = overpass.web.url("{z}/{x}/{y}.png")
    asked = {"chips": None, "imagery": tiles, "area": "5.4,27.6,5.401,27.601", "labels": str(labels)}
    assert "it is KML, which is not read" in refused(publish, InvalidLabels, **asked)
    assert overpass.web.asked == []


def test_what_the_answer_lacks_is_told_of_the_service(
    overpass: Overpass, publish: Publish, refused: Refused
) -> None:
    said = refused(publish, InvalidLabels, classes=["building", "water"])
    assert said.startswith(f"Labels {overpass.address} cannot be used: no polygon is water by its tags")


def test_each_wait_is_told(overpass: Overpass, publish: Publish, caplog: pytest.LogCaptureFixture) -> None:
    overpass.failures = [429]
    publish()

    assert f"{overpass.address} cannot be had now (the server says 429)" in caplog.text
    assert "It is asked again in 0 s (2 of 3)" in caplog.text


@pytest.mark.parametrize(("zoom", "size_px"), [(23, 256), (22, 512)])
def test_a_zoom_that_no_service_is_asked_for_is_refused_before_the_run(
    overpass: Overpass, publish: Publish, refused: Refused, zoom: int, size_px: int
) -> None:
    asked = {"chips": None, "imagery": overpass.web.url("{z}/{x}/{y}.png"), "area": "5.4,27.6,5.401,27.601"}

    said = refused(publish, Invalid, **asked, zoom=zoom, chip_size_px=size_px)
    assert "is not one of 14 to 22" in said
    assert overpass.web.asked == []
