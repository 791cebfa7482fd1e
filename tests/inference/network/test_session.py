"""ONNX files that can be run, and those that cannot."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from fair_models.errors import Invalid, NotFound
from fair_models.inference.network.session import Session, open_session
from tests.inference.tiny import write_network


def test_a_session_says_what_its_network_takes(tmp_path: Path, network: Session) -> None:
    fixed = open_session(write_network(tmp_path / "fixed.onnx", size_px=64, batch=2), threads=1)

    assert (network.dynamic, network.size_px, network.batch, network.bands) == (True, None, None, 3)
    assert (fixed.dynamic, fixed.size_px, fixed.batch, fixed.bands) == (False, 64, 2, 3)
    assert fixed.outputs == ["probabilities"]


def test_a_batch_comes_back_by_the_names_of_the_outputs(network: Session) -> None:
    batch = np.random.default_rng(0).random((3, 3, 40, 50), np.float32)

    outputs = network.run(batch)

    assert outputs["probabilities"].shape == (3, 2, 40, 50)
    assert outputs["probabilities"][:, 1] == pytest.approx(batch.mean(axis=1), abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_fixed_batch_is_filled_up_and_cut(tmp_path: Path, count: int) -> None:
    session = open_session(write_network(tmp_path / "fixed.onnx", size_px=32, batch=2), threads=1)
    batch = np.random.default_rng(0).random((count, 3, 32, 32), np.float32)

    assert session.run(batch)["probabilities"][:, 1] == pytest.approx(batch.mean(axis=1), abs=1e-6)


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")

    with pytest.raises(Invalid, match=r"broken\.onnx cannot be opened as ONNX.*Export the model again"):
        open_session(broken)


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path / "cut.onnx")
    path.write_bytes(path.read_bytes()[:-40])

    with pytest.raises(Invalid, match="cannot be opened as ONNX"):
        open_session(path)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing\.onnx"):
        open_session(tmp_path / "nothing.onnx")


def test_a_network_that_takes_no_imagery_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="2 inputs"):
        open_session(write_network(tmp_path / "two.onnx", inputs=2))
    with pytest.raises(Invalid, match=r"tensor\(double\)"):
        open_session(write_network(tmp_path / "double.onnx", kind=TensorProto.DOUBLE))


def test_a_batch_that_the_network_does_not_take_is_refused(network: Session) -> None:
    with pytest.raises(Invalid, match=r"\(1, 4, 8, 8\)"):
        network.run(np.zeros((1, 4, 8, 8), np.float32))
