"""ONNX files of networks that pad what does not divide."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fair_models.errors import Invalid
from fair_models.ml_tasks.onnx_export import export_onnx, of_bands
from fair_models.ml_tasks.padded import Padded, doubled


class Hourglass(Padded):
    """Three halvings and three doublings."""

    multiple_px = 8

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(16, 2, 1)

    def scores(self, pixels: Tensor) -> Tensor:
        features = functional.max_pool2d(self.first(pixels), 2)
        coarse = doubled(doubled(functional.max_pool2d(features, 4)))
        return doubled(self.last(torch.cat([coarse, features], dim=1)))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Hourglass, Path]:
    torch.manual_seed(0)
    network, path = Hourglass().eval(), tmp_path_factory.mktemp("onnx") / "hourglass.onnx"
    export_onnx(network, path, "logits")
    return network, path


@pytest.mark.parametrize("size", [(8, 8), (64, 24), (37, 50), (7, 8), (1, 1)])
def test_the_file_says_what_the_network_says_at_any_size(
    exported: tuple[Hourglass, Path], size: tuple[int, int]
) -> None:
    network, path = exported
    pixels = np.random.default_rng(0).random((2, 3, *size), dtype=np.float32)

    (said,) = onnxruntime.InferenceSession(path).run(None, {"pixels": pixels})

    with torch.no_grad():
        expected = network(torch.from_numpy(pixels)).numpy()
    assert said.shape == (2, 2, *size)
    assert np.ptp(said) > 0.1 or size == (1, 1)
    np.testing.assert_allclose(said, expected, atol=1e-6)


def test_pixels_beyond_the_edge_repeat_the_last_ones(exported: tuple[Hourglass, Path]) -> None:
    network, _ = exported
    pixels = torch.rand(1, 3, 15, 16)
    repeated = torch.cat([pixels, pixels[:, :, -1:]], dim=2)

    with torch.no_grad():
        torch.testing.assert_close(network(pixels), network.scores(repeated)[:, :, :15])


def test_the_file_declares_any_size_and_doubles_by_a_constant(exported: tuple[Hourglass, Path]) -> None:
    graph = onnx.load(exported[1]).graph

    onnx.checker.check_model(onnx.load(exported[1]), full_check=True)
    for value in (*graph.input, *graph.output):
        dimensions = value.type.tensor_type.shape.dim
        assert [dimensions[axis].dim_param for axis in (0, 2, 3)] == ["batch", "height", "width"]
    constants = {tensor.name for tensor in graph.initializer}
    doublings = [node for node in graph.node if node.op_type == "Resize"]
    assert len(doublings) == 3
    assert all(node.input[2] in constants and len(node.input) == 3 for node in doublings)


class TwoEyes(nn.Module):
    """Its first convolution is not the one that takes the image."""

    def __init__(self) -> None:
        super().__init__()
        self.refine, self.look = nn.Conv2d(8, 2, 1), nn.Conv2d(4, 8, 3, padding=1)

    def forward(self, pixels: Tensor) -> Tensor:
        scores: Tensor = self.refine(self.look(pixels))
        return scores


class Mixing(nn.Module):
    """It has no convolution of two dimensions at all."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(4, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        scores: Tensor = self.mix(pixels.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return scores


@pytest.mark.parametrize("network", [TwoEyes(), Mixing()])
def test_a_network_is_written_with_the_bands_that_its_item_says(network: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with of_bands(4):
        export_onnx(network, path, "logits")
    (given,) = onnx.load(path).graph.input
    assert given.type.tensor_type.shape.dim[1].dim_value == 4


def test_a_network_that_does_not_say_its_bands_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="Mixing has no convolution"):
        export_onnx(Mixing(), tmp_path / "model.onnx", "logits")
