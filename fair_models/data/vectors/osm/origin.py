"""Whether labels come from OpenStreetMap, and of when they are."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fair_models.data.vectors import vector_files
from fair_models.data.vectors.osm import snapshots
from fair_models.data.vectors.osm.tags import OSM_TIME, OSM_TYPE
from fair_models.store.atomic import translate_os_errors

LICENSE = "ODbL-1.0"
PROVIDER = "OpenStreetMap contributors"
"""What https://www.openstreetmap.org/copyright asks to be said of its data."""

_HEAD_BYTES = 64 * 1024
_MOST_HEADER_BYTES = 64 * 1024
_ANSWER = re.compile(rb'"osm3s"\s*:|"elements"\s*:\s*\[')
_FEATURES = re.compile(rb'"type"\s*:\s*"Feature(Collection)?"')
_TIME = re.compile(rb"""(?:osm_base=["']|"timestamp_osm_base"\s*:\s*")([0-9TZ:.+-]{10,40})["']""")
_TIMES = (OSM_TIME, "timestamp", "@timestamp")
_IDS = ("osm_id", "osm_way_id", "osm_type", "osmid", "osm:id", "@osmId")
_REPLICATION_FIELD = 32


@dataclass(frozen=True)
class OsmFile:
    """A file with data of OpenStreetMap in one of its own formats.

    time: Of when its data is, in UTC. None where it does not say so.
    """

    time: datetime | None


def of_file(path: Path) -> OsmFile | None:
    """What a file says of itself; None where it is in no format of OpenStreetMap.

    Raises:
        InvalidLabels: It is missing, broken or of a format that is not read.
        Unavailable: It cannot be read.
    """
    with vector_files.unpacked(path) as found:
        times: list[datetime | None] = []
        for file, form in found:
            with translate_os_errors(f"read {path}"), file.open("rb") as opened:
                head = opened.read(_HEAD_BYTES)
            if form == "osm-pbf":
                times.append(_of_pbf(head))
            elif form == "osm-xml" or (form == "json" and _is_answer(head)):
                said = _TIME.search(head)
                times.append(_parsed(said[1].decode()) if said else None)
        known = [each for each in times if each is not None]
        return OsmFile(min(known, default=None)) if times else None


def newest(properties: Sequence[Mapping[str, Any]]) -> datetime | None:
    """When the last of some features was changed, in UTC; None where none says so."""
    found = edits(properties)
    return found[-1] if found else None


def edits(properties: Sequence[Mapping[str, Any]]) -> list[datetime]:
    """When features were changed last, in UTC, oldest first; of those that say so."""
    said = (each[name] for each in properties for name in _TIMES if each.get(name))
    return sorted(time for time in map(_parsed, map(str, said)) if time is not None)


def have_ids(properties: Sequence[Mapping[str, Any]]) -> bool:
    """Whether most features have an id of OpenStreetMap, as its exports write it."""
    having = sum(
        any(each.get(name) not in (None, "") for name in _IDS)
        or str(each.get("@id", each.get("id"))).startswith(("way/", "relation/", "node/"))
        for each in properties
    )
    return having > len(properties) / 2


def id_of(properties: Mapping[str, Any]) -> str:
    """The id of a feature in OpenStreetMap with its kind, e.g. "w123"; empty where no export wrote one."""
    for name in ("@id", "id", "full_id"):
        said = str(properties.get(name) or "")
        if re.fullmatch(r"(way|relation|node)/[0-9]+|[wrn][0-9]+", said):
            return said[0] + re.sub(r"[^0-9]", "", said)
    for name in _IDS:
        said = str(properties.get(name) or "").strip()
        if name != OSM_TYPE and re.fullmatch(r"-?[0-9]+", said):
            kind = "way" if name == "osm_way_id" else str(properties.get(OSM_TYPE) or "")
            return f"{kind[:1]}{said}"
    return ""


def _is_answer(head: bytes) -> bool:
    is_overpass = _ANSWER.search(head) is not None and _FEATURES.search(head) is None
    return is_overpass or head.startswith(snapshots.START)


def _parsed(text: str) -> datetime | None:
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    return None


def _of_pbf(head: bytes) -> datetime | None:
    """The time of replication in the header of a PBF (https://wiki.openstreetmap.org/wiki/PBF_Format)."""
    with suppress(struct.error, IndexError, ValueError, OverflowError, zlib.error, TypeError):
        (length,) = struct.unpack(">I", head[:4])
        blob_header = dict(_fields(head[4 : 4 + length]))
        blob = dict(_fields(head[4 + length : 4 + length + int(blob_header[3])]))
        packed = blob.get(3)
        header = (
            zlib.decompressobj().decompress(packed, _MOST_HEADER_BYTES)
            if isinstance(packed, bytes)
            else blob[1]
        )
        said = dict(_fields(header)).get(_REPLICATION_FIELD)
        return datetime.fromtimestamp(int(said), UTC) if said else None
    return None


def _fields(message: Any) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a Protobuf message; its numbers and its bytes are all that is needed."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
        elif key & 7 == 2:
            size, at = _varint(message, at)
            yield key >> 3, message[at : at + size]
            at += size
        else:
            at += {1: 8, 5: 4}[key & 7]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
