"""Labels that are asked of HOT's raw-data-api: a server of this machine answers, well or badly."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from fair_models.data.vectors import geojson
from fair_models.data.vectors.osm import raw_data_service
from fair_models.data.vectors.osm.tags import rules
from fair_models.errors import Invalid, InvalidLabels, Unavailable
from tests.data.vectors.osm.osm_files import TIME
from tests.publishing.conftest import Publish, Refused
from tests.publishing.label_servers import TASK, Overpass, RawDataApi, make_town
from tests.store.web_server import WebServer, send


@pytest.fixture
def api(web: WebServer, tmp_path: Path) -> RawDataApi:
    return RawDataApi(web, make_town(tmp_path))


@pytest.fixture
def publish(api: RawDataApi, ingested: Publish, tmp_path: Path) -> Publish:
    return partial(ingested, chips=str(tmp_path / "town"), labels=api.address)


def test_labels_are_asked_for_around_the_chips(api: RawDataApi, publish: Publish) -> None:
    item = publish()

    west, south, east, north = item.bbox
    [ring] = api.question["geometry"]["coordinates"]
    assert sorted({x for x, _ in ring}) == pytest.approx([west, east])
    assert sorted({y for _, y in ring}) == pytest.approx([south, north])
    assert api.question["filters"] == {"tags": {"all_geometry": {"join_or": {"building": []}}}}
    assert api.question["outputType"] == "geojson"
    assert api.question["useStWithin"] is False
    assert api.web.asked.count(f"/v1/tasks/status/{TASK}/") == 3
    said = item.properties
    assert said["license"] == "ODbL-1.0"
    assert said["fair:labels_datetime"] == TIME


def test_it_gives_the_same_labels_as_overpass(api: RawDataApi, publish: Publish) -> None:
    asked = publish(area="5.3998,27.599,5.4008,27.6")
    other = Overpass(api.web, api.town)

    again = publish(name="other", labels=other.address, area="5.3998,27.599,5.4008,27.6")
    for name in ("fair:class_counts", "label:overviews", "fair:labels_datetime", "license", "providers"):
        assert asked.properties.get(name) == again.properties.get(name)


@pytest.mark.parametrize("ending", ["v1", "v1/", "latest", "v1/snapshot/", "v1/snapshot/plain/?x=1"])
def test_it_is_known_by_the_path_of_its_address(ending: str) -> None:
    assert raw_data_service.is_service(f"https://api-prod.raw-data.hotosm.org/{ending}")


@pytest.mark.parametrize("path", ["", "v1/docs", "api/interpreter", "labels.geojson", "myv1"])
def test_other_paths_are_none_of_it(path: str) -> None:
    assert not raw_data_service.is_service(f"https://api-prod.raw-data.hotosm.org/{path}")


def test_what_has_other_values_is_left_out(api: RawDataApi, publish: Publish) -> None:
    first, rest = api.town.buildings[:5], api.town.buildings[5:]
    api.members["fair-models_geojson.geojson"] = api.collection(first, building="yes;house")
    api.members["more.geojson"] = api.collection(rest, building="ruins")

    item = publish(classes=["building=yes,house"])
    [overview] = item.properties["label:overviews"]
    assert overview["counts"] == [{"name": "building", "count": 5}]


def test_keys_are_asked_for_once() -> None:
    asked = raw_data_service.question(rules(["road", "water"], {"road": ["highway=a,b"]}), (1, 2, 3, 4))

    assert asked["filters"]["tags"]["all_geometry"]["join_or"] == {
        "highway": [],
        "natural": [],
        "landuse": [],
        "waterway": [],
    }


def test_without_a_time_the_newest_label_says_it(api: RawDataApi, publish: Publish) -> None:
    del api.web.answers["/v1/status/"]

    assert publish().properties["fair:labels_datetime"] == "2025-03-01T00:00:00Z"


def test_a_full_queue_is_asked_again(api: RawDataApi, publish: Publish) -> None:
    api.failures = [429, 503]

    assert publish().id == "town-v1"
    assert len(api.web.posted) == 3


@pytest.mark.parametrize("status", [429, 500])
def test_a_service_that_stays_busy_is_told_with_the_way_by_hand(
    api: RawDataApi, publish: Publish, refused: Refused, status: int
) -> None:
    api.failures = [status] * 10

    said = refused(publish, Unavailable)
    assert f"the server says {status}" in said
    assert "https://export.hotosm.org" in said


def test_a_question_that_is_refused_is_told_in_the_words_of_the_service(
    api: RawDataApi, publish: Publish, refused: Refused
) -> None:
    api.failures, api.detail = [400], [{"msg": "Polygon Area 12 Sq.KM is higher than Threshold : 10 Sq.KM"}]

    said = refused(publish, Invalid)
    assert "(it says 400: Polygon Area 12 Sq.KM is higher than Threshold : 10 Sq.KM)" in said
    assert "ask for a smaller area" in said
    assert len(api.web.posted) == 1


def test_a_task_that_failed_is_told(api: RawDataApi, publish: Publish, refused: Refused) -> None:
    api.end = {"status": "FAILURE", "result": None}

    assert "says that the task failed: try again later, or ask for a smaller area" in refused(
        publish, Unavailable
    )


def test_a_task_that_nobody_takes_is_told(api: RawDataApi, publish: Publish, refused: Refused) -> None:
    api.states = ["PENDING"] * 1000

    said = refused(publish, Unavailable)
    assert "says PENDING after being asked 20 times: the queue of the service may be full" in said


@pytest.mark.parametrize(
    "end",
    [
        {"status": "SUCCESS", "result": None},
        {"status": "SUCCESS", "result": {"download_url": 7}},
        {"status": None},
        {"status": "SUCCESS", "result": ["https://example.org"]},
    ],
)
def test_a_task_that_says_what_no_task_says_is_quoted(
    api: RawDataApi, publish: Publish, refused: Refused, end: dict[str, Any]
) -> None:
    api.end = end

    assert 'gives no answer of raw-data-api but \'{"id":' in refused(publish, Unavailable)


@pytest.mark.parametrize("task", ["../../secret", "", 7])
def test_an_id_of_a_task_leads_nowhere_else(
    api: RawDataApi, publish: Publish, refused: Refused, task: object
) -> None:
    api.web.answers["/v1/snapshot/"] = lambda request: send(request, orjson.dumps({"task_id": task}))

    assert "gives no answer of raw-data-api" in refused(publish, Unavailable)


@pytest.mark.parametrize("name", ["/v1/snapshot/", f"/v1/tasks/status/{TASK}/"])
def test_a_page_in_place_of_an_answer_is_quoted(
    api: RawDataApi, publish: Publish, refused: Refused, name: str
) -> None:
    api.web.answers[name] = lambda request: send(request, b"<html><body>We are <b>moving</b></body></html>")

    assert "no answer of raw-data-api but 'We are moving'" in refused(publish, Unavailable)


def test_an_empty_answer_is_told_with_tags_and_place(
    api: RawDataApi, publish: Publish, refused: Refused
) -> None:
    api.members["fair-models_geojson.geojson"] = api.collection([])

    said = refused(publish, InvalidLabels)
    assert "OpenStreetMap has nothing with building=* within (5.39978, 27.59898" in said


def test_half_an_answer_is_none(api: RawDataApi, publish: Publish, refused: Refused) -> None:
    api.promised = 10_000

    assert "https://export.hotosm.org" in refused(publish, Unavailable)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"a.geojson": b'{"type": "FeatureCollection", "features": ['}, "it is no JSON"),
        ({"Readme.txt": b"Exported"}, "holds no files that are read"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(
    api: RawDataApi, publish: Publish, refused: Refused, members: dict[str, bytes], reason: str
) -> None:
    api.members = members

    said = refused(publish, Unavailable)
    assert f"{api.web.url('bucket/answer.zip')}, the answer of {api.address}, cannot be used" in said
    assert reason in said


def test_an_answer_that_unpacks_to_more_than_is_read_is_refused(
    api: RawDataApi, publish: Publish, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geojson, "MAX_BYTES", 10_000)
    api.members["fair-models_geojson.geojson"] += b" " * 1_000_000

    said = refused(publish, Unavailable)
    assert "it unpacks to more than 10,000 bytes" in said
    assert "ask for a smaller area" in said


@pytest.mark.parametrize("url", ["https://bucket.example.org/answer.zip", "http://localhost:1/answer.zip"])
def test_an_answer_on_a_host_that_is_not_allowed_is_not_fetched(
    api: RawDataApi, publish: Publish, refused: Refused, url: str
) -> None:
    api.download_url = url

    said = refused(publish, Invalid)
    assert f"{api.address} keeps its answer elsewhere. {url} is refused: the host" in said
    assert "have the operator add it" in said


def test_a_service_without_a_bucket_names_a_path_of_its_own(api: RawDataApi, publish: Publish) -> None:
    api.download_url = "bucket/answer.zip"

    assert publish().id == "town-v1"


def test_a_large_area_is_not_asked_for(api: RawDataApi, publish: Publish) -> None:
    with pytest.raises(Invalid, match=r"more than 0.25 square degrees: give a smaller area"):
        publish(area="5,27,6,28")
    assert api.web.asked == []
