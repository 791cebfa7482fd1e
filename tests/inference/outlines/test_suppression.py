"""What neighbouring windows found of one object is one object, whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest
import shapely

from fair_models.inference.network.session import open_session
from fair_models.inference.outlines.suppression import Suppressor
from fair_models.inference.parts import FeaturePart, Part, Window
from fair_models.inference.prediction import predict
from fair_models.inference.shards.sharding import sharded
from fair_models.inference.windowing.detections import FoundObjects, detections
from fair_models.inference.windowing.mask_runs import none
from fair_models.inference.windowing.plan import Strip
from fair_models.inference.windowing.window_steps import WindowResult
from fair_models.inference.windows import Rectangle, View, WindowRule, cut
from fair_models.store.local import LocalStore
from fair_models.types import Array
from tests.inference.tiny import Brightness, grey, request_for, write_geotiff, write_network

SIZE = 200
"""Of a block, in pixels. With this rule it has 3 x 3 windows of 88 px; they share 32 px."""

RULE = WindowRule(88, 12, 8)


def views() -> list[View]:
    return list(cut(Rectangle(0, 0, SIZE, SIZE), RULE, "block"))


def seen_by(view: View, boxes: Array, scores: Array) -> WindowResult:
    """What a perfect network says in one window: the visible part of each box."""
    corner = np.array([view.window.column, view.window.row] * 2)
    limits = np.array([view.window.width, view.window.height] * 2)
    local = np.clip(boxes - corner, 0, limits)
    there = ((local[:, 2:] - local[:, :2]) > 2).all(axis=1)
    part = FeaturePart(local[there], scores[there], np.ones(there.sum(), int))
    valid = np.ones((view.core.height, view.core.width), bool)
    said = detections(view, [part], valid, ["background", "building"], 0.3)
    return WindowResult("block", none(), None, said.found, [])


def strips(windows: Mapping[View, WindowResult]) -> list[tuple[Strip, list[WindowResult]]]:
    """All strips of the block; windows that are not given say nothing."""
    block: Any = SimpleNamespace(grid=SimpleNamespace(height=SIZE, width=SIZE))
    nothing = WindowResult("block", none(), None, [], [])
    made = []
    for row in sorted({view.core.row for view in views()}):
        inside = tuple(view for view in views() if view.core.row == row)
        strip = Strip(block, Rectangle(row, 0, inside[0].core.height, SIZE), inside)
        made.append((strip, [windows.get(view, nothing) for view in inside]))
    return made


def put_together(windows: Mapping[View, WindowResult]) -> list[FoundObjects]:
    suppressor = Suppressor(0.5)
    return [found for strip, said in strips(windows) for found in suppressor.add(strip, said)]


def boxes_of(found: Sequence[FoundObjects]) -> list[list[float]]:
    return sorted(np.concatenate([np.empty((0, 4)), *(each.geometries for each in found)]).tolist())


def test_the_windows_of_this_test_meet_where_it_says() -> None:
    assert sorted({(view.core.row, view.core.row + view.core.height) for view in views()}) == [
        (0, 72),
        (72, 128),
        (128, 200),
    ]


@pytest.mark.parametrize(
    "box",
    [
        (20, 20, 40, 40),  # inside one core
        (62, 20, 82, 40),  # over a seam between two windows of a strip, its middle on it
        (20, 65, 40, 80),  # over the seam between two strips
        (66, 66, 78, 78),  # where four windows meet
        (30, 60, 140, 80),  # longer than what two windows both see: each sees a part
        (20, 10, 50, 190),  # over three strips
        (10, 10, 190, 190),  # larger than any window
    ],
)
def test_a_box_is_found_once_and_whole(box: tuple[int, int, int, int]) -> None:
    boxes, score = np.array([box], np.float64), np.array([0.9])

    found = put_together({view: seen_by(view, boxes, score) for view in views()})

    assert boxes_of(found) == [list(box)]


def test_windows_that_see_a_box_a_little_differently_still_find_one() -> None:
    """Each says that its middle lies in the other's core: neither would keep it for itself."""
    left, right, *_ = views()
    one, other = np.array([[66.0, 20, 79, 40]]), np.array([[65.0, 20, 78, 40]])

    windows = {left: seen_by(left, one, np.array([0.8])), right: seen_by(right, other, np.array([0.9]))}

    assert boxes_of(put_together(windows)) == [[65, 20, 78, 40]]


def test_neighbours_on_a_seam_stay_two() -> None:
    boxes = np.array([[62, 20, 82, 40], [62, 41, 82, 60], [64, 61, 80, 77.0]])

    found = put_together({view: seen_by(view, boxes, np.array([0.9, 0.8, 0.7])) for view in views()})

    assert boxes_of(found) == boxes.tolist()
    assert np.concatenate([each.scores for each in found]).tolist() == [0.9, 0.8, 0.7]


def test_boxes_of_one_window_are_left_as_its_model_gave_them() -> None:
    boxes = np.array([[20, 20, 40, 40], [21, 20, 41, 40.0]])

    found = put_together({view: seen_by(view, boxes, np.array([0.9, 0.8])) for view in views()})

    assert boxes_of(found) == boxes.tolist()


def test_many_boxes_are_found_as_one_window_over_everything_finds_them() -> None:
    random = np.random.default_rng(0)
    corners = np.array([(x, y) for x in range(4, 190, 14) for y in range(4, 190, 14)], np.float64)
    boxes = np.hstack([corners, corners + random.integers(5, 11, size=(len(corners), 2))])

    found = put_together({view: seen_by(view, boxes, np.full(len(boxes), 0.9)) for view in views()})

    assert boxes_of(found) == sorted(boxes.tolist())


def test_nothing_waits_longer_than_the_next_strip_may_see_it() -> None:
    boxes = np.array([[20, 20, 40, 40], [20, 50, 40, 66], [100, 64, 120, 80.0]])
    suppressor = Suppressor(0.5)
    windows = {view: seen_by(view, boxes, np.full(3, 0.9)) for view in views()}

    by_strip = [boxes_of(suppressor.add(strip, said)) for strip, said in strips(windows)]

    assert by_strip == [[[20, 20, 40, 40]], [[20, 50, 40, 66], [100, 64, 120, 80]], []]


def test_points_of_two_windows_that_are_near_are_one() -> None:
    left, right, *_ = views()
    said = {}
    for view, x in ((left, 73.0), (right, 70.0)):
        found = FoundObjects(
            np.array([[x, 20.0], [x, 60.0]]), np.array([0.5, 0.9]), np.array([1, 1 + (view is left)])
        )
        said[view] = WindowResult("block", none(), None, [found], [])

    found = np.concatenate([each.geometries for each in put_together(said)])

    assert sorted(found.tolist()) == [[70, 60], [73, 20], [73, 60]]  # of two classes they stay two


class Components(Brightness):
    """A box around each bright thing, as far as the window sees it."""

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        from scipy import ndimage

        labels, count = ndimage.label(outputs["probabilities"][1] > 0.5)
        boxes = [
            [columns.start, rows.start, columns.stop, rows.stop]
            for rows, columns in ndimage.find_objects(labels)
        ]
        geometries = np.array(boxes, np.float32).reshape(-1, 4)
        return [FeaturePart(geometries, np.full(count, 0.9, np.float32), np.ones(count, int))]


def settlement(folder: Path) -> tuple[Path, Array]:
    """Buildings everywhere, many of them on seams; their boxes."""
    image = grey(640, 900, 0)
    boxes = [(x, y, x + 13, y + 17) for x in range(5, 880, 31) for y in range(3, 620, 29)]
    boxes = [box for box in boxes if not (300 < box[0] < 720 and 260 < box[1] < 360)]
    boxes.append((330, 290, 700, 350))
    for left, top, right, bottom in boxes:
        image[:, top:bottom, left:right] = 255
    path = write_geotiff(folder / "in" / "scene.tif", image, "EPSG:32645", (350000.0, 3056000.0), 0.2646)
    return path, np.array(sorted(boxes))


@pytest.mark.parametrize("output", ["box", "point"])
def test_a_prediction_finds_each_building_once_in_shards_or_not(
    tmp_path: Path, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fair_models.inference.windowing import plan

    monkeypatch.setattr(plan, "MIN_SHARD_PX", 100_000)
    scene, boxes = settlement(tmp_path)
    session = open_session(write_network(tmp_path / "network.onnx", size_px=128), threads=1)
    asked: dict[str, Any] = {
        "processing": Components(),
        "params": {"confidence_threshold": 0.5, "output": output},
        "formats": ["geojson", "geoparquet", "preview"],
    }

    whole = predict(request_for(scene, tmp_path / "whole", session, **asked))
    store = LocalStore(tmp_path / "store")
    with sharded(request_for(scene, tmp_path / "shards", session, **asked), store) as work:
        for shard in work.missing():
            work.make(shard)
        work.write(lambda step: None)

    said = (whole.folder / "predictions.geojson").read_bytes()
    assert len(work.made) > 5
    for file in whole.files:
        assert (tmp_path / "shards" / file.name).read_bytes() == (whole.folder / file.name).read_bytes()
    features = orjson.loads(said)["features"]
    assert len(features) == len(boxes)
    largest = max(features, key=lambda each: each["properties"].get("area_m2", 0))
    shapes = {feature["geometry"]["type"] for feature in features}
    if output == "point":
        assert shapes == {"Point"}
        return
    assert shapes == {"Polygon"}
    assert largest["properties"]["area_m2"] == pytest.approx(370 * 60 * 0.2646**2, rel=2e-3)
    outline = shapely.from_geojson(orjson.dumps(largest["geometry"]))
    assert shapely.get_num_coordinates(outline) == 5
