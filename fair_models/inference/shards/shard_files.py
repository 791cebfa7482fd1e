"""What the windows of a shard say, as one file: arrays in Arrow's stream format, compressed, without code.

https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import islice
from typing import Any

import numpy as np
import orjson

from fair_models.errors import Corrupted
from fair_models.inference.windowing import mask_runs
from fair_models.inference.windowing.detections import FoundObjects
from fair_models.inference.windowing.mask_runs import Runs
from fair_models.inference.windowing.window_steps import Raster, WindowResult
from fair_models.inference.windows import Rectangle
from fair_models.types import Array

VERSION = 3
"""Changes with the content of the files; it is a part of what a shard is called by."""

_RUNS = tuple(field.name for field in fields(Runs))
_FOUND = tuple(field.name for field in fields(FoundObjects))
_KEY = b"windows"

_NOT_TOLD = -1
"""Count of the markers of a window whose model does not tell objects apart."""


def pack(windows: Sequence[WindowResult]) -> bytes:
    """A file of what windows say. The same windows give the same bytes."""
    said = [
        {
            "source": each.source,
            "scores": [(weight, dict(values)) for weight, values in each.scores],
            "pixels": each.pixels,
        }
        for each in windows
    ]
    return _written(_arrays(windows), orjson.dumps(said, option=orjson.OPT_SERIALIZE_NUMPY))


def unpack(data: bytes, count: int) -> list[WindowResult]:
    """What windows say, as `pack` was given it.

    Args:
        data: The file.
        count: How many windows it has to hold.

    Raises:
        Corrupted: It is no such file.
    """
    try:
        arrays, said = _read(data)
        found = list(_windows(arrays, orjson.loads(said)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Corrupted(f"A shard cannot be read: {error}") from error
    if len(found) != count:
        raise Corrupted(f"A shard holds {len(found)} windows instead of {count}")
    return found


def _arrays(windows: Sequence[WindowResult]) -> dict[str, Array]:
    everything = mask_runs.stacked(mask_runs.none(), *(each.runs for each in windows))
    found = [one for each in windows for one in each.found]
    rasters = [each.raster for each in windows if each.raster is not None]
    areas = [
        (each.raster.area.row, each.raster.area.column, each.raster.area.height, each.raster.area.width)
        if each.raster is not None
        else (0, 0, 0, 0)
        for each in windows
    ]
    return {
        "runs": np.array([len(each.runs) for each in windows], np.int64),
        **{f"runs.{name}": getattr(everything, name) for name in _RUNS},
        **_markers(windows),
        "found": np.array([len(each.found) for each in windows], np.int64),
        "found.shapes": np.array([one.geometries.shape for one in found], np.int64).reshape(-1, 2),
        **{f"found.{name}": _flat([getattr(one, name) for one in found]) for name in _FOUND},
        "rasters": np.array(areas, np.int64).reshape(-1, 4),
        "rasters.classes": _flat([each.classes for each in rasters]),
        "rasters.confidence": _flat([each.confidence for each in rasters]),
    }


def _markers(windows: Sequence[WindowResult]) -> dict[str, Array]:
    """Interiors of objects; no arrays at all where no window has any to tell, as in older files."""
    told = [each.markers for each in windows if each.markers is not None]
    if not told:
        return {}
    everything = mask_runs.stacked(mask_runs.none(), *told)
    counts = [_NOT_TOLD if each.markers is None else len(each.markers) for each in windows]
    return {
        "markers": np.array(counts, np.int64),
        **{f"markers.{name}": getattr(everything, name) for name in _RUNS},
    }


def _flat(parts: Sequence[Array]) -> Array:
    return np.concatenate([part.ravel() for part in parts]) if parts else np.empty(0)


def _windows(arrays: Mapping[str, Array], said: Sequence[Any]) -> Iterator[WindowResult]:
    takes = {name: _Pieces(values) for name, values in arrays.items()}
    shapes = iter(arrays["found.shapes"].tolist())
    marker_counts = arrays["markers"].tolist() if "markers" in arrays else [_NOT_TOLD] * len(said)
    for each, run_count, marker_count, found_count, area in zip(
        said,
        arrays["runs"].tolist(),
        marker_counts,
        arrays["found"].tolist(),
        arrays["rasters"].tolist(),
        strict=True,
    ):
        found = [_found(takes, *shape) for shape in islice(shapes, found_count)]
        raster = None
        if area[2] * area[3]:
            classes, confidence = (
                takes[f"rasters.{name}"].next(area[2] * area[3]).reshape(area[2:])
                for name in ("classes", "confidence")
            )
            raster = Raster(Rectangle(*area), classes, confidence)
        in_window = _runs(takes, "runs", run_count)
        markers = None if marker_count == _NOT_TOLD else _runs(takes, "markers", marker_count)
        scores = [(weight, values) for weight, values in each["scores"]]
        yield WindowResult(each["source"], in_window, raster, found, scores, int(each["pixels"]), markers)


def _runs(takes: Mapping[str, _Pieces], kind: str, count: int) -> Runs:
    return Runs(**{name: takes[f"{kind}.{name}"].next(count) for name in _RUNS})


def _found(takes: Mapping[str, _Pieces], count: int, width: int) -> FoundObjects:
    geometries = takes["found.geometries"].next(count * width).reshape(count, width)
    return FoundObjects(geometries, takes["found.scores"].next(count), takes["found.classes"].next(count))


class _Pieces:
    """An array, piece by piece."""

    def __init__(self, values: Array) -> None:
        self._values, self._at = values, 0

    def next(self, count: int) -> Array:
        piece = self._values[self._at : self._at + count]
        if len(piece) != count:
            raise ValueError(f"{count} values expected, {len(piece)} there")
        self._at += count
        return piece


def _written(arrays: Mapping[str, Array], said: bytes) -> bytes:
    import pyarrow as pa

    columns = {
        "name": pa.array(list(arrays)),
        "kind": pa.array([values.dtype.str for values in arrays.values()]),
        "shape": pa.array([list(values.shape) for values in arrays.values()], pa.list_(pa.int64())),
        "data": pa.array([values.tobytes() for values in arrays.values()], pa.large_binary()),
    }
    table = pa.table(columns).replace_schema_metadata({_KEY: said})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _read(data: bytes) -> tuple[dict[str, Array], bytes]:
    import pyarrow as pa

    with pa.ipc.open_stream(data) as reader:
        table = reader.read_all()
    rows = table.to_pylist()
    arrays = {
        row["name"]: np.frombuffer(row["data"], np.dtype(row["kind"])).reshape(row["shape"]) for row in rows
    }
    return arrays, bytes(table.schema.metadata[_KEY])
