"""Moves labels onto the imagery, each by the offset of the neighbourhood where it lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from fair_models.data.images import antimeridian
from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import degrees_of
from fair_models.data.label_quality.registration import SEARCHED_M, Neighbourhood, Registration
from fair_models.data.vectors.labels import Labels
from fair_models.errors import InvalidLabels
from fair_models.types import Array, Json

EAST, NORTH = "fair:moved_east_m", "fair:moved_north_m"
"""Properties of a label that was moved: by how many metres, all moves together."""

REPAIRS = {"moved": "labels that were moved onto the imagery (--align)"}
"""What `count_moved` counts."""

_TOGETHER_M = 200.0
"""Labels that touch each other are moved as one where all of them lie within this distance."""


def require_movable(labels: Path) -> None:
    """Refuse labels that cannot be moved.

    Raises:
        InvalidLabels: They are masks.
    """
    if labels.is_dir():
        raise InvalidLabels(
            str(labels),
            [
                "masks are pixels of their chips: what moves over a chip's edge is lost, and what should "
                "come in there is unknown. Leave --align out, or give the labels as polygons"
            ],
        )


def moved(known: Labels, registration: Registration, chips: Sequence[Chip]) -> Labels:
    """Labels on the imagery: whole labels are moved, their shapes stay as they are.

    Labels that touch each other are moved as one, by the offset of the neighbourhood that most of them lie
    in, unless they cover so much ground together that offsets may differ in it. Labels of neighbourhoods that
    do not surely lie beside the imagery stay, as do those that lie on no chip. Labels to ignore are moved as
    others are; the area that was looked at stays.

    Args:
        known: The labels.
        registration: How far they lie beside the imagery of the chips.
        chips: The chips.

    Returns:
        The same labels in the same order; those that were moved say by how much (`EAST`, `NORTH`).
    """
    moves = [_Move.off(each, chips) for each in registration.beside]
    if not moves:
        return known
    others = known.ignored
    outlines = known.outlines if others is None else np.concatenate([known.outlines, others.outlines])
    move_of = _moves(outlines, chips, moves)
    here = _moved(known, moves, move_of[: len(known)])
    return here if others is None else here.ignoring(_moved(others, moves, move_of[len(known) :]))


@dataclass(frozen=True)
class _Move:
    """By how much the labels on some chips are moved, in metres and in degrees."""

    chips: Sequence[str]
    east_m: float
    north_m: float
    degrees: tuple[float, float]

    @classmethod
    def off(cls, found: Neighbourhood, chips: Sequence[Chip]) -> _Move:
        """What undoes the offset of a neighbourhood; in degrees it is the same for all of its labels."""
        inside = set(found.chips)
        latitude = np.mean([chip.grid.footprint.centroid.y for chip in chips if chip.name in inside])
        east, north = degrees_of(np.array([latitude]), np.array([-found.east_m]), np.array([-found.north_m]))
        return cls(found.chips, -found.east_m, -found.north_m, (float(east[0]), float(north[0])))


def count_moved(properties: Sequence[Json]) -> int:
    """How many labels were moved, by their properties."""
    return sum(isinstance(each.get(EAST), int | float) for each in properties)


def _moved(known: Labels, moves: Sequence[_Move], move_of: Array) -> Labels:
    """Labels, each moved as the move at its position says; -1 is none."""
    outlines, properties = known.outlines.copy(), list(known.properties)
    chosen = np.flatnonzero(move_of >= 0)
    for index in chosen:
        move = moves[move_of[index]]
        outlines[index] = _shifted(outlines[index], move.degrees)
        properties[index] = {**properties[index], **_record(properties[index], move)}
    outlines[chosen] = antimeridian.normal(outlines[chosen])
    broken = chosen[~shapely.is_valid(outlines[chosen])]
    outlines[broken] = shapely.buffer(outlines[broken], 0)  # a corner on a side may be rounded to beyond it
    return replace(known, outlines=outlines, properties=properties, _projected={})


def _shifted(outline: Any, degrees: tuple[float, float]) -> Any:
    return shapely.transform(outline, lambda places: places + degrees)


def _record(before: Mapping[str, Any], move: _Move) -> Json:
    """By how much a label was moved, with what it was moved by earlier."""
    own = {EAST: move.east_m, NORTH: move.north_m}
    return {name: round(value + _number(before.get(name)), 2) for name, value in own.items()}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _moves(outlines: Array, chips: Sequence[Chip], moves: Sequence[_Move]) -> Array:
    """Position of the move of each outline, shape (n,); -1 where it stays."""
    of_name = {name: at for at, move in enumerate(moves) for name in move.chips}
    of_chip = np.array([of_name.get(chip.name, -1) for chip in chips])
    grounds = antimeridian.together(chip.grid.footprint for chip in chips)
    middles = shapely.centroid(grounds)
    whole = antimeridian.near(outlines, float(shapely.get_x(middles[0])))
    label, chip = shapely.STRtree(grounds).query(
        whole, predicate="dwithin", distance=_degrees(float(shapely.get_y(middles[0])), SEARCHED_M)[0]
    )
    far = shapely.distance(shapely.centroid(whole)[label], middles[chip])
    order = np.lexsort((far, label))
    label, first = np.unique(label[order], return_index=True)
    own = of_chip[chip[order][first]]
    found = np.full(len(outlines), -1)
    for group in _touching(whole[label]):
        if _are_near(whole[label[group]]):
            found[label[group]] = Counter(own[group].tolist()).most_common(1)[0][0]
        else:
            found[label[group]] = own[group]
    return found


def _touching(outlines: Array) -> list[Array]:
    """Positions of outlines, those together that touch each other."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one, other = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    links = coo_array((np.ones(len(one), bool), (one, other)), shape=(len(outlines), len(outlines)))
    _, component = connected_components(links, directed=False)
    order = np.argsort(component, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(component[order])) + 1)


def _are_near(outlines: Array) -> bool:
    """Whether outlines lie so near to each other that one offset holds for all."""
    west, south, east, north = shapely.total_bounds(outlines)
    across, up = _degrees((south + north) / 2, _TOGETHER_M)
    return bool(east - west <= across and north - south <= up)


def _degrees(latitude: float, metres: float) -> tuple[float, float]:
    """So many metres in degrees of longitude, and of latitude."""
    at, far, none = np.full(1, latitude), np.full(1, metres), np.zeros(1)
    return float(degrees_of(at, far, none)[0][0]), float(degrees_of(at, none, far)[1][0])
