"""The edges between regions and what lies beside them, and the rings that they make.

Edges run along pixel corners with their region on the right hand, so that outer rings run clockwise on the
picture and holes the other way. Where a region touches itself at a corner, rings turn left: what it
encloses there is a hole that touches the outer ring, or another hole, at a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from fair_models.inference.windowing.mask_runs import Runs
from fair_models.types import Array

_EAST, _SOUTH, _WEST, _NORTH = range(4)


@dataclass(frozen=True)
class Edges:
    """Straight edges of regions, in pixels of the block.

    columns, rows: Where each begins, int64, shape (n,).
    to_columns, to_rows: Where it ends.
    directions: 0 east, 1 south, 2 west, 3 north.
    owners: What it is an edge of: a run's index, or a region's number.
    """

    columns: Array
    rows: Array
    to_columns: Array
    to_rows: Array
    directions: Array
    owners: Array

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, keep: Array) -> Edges:
        """Those that a boolean mask or an array of indices names."""
        return Edges(*(getattr(self, field.name)[keep] for field in fields(self)))

    def owned_by(self, owners: Array) -> Edges:
        """The same edges with other owners."""
        return Edges(self.columns, self.rows, self.to_columns, self.to_rows, self.directions, owners)


def none() -> Edges:
    """No edges."""
    return Edges(*(np.empty(0, np.int64) for _ in fields(Edges)))


def concatenate(parts: Sequence[Edges]) -> Edges:
    """Edges of all parts."""
    return Edges(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Edges)))


def of_runs(runs: Runs, upper: Array, lower: Array, above: int, stop: int) -> Edges:
    """The edges of runs; their owners are the indices of the runs.

    Args:
        runs: Runs of a strip, led by those of the row above it.
        upper: What `meetings` says of them: the upper runs.
        lower: The lower ones.
        above: How many belong to the row above. Their sides are known, their lower edges are not.
        stop: The row after the strip's last. The lower edges of that last row are left to the next strip.
    """
    known = len(runs) - int(np.searchsorted(runs.rows, stop - 1))
    inside = upper >= above
    parts = [
        _level(runs, lower, upper, slice(above, len(runs)), _EAST),
        _level(runs, upper, lower, slice(0, len(runs) - known), _WEST),
        _upright(runs.stops, runs.rows, upper[inside], lower[inside], above, _SOUTH),
        _upright(runs.starts, runs.rows, upper[inside], lower[inside], above, _NORTH),
    ]
    return concatenate(parts)


def _level(runs: Runs, own: Array, other: Array, part: slice, direction: int) -> Edges:
    """Upper or lower edges: what of each run does not meet one of its class there."""
    first, last = part.start, part.stop
    chosen = (own >= first) & (own < last)
    own, other = own[chosen] - first, other[chosen]
    starts, stops, rows = runs.starts[part], runs.stops[part], runs.rows[part]
    # Between its start and its stop a run has one more gap than meetings.
    count = np.bincount(own, minlength=len(starts))
    owners = np.repeat(np.arange(len(starts)), count + 1)
    after = np.cumsum(count + 1)
    left, right = np.empty(len(owners), np.int64), np.empty(len(owners), np.int64)
    meeting = own + np.arange(len(own))
    left[after - count - 1], right[after - 1] = starts, stops
    left[meeting + 1] = np.minimum(runs.stops[other], stops[own])
    right[meeting] = np.maximum(runs.starts[other], starts[own])
    open_ = left < right
    left, right, owners = left[open_], right[open_], owners[open_]
    begin, end = (left, right) if direction == _EAST else (right, left)
    row = rows[owners] + (direction == _WEST)
    return Edges(begin, row, end, row, np.full(len(row), direction), owners + first)


def _upright(sides: Array, rows: Array, upper: Array, lower: Array, above: int, direction: int) -> Edges:
    """Left or right edges, joined over the rows in which they go straight on."""
    on = sides[upper] == sides[lower]
    begins, ends = np.ones(len(rows), bool), np.ones(len(rows), bool)
    begins[:above] = ends[:above] = False
    begins[lower[on]] = ends[upper[on]] = False
    top, bottom = np.flatnonzero(begins), np.flatnonzero(ends)
    # Edges on one line of columns share no row: sorted alike, the tops and the bottoms are pairs.
    top = top[np.lexsort((rows[top], sides[top]))]
    bottom = bottom[np.lexsort((rows[bottom], sides[bottom]))]
    begin, end = rows[top], rows[bottom] + 1
    if direction == _NORTH:
        begin, end = end, begin
    return Edges(sides[top], begin, sides[top], end, np.full(len(top), direction), top)


def outlines(edges: Edges, count: int) -> Array:
    """The polygons that edges make.

    Args:
        edges: All edges of some regions; the owners are the regions' numbers, from 0 on.
        count: How many regions there are.

    Returns:
        Shapely polygons in pixels (column, row), shape (count,). Each vertex is a corner; each ring begins
        with its topmost, and of those the leftmost; holes are in the order of those vertices.
    """
    import shapely

    if not count:
        return np.empty(0, dtype=object)
    edges, following = _linked(edges)
    before = np.empty_like(following)
    before[following] = np.arange(len(following))
    order, ring = _round(following)
    corner = (edges.directions[before] != edges.directions)[order]
    order, ring = order[corner], ring[corner]
    first = np.flatnonzero(np.append(True, ring[1:] != ring[:-1]))
    lengths = np.diff(np.append(first, len(order)))
    closed = np.insert(order, first + lengths, order[first])
    vertices = np.column_stack((edges.columns[closed], edges.rows[closed])).astype(np.float64)
    ring_ends = np.append(0, np.cumsum(lengths + 1))
    polygon_ends = np.append(0, np.cumsum(np.bincount(edges.owners[order[first]], minlength=count)))
    return np.asarray(
        shapely.from_ragged_array(shapely.GeometryType.POLYGON, vertices, (ring_ends, polygon_ends))
    )


def _linked(edges: Edges) -> tuple[Edges, Array]:
    """Edges sorted by region and beginning, and the index of the one that follows on each."""
    top, width = edges.rows.min(), max(edges.columns.max(), edges.to_columns.max()) + 1
    height = max(edges.rows.max(), edges.to_rows.max()) + 1 - top

    def key(columns: Array, rows: Array, directions: Array, owners: Array) -> Array:
        return np.asarray(((owners * height + rows - top) * width + columns) * 4 + directions)

    begins = key(edges.columns, edges.rows, edges.directions, edges.owners)
    edges = edges.select(np.argsort(begins))
    # At a corner an edge of a region begins for each that ends. Where there are two, both turn left.
    ends = key(edges.to_columns, edges.to_rows, (edges.directions + 3) % 4, edges.owners)
    following = np.empty(len(edges), np.int64)
    following[np.argsort(ends)] = np.arange(len(edges))
    return edges, following


def _round(following: Array) -> tuple[Array, Array]:
    """All indices ring by ring, in the order of the rings' first indices, and the ring of each."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components, depth_first_order

    count = len(following)
    graph = csr_array((np.ones(count), following, np.arange(count + 1)), shape=(count, count))
    rings, ring = connected_components(graph, directed=True, connection="weak")
    first = np.full(rings, count)
    np.minimum.at(first, ring, np.arange(count))
    first.sort()
    # Opened before its first index and tied to the next one, the rings are one long path.
    before = np.empty_like(following)
    before[following] = np.arange(count)
    path = following.copy()
    path[before[first]] = np.append(first[1:], first[0])
    graph = csr_array((np.ones(count), path, np.arange(count + 1)), shape=(count, count))
    order = np.asarray(depth_first_order(graph, first[0], directed=True, return_predecessors=False))
    return order, ring[order]
