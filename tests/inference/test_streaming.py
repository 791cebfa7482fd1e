"""Predictions as streams: the same as plainly computed, in order, and ended cleanly whatever happens."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import shapely
from onnx import TensorProto, helper, numpy_helper

from fair_models.errors import Invalid, InvalidImagery
from fair_models.inference.imagery.reading import Block, open_imagery
from fair_models.inference.network.session import Session, open_session
from fair_models.inference.outlines.features import Features, concatenate
from fair_models.inference.parts import Part, RasterPart, Window
from fair_models.inference.request import PredictionRequest
from fair_models.inference.streaming import stream
from fair_models.inference.windows import Rectangle
from fair_models.types import Array
from tests.inference import plain
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


def write_blur(path: Path, reach: int = 7) -> Path:
    """A network that looks `reach` pixels far: the mean of a square of all bands."""
    side = 2 * reach + 1
    kernel = np.full((1, 3, side, side), 1 / (3 * side * side), np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["bright"], pads=[reach] * 4),
        helper.make_node("Sub", ["one", "bright"], ["dark"]),
        helper.make_node("Concat", ["dark", "bright"], ["probabilities"], axis=1),
    ]
    sides = ["batch", 3, "height", "width"]
    graph = helper.make_graph(
        nodes,
        "blur",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2, "height", "width"])],
        [numpy_helper.from_array(kernel, "kernel"), helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


class ThreeClasses(Brightness):
    """Bright and middling pixels are of classes of their own, so that classes touch."""

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        bright = outputs["probabilities"][1]
        middling = np.clip(1 - np.abs(bright - 0.55) * 5, 0, 1)
        return [RasterPart(np.stack([1 - bright, bright, middling]).astype(np.float32))]


def all_features(request: PredictionRequest) -> Features:
    with open_imagery(Path(str(request.imagery)), request.input) as imagery:
        return concatenate(list(stream(imagery, request)))


def scene(folder: Path, height: int = 300, width: int = 400, smooth: float = 4) -> Path:
    pixels = blobs(height, width, 1, smooth)
    return write_geotiff(folder / "scene.tif", pixels, UTM, UTM_CORNER, 0.26)


def chips_with_gaps(folder: Path) -> Path:
    """A ring of chips around a hole, one chip far away, and an empty row of windows between two of them."""
    image = blobs(256 * 6, 256 * 3, 3, 5)
    for row, columns in enumerate(["###", "#.#", "###", "#..", "#..", "##."]):
        for column, sign in enumerate(columns):
            if sign == "#":
                rows, across = slice(256 * row, 256 * row + 256), slice(256 * column, 256 * column + 256)
                tile = type(CORNER)(CORNER.x + column, CORNER.y + row, 19)
                write_png_chip(folder, tile, image[:, rows, across])
    write_png_chip(folder, type(CORNER)(CORNER.x + 40, CORNER.y, 19), image[:, :256, :256])
    return folder


@pytest.mark.parametrize("shape", [(300, 400), (61, 500), (500, 61), (1, 200), (200, 1), (65, 64)])
@pytest.mark.parametrize("size", [64, 128, None])
def test_a_stream_is_what_the_plain_way_gives(
    tmp_path: Path, shape: tuple[int, int], size: int | None
) -> None:
    session = open_session(write_network(tmp_path / "n.onnx", size_px=size), threads=1)
    path = write_geotiff(tmp_path / "scene.tif", blobs(*shape, 1, 2), UTM, UTM_CORNER, 0.26)
    request = request_for(
        path, tmp_path, session, processing=ThreeClasses(), classes=["background", "bright", "middling"]
    )

    assert_plain(request)


def test_a_stream_over_chips_with_gaps_is_what_the_plain_way_gives(tmp_path: Path) -> None:
    session = open_session(write_network(tmp_path / "n.onnx", size_px=128), threads=1)

    assert_plain(request_for(chips_with_gaps(tmp_path / "chips"), tmp_path, session))


@pytest.mark.parametrize("size", [(2300, 2000), (4200, 90)])
def test_windows_of_a_dynamic_network_give_what_the_plain_way_gives(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    session = open_session(write_blur(tmp_path / "blur.onnx", 5), threads=1)

    assert_plain(request_for(scene(tmp_path, *size), tmp_path, session))


def assert_plain(request: PredictionRequest) -> None:
    with open_imagery(Path(str(request.imagery)), request.input) as imagery:
        found = concatenate(list(stream(imagery, request)))
        expected = plain.expected(imagery, request)

    assert len(found) == len(expected) > 0
    for at, (geometry, index, confidence, source) in enumerate(expected):
        assert shapely.equals_exact(found.geometry[at], geometry, 1e-9)
        assert (found.classes[at], found.source[at]) == (index, source)
        assert found.confidence[at] == pytest.approx(confidence, abs=1e-6)


def test_windows_give_the_polygons_of_one_window_over_everything(tmp_path: Path) -> None:
    """As far as the network looks no further than the margin."""
    session = open_session(write_blur(tmp_path / "blur.onnx"), threads=1)
    image = blobs(2304, 2016, seed=5, smooth=9)
    path = write_geotiff(tmp_path / "scene.tif", image, UTM, UTM_CORNER, 0.26)
    request = request_for(path, tmp_path / "out", session)
    outputs = session.run((image / 255).astype(np.float32)[None])
    probability = outputs["probabilities"][0, 1]

    found = all_features(request)

    expected = plain.regions((probability >= 0.5).astype(np.uint8), probability)
    assert len(found) == len(expected) > 10
    assert found.confidence == pytest.approx([region.confidence for region in expected], abs=1e-6)


def test_features_come_before_everything_is_read(tmp_path: Path, network: Session) -> None:
    path = write_geotiff(tmp_path / "scene.tif", blobs(12_000, 700, 1, 3), UTM, UTM_CORNER, 0.26)
    done: list[tuple[int, int]] = []

    with open_imagery(path, Input()) as imagery:
        features = stream(imagery, request_for(path, tmp_path, network), lambda *now: done.append(now))
        first = next(features)
        features.close()

    assert len(first) > 0
    assert done[-1][0] < done[-1][1] == 6


def test_the_same_request_streams_the_same_features(tmp_path: Path) -> None:
    session = open_session(write_network(tmp_path / "n.onnx", size_px=64), threads=1)
    request = request_for(scene(tmp_path), tmp_path, session)

    one, two = all_features(request), all_features(request)

    assert shapely.equals_exact(one.geometry, two.geometry, 0).all()
    assert one.confidence.tolist() == two.confidence.tolist()


@dataclass
class Collected:
    """What a raster sink got, put together."""

    shape: tuple[int, int]
    rows: list[Rectangle] = field(default_factory=list)
    values: list[tuple[Array, Array]] = field(default_factory=list)

    def write(self, block: Block, rows: Rectangle, classes: Array, confidence: Array) -> None:
        self.rows.append(rows)
        self.values.append((classes, confidence))


def test_rasters_are_the_mask_strip_by_strip(tmp_path: Path) -> None:
    session = open_session(write_network(tmp_path / "n.onnx", size_px=128), threads=1)
    request = request_for(chips_with_gaps(tmp_path / "chips"), tmp_path, session)
    with open_imagery(Path(str(request.imagery)), request.input) as imagery:
        block, _ = imagery.blocks
        whole = Rectangle(0, 0, block.grid.height, block.grid.width)
        sink = Collected((whole.height, whole.width))
        concatenate(list(stream(imagery, request, rasters=[sink])))
        classes, probability = plain.whole_mask(block, request)
        _, valid = block.read(whole)

    in_block = sum(rows.width == whole.width for rows in sink.rows)
    assert [rows.row for rows in sink.rows[:in_block]] == np.cumsum(
        [0, *(rows.height for rows in sink.rows[: in_block - 1])]
    ).tolist()
    found, confidence = (np.concatenate(parts) for parts in zip(*sink.values[:in_block], strict=True))
    assert (found == np.where(valid, classes, 255)).all()
    assert (confidence == np.where(valid, np.rint(probability * 100), 255)).all()
    assert not valid.all()


class Broken(Brightness):
    """Fails at the n-th window that comes to one of its functions."""

    def __init__(self, stage: str, at: int) -> None:
        self.stage, self.left = stage, at

    def preprocess(self, window: Array) -> Array:
        self._count("preprocess")
        return super().preprocess(window)

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        self._count("postprocess")
        return super().postprocess(outputs, window, params)

    def _count(self, stage: str) -> None:
        if stage == self.stage:
            self.left -= 1
            if self.left < 0:
                raise ZeroDivisionError(stage)


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


@pytest.mark.parametrize("stage", ["preprocess", "postprocess"])
@pytest.mark.parametrize("at", [0, 40])
def test_an_error_of_the_model_ends_the_stream(tmp_path: Path, stage: str, at: int) -> None:
    session = open_session(write_network(tmp_path / "n.onnx", size_px=64, batch=1), threads=1)
    before = threads()

    with pytest.raises(ZeroDivisionError, match=stage):
        all_features(request_for(scene(tmp_path), tmp_path, session, processing=Broken(stage, at)))

    assert threads() == before


def test_an_error_of_the_network_ends_the_stream(tmp_path: Path) -> None:
    session = open_session(write_network(tmp_path / "n.onnx", bands=3), threads=1)
    path = write_geotiff(tmp_path / "s.tif", np.repeat(grey(50, 60), 2, axis=0), UTM, UTM_CORNER, 0.26)
    before = threads()

    with pytest.raises(Invalid, match="does not take a batch"):
        all_features(request_for(path, tmp_path, session, input=Input(bands=4)))

    assert threads() == before


def test_a_chip_that_cannot_be_decoded_ends_the_stream(tmp_path: Path, network: Session) -> None:
    for row in range(4):
        path = write_png_chip(
            tmp_path / "chips", type(CORNER)(CORNER.x, CORNER.y + row, 19), blobs(256, 256, row)
        )
    path.write_bytes(path.read_bytes()[:3000])
    before = threads()

    with pytest.raises(InvalidImagery, match=path.name):
        all_features(request_for(tmp_path / "chips", tmp_path, network))

    assert threads() == before


def test_who_stops_listening_ends_the_stream(tmp_path: Path) -> None:
    session = open_session(write_network(tmp_path / "n.onnx", size_px=64), threads=1)
    request = request_for(scene(tmp_path), tmp_path, session)
    before = threads()

    with open_imagery(Path(str(request.imagery)), request.input) as imagery:
        features = stream(imagery, request)
        assert len(next(features)) > 0
        assert threads() != before
        features.close()

    assert threads() == before


def test_progress_that_raises_ends_the_stream(tmp_path: Path) -> None:
    session = open_session(write_network(tmp_path / "n.onnx", size_px=64, batch=1), threads=1)
    request = request_for(scene(tmp_path), tmp_path, session)
    before = threads()

    def stop(done: int, total: int) -> None:
        if done * 2 > total:
            raise KeyboardInterrupt

    with open_imagery(Path(str(request.imagery)), request.input) as imagery, pytest.raises(KeyboardInterrupt):
        list(stream(imagery, request, stop))

    assert threads() == before


def test_a_mask_from_a_model_of_whole_images_is_refused(tmp_path: Path, network: Session) -> None:
    with pytest.raises(Invalid, match="score images as wholes"):
        all_features(request_for(scene(tmp_path), tmp_path, network, task="classification"))
