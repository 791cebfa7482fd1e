"""Services of OpenStreetMap's data on this machine, with the buildings of a settlement."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from fair_models.data.synthetic import make_settlement
from fair_models.data.vectors.osm import label_services
from fair_models.store.web.policy import RetryPolicy
from tests.data.vectors.osm.osm_files import OsmMap
from tests.store.web_server import WebServer, break_off, send

TASK = "3fded368-456f-4ef4-a1b8-c099a7f77ca4"


@contextmanager
def quick_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """A web server that services may lie on, whose failures are soon over."""
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    quick = RetryPolicy(
        at_once=1, per_second=1000.0, attempts=3, first_wait_s=0.001, longest_wait_s=0.01, tells=True
    )
    monkeypatch.setattr(label_services.ask, "__defaults__", (quick,))
    with WebServer(folder).running() as running:
        yield running


@dataclass
class Town:
    """A settlement: chips in a folder, and its buildings as OpenStreetMap has them."""

    folder: Path
    buildings: list[dict[str, Any]]

    @property
    def mapped(self) -> OsmMap:
        made = OsmMap()
        for number, feature in enumerate(self.buildings, 1):
            made.way(number, map(tuple, feature["geometry"]["coordinates"][0]), {"building": "yes"})
        return made


def make_town(folder: Path) -> Town:
    path = make_settlement(folder / "town", seed=3, columns=4, rows=2, size_px=64, prediction_columns=0)
    labels = path / "input" / "labels.geojson"
    buildings = orjson.loads(labels.read_bytes())["features"]
    labels.unlink()
    return Town(path, buildings)


class Overpass:
    """A service of Overpass.

    queries: What it was asked.
    failures: Statuses of the first answers.
    """

    def __init__(self, web: WebServer, town: Town) -> None:
        self.web = web
        self.queries: list[str] = []
        self.failures: list[int] = []
        self.body = town.mapped.overpass(town.folder.parent / "answer.json").read_bytes()
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


@dataclass
class RawDataApi:
    """A service of HOT's raw-data-api.

    failures: Statuses of the first answers to a question.
    detail: What it says of a question that it refuses.
    states: What it says of the task before it is done.
    end: What it says of the task in the end.
    members: Files of its answer, by name.
    promised: Bytes of its answer. Default: as many as it has.
    download_url: Where it says that its answer lies. Default: on this machine.
    """

    web: WebServer
    town: Town
    failures: list[int] = field(default_factory=list)
    detail: Any = "busy"
    states: list[str] = field(default_factory=lambda: ["PENDING", "STARTED"])
    end: Mapping[str, Any] = field(default_factory=lambda: {"status": "SUCCESS"})
    members: dict[str, bytes] = field(default_factory=dict)
    promised: int | None = None
    download_url: str | None = None

    def __post_init__(self) -> None:
        self.members["fair-models_geojson.geojson"] = self.collection(self.town.buildings)
        self.members["clipping_boundary.geojson"] = b'{"type": "Polygon", "coordinates": []}'
        self.members["Readme.txt"] = b"Exported"
        self.web.answers |= {
            "/v1/status/": lambda request: send(request, b'{"lastUpdated": "2026-01-02 08:49:05+05:45"}'),
            "/v1/snapshot/": self._posted,
            f"/v1/tasks/status/{TASK}/": self._told,
            "/bucket/answer.zip": self._given,
        }

    @property
    def address(self) -> str:
        return self.web.url("v1")

    @property
    def question(self) -> dict[str, Any]:
        """What was asked last."""
        found: dict[str, Any] = orjson.loads(self.web.posted[-1])
        return found

    def collection(self, buildings: list[dict[str, Any]], **tags: str) -> bytes:
        features = [
            {
                "type": "Feature",
                "geometry": feature["geometry"],
                "properties": {
                    "osm_id": number,
                    "tags": {"building": "yes", **tags},
                    "changeset": 7,
                    "timestamp": "2025-03-01T00:00:00",
                },
            }
            for number, feature in enumerate(buildings, 1)
        ]
        return orjson.dumps({"type": "FeatureCollection", "features": features})

    def _posted(self, request: BaseHTTPRequestHandler) -> None:
        if self.failures:
            send(request, orjson.dumps({"detail": self.detail}), self.failures.pop(0))
            return
        send(request, orjson.dumps({"task_id": TASK, "track_link": f"/tasks/status/{TASK}/"}))

    def _told(self, request: BaseHTTPRequestHandler) -> None:
        state = self.states.pop(0) if self.states else None
        if state is not None:
            said: dict[str, Any] = {"id": TASK, "status": state, "result": None}
        else:
            url = self.download_url or self.web.url("bucket/answer.zip")
            said = {"id": TASK, "result": {"download_url": url, "file_name": "fair-models"}, **self.end}
        send(request, orjson.dumps(said))

    def _given(self, request: BaseHTTPRequestHandler) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.members.items():
                archive.writestr(name, content)
        body = buffer.getvalue()
        if self.promised is not None:
            break_off(request, body[: self.promised // 2], self.promised)
        else:
            send(request, body)
