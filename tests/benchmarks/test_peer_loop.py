"""The loop that predictions are measured beside: what it writes is right."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import rasterio
import shapely
from onnx import TensorProto, helper
from pyproj import Transformer
from rasterio.transform import from_origin

from benchmarks import peer_loop

GSD_M = 0.15
LEFT, TOP = 9_520_000.0, 3_203_000.0


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pixels whose bands are brighter than one half on average are class 1."""
    kind, image = TensorProto.FLOAT, ["batch", 3, "height", "width"]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["bright"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["half", "bright"], ["dark"]),
        helper.make_node("Sub", ["bright", "half"], ["light"]),
        helper.make_node("Concat", ["dark", "light"], ["logits"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("image", kind, image)],
        [helper.make_tensor_value_info("logits", kind, ["batch", 2, "height", "width"])],
        [helper.make_tensor("half", kind, [], [0.5])],
    )
    path = tmp_path_factory.mktemp("peer") / "network.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def chip(path: Path, *bright: tuple[slice, slice], left: float = LEFT) -> Path:
    """A dark chip of 512 px with bright rectangles."""
    pixels = np.zeros((3, 512, 512), np.uint8)
    for rows, columns in bright:
        pixels[:, rows, columns] = 255
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=512,
        width=512,
        count=3,
        dtype="uint8",
        crs="EPSG:3857",
        transform=from_origin(left, TOP, GSD_M, GSD_M),
    ) as file:
        file.write(pixels)
    return path


def metres(feature: dict[str, object]) -> shapely.Geometry:
    """A feature's outline in EPSG:3857."""
    back = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
    return shapely.transform(
        shapely.from_geojson(json.dumps(feature["geometry"])),
        lambda places: np.column_stack(back.transform(places[:, 0], places[:, 1])),
    )


def test_a_rectangle_comes_out_where_it_lies_at_its_full_size(network: Path, tmp_path: Path) -> None:
    path = chip(tmp_path / "one.tif", (slice(100, 200), slice(40, 300)))

    count = peer_loop.predict(peer_loop.open_session(network), [path], tmp_path / "found.geojson")

    (feature,) = json.loads((tmp_path / "found.geojson").read_text())["features"]
    assert count == 1
    assert feature["properties"] == {"chip": "one", "class": 1}
    expected = shapely.box(LEFT + 40 * GSD_M, TOP - 200 * GSD_M, LEFT + 300 * GSD_M, TOP - 100 * GSD_M)
    assert shapely.hausdorff_distance(metres(feature), expected) < 1e-6


def test_each_chip_is_predicted_by_itself(network: Path, tmp_path: Path) -> None:
    everything = slice(0, 512)
    chips = [
        chip(tmp_path / "west.tif", (slice(100, 200), slice(412, 512))),
        chip(tmp_path / "east.tif", (slice(100, 200), slice(0, 100)), left=LEFT + 512 * GSD_M),
        chip(tmp_path / "dark.tif"),
        chip(tmp_path / "holed.tif", (everything, slice(0, 100)), (everything, slice(200, 512))),
    ]

    count = peer_loop.predict(peer_loop.open_session(network), chips, tmp_path / "found.geojson")

    collection = json.loads((tmp_path / "found.geojson").read_text())
    assert collection["type"] == "FeatureCollection"
    names = [feature["properties"]["chip"] for feature in collection["features"]]
    assert count == 4
    assert names == ["west", "east", "holed", "holed"]  # the object over the edge is two


def test_the_session_has_default_options(network: Path) -> None:
    import onnxruntime

    given = peer_loop.open_session(network).get_session_options()
    default = onnxruntime.SessionOptions()

    for name in (
        "intra_op_num_threads",
        "inter_op_num_threads",
        "execution_mode",
        "graph_optimization_level",
    ):
        assert getattr(given, name) == getattr(default, name), name
    with pytest.raises(RuntimeError):
        given.get_session_config_entry("session.intra_op.allow_spinning")
