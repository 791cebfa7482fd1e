"""Predictions in shards: the same bytes as in one go, nothing done twice, and what fails is told."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fair_models.errors import InvalidImagery
from fair_models.inference.imagery.failures import Failure, allowed
from fair_models.inference.network.session import Session, open_session
from fair_models.inference.parts import FeaturePart, Part, Scores, Window
from fair_models.inference.prediction import PredictionResult, predict
from fair_models.inference.request import FORMATS, PredictionRequest
from fair_models.inference.shards.shard_files import pack, unpack
from fair_models.inference.shards.sharding import Sharding, sharded
from fair_models.inference.windowing.detections import FoundObjects
from fair_models.inference.windowing.mask_runs import of_mask
from fair_models.inference.windowing.plan import FEW, MANY, cut_into_shards
from fair_models.inference.windowing.window_steps import Raster, WindowResult
from fair_models.inference.windows import Rectangle
from fair_models.store.local import LocalStore
from fair_models.types import Array
from tests.inference.test_streaming import UTM, UTM_CORNER
from tests.inference.tiny import (
    CORNER,
    Brightness,
    blobs,
    request_for,
    write_geotiff,
    write_network,
    write_png_chip,
)

SHARDS = 10


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small imagery has many."""
    monkeypatch.setattr("fair_models.inference.windowing.plan.MIN_SHARD_PX", 128 * 128 * 3)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Session:
    path = write_network(tmp_path_factory.mktemp("network") / "n.onnx", size_px=128)
    return open_session(path, threads=1)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Buildings that reach over many windows, in 27 of them."""
    return write_geotiff(tmp_path / "in" / "scene.tif", blobs(300, 900, 2, 14), UTM, UTM_CORNER, 0.26)


def finish(request: PredictionRequest, store: LocalStore) -> tuple[PredictionResult, list[int]]:
    """Make what is missing, and write. Also says which shards were made."""
    with sharded(request, store) as work:
        for shard in work.missing():
            work.make(shard)
        return work.write(lambda step: None), work.made


def stored(store: LocalStore) -> list[str]:
    return [Path(href).name for href in store.hrefs("shards/")]


def assert_same_files(one: PredictionResult, other: PredictionResult) -> None:
    names = sorted(path.name for path in one.folder.iterdir())
    assert sorted(path.name for path in other.folder.iterdir()) == names
    for name in set(names) - {"prediction.json"}:
        assert (other.folder / name).read_bytes() == (one.folder / name).read_bytes(), name
    mine, its = ({**found.item["properties"], "fair:seconds": 0, "created": 0} for found in (one, other))
    assert {**mine, "datetime": 0} == {**its, "datetime": 0}


class MaskAndBoxes(Brightness):
    """A mask and boxes of one window."""

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        boxes = np.array([[10, 10, 30, 20], [40, 40, 60, 70]], np.float32)
        found = FeaturePart(boxes, np.array([0.75, 0.9], np.float32), np.array([1, 1]))
        return [*super().postprocess(outputs, window, params), found]


class HowBright(Brightness):
    """A number for a chip as a whole."""

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        return [Scores({"building": outputs["probabilities"][1].mean()})]


def test_shards_put_together_give_the_bytes_of_one_go_in_all_formats(
    tmp_path: Path, scene: Path, network: Session, store: LocalStore
) -> None:
    asked: dict[str, Any] = {"formats": list(FORMATS), "processing": MaskAndBoxes()}

    whole = predict(request_for(scene, tmp_path / "whole", network, **asked))
    found, made = finish(request_for(scene, tmp_path / "sharded", network, **asked), store)

    assert len(made) == SHARDS
    assert whole.counts["building"] > 40
    assert_same_files(whole, found)
    assert stored(store) == []


def test_scores_of_chips_are_the_same_in_shards(tmp_path: Path, network: Session, store: LocalStore) -> None:
    chips(tmp_path / "chips")
    asked: dict[str, Any] = {"processing": HowBright(), "task": "classification"}

    whole = predict(request_for(tmp_path / "chips", tmp_path / "whole", network, **asked))
    found, made = finish(request_for(tmp_path / "chips", tmp_path / "sharded", network, **asked), store)

    assert len(made) > 5
    assert found.counts["building"] > 3
    assert_same_files(whole, found)


def test_a_building_over_several_shards_is_one(tmp_path: Path, network: Session, store: LocalStore) -> None:
    image = blobs(300, 900)
    image[:] = 0
    image[:, 20:280, 30:870] = 255
    scene = write_geotiff(tmp_path / "in" / "scene.tif", image, UTM, UTM_CORNER, 0.26)

    found, made = finish(request_for(scene, tmp_path / "out", network), store)

    assert len(made) == SHARDS
    assert found.counts == {"building": 1}


def test_what_is_there_is_not_made_again(
    tmp_path: Path, scene: Path, network: Session, store: LocalStore
) -> None:
    request = request_for(scene, tmp_path / "out", network)
    with sharded(request, store) as work:
        for shard in (0, 4, 5):
            work.make(shard)

    found, made = finish(request, store)

    assert made == [1, 2, 3, 6, 7, 8, 9]
    assert_same_files(predict(request_for(scene, tmp_path / "whole", network)), found)


def test_a_process_that_is_killed_leaves_its_shards(
    tmp_path: Path, scene: Path, network: Session, store: LocalStore
) -> None:
    request = request_for(scene, tmp_path / "out", network)
    child = os.fork()
    if child == 0:
        with sharded(request, store) as work:
            work.make(0)
            work.make(1)
            os._exit(9)  # nothing is closed, nothing cleaned up
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9

    _, made = finish(request, store)

    assert made == list(range(2, SHARDS))


def test_shards_of_imagery_that_was_changed_are_not_used(
    tmp_path: Path, scene: Path, network: Session, store: LocalStore
) -> None:
    request = request_for(scene, tmp_path / "out", network)
    with sharded(request, store) as work:
        work.make(0)
        before = work.manifest.digest
    write_geotiff(scene, blobs(300, 900, 7, 14), UTM, UTM_CORNER, 0.26)

    with sharded(request, store) as work:
        assert work.manifest.digest != before
        assert work.missing() == list(range(SHARDS))


@pytest.mark.parametrize(
    "other",
    [
        {"params": {"confidence_threshold": 0.6}},
        {"formats": ["classes"]},
        {"code_checksum": "1220"},
        {"model_id": "brightness-v2"},
        {"multiple_px": 64},
    ],
)
def test_another_prediction_has_other_shards(
    tmp_path: Path, scene: Path, network: Session, store: LocalStore, other: dict[str, Any]
) -> None:
    digests = set()
    for changes in ({}, other):
        with sharded(request_for(scene, tmp_path / "out", network, **changes), store) as work:
            digests.add(work.manifest.digest)

    assert len(digests) == 2


def test_what_is_decided_when_shards_are_put_together_does_not_change_them(
    tmp_path: Path, scene: Path, network: Session, store: LocalStore
) -> None:
    digests = set()
    for changes in ({}, {"holes": False, "regularise": True, "formats": ["flatgeobuf"]}):
        with sharded(request_for(scene, tmp_path / "out", network, **changes), store) as work:
            digests.add(work.manifest.digest)

    assert len(digests) == 1


@pytest.mark.parametrize("which", ["arrow", "json"])
def test_a_damaged_shard_is_made_again(
    tmp_path: Path, scene: Path, network: Session, store: LocalStore, which: str
) -> None:
    request = request_for(scene, tmp_path / "out", network)
    with sharded(request, store) as work:
        for shard in work.shards:
            work.make(shard)
        [path] = [
            Path(href)
            for href in store.hrefs(f"shards/{work.manifest.digest}/shard-0003")
            if href.endswith(which)
        ]
        path.chmod(0o644)
        path.write_bytes(b"{" + path.read_bytes()[9:])

        found = work.write(lambda step: None)

    assert_same_files(predict(request_for(scene, tmp_path / "whole", network)), found)


def test_a_shard_that_somebody_takes_away_meanwhile_is_made_again(
    tmp_path: Path, scene: Path, network: Session, store: LocalStore
) -> None:
    with sharded(request_for(scene, tmp_path / "out", network), store) as work:
        for shard in work.shards:
            work.make(shard)
        shutil.rmtree(store.root / "shards")

        found = work.write(lambda step: None)

    assert_same_files(predict(request_for(scene, tmp_path / "whole", network)), found)


def test_a_shard_that_two_make_at_the_same_time_is_one(
    tmp_path: Path, scene: Path, network: Session, store: LocalStore
) -> None:
    request = request_for(scene, tmp_path / "out", network)
    with sharded(request, store) as one, sharded(request, store) as other:
        assert one.missing() == other.missing()
        one.make(0)
        other.make(0)

        assert len(stored(store)) == 2


def chips(folder: Path, rows: int = 3, columns: int = 5) -> list[Path]:
    image = blobs(256 * rows, 256 * columns, 3, 12)
    return [
        write_png_chip(
            folder,
            type(CORNER)(CORNER.x + column, CORNER.y + row, 19),
            image[:, 256 * row : 256 * row + 256, 256 * column : 256 * column + 256],
        )
        for row in range(rows)
        for column in range(columns)
    ]


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def empty(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def broken_inside(path: Path) -> None:
    """Its header and its end are right."""
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes(100) + data[middle + 100 :])


@pytest.mark.parametrize("spoil", [cut_off, empty, broken_inside])
def test_a_poisoned_chip_is_told_and_the_rest_goes_on(
    tmp_path: Path, network: Session, store: LocalStore, spoil: Any
) -> None:
    paths = chips(tmp_path / "chips")
    spoil(paths[8])
    asked: dict[str, Any] = {"formats": ["geojson", "classes"], "most_failed": 0.01}

    found, made = finish(request_for(tmp_path / "chips", tmp_path / "out", network, **asked), store)

    assert len(made) > 5
    assert [(each.kind, each.name) for each in found.failed] == [("chip", paths[8].name)]
    said = found.item["properties"]
    assert (said["fair:counts"]["failed_chips"], said["fair:counts"]["failed_windows"]) == (1, 0)
    assert said["fair:failed"][0].startswith(paths[8].name)
    features = json.loads((found.folder / "predictions.geojson").read_text())["features"]
    sources = {feature["properties"]["source"] for feature in features}
    assert paths[8].stem not in sources
    assert len(sources) > 8
    whole = predict(request_for(tmp_path / "chips", tmp_path / "whole", network, **asked))
    assert_same_files(whole, found)


def test_a_poisoned_chip_of_a_shard_that_was_there_is_told_too(
    tmp_path: Path, network: Session, store: LocalStore
) -> None:
    paths = chips(tmp_path / "chips")
    broken_inside(paths[0])
    request = request_for(tmp_path / "chips", tmp_path / "out", network, most_failed=0.01)
    with sharded(request, store) as work:
        for shard in work.shards:
            work.make(shard)

    found, made = finish(request, store)

    assert made == []
    assert [each.name for each in found.failed] == [paths[0].name]


def test_above_the_limit_the_prediction_fails_and_names_the_first_ones(
    tmp_path: Path, network: Session, store: LocalStore
) -> None:
    paths = chips(tmp_path / "chips")
    for path in paths[4:9]:
        cut_off(path)
    request = request_for(tmp_path / "chips", tmp_path / "out", network, most_failed=0.1)

    with pytest.raises(InvalidImagery) as raised:
        finish(request, store)

    assert "of 15 chips failed, at most 1 may (most_failed 0.1)" in str(raised.value)
    for path in sorted(paths[4:9])[:3]:
        assert path.name in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_where_none_may_fail_the_first_one_ends_the_prediction(
    tmp_path: Path, network: Session, store: LocalStore
) -> None:
    paths = chips(tmp_path / "chips")
    broken_inside(paths[3])

    with pytest.raises(InvalidImagery, match=paths[3].name):
        finish(request_for(tmp_path / "chips", tmp_path / "out", network), store)


class Poisoned(Brightness):
    """Raises over dark windows, before or behind the network."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def preprocess(self, window: Array) -> Array:
        if self.stage == "preprocess" and window.max() < 20:
            raise ZeroDivisionError("too dark")
        return super().preprocess(window)

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        if self.stage == "postprocess" and outputs["probabilities"][1].max() < 0.08:
            raise ZeroDivisionError("too dark")
        return super().postprocess(outputs, window, params)


@pytest.mark.parametrize("stage", ["preprocess", "postprocess"])
def test_a_window_over_which_the_models_code_raises_is_told_and_left_out(
    tmp_path: Path, network: Session, store: LocalStore, stage: str
) -> None:
    image = blobs(300, 900, 2, 14)
    image[:, :130, :130] = 3
    scene = write_geotiff(tmp_path / "in" / "scene.tif", image, UTM, UTM_CORNER, 0.26)
    asked: dict[str, Any] = {
        "processing": Poisoned(stage),
        "formats": ["geojson", "confidence"],
        "most_failed": 0.05,
    }

    found, _ = finish(request_for(scene, tmp_path / "out", network, **asked), store)

    [failure] = found.failed
    assert failure.kind == "window"
    assert failure.name.startswith("scene rows 0 to ")
    assert failure.reason == "ZeroDivisionError: too dark"
    assert found.item["properties"]["fair:counts"]["failed_windows"] == 1
    assert_same_files(predict(request_for(scene, tmp_path / "whole", network, **asked)), found)


def test_a_part_of_an_image_that_cannot_be_decoded_is_left_out(
    tmp_path: Path, network: Session, store: LocalStore
) -> None:
    scene = write_geotiff(
        tmp_path / "in" / "scene.tif",
        blobs(900, 900, 2, 14),
        UTM,
        UTM_CORNER,
        0.26,
        tiled=True,
        blockxsize=64,
        blockysize=64,
        compress="deflate",
    )
    data = bytearray(scene.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = b"\xff" * 40
    scene.write_bytes(bytes(data))
    asked: dict[str, Any] = {"formats": ["geojson", "preview"], "most_failed": 0.2}

    found, _ = finish(request_for(scene, tmp_path / "out", network, **asked), store)

    assert {each.kind for each in found.failed} == {"window"}
    assert 1 <= len(found.failed) <= 6
    assert (found.folder / "preview.png").is_file()


def test_windows_come_out_of_their_file_as_they_went_in() -> None:
    rng = np.random.default_rng(1)
    classes, probability = rng.integers(0, 3, (20, 30)).astype(np.uint8), rng.random((20, 30), np.float32)
    windows = [
        WindowResult(
            "a",
            of_mask(classes, probability, 5, 7),
            Raster(Rectangle(5, 7, 20, 30), classes, classes),
            [],
            [],
        ),
        WindowResult("b", of_mask(classes * 0, probability), None, [], [(600, {"x": 0.1, "y": 1 / 3})]),
        WindowResult(
            "b",
            of_mask(classes, probability),
            None,
            [
                FoundObjects(rng.random((3, 4)), rng.random(3), np.array([1, 2, 1])),
                FoundObjects(rng.random((0, 2)), rng.random(0), np.empty(0, np.int64)),
            ],
            [],
        ),
    ]

    read = unpack(pack(windows), 3)

    assert pack(read) == pack(windows)
    assert [each.source for each in read] == ["a", "b", "b"]
    assert read[1].scores == windows[1].scores
    assert read[0].raster is not None
    assert (read[0].raster.classes == classes).all()
    assert read[2].runs.totals.tolist() == windows[2].runs.totals.tolist()
    assert read[2].found[0].geometries.tolist() == windows[2].found[0].geometries.tolist()
    assert read[2].found[1].geometries.shape == (0, 2)


@pytest.mark.parametrize(
    ("windows", "least", "most"),
    [(0, 0, 0), (1, 1, 1), (4, 1, 2), (150, FEW, FEW), (700, FEW, FEW), (60_000, MANY, MANY)],
)
def test_shards_are_as_many_as_there_is_work_for(
    monkeypatch: pytest.MonkeyPatch, windows: int, least: int, most: int
) -> None:
    monkeypatch.setattr("fair_models.inference.windowing.plan.MIN_SHARD_PX", 2_500_000)
    shards = list(cut_into_shards([1024 * 1024] * windows))

    assert least <= len(shards) <= most
    assert [position for shard in shards for position in shard] == list(range(windows))
    sizes = [len(shard) for shard in shards]
    assert max(sizes, default=0) - min(sizes, default=0) <= 1


@pytest.mark.parametrize(
    ("most", "total", "may"),
    [(0, 100, 0), (0.01, 1, 0), (0.01, 2, 1), (0.01, 1000, 10), (1, 10, 9), (0.5, 0, 0)],
)
def test_how_many_may_fail(most: float, total: int, may: int) -> None:
    assert allowed(most, total) == may


def test_who_stops_a_prediction_ends_the_shard_that_is_being_made(
    tmp_path: Path, scene: Path, network: Session, store: LocalStore
) -> None:
    with sharded(request_for(scene, tmp_path / "out", network), store) as work:
        work.stop()
        with pytest.raises(Exception, match="nobody waits for it"):
            work.make(0)

    assert stored(store) == []


def test_failures_are_ordered_by_kind_and_name() -> None:
    assert Failure("chip", "b", "x") < Failure("window", "a", "x")


def test_a_sharding_is_not_looked_through_by_prefect(
    tmp_path: Path, scene: Path, network: Session, store: LocalStore
) -> None:
    from prefect.utilities.collections import visit_collection

    seen: list[object] = []
    with sharded(request_for(scene, tmp_path / "out", network), store) as work:
        visit_collection(work, seen.append, return_data=False)

    assert [type(each) for each in seen] == [Sharding]
