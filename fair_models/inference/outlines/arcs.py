"""Outlines of objects as arcs: what two neighbours share is one arc, and is simplified once for both.

An arc ends where three outlines meet, or two touch at a corner. These points stay where they are, so that
what comes out has neither gaps nor overlaps. Arcs are simplified as outlines alone are (Douglas-Peucker that
keeps topology), not by a simplification of coverages after Visvalingam and Whyatt: that one counts areas, and
keeps the stairs of long slanted walls until the corners of small annexes are gone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fair_models.inference.windowing.links import ranges
from fair_models.types import Array

LONGEST_EDGE_PX = 512
"""Longer edges get further vertices: a straight line in one projection bends in another."""


@dataclass(frozen=True)
class Arcs:
    """Lines that outlines are made of.

    vertices: float64, shape (n, 2).
    offsets: Where each arc begins among them, and the end of the last, int64, shape (arcs + 1,).
    """

    vertices: Array
    offsets: Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Array:
        """How many vertices each arc has."""
        return np.diff(self.offsets)

    @classmethod
    def of(cls, vertices: Array, lengths: Array) -> Arcs:
        """Arcs whose vertices lie one after the other."""
        return cls(vertices, np.append(0, np.cumsum(lengths)))

    def lines(self) -> Array:
        """As shapely lines."""
        import shapely

        return np.asarray(
            shapely.from_ragged_array(shapely.GeometryType.LINESTRING, self.vertices, (self.offsets,))
        )

    @classmethod
    def of_lines(cls, lines: Array) -> Arcs:
        """Arcs of shapely lines."""
        import shapely

        vertices, which = shapely.get_coordinates(lines, return_index=True)
        return cls.of(vertices, np.bincount(which, minlength=len(lines)))

    def times(self, scale: Array) -> Arcs:
        """The same, larger or smaller along each axis."""
        return Arcs(self.vertices * scale, self.offsets)

    def where(self, chosen: Array, others: Arcs) -> Arcs:
        """These where `chosen` is true, and elsewhere the others."""
        lengths = np.where(chosen, self.lengths, others.lengths)
        begins = np.where(chosen, self.offsets[:-1], others.offsets[:-1] + len(self.vertices))
        return Arcs.of(np.concatenate((self.vertices, others.vertices))[ranges(begins, lengths)], lengths)

    def simplified(self, tolerance: float) -> Arcs:
        """With as few vertices as leave each arc within the tolerance of what it was; its ends stay.

        Rings keep an area. An arc may come to cross another one, or itself.
        """
        import shapely

        lines = self.lines()
        rings = (self.vertices[self.offsets[:-1]] == self.vertices[self.offsets[1:] - 1]).all(axis=1)
        # Keeping the topology takes five times as long.
        for chosen, keep in ((rings, True), (~rings, False)):
            lines[chosen] = shapely.simplify(lines[chosen], tolerance, preserve_topology=keep)
        return Arcs.of_lines(lines)

    def with_short_edges(self) -> Arcs:
        """With further vertices on edges longer than `LONGEST_EDGE_PX`."""
        edges = np.diff(self.vertices, axis=0)
        within = np.ones(len(edges), bool)
        within[self.offsets[1:-1] - 1] = False
        if not (np.hypot(*edges[within].T) > LONGEST_EDGE_PX).any():
            return self
        return Arcs.of_lines(with_short_edges(self.lines()))


@dataclass(frozen=True)
class Mesh:
    """Polygons, and the arcs that they are made of.

    arcs: Each once, as the first polygon that it belongs to runs along it.
    used: Which arc comes next, ring by ring, int64, shape (uses,).
    turned: Whether it is run along the other way, bool, same shape.
    rings: Where each ring begins among the uses, and the end of the last, int64, shape (rings + 1,).
    polygons: Where each polygon begins among the rings, and the end of the last, int64.
    """

    arcs: Arcs
    used: Array
    turned: Array
    rings: Array
    polygons: Array

    @property
    def polygon_of_use(self) -> Array:
        """Index of the polygon that each use belongs to."""
        ring_of_use = np.repeat(np.arange(len(self.rings) - 1), np.diff(self.rings))
        return np.repeat(np.arange(len(self.polygons) - 1), np.diff(self.polygons))[ring_of_use]

    @property
    def shared(self) -> Array:
        """Which polygons have an arc in common with another one, bool."""
        twice = np.bincount(self.used, minlength=len(self.arcs)) > 1
        made = np.zeros(len(self.polygons) - 1, bool)
        made[self.polygon_of_use[twice[self.used]]] = True
        return made

    def ring_sizes(self, arcs: Arcs) -> Array:
        """How many vertices each ring has with other arcs in the places of these, the first one once."""
        return np.add.reduceat(arcs.lengths[self.used] - 1, self.rings[:-1])

    def outlines(self, arcs: Arcs) -> Array:
        """The polygons with other arcs in the places of these.

        Args:
            arcs: With the ends of these.

        Returns:
            Shapely polygons, with their rings in their order.
        """
        import shapely

        lengths = arcs.lengths[self.used] - 1
        begins = np.where(self.turned, -(arcs.offsets[self.used + 1] - 1), arcs.offsets[self.used])
        sizes = self.ring_sizes(arcs)
        ends = np.cumsum(sizes)
        order = np.abs(ranges(begins, lengths))
        order = np.insert(order, ends, order[ends - sizes])
        return np.asarray(
            shapely.from_ragged_array(
                shapely.GeometryType.POLYGON,
                arcs.vertices[order],
                (np.append(0, np.cumsum(sizes + 1)), self.polygons),
            )
        )


def mesh_of(outlines: Array, group: Array) -> Mesh:
    """Find the arcs of polygons that follow the edges of pixels and do not overlap.

    Args:
        outlines: Shapely polygons whose vertices are whole numbers and whose sides are level or upright,
            shape (n,), n > 0. All run the same way round, so that neighbours run along an edge in opposite
            directions.
        group: Number of the group of each: only polygons of one group have arcs in common. int64, shape (n,).
    """
    import shapely

    _, vertices, (ring_ends, polygon_ends) = shapely.to_ragged_array(outlines)
    group_of_ring = np.repeat(group, np.diff(polygon_ends))
    sides = _Sides.of(np.rint(vertices).astype(np.int64), ring_ends, group_of_ring).split()
    nodes = sides.nodes()
    order = _rotated(sides, nodes)
    ring, begins = sides.ring[order], nodes[order]
    begins[np.append(True, ring[1:] != ring[:-1])] = True
    first = np.flatnonzero(begins)
    lengths = np.diff(np.append(first, len(order)))
    # An edge belongs to one arc only: the least of an arc's edges names it.
    _, original, used = np.unique(
        np.minimum.reduceat(sides.keys[order], first), return_index=True, return_inverse=True
    )
    # Number arcs as they come, so that those of one polygon lie side by side.
    rank = np.argsort(np.argsort(original))
    original, used = np.sort(original), rank[used]
    turned = original[used] != np.arange(len(used))
    steps = ranges(first[original], lengths[original])
    ends = np.cumsum(lengths[original])
    columns = np.insert(sides.columns[order][steps], ends, sides.to_columns[order][steps[ends - 1]])
    rows = np.insert(sides.rows[order][steps], ends, sides.to_rows[order][steps[ends - 1]])
    return Mesh(
        Arcs.of(np.column_stack((columns, rows)).astype(np.float64), lengths[original] + 1),
        used,
        turned,
        np.searchsorted(ring[first], np.arange(len(ring_ends))),
        np.asarray(polygon_ends, np.int64),
    )


def with_short_edges(shapes: Array) -> Array:
    """Shapes in pixels with further vertices on edges longer than `LONGEST_EDGE_PX`, shape (n,).

    What two polygons share has to get them once: each one's own might differ in their last digit.
    """
    import shapely

    shapes = np.array(shapes)
    west, south, east, north = shapely.bounds(shapes).T
    large = np.hypot(east - west, north - south) > LONGEST_EDGE_PX  # others have no such edge
    shapes[large] = shapely.segmentize(shapes[large], LONGEST_EDGE_PX)
    return shapes


@dataclass(frozen=True)
class _Sides:
    """Level and upright sides of rings, ring by ring.

    columns, rows: Where each begins, int64, shape (n,).
    to_columns, to_rows: Where it ends.
    ring: Index of its ring.
    group: Number of its group. Sides of two groups have nothing to do with each other, wherever they lie.
    """

    columns: Array
    rows: Array
    to_columns: Array
    to_rows: Array
    ring: Array
    group: Array

    @classmethod
    def of(cls, vertices: Array, ring_ends: Array, group: Array) -> _Sides:
        """Sides of closed rings.

        Args:
            vertices: Columns and rows, int64, shape (n, 2).
            ring_ends: Where each ring begins among them, and the end of the last.
            group: Number of the group of each ring.
        """
        lengths = np.diff(ring_ends) - 1
        begins = ranges(np.asarray(ring_ends[:-1], np.int64), lengths)
        (columns, rows), (to_columns, to_rows) = vertices[begins].T, vertices[begins + 1].T
        ring = np.repeat(np.arange(len(lengths)), lengths)
        return cls(columns, rows, to_columns, to_rows, ring, group[ring])

    @property
    def keys(self) -> Array:
        """A number of each side that is the same for the neighbour on its other side."""
        upright = self.columns == self.to_columns
        left, top = np.minimum(self.columns, self.to_columns), np.minimum(self.rows, self.to_rows)
        return np.asarray(self._points(top, left) * 2 + upright)

    @property
    def _size(self) -> int:
        return int(max(self.columns.max(), self.rows.max())) + 1

    def _points(self, line: Array, along: Array) -> Array:
        """A number of each point, in the order of groups, lines, and places along them."""
        return np.asarray((self.group * self._size + line) * self._size + along)

    def split(self) -> _Sides:
        """The same, each cut where another one begins on it: neighbours have the same sides then."""
        size, level = self._size, self.rows == self.to_rows
        by_row = _distinct(self._points(self.rows, self.columns))
        by_column = _distinct(self._points(self.columns, self.rows))
        made = []
        for known, along, line, ends in (
            (by_row, self.columns, self.rows, self.to_columns),
            (by_column, self.rows, self.columns, self.to_rows),
        ):
            begin = np.searchsorted(known, self._points(line, np.minimum(along, ends)), side="right")
            end = np.searchsorted(known, self._points(line, np.maximum(along, ends)))
            made.append((begin, np.maximum(end - begin, 0), along > ends))
        begin, count, back = (np.where(level, *pair) for pair in zip(*made, strict=True))
        which = np.repeat(np.arange(len(level)), count)
        # Points in the order in which the side runs.
        places = np.abs(ranges(np.where(back, -(begin + count - 1), begin), count))
        on_level = level[which]
        points = np.empty(len(places), np.int64)
        points[on_level], points[~on_level] = by_row[places[on_level]], by_column[places[~on_level]]
        line, along = points // size % size, points % size
        after = which + 1
        columns = np.insert(self.columns, after, np.where(on_level, along, line))
        rows = np.insert(self.rows, after, np.where(on_level, line, along))
        ring, group = (np.insert(each, after, each[which]) for each in (self.ring, self.group))
        following = np.arange(1, len(ring) + 1)
        ends = np.flatnonzero(np.append(ring[1:] != ring[:-1], True))
        following[ends] = np.append(0, ends[:-1] + 1)
        return _Sides(columns, rows, columns[following], rows[following], ring, group)

    def nodes(self) -> Array:
        """Which sides begin where more than two edges of their group meet, bool."""
        _, first = np.unique(self.keys, return_index=True)
        begins, ends = self._points(self.rows, self.columns), self._points(self.to_rows, self.to_columns)
        points, count = np.unique(np.concatenate((begins[first], ends[first])), return_counts=True)
        return np.asarray(np.isin(begins, points[count > 2]))


def _distinct(numbers: Array) -> Array:
    """Ascending, each once. NumPy's own way by hashes is slower where most occur twice."""
    ascending = np.sort(numbers)
    return np.asarray(ascending[np.append(True, ascending[1:] != ascending[:-1])])


def _rotated(sides: _Sides, nodes: Array) -> Array:
    """All sides ring by ring, each from a node on; where there is none, from its furthest vertex on.

    A ring without nodes keeps the vertex that it begins with: the one that is furthest from the middle is
    most surely a corner of the object itself.
    """
    begins = np.flatnonzero(np.append(True, sides.ring[1:] != sides.ring[:-1]))
    lengths = np.diff(np.append(begins, len(sides.ring)))
    across, down = (
        2 * values - (np.minimum.reduceat(values, begins) + np.maximum.reduceat(values, begins))[sides.ring]
        for values in (sides.columns, sides.rows)
    )
    far = across**2 + down**2
    far[nodes] = far.max() + 1
    largest = np.maximum.reduceat(far, begins)
    place = np.where(far == largest[sides.ring], np.arange(len(far)), len(far))
    start = np.minimum.reduceat(place, begins) - begins
    turn = np.arange(len(far)) - np.repeat(begins, lengths) + np.repeat(start, lengths)
    return np.asarray(np.repeat(begins, lengths) + turn % np.repeat(lengths, lengths))
