from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from fair_models.contract.verification import export_check
from fair_models.errors import InvalidContribution
from fair_models.ml_tasks.onnx_export import export_onnx
from fair_models.ml_tasks.padded import Padded
from fair_models.ml_tasks.segmentation import class_probabilities, scale_to_unit

PROCESSING = SimpleNamespace(preprocess=scale_to_unit, postprocess=class_probabilities)


@dataclass(frozen=True)
class Facts:
    bands: int = 3
    size_px: int = 64


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))


def test_an_export_agrees_with_its_network_on_any_size(tmp_path):
    own = network()
    export_onnx(own, tmp_path / "a.onnx", "logits")

    assert export_check.check(tmp_path / "a.onnx", own, PROCESSING, Facts()) < 1e-5


def test_an_export_of_other_weights_is_refused_with_the_difference(tmp_path):
    own = network()
    export_onnx(own, tmp_path / "a.onnx", "logits")
    with torch.no_grad():
        own[3].bias += 0.25

    with pytest.raises(
        InvalidContribution, match=r"logits differs by up to 0\.2\d* between ONNX and torch"
    ) as error:
        export_check.check(tmp_path / "a.onnx", own, PROCESSING, Facts())
    assert "input of 1 x 3 x 101 x 45" in str(error.value)


class Reshaping(Padded):
    """Uses height and width as numbers, which are those of one example in the file."""

    multiple_px = 4

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1)

    def scores(self, pixels):
        features = self.layer(pixels)
        height, width = features.shape[-2:]
        return features.flatten(2).softmax(dim=2).reshape(-1, 2, height, width)


def test_a_padded_network_that_uses_sizes_as_numbers_is_refused(tmp_path):
    export_onnx(Reshaping(), tmp_path / "a.onnx", "logits")

    with pytest.raises(InvalidContribution, match="ONNX does not take an input of 2 x 3 x 64 x 64"):
        export_check.check(tmp_path / "a.onnx", Reshaping(), PROCESSING, Facts())


def test_an_export_of_another_shape_is_refused(tmp_path):
    export_onnx(network(), tmp_path / "a.onnx", "logits")
    with pytest.raises(InvalidContribution, match="logits has the shape"):
        export_check.check(
            tmp_path / "a.onnx", nn.Sequential(network(), nn.MaxPool2d(2)), PROCESSING, Facts()
        )


def test_numbers_that_are_not_finite_do_not_count_as_agreement(tmp_path):
    own = network()
    with torch.no_grad():
        own[3].bias[0] = np.nan
    export_onnx(own, tmp_path / "a.onnx", "logits")

    with pytest.raises(InvalidContribution, match="differs by up to nan"):
        export_check.check(tmp_path / "a.onnx", own, PROCESSING, Facts())


def test_an_export_with_a_fixed_size_is_checked_at_that_size(tmp_path):
    own = network().eval()
    torch.onnx.export(
        own,
        (torch.zeros(1, 3, 64, 64),),
        tmp_path / "a.onnx",
        dynamo=True,
        output_names=["logits"],
        external_data=False,
    )

    assert export_check.check(tmp_path / "a.onnx", own, PROCESSING, Facts()) < 1e-5


def test_bands_that_the_network_does_not_take_are_told(tmp_path):
    own = network()
    export_onnx(own, tmp_path / "a.onnx", "logits")
    with pytest.raises(InvalidContribution, match="ONNX does not take an input of 2 x 4 x 64 x 64"):
        export_check.check(tmp_path / "a.onnx", own, PROCESSING, Facts(bands=4))


def test_a_file_that_is_no_onnx_is_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"no network")
    with pytest.raises(InvalidContribution, match="cannot be opened as ONNX"):
        export_check.check(tmp_path / "a.onnx", network(), PROCESSING, Facts())
