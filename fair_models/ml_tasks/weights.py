"""Weights of a network: safetensors, or a torch state dict that holds tensors alone. Needs torch."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from fair_models.errors import Corrupted, InvalidContribution, InvalidDocument, NotFound, reason_of
from fair_models.ml_tasks.weights_file import SAFETENSORS, STATE_DICTS
from fair_models.store import documents
from fair_models.store.atomic import write_bytes

LARGEST_HEADER_BYTES = 10_000_000
"""The largest header of a safetensors file that is read; a network of a million tensors has no more."""

_BROKEN = (
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
)
"""What torch raises over a file that is cut off or changed: it has no error of its own for that."""


def save(network: nn.Module, path: Path, *, half: bool = False) -> None:
    """Write a network's weights as safetensors. The same weights give the same bytes.

    Args:
        network: The network.
        path: Where to write; its name ends in .safetensors.
        half: Round float32 to float16: half the size, for weights that training starts from.
    """
    if path.suffix != SAFETENSORS:
        raise InvalidContribution(
            path.name, [f"weights are written as safetensors: let the name end in {SAFETENSORS}"]
        )
    tensors = {
        name: (tensor.half() if half and tensor.dtype == torch.float32 else tensor).contiguous().cpu()
        for name, tensor in network.state_dict().items()
    }
    write_bytes(path, to_safetensors(tensors))


def load(network: nn.Module, path: Path, new_layers: Collection[str] = (), again: str = "") -> None:
    """Put weights into a network, in place. Float16 on disk becomes the type that the network has.

    Args:
        network: What `build` made.
        path: `.safetensors`, or `.pt`/`.pth` with a state dict of tensors.
        new_layers: Layers that stay as `build` made them, e.g. "head", whatever the file has for them.
        again: How these weights are made, e.g. "python -m models.roofs.weights"; told where they do not fit.

    Raises:
        NotFound: There is no such file.
        Corrupted: The file cannot be read.
        InvalidContribution: The file may hold code, or does not fit the network: all that is missing,
            unexpected, of another shape or not finite is listed.
    """
    put(network, without(read(path), new_layers), path.name, new_layers, again)


def put(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    subject: str,
    new_layers: Collection[str] = (),
    again: str = "",
) -> None:
    """Put tensors into a network or a part of it, in place. Float16 becomes the type that the network has.

    Args:
        network: The network.
        tensors: By name, all that the network has and no others.
        subject: What they are, for messages.
        new_layers: Layers that stay as they are.
        again: How the tensors are made; told where they do not fit.

    Raises:
        InvalidContribution: They do not fit; lists all that is missing, unexpected, of another shape or not
            finite.
    """
    own = without(network.state_dict(), new_layers)
    reasons = _misfits(own, tensors)
    if reasons:
        raise InvalidContribution(subject, [*reasons, *_remedies(reasons, again)])
    network.load_state_dict(
        {**network.state_dict(), **{name: tensors[name].to(own[name].dtype) for name in own}}
    )


_NOT_FINITE = "not finite"


def _remedies(reasons: Sequence[str], again: str) -> Iterator[str]:
    """What helps: NaN comes of a training that diverged, all else of another network."""
    make = f"make new weights: {again}" if again else "make the weights again"
    if any(reason.startswith(_NOT_FINITE) for reason in reasons):
        yield (
            "weights that hold NaN or infinity come of a training that diverged: lower its learning rate "
            f"(training.learning_rate) and {make}"
        )
    if any(not reason.startswith(_NOT_FINITE) for reason in reasons):
        yield (
            "build the network with the hyperparameters that the weights were made with; where the network "
            f"itself has changed, {make}"
        )


def without(tensors: Mapping[str, Tensor], layers: Collection[str]) -> dict[str, Tensor]:
    """Tensors by name but for those of some layers."""
    return {name: tensor for name, tensor in tensors.items() if not is_of(name, layers)}


def is_of(name: str, layers: Collection[str]) -> bool:
    """Whether a tensor belongs to one of some layers: "head.weight" to "head"."""
    return any(name == layer or name.startswith(f"{layer}.") for layer in layers)


def read(path: Path) -> Mapping[str, Tensor]:
    """Tensors by name, without running anything that the file may hold.

    Raises:
        NotFound: There is no such file.
        Corrupted: The file cannot be read.
        InvalidContribution: The file is of a kind that may hold code.
    """
    if not path.is_file():
        raise NotFound(f"Weights {path} do not exist. Name a .safetensors file that does.")
    if path.suffix == SAFETENSORS:
        _check_header(path)
        try:
            tensors: dict[str, Tensor] = load_file(path)
        except (SafetensorError, *_BROKEN) as error:
            raise Corrupted(
                f"Weights {path} cannot be read as safetensors: {reason_of(error)}. Write them again."
            ) from error
        return tensors
    if path.suffix in STATE_DICTS:
        return _read_state_dict(path)
    raise InvalidContribution(
        path.name,
        [
            f"{path.suffix or 'a file without an ending'} may hold code that runs when it is read: "
            "save the weights as .safetensors"
        ],
    )


def _check_header(path: Path) -> None:
    """Refuse a header that is too long, reaches beyond the file, or is no plain JSON.

    Layout: https://github.com/huggingface/safetensors#format
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(LARGEST_HEADER_BYTES, size - 8):
            raise Corrupted(
                f"Weights {path} cannot be read as safetensors: a header of {length:,} bytes does not go "
                f"into a file of {size:,}, and at most {LARGEST_HEADER_BYTES:,} are read. Write them again."
            )
        header = file.read(length)
    try:
        documents.parse_json(header, path.name, documents.Limits(bytes=LARGEST_HEADER_BYTES, depth=4))
    except InvalidDocument as error:
        raise Corrupted(
            f"Weights {path} cannot be read as safetensors: in their header, {'; '.join(error.reasons)}. "
            "Write them again."
        ) from error


def _check_not_packed(path: Path) -> None:
    """Refuse a state dict whose tensors are compressed: torch never does that, and a bomb would be."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        stored = zipfile.ZIP_STORED
        packed = [entry.filename for entry in archive.infolist() if entry.compress_type != stored]
    if packed:
        raise Corrupted(
            f"Weights {path} cannot be read as a torch state dict: {packed[0][:80]!r} in it is compressed, "
            "which torch.save never does. Write them again."
        )


def _read_state_dict(path: Path) -> Mapping[str, Tensor]:
    try:
        _check_not_packed(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InvalidContribution(
            path.name,
            [
                "it is a pickle with more than tensors in it, which may hold code that runs when it is read: "
                "save network.state_dict() as .safetensors"
            ],
        ) from error
    except _BROKEN as error:
        raise Corrupted(
            f"Weights {path} cannot be read as a torch state dict: {reason_of(error)}. Write them again."
        ) from error
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise InvalidContribution(
            path.name, ["it is no flat state dict of tensors: save network.state_dict() as .safetensors"]
        )
    return content


def _misfits(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> list[str]:
    both = [name for name in own if name in tensors]
    shapes = [
        f"{name} has the shape {tuple(tensors[name].shape)}, the network takes {tuple(own[name].shape)}"
        for name in both
        if own[name].shape != tensors[name].shape
    ]
    broken = [name for name in both if not bool(torch.isfinite(tensors[name]).all())]
    found = {
        "missing": [name for name in own if name not in tensors],
        "not in the network": [name for name in tensors if name not in own],
        _NOT_FINITE: broken,
    }
    return [*shapes, *(f"{what}: {', '.join(names)}" for what, names in found.items() if names)]
