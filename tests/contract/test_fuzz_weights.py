"""Broken weights."""

import io
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from fair_models.ml_tasks import weights
from tests.fuzzing import fuzz, mutated_bytes, only_our_errors

NETWORK = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))


def saved(*, zipped: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save(NETWORK.state_dict(), buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


@given(data=mutated_bytes(save(NETWORK.state_dict()), head=400) | st.binary(max_size=200))
@fuzz(600)
def test_any_safetensors_are_loaded_or_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(data)
    with only_our_errors():
        weights.load(nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2)), tmp_path / "a.safetensors")


@given(data=mutated_bytes(saved(zipped=True)) | mutated_bytes(saved(zipped=False), head=800))
@fuzz(600)
def test_any_state_dict_is_loaded_or_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.pt").write_bytes(data)
    with only_our_errors():
        weights.load(nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2)), tmp_path / "a.pt")
