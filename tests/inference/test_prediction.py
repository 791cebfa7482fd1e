"""Predictions as wholes: what is written, what is refused, and that nothing is ever half there."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import orjson
import pystac
import pytest
import shapely
import yaml

from fair_models import ownership
from fair_models.errors import Conflict, Invalid, InvalidHyperparameters, InvalidImagery
from fair_models.imagery_rules import OLD
from fair_models.inference.imagery import areas
from fair_models.inference.imagery.reading import open_imagery
from fair_models.inference.network.session import Session, open_session
from fair_models.inference.parts import FeaturePart, Part, Scores, Window
from fair_models.inference.prediction import PredictionStep, predict
from fair_models.ownership import Ownership
from fair_models.params import PredictParams
from fair_models.store import locations
from fair_models.store.digests import checksum_file
from fair_models.types import Array
from tests.inference.tiny import (
    CORNER,
    Brightness,
    Input,
    blobs,
    grey,
    request_for,
    write_geotiff,
    write_network,
    write_png_chip,
)

UTM = "EPSG:32645"
UTM_CORNER = (353_000.0, 3_057_000.0)


def scene(folder: Path, height: int = 300, width: int = 400, seed: int = 1) -> Path:
    return write_geotiff(folder / "scene.tif", blobs(height, width, seed, 4), UTM, UTM_CORNER, 0.26)


def features_of(folder: Path) -> list[dict[str, Any]]:
    document = orjson.loads((folder / "predictions.geojson").read_bytes())
    features: list[dict[str, Any]] = document["features"]
    return features


@pytest.mark.parametrize(("size", "batch"), [(64, 1), (256, 3), (512, None)])
def test_networks_of_fixed_size_find_the_same(
    tmp_path: Path, network: Session, size: int, batch: int | None
) -> None:
    path = scene(tmp_path)
    fixed = open_session(write_network(tmp_path / "fixed.onnx", size_px=size, batch=batch), threads=1)

    predict(request_for(path, tmp_path / "dynamic", network))
    predict(request_for(path, tmp_path / "fixed", fixed))

    assert features_of(tmp_path / "fixed") == features_of(tmp_path / "dynamic")
    assert len(features_of(tmp_path / "fixed")) > 10


def test_a_prediction_lies_beside_a_stac_item_that_describes_it(tmp_path: Path, network: Session) -> None:
    params = {"confidence_threshold": 0.55, "min_area_m2": 2.0, "simplify_m": 0.2, "own": "value"}
    request = request_for(
        scene(tmp_path), tmp_path / "out", network, params=params, formats=["geojson", "preview"]
    )

    result = predict(request)

    names = ["predict.yaml", "prediction.json", "predictions.geojson", "preview.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    item = pystac.Item.from_file(str(tmp_path / "out" / "prediction.json"))
    assert item.to_dict(transform_hrefs=False)["properties"] == result.item["properties"]
    for key, asset in item.assets.items():
        path = tmp_path / "out" / asset.href
        assert asset.extra_fields["file:checksum"] == checksum_file(path), key
        assert asset.extra_fields["file:size"] == path.stat().st_size, key
    assert item.properties["fair:model_checksum"] == checksum_file(network.path)
    assert item.properties["fair:parameters"] == {f"inference.{key}": value for key, value in params.items()}
    assert item.properties["fair:counts"]["features"] == len(features_of(tmp_path / "out"))
    assert result.counts == {"building": len(features_of(tmp_path / "out"))}
    total = sum(feature["properties"]["area_m2"] for feature in features_of(tmp_path / "out"))
    assert result.area_m2 == pytest.approx(total, rel=1e-3)
    footprint = shapely.from_geojson(json.dumps(item.geometry))
    assert all(
        shapely.from_geojson(json.dumps(feature["geometry"])).within(footprint.buffer(1e-8))
        for feature in features_of(tmp_path / "out")
    )


def test_the_item_follows_our_profile(tmp_path: Path, network: Session) -> None:
    from fair_models.catalog import validation

    result = predict(request_for(scene(tmp_path), tmp_path / "out", network))

    assert validation.problems(result.item) == []


def test_a_prediction_belongs_to_whom_it_is_made_for_and_is_the_same_for_everybody(
    tmp_path: Path, network: Session
) -> None:
    from fair_models.catalog import validation

    path = scene(tmp_path)
    with ownership.acting_for(Ownership("amina", "bikash")):
        theirs = predict(request_for(path, tmp_path / "theirs", network))
    nobodys = predict(request_for(path, tmp_path / "nobodys", network))

    said = theirs.item["properties"]
    assert [said[field] for field in ownership.FIELDS] == ["amina", "bikash", "private"]
    assert validation.problems(theirs.item) == []
    assert not set(ownership.FIELDS) & set(nobodys.item["properties"])
    assert theirs.item["id"] == nobodys.item["id"]
    assert [file.checksum for file in theirs.files] == [file.checksum for file in nobodys.files]


def test_the_config_beside_the_results_asks_for_them_again(tmp_path: Path, network: Session) -> None:
    request = request_for(scene(tmp_path), tmp_path / "out", network, params={"confidence_threshold": 0.6})
    predict(request)

    params = PredictParams(**yaml.safe_load((tmp_path / "out" / "predict.yaml").read_text()))

    assert params.model == "brightness-v1"
    assert params.imagery == str(request.imagery)
    assert params.parameters == {"inference.confidence_threshold": 0.6}
    assert params.formats == ["geojson"]


def test_the_same_request_gives_the_same_bytes(tmp_path: Path, network: Session) -> None:
    path = scene(tmp_path)
    formats = ["geojson", "preview"]
    one = predict(request_for(path, tmp_path / "one", network, formats=formats))
    two = predict(request_for(path, tmp_path / "two", network, formats=formats))

    assert [file.checksum for file in one.files] == [file.checksum for file in two.files]
    assert one.item["id"] == two.item["id"]


def test_where_imagery_lies_is_checked_before_the_prediction_and_not_again(
    tmp_path: Path, network: Session
) -> None:
    request = request_for(scene(tmp_path), tmp_path / "out", network)
    entered: set[str] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename == locations.__file__:
            entered.add(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        predict(request)
    finally:
        sys.setprofile(None)
    assert entered == {"__str__"}


def test_the_threshold_decides_what_is_found(tmp_path: Path, network: Session) -> None:
    path = scene(tmp_path)
    low = predict(request_for(path, tmp_path / "low", network, params={"confidence_threshold": 0.4}))
    high = predict(request_for(path, tmp_path / "high", network, params={"confidence_threshold": 0.8}))

    assert 0 < high.area_m2 < low.area_m2
    assert all(feature["properties"]["confidence"] >= 0.8 for feature in features_of(tmp_path / "high"))


def test_progress_counts_up_to_the_end(tmp_path: Path, network: Session) -> None:
    steps: list[PredictionStep] = []

    predict(request_for(scene(tmp_path, 1500, 1500), tmp_path / "out", network), steps.append)

    predicting = [(step.done, step.total) for step in steps if step.doing == "predicting"]
    assert predicting == [(1, 2), (2, 2)]
    assert steps[-1].doing == "done"


def test_imagery_without_buildings_gives_an_empty_collection(tmp_path: Path, network: Session) -> None:
    write_png_chip(tmp_path / "chips", CORNER, grey(256, 256, 3))

    result = predict(
        request_for(tmp_path / "chips", tmp_path / "out", network, formats=["geojson", "preview"])
    )

    assert features_of(tmp_path / "out") == []
    assert result.counts == {"building": 0}


class Boxes(Brightness):
    """One box around the bright pixels of a window."""

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        bright = outputs["probabilities"][1]
        rows, columns = np.nonzero(bright > 0.5)
        if not len(rows):
            return [FeaturePart(np.empty((0, 4)), np.empty(0), np.empty(0, int))]
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        return [FeaturePart(np.array([box]), np.array([bright.max()]), np.array([1]))]


def test_a_box_over_the_seam_of_two_chips_is_one_feature(tmp_path: Path, network: Session) -> None:
    pixels = grey(256, 512, 5)
    pixels[:, 100:140, 240:280] = 250  # no fill
    for at in (0, 1):
        tile = type(CORNER)(CORNER.x + at, CORNER.y, 19)
        write_png_chip(tmp_path / "chips", tile, pixels[:, :, 256 * at : 256 * at + 256])

    predict(request_for(tmp_path / "chips", tmp_path / "out", network, processing=Boxes()))

    (feature,) = features_of(tmp_path / "out")
    assert feature["properties"]["area_m2"] == pytest.approx((40 * 0.2646) ** 2, rel=1e-2)
    assert feature["properties"]["class"] == "building"


class Judge(Brightness):
    """How bright a whole image is."""

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        bright = float(outputs["probabilities"][1].mean())
        return [Scores({"background": 1 - bright, "building": bright})]


@pytest.mark.parametrize("size", [None, 128])
def test_a_classification_judges_each_chip_by_itself(
    tmp_path: Path, network: Session, size: int | None
) -> None:
    session = open_session(write_network(tmp_path / "n.onnx", size_px=size), threads=1)
    for at, value in enumerate((255, 51, 204)):
        tile = type(CORNER)(CORNER.x + at, CORNER.y, 19)
        write_png_chip(tmp_path / "chips", tile, grey(256, 256, value))

    predict(
        request_for(
            tmp_path / "chips",
            tmp_path / "out",
            session,
            processing=Judge(),
            task="scene-classification",
            rules=OLD,  # a wholly white chip is fill by today's
        )
    )

    found = [
        (feature["properties"]["class"], feature["properties"]["confidence"])
        for feature in features_of(tmp_path / "out")
    ]
    assert found == [("building", 1.0), ("background", 0.8), ("building", 0.8)]
    tile_m2 = features_of(tmp_path / "out")[0]["properties"]["area_m2"]
    assert tile_m2 == pytest.approx((256 * 0.2646) ** 2, rel=1e-2)


def test_chips_smaller_than_a_fixed_window_are_filled_with_black_as_in_training(tmp_path: Path) -> None:
    """A chip that covers a quarter of its window brings a quarter of its brightness."""
    session = open_session(write_network(tmp_path / "n.onnx", size_px=256), threads=1)
    for at in range(2):
        tile = type(CORNER)(CORNER.x + at, CORNER.y, 19)
        write_png_chip(tmp_path / "chips", tile, grey(128, 128, 204))
    request = request_for(
        tmp_path / "chips",
        tmp_path / "out",
        session,
        processing=Judge(),
        task="scene-classification",
        input=Input(gsd_m=0.53),
    )

    predict(request)

    found = [feature["properties"] for feature in features_of(tmp_path / "out")]
    assert [(each["class"], each["confidence"]) for each in found] == [("background", 0.8)] * 2
    assert found[0]["area_m2"] == pytest.approx((128 * 0.5292) ** 2, rel=1e-2)


def test_a_classification_of_a_large_image_judges_cells(tmp_path: Path, network: Session) -> None:
    path = scene(tmp_path, 600, 700)

    predict(request_for(path, tmp_path / "out", network, processing=Judge(), task="classification"))

    sources = [feature["properties"]["source"] for feature in features_of(tmp_path / "out")]
    assert sources == [f"scene-r{row}-c{column}" for row in range(3) for column in range(3)]


@pytest.mark.parametrize(
    ("params", "reasons"),
    [
        (
            {"confidence_threshold": 1.5, "min_area_m2": -1},
            ["confidence_threshold is 1.5", "min_area_m2 is -1"],
        ),
        ({"confidence_threshold": float("nan")}, ["confidence_threshold is nan"]),
        ({"confidence_threshold": True}, ["confidence_threshold is True"]),
        ({"simplify_m": "1"}, ["simplify_m is '1'"]),
        ({"simplify_m": float("inf")}, ["simplify_m is inf"]),
    ],
)
def test_parameters_out_of_range_are_refused_before_anything_is_read(
    tmp_path: Path, network: Session, params: dict[str, Any], reasons: list[str]
) -> None:
    with pytest.raises(InvalidHyperparameters) as caught:
        predict(request_for(tmp_path / "no imagery", tmp_path / "out", network, params=params))

    assert len(caught.value.reasons) == len(reasons)
    assert all(reason in str(caught.value) for reason in reasons)
    assert not (tmp_path / "out").exists()


def test_everything_that_does_not_fit_is_named_at_once(tmp_path: Path, network: Session) -> None:
    with pytest.raises(Invalid, match=r"'shapefile'.*1 classes.*takes 3 bands.*says 4"):
        predict(
            request_for(
                tmp_path,
                tmp_path / "out",
                network,
                formats=["shapefile"],
                classes=["background"],
                input=Input(bands=4),
            )
        )


def test_an_output_folder_that_holds_something_is_left_alone(tmp_path: Path, network: Session) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")

    with pytest.raises(Conflict, match="not an empty folder"):
        predict(request_for(scene(tmp_path), tmp_path / "out", network))

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_empty_output_folder_is_used(tmp_path: Path, network: Session) -> None:
    (tmp_path / "out").mkdir()

    predict(request_for(scene(tmp_path), tmp_path / "out", network))

    assert (tmp_path / "out" / "prediction.json").is_file()


def test_a_prediction_that_is_stopped_leaves_nothing(tmp_path: Path, network: Session) -> None:
    def stop(step: PredictionStep) -> None:
        if step.doing == "drawing the preview":
            raise KeyboardInterrupt

    path = scene(tmp_path / "in")
    with pytest.raises(KeyboardInterrupt):
        predict(
            request_for(path, tmp_path / "results" / "out", network, formats=["geojson", "preview"]), stop
        )

    assert list((tmp_path / "results").iterdir()) == []


class Wrong(Brightness):
    def preprocess(self, window: Array) -> Array:
        return window / 255


def test_a_preprocess_that_returns_the_wrong_type_is_refused(tmp_path: Path, network: Session) -> None:
    with pytest.raises(Invalid, match="preprocess returned float64"):
        predict(request_for(scene(tmp_path), tmp_path / "out", network, processing=Wrong()))

    assert not (tmp_path / "out").exists()


def test_imagery_that_is_too_large_is_refused_with_its_number_of_pixels(
    tmp_path: Path, network: Session
) -> None:
    with pytest.raises(InvalidImagery, match=r"120,000 pixels at the model's 0\.2646 m.*at most 100,000"):
        predict(request_for(scene(tmp_path), tmp_path / "out", network, max_pixels=100_000))


@pytest.mark.shared
def test_real_chips_come_out_as_one_seamless_block(
    tmp_path: Path, network: Session, shared_data: Path
) -> None:
    result = predict(
        request_for(shared_data / "chips", tmp_path / "out", network, params={"confidence_threshold": 0.62})
    )

    with open_imagery(shared_data / "chips", Input()) as imagery:
        (block,) = imagery.blocks
        assert (block.grid.height, block.grid.width) == (2048, 1536)
    assert result.image_count == 48
    assert shapely.is_valid(
        [shapely.from_geojson(json.dumps(feature["geometry"])) for feature in features_of(tmp_path / "out")]
    ).all()


def test_what_was_left_out_of_area_and_existing_features_is_told(tmp_path: Path, network: Session) -> None:
    first = predict(request_for(scene(tmp_path), tmp_path / "first", network))
    west, south, east, north = first.item["bbox"]
    ground = shapely.geometry.mapping(shapely.box(west, south, east, north))
    point = {"type": "Point", "coordinates": [west, south]}
    mixed = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {}, "geometry": geometry} for geometry in (ground, point, None)
        ],
    }
    mapped = [*features_of(first.folder)[:3], *mixed["features"][1:2]]
    exclude = tmp_path / "osm.geojson"
    exclude.write_bytes(orjson.dumps({"type": "FeatureCollection", "features": mapped}))

    result = predict(
        request_for(
            tmp_path / "scene.tif",
            tmp_path / "out",
            network,
            area=areas.read(orjson.dumps(mixed).decode()),
            exclude=exclude,
        )
    )

    properties = result.item["properties"]
    assert properties["fair:counts"]["existing"] == 3
    assert properties["fair:repairs"] == {
        "area": {"other_geometry": 1, "null_geometry": 1},
        "exclude": {"other_geometry": 1},
    }
    assert "Existing features: 1 points, lines and other geometries" in ". ".join(result.notes)
    assert "fair:repairs" not in first.item["properties"]
