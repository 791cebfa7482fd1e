"""What is mapped already, as services of OpenStreetMap's data give it: servers of this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fair_models.contract.plans import prediction_request
from fair_models.errors import Invalid, InvalidFeatures, Unavailable
from fair_models.inference.network.session import Session
from fair_models.inference.prediction import PredictionResult, predict
from fair_models.inference.repeating import settle
from fair_models.inference.request import PredictionRequest
from fair_models.params import PredictParams, RepeatParams
from tests.inference.test_prediction import features_of, scene
from tests.inference.tiny import request_for
from tests.publishing.label_servers import Overpass, RawDataApi, Town, quick_server
from tests.store.web_server import WebServer

Service = Overpass | RawDataApi


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    with quick_server(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def request_(tmp_path: Path, network: Session) -> PredictionRequest:
    return request_for(scene(tmp_path / "in"), tmp_path / "first", network)


@pytest.fixture
def first(request_: PredictionRequest) -> PredictionResult:
    return predict(request_)


@pytest.fixture(params=[Overpass, RawDataApi])
def service(request: pytest.FixtureRequest, web: WebServer, first: PredictionResult) -> Service:
    """One that knows the first five features of a prediction."""
    kind: type[Service] = request.param
    return kind(web, Town(first.folder, features_of(first.folder)[:5]))


def asked(request_: PredictionRequest, service: Service, output: Path) -> PredictionRequest:
    options = {"exclude": service.address}
    return replace(request_, exclude_address=service.address, output=output, options=options)


def test_what_a_service_knows_is_left_out_and_kept_beside_the_results(
    request_: PredictionRequest, first: PredictionResult, service: Service, tmp_path: Path
) -> None:
    result = predict(asked(request_, service, tmp_path / "out"))

    assert result.excluded == 5
    assert len(features_of(result.folder)) == len(features_of(first.folder)) - 5
    assert result.item["properties"]["fair:options"]["exclude"] == service.address
    assert (result.folder / "existing.json").is_file()
    assert result.item["assets"]["existing"]["href"] == "./existing.json"


def test_a_repetition_needs_no_service(
    request_: PredictionRequest, service: Service, tmp_path: Path, web: WebServer
) -> None:
    result = predict(asked(request_, service, tmp_path / "out"))
    web.answers.clear()

    params, original = settle(RepeatParams(prediction=str(result.folder)))
    assert params.exclude == service.address
    wish = replace(asked(request_, service, tmp_path / "again"), exclude=original.existing, original=original)
    again = predict(wish)
    assert again.same is True
    assert again.excluded == 5
    assert (again.folder / "existing.json").is_file()


def test_a_place_without_anything_is_told(
    request_: PredictionRequest, first: PredictionResult, web: WebServer, tmp_path: Path
) -> None:
    service = Overpass(web, Town(first.folder, []))

    result = predict(asked(request_, service, tmp_path / "out"))
    assert result.excluded == 0
    assert "OpenStreetMap has nothing with building=* there, so nothing was left out" in result.notes


def test_a_service_that_fails_leaves_nothing(
    request_: PredictionRequest, first: PredictionResult, web: WebServer, tmp_path: Path
) -> None:
    service = Overpass(web, Town(first.folder, []))
    service.failures = [429] * 10
    with pytest.raises(Unavailable, match=r"the server says 429.*download the area as a file"):
        predict(asked(request_, service, tmp_path / "out"))
    service.failures = []
    service.says(json.dumps({"elements": [], "remark": "runtime error"}).encode())
    with pytest.raises(InvalidFeatures, match="its answer is incomplete: runtime error"):
        predict(asked(request_, service, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1/buildings.geojson", "exclude: .* is no service of OpenStreetMap's data"),
        ("https://overpass.example.org/api/interpreter", "exclude: .* not one of FAIR_ALLOWED_HOSTS"),
    ],
)
def test_other_addresses_are_refused_before_anything_is_asked(
    address: str, reason: str, web: WebServer, tmp_path: Path
) -> None:
    params = PredictParams(model="roofs", imagery=str(scene(tmp_path / "in")), exclude=address)
    with pytest.raises(Invalid, match=reason):
        prediction_request.look_at_files(None, params, None)  # type: ignore[arg-type]
