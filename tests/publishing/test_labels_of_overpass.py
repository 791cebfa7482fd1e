"""Labels that are asked of Overpass: a server of this machine answers, well or badly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from pystac import Item

from fair_models import prechecks
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.synthetic import make_settlement
from fair_models.data.vectors.osm import overpass_service
from fair_models.data.vectors.osm.overpass_service import query_text
from fair_models.data.vectors.osm.tags import rules
from fair_models.errors import FairModelsError, Invalid, InvalidLabels, Unavailable
from fair_models.params import IngestDatasetParams
from fair_models.publishing.datasets import ingest
from fair_models.store.local import LocalStore
from fair_models.store.web.policy import RetryPolicy
from fair_models.types import DATASETS
from tests.data.vectors.osm.osm_files import TIME, OsmMap
from tests.store.web_server import WebServer, break_off, send

Answer = Callable[[BaseHTTPRequestHandler], None]


class Overpass:
    """A service with the buildings of a settlement.

    queries: What it was asked.
    failures: Statuses of the first answers.
    """

    def __init__(self, web: WebServer, folder: Path) -> None:
        self.web, self.folder = web, folder
        self.queries: list[str] = []
        self.failures: list[int] = []
        path = make_settlement(folder / "town", seed=3, columns=4, rows=2, size_px=64, prediction_columns=0)
        labels = path / "input" / "labels.geojson"
        drawn = OsmMap()
        for number, feature in enumerate(orjson.loads(labels.read_bytes())["features"], 1):
            drawn.way(number, map(tuple, feature["geometry"]["coordinates"][0]), {"building": "yes"})
        labels.unlink()
        self.town = drawn
        self.body = drawn.overpass(folder / "answer.json").read_bytes()
        self.promised = len(self.body)
        web.answers["/api/interpreter"] = self._answer

    @property
    def address(self) -> str:
        return self.web.url("api/interpreter")

    def says(self, body: bytes, promised: int | None = None) -> None:
        self.body, self.promised = body, len(body) if promised is None else promised

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.queries += parse_qs(urlsplit(request.path).query)["data"]
        status = self.failures.pop(0) if self.failures else 200
        if status != 200:
            send(request, b"busy", status)
        elif self.promised > len(self.body):
            break_off(request, self.body, self.promised)
        else:
            send(request, self.body)


@pytest.fixture
def overpass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Overpass]:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    quick = RetryPolicy(at_once=1, per_second=1000.0, attempts=3, first_wait_s=0.001, longest_wait_s=0.01)
    monkeypatch.setattr(overpass_service.ask, "__defaults__", (quick,))
    with WebServer(tmp_path).running() as web:
        yield Overpass(web, tmp_path)


@pytest.fixture
def publish(overpass: Overpass, catalog: LocalCatalog, store: LocalStore) -> Callable[..., Item]:
    def call(**fields: object) -> Item:
        given = {"name": "town", "title": "Town", "chips": str(overpass.folder / "town")}
        asked = IngestDatasetParams.model_validate({**given, "labels": overpass.address, **fields})
        prechecks.check(asked, catalog)
        return ingest(asked, catalog, store)

    return call


def test_labels_are_asked_for_around_the_chips(overpass: Overpass, publish: Callable[..., Item]) -> None:
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


def test_an_area_is_asked_for_instead_where_one_is_given(
    overpass: Overpass, publish: Callable[..., Item]
) -> None:
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


def test_a_busy_service_is_asked_again(overpass: Overpass, publish: Callable[..., Item]) -> None:
    overpass.failures = [429, 504]

    assert publish().id == "town-v1"
    assert len(overpass.queries) == 3


def refused(
    publish: Callable[..., Item], kind: type[FairModelsError], catalog: LocalCatalog, store: LocalStore
) -> str:
    with pytest.raises(kind) as error:
        publish()
    assert list(catalog.search(DATASETS)) == []
    assert list(store.hrefs()) == []
    return str(error.value)


@pytest.mark.parametrize("status", [429, 504])
def test_a_service_that_stays_busy_is_told_with_the_way_by_hand(
    overpass: Overpass, publish: Callable[..., Item], catalog: LocalCatalog, store: LocalStore, status: int
) -> None:
    overpass.failures = [status] * 10

    said = refused(publish, Unavailable, catalog, store)
    assert f"the server says {status}" in said
    assert "download the area as a file" in said
    assert len(overpass.queries) == 3


def test_half_an_answer_is_none(
    overpass: Overpass, publish: Callable[..., Item], catalog: LocalCatalog, store: LocalStore
) -> None:
    overpass.says(overpass.body[:1000], promised=len(overpass.body))

    assert "download the area as a file" in refused(publish, Unavailable, catalog, store)


def test_an_answer_that_ran_out_of_time_is_refused(
    overpass: Overpass, publish: Callable[..., Item], catalog: LocalCatalog, store: LocalStore
) -> None:
    overpass.says(orjson.dumps({**orjson.loads(overpass.body), "remark": "runtime error: Query timed out"}))

    said = refused(publish, InvalidLabels, catalog, store)
    assert "its answer is incomplete: runtime error: Query timed out; ask for a smaller area" in said


def test_an_empty_answer_is_told_with_tags_and_place(
    overpass: Overpass, publish: Callable[..., Item], catalog: LocalCatalog, store: LocalStore
) -> None:
    overpass.says(b'{"version": 0.6, "elements": []}')

    said = refused(publish, InvalidLabels, catalog, store)
    assert "OpenStreetMap has nothing with building=* within (5.39978, 27.59898" in said


def test_a_page_in_place_of_an_answer_is_quoted(
    overpass: Overpass, publish: Callable[..., Item], catalog: LocalCatalog, store: LocalStore
) -> None:
    overpass.says(b"<html><body>The server is <b>too busy</b></body></html>")

    assert "no answer of Overpass but 'The server is too busy'" in refused(
        publish, Unavailable, catalog, store
    )


def test_a_large_area_is_not_asked_for(overpass: Overpass, publish: Callable[..., Item]) -> None:
    with pytest.raises(Invalid, match=r"more than 0.25 square degrees: give a smaller area"):
        publish(area="5,27,6,28")
    assert overpass.queries == []


def test_other_addresses_are_refused_before_anything_is_asked(
    overpass: Overpass, publish: Callable[..., Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Invalid, match="is no service of Overpass"):
        publish(labels=overpass.web.url("labels.geojson"))
    with pytest.raises(Invalid, match="not one of FAIR_ALLOWED_HOSTS"):
        publish(labels="https://overpass.example.org/api/interpreter")
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", "[]")
    with pytest.raises(Invalid, match="plain http"):
        publish()
    assert overpass.queries == []
