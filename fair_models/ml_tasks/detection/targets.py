"""What a detection learns: a box around what is visible of each label. Needs shapely."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fair_models.data.images.grid import Grid
from fair_models.data.vectors.labels import Labels, outside_mask
from fair_models.errors import Invalid
from fair_models.types import Array

FILLING = 255
"""Class of the rows that fill the list of a sample's boxes up to `MAX_BOXES`; they come last."""

IGNORED = 254
"""Class of the rows that are ground which counts neither way: labels whose class is not known lie there."""

MAX_BOXES = 512
"""Boxes of one sample. A chip of 68 m where each hut has a box of 3 m side by side has as many."""

SMALLEST_PX = 4
"""Boxes with a shorter side are left out: slivers where the edge of a chip cuts a building."""

_MIN_IMAGERY = 0.5
"""Share of a box that has to be imagery."""

_HALF = 0.5
_CELL_PX = 8
"""Ground outside of the area is told in boxes of squares of this side, most of which lies outside."""


def from_labels(labels: Labels, grid: Grid, classes: Sequence[str], imagery: Array) -> Array:
    """Say where objects are on a sample: a box around the part of each label that lies on imagery.

    Args:
        labels: Polygons with their classes, outlines or boxes.
        grid: Where the sample's pixels lie.
        classes: Class names; the position is the index, 0 the background.
        imagery: Which pixels are imagery, bool, shape (height, width).

    Returns:
        x_min, y_min, x_max, y_max in pixels from the sample's top left corner, and the index of the class;
        float32, shape (`MAX_BOXES`, 5); then boxes of what lies outside of the area, and the boxes of
        `labels.ignored`, with the class `IGNORED`, as many as there is room for; filled up with rows of class
        `FILLING`.

    Raises:
        Invalid: There are more boxes than `MAX_BOXES`.
    """
    index = {name: number for number, name in enumerate(classes) if number}
    inside = [label for label in labels.touching(grid) if labels.names[label] in index]
    boxes = _visible(labels, inside, grid, imagery)
    numbers = np.array([index[labels.names[label]] for label in inside], np.float32)
    keep = [position for position, box in enumerate(boxes) if _counts(box, imagery)]
    if len(keep) > MAX_BOXES:
        raise Invalid(
            f"A sample has {len(keep)} boxes, at most {MAX_BOXES} can be learnt from: ingest smaller chips, "
            "or take labels away that are no single objects"
        )
    rows = np.column_stack([boxes[keep], numbers[keep]])
    skipped = np.concatenate([_outside(labels, grid), _ignored(labels, grid, imagery)])
    return filled_up(np.concatenate([rows, skipped])[:MAX_BOXES])


def _outside(labels: Labels, grid: Grid) -> Array:
    """Boxes that cover the ground outside of the area, none of which lies on others, shape (n, 5)."""
    mask = outside_mask(labels, grid)
    if not mask.any():
        return np.empty((0, 5), np.float32)
    beyond = [(0, -side % _CELL_PX) for side in mask.shape]
    cells = np.pad(mask, beyond, mode="edge")
    rows, columns = (side // _CELL_PX for side in cells.shape)
    cells = cells.reshape(rows, _CELL_PX, columns, _CELL_PX).mean(axis=(1, 3)) > _HALF
    found: list[tuple[int, int, int, int]] = []
    open_runs: dict[tuple[int, int], int] = {}
    for row in range(rows + 1):
        runs = set(_runs(cells[row])) if row < rows else set()
        for left, right in [run for run in open_runs if run not in runs]:
            found.append((left, open_runs.pop((left, right)), right, row))
        for run in runs:
            open_runs.setdefault(run, row)
    boxes = np.minimum(np.array(sorted(found)).reshape(-1, 4) * _CELL_PX, [*mask.shape[::-1]] * 2)
    return np.column_stack([boxes, np.full(len(boxes), IGNORED)]).astype(np.float32)


def _runs(cells: Array) -> list[tuple[int, int]]:
    """First and last (exclusive) of the cells that are true and hang together."""
    ends = np.flatnonzero(np.diff(np.concatenate([[False], cells, [False]]).astype(np.int8)))
    return [(int(left), int(right)) for left, right in ends.reshape(-1, 2)]


def _ignored(labels: Labels, grid: Grid, imagery: Array) -> Array:
    """Boxes around labels whose class is not known, shape (n, 5)."""
    if labels.ignored is None:
        return np.empty((0, 5), np.float32)
    inside = [int(label) for label in labels.ignored.touching(grid)]
    boxes = _visible(labels.ignored, inside, grid, imagery)
    kept = boxes[np.isfinite(boxes).all(axis=1)]
    return np.column_stack([kept, np.full(len(kept), IGNORED, np.float32)])


def labelled(targets: Array) -> Array:
    """Which samples have a box.

    Args:
        targets: Boxes as `from_labels` makes them, shape (n, `MAX_BOXES`, 5).

    Returns:
        Bool, shape (n,).
    """
    found: Array = np.any(targets[:, :, 4] < IGNORED, axis=1)
    return found


def filled_up(rows: Array) -> Array:
    """Boxes with their classes, shape (n, 5), as a sample's targets, shape (`MAX_BOXES`, 5)."""
    made = np.zeros((MAX_BOXES, 5), np.float32)
    made[:, 4] = FILLING
    made[: len(rows)] = rows
    return made


def listed(target: Array) -> tuple[Array, Array]:
    """Boxes (n, 4) and classes (n,) of a sample's targets, without what fills them up."""
    rows = target[target[:, 4] < IGNORED]
    return rows[:, :4], rows[:, 4].astype(np.int64)


def ignored(target: Array) -> Array:
    """Boxes (n, 4) of a sample's targets in which nothing counts."""
    return np.asarray(target[target[:, 4] == IGNORED][:, :4])


def _visible(labels: Labels, inside: Sequence[int], grid: Grid, imagery: Array) -> Array:
    """Bounds of the parts of labels on imagery, in pixels, shape (n, 4); NaN where none is left."""
    import shapely
    from rasterio import Affine

    if not len(inside) or not imagery.any():
        return np.empty((len(inside), 4), np.float32) * np.nan
    outlines, _ = labels.around(grid)
    a, b, c, d, e, f = tuple(~Affine(*grid.transform))[:6]

    def to_pixels(places: Array) -> Array:
        x, y = places.T
        return np.column_stack([a * x + b * y + c, d * x + e * y + f])

    rows, columns = np.flatnonzero(imagery.any(axis=1)), np.flatnonzero(imagery.any(axis=0))
    frame = shapely.box(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    parts = shapely.intersection(shapely.transform(outlines[list(inside)], to_pixels), frame)
    return np.asarray(shapely.bounds(parts), np.float32).reshape(-1, 4)


def _counts(box: Array, imagery: Array) -> bool:
    if not np.isfinite(box).all() or min(box[2] - box[0], box[3] - box[1]) < SMALLEST_PX:
        return False
    left, top = np.floor(box[:2]).astype(int)
    right, bottom = np.ceil(box[2:]).astype(int)
    return bool(imagery[top:bottom, left:right].mean() >= _MIN_IMAGERY)
