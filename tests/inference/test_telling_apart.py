"""Predictions of models that tell objects apart: the same however they are cut, and no polygon on another."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from rasterio.features import rasterize

from fair_models.errors import Invalid, InvalidHyperparameters
from fair_models.inference.imagery.reading import open_imagery
from fair_models.inference.instances import growth
from fair_models.inference.network.session import Session, open_session
from fair_models.inference.outlines.features import Features, concatenate
from fair_models.inference.parts import InstancePart, Part, RasterPart, Window
from fair_models.inference.prediction import predict
from fair_models.inference.request import PredictionRequest
from fair_models.inference.shards.shard_files import pack, unpack
from fair_models.inference.shards.sharding import sharded
from fair_models.inference.streaming import stream
from fair_models.inference.windowing.mask_runs import of_mask
from fair_models.inference.windowing.window_steps import WindowResult
from fair_models.store.local import LocalStore
from fair_models.types import Array
from tests.inference.outlines.test_near_shapes import overlapping
from tests.inference.test_streaming import UTM, UTM_CORNER
from tests.inference.tiny import MaskAndInterior, quarter, request_for, write_copy, write_geotiff

CLASSES = ["background", "building", "tank"]
PIXEL_M = 0.2646
SIZE = 420, 530


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_geotiff(
        tmp_path_factory.mktemp("town") / "town.tif", quarter(*SIZE), UTM, UTM_CORNER, PIXEL_M
    )


def copy_of(folder: Path, size_px: int | None = None) -> Session:
    return open_session(write_copy(folder / f"copy-{size_px}.onnx", size_px), threads=1)


def asked(town: Path, folder: Path, session: Session, **changes: Any) -> PredictionRequest:
    params = {"simplify_m": 0.3, "min_area_m2": 2.0} | changes.pop("params", {})
    settings: dict[str, Any] = {"processing": MaskAndInterior(), "classes": CLASSES, "params": params}
    return request_for(town, folder / "out", session, **(settings | changes))


def features(request: PredictionRequest) -> Features:
    with open_imagery(Path(str(request.imagery)), request.input) as imagery:
        return concatenate(list(stream(imagery, request)))


def expected(image: Array, reach_m: float = 3.0, things: Sequence[int] = (1, 2)) -> Array:
    """Objects of the town, as an array."""
    inside, interior, tank = image / np.float32(255)
    classes = np.where(inside >= 0.5, np.where(tank >= 0.5, 2, 1), 0).astype(np.uint8)
    markers = (interior >= 0.5) & np.isin(classes, things)
    return growth.number_objects(classes, markers, growth.steps(reach_m, PIXEL_M))


def test_polygons_are_the_objects_of_the_whole_image(town: Path, tmp_path: Path) -> None:
    request = asked(town, tmp_path, copy_of(tmp_path, 64), params={"simplify_m": 0, "min_area_m2": 0})

    found = features(request)

    numbers = expected(quarter(*SIZE))
    with open_imagery(town, request.input) as imagery:
        grid = imagery.blocks[0].grid
        places = shapely.transform(found.geometry, lambda at: _pixels(grid, at))
    drawn = rasterize(zip(places, range(1, len(places) + 1), strict=True), out_shape=SIZE, dtype="int32")
    assert len(found) == numbers.max() > 150
    assert (growth.in_order(drawn) == numbers).all()


def test_classes_that_are_connected_ground_are_outlined_as_before(town: Path, tmp_path: Path) -> None:
    params = {"simplify_m": 0, "min_area_m2": 0}
    apart = features(asked(town, tmp_path, copy_of(tmp_path, 64), params=params))

    session = copy_of(tmp_path, 64)
    found = features(asked(town, tmp_path, session, params=params, thing_classes=["building"]))

    numbers = expected(quarter(*SIZE), things=[1])
    assert len(found) == numbers.max()
    tanks = [shapely.union_all(each.geometry[each.classes == 2]) for each in (apart, found)]
    assert (found.classes == 2).sum() < (apart.classes == 2).sum()
    assert tanks[0].symmetric_difference(tanks[1]).area < 1e-3 * tanks[0].area
    assert (found.classes == 1).sum() == (apart.classes == 1).sum()


def _pixels(grid: Any, places: Array) -> Array:
    from fair_models.data.images.grid import LONLAT
    from fair_models.inference.imagery.georeference import moved, pixels_of

    return pixels_of(grid, moved(places, LONLAT, grid.crs))


@pytest.mark.parametrize("size_px", [64, 128, None])
@pytest.mark.parametrize("regularise", [False, True])
def test_windows_give_what_one_window_over_everything_gives(
    town: Path, tmp_path: Path, size_px: int | None, regularise: bool
) -> None:
    whole = features(asked(town, tmp_path, copy_of(tmp_path, 544), regularise=regularise))

    found = features(asked(town, tmp_path, copy_of(tmp_path, size_px), regularise=regularise))

    assert len(found) == len(whole) > 100
    assert shapely.equals_exact(found.geometry, whole.geometry, 0).all()
    assert found.classes.tolist() == whole.classes.tolist()
    assert found.confidence == pytest.approx(whole.confidence, abs=1e-9)


@pytest.mark.parametrize("simplify", [0, 0.3, 0.8, 5])
@pytest.mark.parametrize("regularise", [False, True])
@pytest.mark.parametrize("holes", [False, True])
def test_no_two_polygons_of_a_class_overlap(
    town: Path, tmp_path: Path, simplify: float, regularise: bool, holes: bool
) -> None:
    params = {"simplify_m": simplify}
    request = asked(town, tmp_path, copy_of(tmp_path, 64), params=params, regularise=regularise, holes=holes)

    found = features(request)

    assert shapely.is_valid(found.geometry).all()
    for index in (1, 2):
        assert overlapping(found.geometry[found.classes == index]) == []


def test_a_prediction_in_shards_is_byte_for_byte_the_one_in_one_go(
    town: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fair_models.inference.windowing.plan.MIN_SHARD_PX", 64 * 64 * 3)
    session = copy_of(tmp_path, 64)
    one = predict(asked(town, tmp_path / "one", session))
    request = asked(town, tmp_path / "two", session)

    with sharded(request, LocalStore(tmp_path / "store")) as work:
        shards = work.missing()
        for shard in reversed(shards):
            work.make(shard)
        two = work.write(lambda step: None)

    assert len(shards) > 5
    assert [file.checksum for file in one.files] == [file.checksum for file in two.files]


def test_a_shard_keeps_the_markers_of_its_windows_and_which_have_none() -> None:
    draw = np.random.default_rng(0)
    ones = np.ones((9, 9), np.float32)
    runs, markers = (of_mask((draw.random((9, 9)) < share).astype(np.uint8), ones) for share in (0.6, 0.2))
    windows = [
        WindowResult("a", runs, None, [], [], 81, markers),
        WindowResult("b", runs, None, [], [], 81),
        WindowResult("c", runs, None, [], [], 81, of_mask(np.zeros((9, 9), np.uint8), ones)),
    ]

    made = unpack(pack(windows), 3)

    assert [None if each.markers is None else len(each.markers) for each in made] == [len(markers), None, 0]
    assert made[0].markers is not None
    assert made[0].markers.starts.tolist() == markers.starts.tolist()
    assert made[0].markers.totals.tolist() == markers.totals.tolist()


def test_right_angles_that_neighbours_do_not_get_are_counted_and_told(town: Path, tmp_path: Path) -> None:
    made = predict(asked(town, tmp_path, copy_of(tmp_path), regularise=True))

    counted = made.item["properties"]["fair:counts"]["not_regularised"]
    assert 50 < counted < sum(made.counts.values())
    assert any(note.startswith(f"{counted:,} outlines share an edge") for note in made.notes)


def test_markers_that_reach_further_leave_fewer_objects(town: Path, tmp_path: Path) -> None:
    session = copy_of(tmp_path)
    counts = [
        len(features(asked(town, tmp_path, session, params={"marker_reach_m": reach, "min_area_m2": 0})))
        for reach in (1, 2, 3)
    ]

    assert counts[0] > counts[1] > counts[2]


def test_a_higher_threshold_of_markers_leaves_objects_that_touch_together(town: Path, tmp_path: Path) -> None:
    session = copy_of(tmp_path)

    low, high = (
        len(features(asked(town, tmp_path, session, params={"marker_threshold": threshold})))
        for threshold in (0.5, 1)
    )

    assert high < low / 2


class Merged(MaskAndInterior):
    """The same model without interiors."""

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        (part,) = super().postprocess(outputs, window, params)
        assert isinstance(part, InstancePart)
        return [RasterPart(part.probabilities)]


@pytest.mark.parametrize("holes", [False, True])
def test_merged_objects_are_what_a_model_without_interiors_gives(
    town: Path, tmp_path: Path, holes: bool
) -> None:
    session, formats = copy_of(tmp_path, 64), ["geojson", "geoparquet", "classes", "preview"]
    merged = predict(asked(town, tmp_path / "a", session, merge=True, holes=holes, formats=formats))
    plain = predict(asked(town, tmp_path / "b", session, holes=holes, formats=formats, processing=Merged()))

    assert sum(merged.counts.values()) < 100
    assert [file.checksum for file in merged.files] == [file.checksum for file in plain.files]


def test_objects_of_other_classes_than_the_things_are_connected_pixels(town: Path, tmp_path: Path) -> None:
    session = copy_of(tmp_path)

    def asked_for(**changes: Any) -> Features:
        return features(asked(town, tmp_path, session, params={"min_area_m2": 0}, **changes))

    everything, buildings, merged = asked_for(), asked_for(thing_classes=["building"]), asked_for(merge=True)

    counts = [np.bincount(each.classes, minlength=3)[1:].tolist() for each in (everything, buildings, merged)]
    assert counts[1] == [counts[0][0], counts[2][1]]
    assert counts[0][1] > counts[2][1]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"marker_threshold": 1.1}, "marker_threshold is 1.1, use a number from 0 to 1"),
        ({"marker_reach_m": 51}, "marker_reach_m is 51, use a number from 0 to 50"),
        ({"marker_reach_m": "3"}, "marker_reach_m is '3', use a number from 0 to 50"),
    ],
)
def test_parameters_of_markers_out_of_their_range_are_refused(
    town: Path, tmp_path: Path, params: Mapping[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidHyperparameters, match=reason):
        predict(asked(town, tmp_path, copy_of(tmp_path), params=params))


class Undecided(MaskAndInterior):
    """Gives interiors in the first row of windows only."""

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        (part,) = super().postprocess(outputs, window, params)
        assert isinstance(part, InstancePart)
        return [part] if window.row == 0 else [RasterPart(part.probabilities)]


def test_a_model_that_gives_interiors_for_some_windows_only_is_refused(town: Path, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="an InstancePart for some windows and a RasterPart for others"):
        predict(asked(town, tmp_path, copy_of(tmp_path, 64), processing=Undecided()))
