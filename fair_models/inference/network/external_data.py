"""Tensors of an ONNX file that lie in other files: it could have any file of this machine read as weights.

ONNX is protobuf; only the messages that can hold tensors are walked, and no tensor is decoded. Field numbers:
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, encoding: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path

_INNER: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""Fields of a message that hold further messages, by number."""

_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14
"""Fields of a tensor."""

_DEEPEST = 100
"""Messages inside each other; the same limit as that of protobuf itself."""

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_Field = tuple[int, int, int]
"""Number, where its content starts and ends; for a number, its value and -1."""


def names(path: Path) -> list[str]:
    """Names of the tensors that the file says lie elsewhere.

    Raises:
        ValueError: The file is no protobuf, is cut off, or nested too deep.
    """
    if path.stat().st_size == 0:
        raise ValueError("it is empty")
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        return [_name(data, *tensor) for tensor in _tensors(data) if _is_external(data, *tensor)]


def _tensors(data: mmap) -> Iterator[tuple[int, int]]:
    """Where the tensors of a model start and end."""
    waiting = [("model", 0, len(data), 0)]
    while waiting:
        kind, start, end, depth = waiting.pop()
        if depth > _DEEPEST:
            raise ValueError(f"its graphs lie more than {_DEEPEST} deep inside each other")
        if kind == "tensor":
            yield start, end
            continue
        for number, first, last in _fields(data, start, end):
            if last >= 0 and number in _INNER[kind]:
                waiting.append((_INNER[kind][number], first, last, depth + 1))


def _is_external(data: mmap, start: int, end: int) -> bool:
    return any(
        number == _EXTERNAL_DATA or (number == _DATA_LOCATION and (last >= 0 or value != 0))
        for number, value, last in _fields(data, start, end)
    )


def _name(data: mmap, start: int, end: int) -> str:
    found = [data[first:last] for number, first, last in _fields(data, start, end) if number == _NAME]
    return found[0][:80].decode(errors="replace") if found else "a tensor without a name"


def _fields(data: mmap, start: int, end: int) -> Iterator[_Field]:
    """The fields of one message."""
    at = start
    while at < end:
        key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at, end)
            yield number, value, -1
            continue
        size = {_FIXED_64: 8, _FIXED_32: 4}.get(wire)
        if wire == _BYTES:
            size, at = _varint(data, at, end)
        if size is None or at + size > end:
            raise ValueError(f"it is no ONNX, or cut off (byte {at})")
        yield number, at, at + size
        at += size


def _varint(data: mmap, at: int, end: int) -> tuple[int, int]:
    """A whole number of up to ten bytes, and where it ends."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError(f"it is no ONNX, or cut off (byte {at})")
