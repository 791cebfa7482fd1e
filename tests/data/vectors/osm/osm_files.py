"""A small map of OpenStreetMap, written in each of the formats that its data has."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

TIME = "2026-01-02T03:04:05Z"
CHANGED = "2025-03-01T00:00:00Z"
_SECONDS = 1767323045
_CHANGED_SECONDS = 1740787200

Place = tuple[float, float]


def square(x: float, y: float, size: float) -> list[Place]:
    return [(x, y), (x + size, y), (x + size, y + size), (x, y + size), (x, y)]


@dataclass
class OsmMap:
    """Nodes by id; ways with ids of nodes; relations with type, id and role of members."""

    nodes: dict[int, tuple[Place, dict[str, str]]] = field(default_factory=dict)
    ways: dict[int, tuple[list[int], dict[str, str]]] = field(default_factory=dict)
    relations: dict[int, tuple[list[tuple[str, int, str]], dict[str, str]]] = field(default_factory=dict)
    _ids: dict[Place, int] = field(default_factory=dict)

    def node(self, place: Place, **tags: str) -> int:
        number = self._ids.setdefault(place, len(self._ids) + 1)
        self.nodes[number] = place, {**self.nodes.get(number, (place, {}))[1], **tags}
        return number

    def way(self, number: int, places: Iterable[Place], tags: Mapping[str, str] | None = None) -> int:
        self.ways[number] = [self.node(place) for place in places], dict(tags or {})
        return number

    def relation(self, number: int, members: Sequence[tuple[int, str]], tags: Mapping[str, str]) -> None:
        listed = [("way", way, role) for way, role in members]
        self.relations[number] = listed, {"type": "multipolygon", **tags}

    def xml(self, path: Path) -> Path:
        lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<osm version="0.6" generator="a test">']
        lines.append(f'<meta osm_base="{TIME}"/>')
        about = f'version="1" timestamp="{CHANGED}"'
        for number, ((x, y), tags) in self.nodes.items():
            lines.append(f'<node id="{number}" lon="{x:.7f}" lat="{y:.7f}" {about}>{_tags(tags)}</node>')
        for number, (nodes, tags) in self.ways.items():
            inside = "".join(f'<nd ref="{node}"/>' for node in nodes)
            lines.append(f'<way id="{number}" {about}>{inside}{_tags(tags)}</way>')
        for number, (members, tags) in self.relations.items():
            inside = "".join(
                f'<member type="{kind}" ref="{ref}" role="{role}"/>' for kind, ref, role in members
            )
            lines.append(f'<relation id="{number}" {about}>{inside}{_tags(tags)}</relation>')
        path.write_text("\n".join([*lines, "</osm>", ""]), encoding="utf-8")
        return path

    def pbf(self, path: Path) -> Path:
        """https://wiki.openstreetmap.org/wiki/PBF_Format, without the times of nodes."""
        header = _string(4, b"OsmSchema-V0.6") + _number(32, _SECONDS)
        words = [""]
        groups = [_string(2, self._dense(words))]
        groups += [
            b"".join(
                _string(3, _number(1, number) + _about(words, tags) + _string(8, _deltas(nodes)))
                for number, (nodes, tags) in self.ways.items()
            ),
            b"".join(
                _string(4, _number(1, number) + _about(words, tags) + _roles(words, members))
                for number, (members, tags) in self.relations.items()
            ),
        ]
        table = b"".join(_string(1, word.encode()) for word in words)
        block = _string(1, table) + b"".join(_string(2, group) for group in groups if group)
        path.write_bytes(_blob(b"OSMHeader", header) + _blob(b"OSMData", block))
        return path

    def _dense(self, words: list[str]) -> bytes:
        tagged = [
            b"".join(
                _varint(_index(words, key)) + _varint(_index(words, value)) for key, value in tags.items()
            )
            + _varint(0)
            for _, tags in self.nodes.values()
        ]
        places = [place for place, _ in self.nodes.values()]
        return (
            _string(1, _deltas(list(self.nodes)))
            + _string(8, _deltas([round(y * 1e7) for _, y in places]))
            + _string(9, _deltas([round(x * 1e7) for x, _ in places]))
            + _string(10, b"".join(tagged))
        )

    def overpass(self, path: Path, *, geometry: bool = True, **more: Any) -> Path:
        """An answer in JSON, of `out meta geom` or (without geometry) of `out meta; >; out skel`."""
        elements = list(self._elements(geometry))
        document = {"version": 0.6, "osm3s": {"timestamp_osm_base": TIME}, "elements": elements, **more}
        path.write_text(json.dumps(document))
        return path

    def _elements(self, geometry: bool) -> Iterator[dict[str, Any]]:
        for number, ((x, y), tags) in self.nodes.items():
            if tags or not geometry:
                yield _element("node", number, tags, lon=x, lat=y)
        for number, (nodes, tags) in self.ways.items():
            line = {"geometry": self._line(nodes)} if geometry else {}
            yield _element("way", number, tags, nodes=nodes, **line)
        for number, (members, tags) in self.relations.items():
            listed = [
                {"type": kind, "ref": ref, "role": role}
                | ({"geometry": self._line(self.ways[ref][0])} if geometry and ref in self.ways else {})
                for kind, ref, role in members
            ]
            yield _element("relation", number, tags, members=listed)

    def _line(self, nodes: Sequence[int]) -> list[dict[str, float]]:
        return [{"lon": self.nodes[node][0][0], "lat": self.nodes[node][0][1]} for node in nodes]


def village() -> OsmMap:
    """Houses, one with two touching courtyards, an old style school, an island in a lake, roads, a point."""
    made = OsmMap()
    made.way(1, square(0.001, 0.001, 0.001), {"building": "yes"})
    made.way(2, square(0.004, 0.001, 0.001), {"building": "house", "name": 'Ann\'s "house"'})
    made.way(3, square(0.007, 0.001, 0.001), {"building": "no"})
    made.way(10, [(0.01, 0.01), (0.016, 0.01), (0.016, 0.016)])
    made.way(11, [(0.016, 0.016), (0.01, 0.016), (0.01, 0.01)])
    made.way(12, [(0.012, 0.012), (0.013, 0.012), (0.013, 0.014), (0.012, 0.014), (0.012, 0.012)])
    made.way(13, [(0.013, 0.012), (0.014, 0.012), (0.014, 0.014), (0.013, 0.014), (0.013, 0.012)])
    roles = [(10, "outer"), (11, "outer"), (12, "inner"), (13, "inner")]
    made.relation(20, roles, {"building": "apartments"})
    made.way(30, square(0.02, 0.02, 0.004), {"building": "school"})
    made.way(31, square(0.021, 0.021, 0.001))
    made.relation(21, [(30, "outer"), (31, "inner")], {})
    made.way(40, square(0.03, 0.03, 0.008))
    made.way(41, square(0.032, 0.032, 0.004))
    made.way(42, square(0.033, 0.033, 0.001))
    made.relation(22, [(40, "outer"), (41, "inner"), (42, "outer")], {"natural": "water"})
    made.way(50, square(0.04, 0.001, 0.001), {"landuse": "forest"})
    made.way(51, square(0.042, 0.001, 0.001), {"highway": "pedestrian", "area": "yes"})
    made.way(52, square(0.044, 0.001, 0.001), {"highway": "residential", "junction": "roundabout"})
    made.way(53, [(0.05, 0.05), (0.051, 0.051)], {"highway": "residential"})
    made.node((0.06, 0.06), building="yes")
    return made


def _tags(tags: Mapping[str, str]) -> str:
    return "".join(f"<tag k={quoteattr(key)} v={quoteattr(value)}/>" for key, value in tags.items())


def _element(kind: str, number: int, tags: Mapping[str, str], **more: Any) -> dict[str, Any]:
    said = {"tags": dict(tags)} if tags else {}
    return {"type": kind, "id": number, "timestamp": CHANGED, **more, **said}


def _index(words: list[str], word: str) -> int:
    if word not in words:
        words.append(word)
    return words.index(word)


def _about(words: list[str], tags: Mapping[str, str]) -> bytes:
    keys = b"".join(_varint(_index(words, key)) for key in tags)
    values = b"".join(_varint(_index(words, value)) for value in tags.values())
    info = _number(1, 1) + _number(2, _CHANGED_SECONDS)
    said = _string(2, keys) + _string(3, values) if tags else b""
    return said + _string(4, info)


def _roles(words: list[str], members: Sequence[tuple[str, int, str]]) -> bytes:
    roles = b"".join(_varint(_index(words, role)) for _, _, role in members)
    kinds = b"".join(_varint(("node", "way", "relation").index(kind)) for kind, _, _ in members)
    return _string(8, roles) + _string(9, _deltas([ref for _, ref, _ in members])) + _string(10, kinds)


def _deltas(numbers: Sequence[int]) -> bytes:
    before = [0, *numbers[:-1]]
    return b"".join(_varint(_zigzag(now - then)) for now, then in zip(numbers, before, strict=True))


def _zigzag(number: int) -> int:
    return 2 * number if number >= 0 else -2 * number - 1


def _varint(number: int) -> bytes:
    made = b""
    while number > 127:
        made += bytes([number & 127 | 128])
        number >>= 7
    return made + bytes([number])


def _number(field_number: int, number: int) -> bytes:
    return _varint(field_number << 3) + _varint(number)


def _string(field_number: int, content: bytes) -> bytes:
    return _varint(field_number << 3 | 2) + _varint(len(content)) + content


def _blob(kind: bytes, content: bytes) -> bytes:
    blob = _number(2, len(content)) + _string(3, zlib.compress(content))
    header = _string(1, kind) + _number(3, len(blob))
    return struct.pack(">I", len(header)) + header + blob
