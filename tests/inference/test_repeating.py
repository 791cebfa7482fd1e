"""A prediction once more: the same files, the same item but for times, and what cannot be repeated."""

import json
from pathlib import Path
from typing import Any

import pytest
import shapely
import yaml

from fair_models.errors import Corrupted, Invalid, InvalidDocument, InvalidItem, InvalidParameters, NotFound
from fair_models.inference.network.session import Session, open_session
from fair_models.inference.prediction import PredictionResult, predict
from fair_models.inference.repeating import settle
from fair_models.inference.request import FORMATS
from fair_models.params import RepeatParams
from tests.inference.test_prediction import features_of, scene
from tests.inference.tiny import request_for, write_network

TIMES = {"created", "fair:seconds"}
OPTIONS: dict[str, Any] = {"holes": False, "regularise": True, "exclude_overlap": 0.25}


@pytest.fixture
def original(tmp_path: Path, network: Session) -> PredictionResult:
    """A prediction with every format and every option."""
    imagery = scene(tmp_path / "in")
    first = predict(request_for(imagery, tmp_path / "first", network, formats=["geojson"]))
    mapped = features_of(first.folder)[:10]
    exclude = tmp_path / "osm.geojson"
    exclude.write_text(json.dumps({"type": "FeatureCollection", "features": mapped}))
    options = {**OPTIONS, "exclude": str(exclude)}
    return predict(
        request_for(
            imagery,
            tmp_path / "out",
            network,
            formats=list(FORMATS),
            params={"confidence_threshold": 0.55, "simplify_m": 0.3},
            **{**options, "exclude": exclude},
            options=options,
        )
    )


def repeated(original: PredictionResult, output: Path, network: Session) -> PredictionResult:
    params, found = settle(RepeatParams(prediction=str(original.folder), output=str(output)))
    return predict(
        request_for(
            Path(str(params.imagery)),
            Path(str(params.output)),
            network,
            formats=params.formats,
            params={key.removeprefix("inference."): value for key, value in params.parameters.items()},
            holes=params.holes,
            regularise=params.regularise,
            exclude=Path(str(params.exclude)),
            exclude_overlap=params.exclude_overlap,
            options={**OPTIONS, "exclude": params.exclude},
            original=found,
        )
    )


def differing(one: dict[str, Any], other: dict[str, Any], within: str = "") -> set[str]:
    """Keys of two documents whose values differ, from the top."""
    found = set()
    for key in one.keys() | other.keys():
        mine, its, path = one.get(key), other.get(key), f"{within}{key}"
        if isinstance(mine, dict) and isinstance(its, dict):
            found |= differing(mine, its, f"{path}.")
        elif mine != its:
            found.add(path)
    return found


def test_a_repetition_is_byte_for_byte_the_same_and_its_item_differs_in_times_alone(
    tmp_path: Path, network: Session, original: PredictionResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = original.folder / "prediction.json"
    then = json.loads(item.read_text())
    then["properties"]["datetime"] = then["properties"]["created"] = "2020-02-02T02:02:02Z"
    item.write_text(json.dumps(then))

    again = repeated(original, tmp_path / "again", network)

    names = sorted(path.name for path in original.folder.iterdir())
    assert sorted(path.name for path in again.folder.iterdir()) == names
    assert len(names) == len(FORMATS) + 2
    for name in set(names) - {"prediction.json"}:
        assert (again.folder / name).read_bytes() == (original.folder / name).read_bytes(), name
    now = json.loads((again.folder / "prediction.json").read_text())
    assert differing(then, now) - {"properties.fair:seconds"} == {"properties.created"}
    assert again.same is True
    assert original.same is None
    assert 0 < again.excluded == original.excluded
    assert now["properties"]["fair:counts"]["excluded"] == again.excluded


def test_the_item_with_all_files_follows_our_profile(original: PredictionResult) -> None:
    from fair_models.catalog import validation

    assert validation.problems(original.item) == []
    assert original.item["properties"]["fair:options"].keys() == {
        "holes",
        "regularise",
        "exclude",
        "exclude_overlap",
        "exclude_checksum",
    }


def test_the_item_itself_may_be_named_instead_of_its_folder(original: PredictionResult) -> None:
    by_folder = settle(RepeatParams(prediction=str(original.folder)))

    assert settle(RepeatParams(prediction=str(original.folder / "prediction.json"))) == by_folder


def test_another_network_or_other_existing_features_are_noticed(
    tmp_path: Path, network: Session, original: PredictionResult
) -> None:
    other = open_session(write_network(tmp_path / "other.onnx", size_px=128), threads=1)
    with pytest.raises(Corrupted, match=r"other\.onnx is not what it was"):
        repeated(original, tmp_path / "again", other)

    (tmp_path / "osm.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(Corrupted, match=r"osm\.geojson is not what it was"):
        repeated(original, tmp_path / "again", network)
    assert not (tmp_path / "again").exists()


def test_other_imagery_at_the_same_place_is_said_to_give_other_files(
    tmp_path: Path, network: Session, original: PredictionResult
) -> None:
    scene(tmp_path / "in", seed=9)

    again = repeated(original, tmp_path / "again", network)

    assert again.same is False


def test_a_config_that_was_changed_is_not_followed(original: PredictionResult) -> None:
    config = original.folder / "predict.yaml"
    document = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**document, "imagery": "/etc"}))

    with pytest.raises(Corrupted):
        settle(RepeatParams(prediction=str(original.folder)))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, NotFound),
        ("{", InvalidDocument),
        ("[]", InvalidItem),
        ("{}", InvalidItem),
        ('{"assets": {"config": 3}}', InvalidItem),
        ('{"assets": {"config": {"href": "x.yaml", "file:checksum": "1220"}}}', NotFound),
    ],
)
def test_what_is_no_prediction_is_refused(
    tmp_path: Path, content: str | None, error: type[Exception]
) -> None:
    if content is not None:
        (tmp_path / "prediction.json").write_text(content)

    with pytest.raises(error):
        settle(RepeatParams(prediction=str(tmp_path)))


def test_a_config_that_asks_for_what_is_not_known_is_refused(original: PredictionResult) -> None:
    from fair_models.store.digests import checksum_file

    config, item = original.folder / "predict.yaml", original.folder / "prediction.json"
    config.write_text(config.read_text() + "colour: red\n")
    document = json.loads(item.read_text())
    document["assets"]["config"]["file:checksum"] = checksum_file(config)
    item.write_text(json.dumps(document))

    with pytest.raises(InvalidParameters, match="colour"):
        settle(RepeatParams(prediction=str(original.folder)))


def test_only_allowed_folders_are_looked_at(
    tmp_path: Path, original: PredictionResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_FOLDERS", json.dumps([str(tmp_path / "in")]))

    with pytest.raises(Invalid, match="FAIR_ALLOWED_FOLDERS"):
        settle(RepeatParams(prediction=str(original.folder)))


def test_holes_are_filled_and_outlines_made_regular_where_that_is_asked_for(
    tmp_path: Path, network: Session
) -> None:
    imagery = scene(tmp_path / "in")
    plain = predict(request_for(imagery, tmp_path / "plain", network))
    filled = predict(request_for(imagery, tmp_path / "filled", network, holes=False))

    def rings(result: PredictionResult) -> int:
        shapes = [shapely.from_geojson(json.dumps(each["geometry"])) for each in features_of(result.folder)]
        return int(shapely.get_num_interior_rings(shapes).sum())

    assert rings(plain) > 0
    assert rings(filled) == 0
    assert filled.area_m2 > plain.area_m2


def test_a_prediction_of_before_is_repeated_with_ids_as_members_alone(
    tmp_path: Path, network: Session
) -> None:
    now = predict(request_for(scene(tmp_path / "in"), tmp_path / "out", network, formats=["geojson"]))
    assert all(each["properties"]["id"] == each["id"] for each in features_of(now.folder))
    assert now.item["assets"]["geojson"].pop("fair:id_property") == "id"
    path = now.folder / "prediction.json"
    path.write_text(json.dumps(now.item))

    _, found = settle(RepeatParams(prediction=str(now.folder), output=str(tmp_path / "again")))
    again = predict(
        request_for(tmp_path / "in", tmp_path / "again", network, formats=["geojson"], original=found)
    )

    assert not any("id" in each["properties"] for each in features_of(again.folder))
    assert "fair:id_property" not in again.item["assets"]["geojson"]
