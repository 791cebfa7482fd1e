import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from fair_models.errors import Corrupted, InvalidContribution, NotFound
from fair_models.ml_tasks import weights


def network(channels: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, channels, 3), nn.BatchNorm2d(channels))


def test_weights_come_back_as_they_were_saved(tmp_path):
    saved, loaded = network(), network()
    weights.save(saved, tmp_path / "a.safetensors")
    weights.load(loaded, tmp_path / "a.safetensors")

    for name, tensor in saved.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name


def test_the_same_weights_give_the_same_bytes(tmp_path):
    same = network()
    weights.save(same, tmp_path / "a.safetensors")
    weights.save(same, tmp_path / "b.safetensors")

    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_half_precision_on_disk_becomes_what_the_network_has(tmp_path):
    saved, loaded = network(), network()
    weights.save(saved, tmp_path / "half.safetensors", half=True)
    weights.save(saved, tmp_path / "full.safetensors")
    weights.load(loaded, tmp_path / "half.safetensors")

    assert {tensor.dtype for tensor in loaded.parameters()} == {torch.float32}
    assert torch.allclose(loaded[0].weight, saved[0].weight, atol=1e-3)
    assert (tmp_path / "half.safetensors").stat().st_size < (tmp_path / "full.safetensors").stat().st_size


def test_a_state_dict_of_torch_is_read(tmp_path):
    saved, loaded = network(), network()
    torch.save(saved.state_dict(), tmp_path / "a.pt")
    weights.load(loaded, tmp_path / "a.pt")

    assert torch.equal(saved[0].weight, loaded[0].weight)


class Trap:
    def __reduce__(self):
        return (open, ("trap-was-executed", "w"))


@pytest.mark.parametrize("name", ["trap.pt", "trap.pth", "trap.pkl", "trap.joblib", "trap"])
def test_a_pickle_is_refused_and_not_executed(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    torch_file = tmp_path / f"torch-{name}"
    torch.save({"weights": Trap()}, torch_file)

    for path in (tmp_path / name, torch_file):
        with pytest.raises(InvalidContribution, match=rf"{name}.*may hold code"):
            weights.load(network(), path)
    assert not (tmp_path / "trap-was-executed").exists()


def test_all_misfits_are_listed_at_once(tmp_path):
    other = nn.Sequential(nn.Conv2d(3, 5, 3))
    other.further = nn.Linear(1, 1)
    weights.save(other, tmp_path / "other.safetensors")

    with pytest.raises(InvalidContribution) as error:
        weights.load(network(), tmp_path / "other.safetensors")

    text = str(error.value)
    assert "0.weight has the shape (5, 3, 3, 3), the network takes (4, 3, 3, 3)" in text
    assert "missing: 1.weight, 1.bias" in text
    assert "not in the network: further.bias, further.weight" in text


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    broken = network()
    with torch.no_grad():
        broken[0].bias[0] = np.nan
    weights.save(broken, tmp_path / "nan.safetensors")

    with pytest.raises(InvalidContribution, match=r"not finite: 0\.bias") as caught:
        weights.load(network(), tmp_path / "nan.safetensors", again="python -m models.roofs.weights")
    assert "lower its learning rate" in str(caught.value)
    assert str(caught.value).endswith("make new weights: python -m models.roofs.weights")
    assert "hyperparameters that the weights were made with" not in str(caught.value)


def test_a_network_that_has_changed_needs_new_weights_by_the_command_that_makes_them(tmp_path):
    weights.save(network(5), tmp_path / "other.safetensors")

    with pytest.raises(InvalidContribution) as caught:
        weights.load(network(), tmp_path / "other.safetensors", again="python -m models.roofs.weights")
    told = str(caught.value)
    assert "where the network itself has changed, make new weights: python -m models.roofs.weights" in told
    assert "learning rate" not in told


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
def test_a_damaged_file_is_told_as_such(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 no weights")
    with pytest.raises(Corrupted, match=name):
        weights.load(network(), tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NotFound, match=r"a\.safetensors do not exist"):
        weights.load(network(), tmp_path / "a.safetensors")


def test_weights_are_written_as_safetensors_alone(tmp_path):
    with pytest.raises(InvalidContribution, match=r"let the name end in \.safetensors"):
        weights.save(network(), tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ((2**60).to_bytes(8, "little") + b"{}", "does not go into"),
        (b"\x02", "does not go into"),
        ((2).to_bytes(8, "little") + b"[]", "cannot be read as safetensors"),
        ((16).to_bytes(8, "little") + b'{"a": 1, "a": 2}', "gives the key 'a' twice"),
    ],
)
def test_a_header_that_cannot_be_right_is_told_before_it_is_used(tmp_path, content, said):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(Corrupted, match=said):
        weights.read(tmp_path / "a.safetensors")


def test_a_long_header_is_refused_before_it_is_read(tmp_path, monkeypatch):
    weights.save(network(), tmp_path / "a.safetensors")
    monkeypatch.setattr(weights, "LARGEST_HEADER_BYTES", 100)
    with pytest.raises(Corrupted, match="at most 100 are read"):
        weights.read(tmp_path / "a.safetensors")


def test_a_state_dict_that_is_compressed_is_refused(tmp_path):
    torch.save(network().state_dict(), tmp_path / "stored.pt")
    with (
        zipfile.ZipFile(tmp_path / "stored.pt") as stored,
        zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in stored.namelist():
            packed.writestr(name, stored.read(name))

    with pytest.raises(Corrupted, match=r"a\.pt.*is compressed"):
        weights.read(tmp_path / "a.pt")
