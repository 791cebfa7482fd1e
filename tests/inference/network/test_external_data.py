"""ONNX files whose weights lie elsewhere: any file of the machine could be named there."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fair_models.errors import Invalid
from fair_models.inference.network import external_data
from fair_models.inference.network.session import open_session
from tests.inference.tiny import write_network


def elsewhere(location: str = "/etc/passwd") -> TensorProto:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "stolen")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "16"}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def as_initializer(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.graph.initializer.append(tensor)


def as_constant(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))


def in_a_branch(model: onnx.ModelProto, tensor: TensorProto) -> None:
    output = helper.make_tensor_value_info("o", TensorProto.FLOAT, [4])
    branch = helper.make_graph([helper.make_node("Identity", ["stolen"], ["o"])], "b", [], [output], [tensor])
    model.graph.node.append(
        helper.make_node("If", ["one"], ["chosen"], then_branch=branch, else_branch=branch)
    )


def as_sparse(model: onnx.ModelProto, tensor: TensorProto) -> None:
    indices = numpy_helper.from_array(np.arange(4), "at")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(tensor, indices, [8]))


def in_a_function(model: onnx.ModelProto, tensor: TensorProto) -> None:
    node = helper.make_node("Constant", [], ["y"], value=tensor)
    opset = [helper.make_opsetid("", 13)]
    model.functions.append(helper.make_function("own", "f", [], ["y"], [node], opset))


@pytest.mark.parametrize("put", [as_initializer, as_constant, in_a_branch, as_sparse, in_a_function])
@pytest.mark.parametrize("location", ["/etc/passwd", "../weights.bin", "weights.bin"])
def test_weights_in_other_files_are_refused_wherever_the_network_hides_them(
    tmp_path: Path, put: Callable[[onnx.ModelProto, TensorProto], None], location: str
) -> None:
    path = write_network(tmp_path / "n.onnx")
    model = onnx.load(path, load_external_data=False)
    put(model, elsewhere(location))
    path.write_bytes(model.SerializeToString())
    (tmp_path / "weights.bin").write_bytes(bytes(16))

    assert set(external_data.names(path)) == {"stolen"}
    with pytest.raises(Invalid, match=r"n\.onnx.*its weights \(stolen.*into one file"):
        open_session(path)


def test_a_network_in_one_file_has_none(tmp_path: Path) -> None:
    assert external_data.names(write_network(tmp_path / "n.onnx")) == []


@pytest.mark.parametrize("content", [b"", b"\xff" * 20, b"\x3a\x7f", b"\x3b"])
def test_what_is_no_protobuf_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "n.onnx").write_bytes(content)

    with pytest.raises(ValueError, match="it is"):
        external_data.names(tmp_path / "n.onnx")


def test_graphs_inside_each_other_have_a_limit(tmp_path: Path) -> None:
    """Graph, node, attribute, graph, ...: 150 of each, as protobuf writes them."""
    message = b""
    for field in [6, 5, 1] * 150:
        size, length = len(message), b""
        while size >= 0x80:
            length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
        message = bytes([field << 3 | 2]) + length + bytes([size]) + message
    size, length = len(message), b""
    while size >= 0x80:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    (tmp_path / "n.onnx").write_bytes(bytes([7 << 3 | 2]) + length + bytes([size]) + message)

    with pytest.raises(ValueError, match="deep inside each other"):
        external_data.names(tmp_path / "n.onnx")
