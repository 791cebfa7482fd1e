"""Sentences that say what lies where on a chip, made from its labels and nothing else.

Nobody is named and nothing is guessed: classes, how many, how much of the ground, where, and the materials of
roofs where labels tell them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import Geometry

from fair_models.data.images.grid import Grid
from fair_models.data.vectors.labels import Labels
from fair_models.types import Array

PARTS = (
    "north-west", "north", "north-east",
    "west", "centre", "east",
    "south-west", "south", "south-east",
)  # fmt: skip
"""Nine parts of a chip, row by row."""

LINES = frozenset({"road", "path", "railway", "waterway"})
"""Classes that lead from somewhere to somewhere: what is said of them is where they leave the chip."""

MATERIAL = "roof:material"
"""OpenStreetMap's tag; its values are said as they are, underscores as spaces."""

_NUMBERS = "no one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
_PLURALS = {"latrine": "latrines", "bridge": "bridges", "well": "wells"}
_UNCOUNTED = frozenset({"vegetation", "forest", "crop", "grass", "bare-soil", "water", "wetland", "waste"})
_MIN_INSIDE = 0.25
"""A label counts where this part of it lies on the chip: a neighbour's eaves are no house of this one."""
_MIN_OF_PART = 0.04
"""Share of a part of the chip that labels cover where something is said to lie there."""
_NEAR_SIDE = 0.02
_SIDES = {"north": (0, 0, 1, 0), "east": (1, 0, 1, 1), "south": (0, 1, 1, 1), "west": (0, 0, 0, 1)}
_CELLS = shapely.box(
    *np.array([(c / 3, r / 3, (c + 1) / 3, (r + 1) / 3) for r in range(3) for c in range(3)]).T
)
_CHIP = shapely.box(0, 0, 1, 1)


@dataclass(frozen=True)
class Seen:
    """What labels say of one class on one chip.

    count: How many.
    share: Part of the chip that they cover, 0 to 1.
    parts: Names of `PARTS` where they lie, in that order.
    largest: The part that holds the middle of the largest one.
    sides: Sides of the chip that they reach, e.g. ("north", "west"): for roads.
    materials: How many there are of each material that labels tell, the most frequent first.
    """

    name: str
    count: int
    share: float
    parts: Sequence[str]
    largest: str
    sides: Sequence[str]
    materials: Sequence[tuple[str, int]]


def describe(labels: Labels, grid: Grid, classes: Sequence[str]) -> list[str]:
    """Captions of one chip, each complete enough to find it by.

    Args:
        labels: Polygons with their classes.
        grid: Where the chip's pixels lie.
        classes: Classes to speak of, without the background, in this order.

    Returns:
        Three sentences that say the same ground in different words and with different details; one where
        no label of these classes lies on the chip. Equal grounds get equal captions.
    """
    known = [found for name in classes if (found := look(labels, grid, name)) is not None]
    if not known:
        return [f"Nothing is mapped here: no {' and no '.join(_plural(name) for name in classes)}."]
    absent = [name for name in classes if name not in {each.name for each in known}]
    ways = (_counts_and_parts, _density_and_largest, _materials_and_gaps)
    return list(dict.fromkeys(" ".join(_sentences(known, absent, way)) for way in ways))


def look(labels: Labels, grid: Grid, name: str) -> Seen | None:
    """What lies of one class on a chip; None where nothing does."""
    outlines, _ = labels.around(grid)
    touching = [index for index in labels.touching(grid) if labels.names[index] == name]
    shapes = _on_chip(outlines[touching], grid)
    inside = shapely.intersection(shapes, _CHIP)
    areas = shapely.area(inside)
    whole = shapely.area(shapes)
    min_area = _CHIP.area / 10_000 if name in LINES else _MIN_INSIDE * whole
    kept = np.flatnonzero((areas > 0) & (areas >= min_area))
    if not len(kept):
        return None
    covered = shapely.union_all(inside[kept])
    shares = shapely.area(shapely.intersection(_CELLS, covered)) * len(_CELLS)
    parts = [part for part, share in zip(PARTS, shares, strict=True) if share >= _MIN_OF_PART]
    middle = shapely.centroid(inside[kept[int(areas[kept].argmax())]])
    materials = Counter(
        str(value).replace("_", " ")
        for index in kept
        if (value := labels.properties[touching[index]].get(MATERIAL))
    )
    return Seen(
        name=name,
        count=len(kept),
        share=float(covered.area),
        parts=parts or [_part_of(middle)],
        largest=_part_of(middle),
        sides=[side for side, line in _SIDES.items() if _reaches(covered, line)],
        materials=sorted(materials.items(), key=lambda each: (-each[1], each[0])),
    )


def _on_chip(outlines: Array, grid: Grid) -> Array:
    """Outlines in parts of the chip: x from 0 in the west to 1, y from 0 in the north to 1."""
    a, b, c, d, e, f = grid.transform
    inverse = np.linalg.inv(np.array([[a, b, c], [d, e, f], [0, 0, 1]]))
    size = np.array([grid.width, grid.height])
    moved = shapely.transform(
        outlines, lambda places: (np.column_stack([places, np.ones(len(places))]) @ inverse.T)[:, :2] / size
    )
    return np.asarray(shapely.make_valid(moved))


def _part_of(point: Geometry) -> str:
    column, row = (min(2, max(0, int(value * 3))) for value in (point.x, point.y))
    return PARTS[3 * row + column]


def _reaches(covered: Geometry, line: tuple[int, int, int, int]) -> bool:
    side = shapely.LineString([line[:2], line[2:]])
    return bool(shapely.distance(covered, side) <= _NEAR_SIDE)


def _sentences(known: Sequence[Seen], absent: Sequence[str], way: object) -> list[str]:
    said = [_line(each) if each.name in LINES else way(each) for each in known]  # type: ignore[operator]
    return [*said, *(f"No {_plural(name)}." for name in absent)]


def _counts_and_parts(seen: Seen) -> str:
    return f"{_counted(seen).capitalize()} in the {_listed(seen.parts)}."


def _density_and_largest(seen: Seen) -> str:
    how = "sparsely" if seen.share < 0.06 else "densely" if seen.share > 0.18 else "loosely"
    largest = f", the largest in the {seen.largest}" if seen.count > 1 else ""
    kind = _material(seen)
    return f"Ground {how} covered by {_counted(seen)}{kind} in the {_listed(seen.parts)}{largest}."


def _materials_and_gaps(seen: Seen) -> str:
    free = [part for part in PARTS if part not in seen.parts]
    nothing = f", nothing in the {_listed(free)}" if free else ", in all parts"
    if not seen.materials:
        return f"A place with {_counted(seen)}{nothing}."
    kinds = _listed([f"{_number(count)} of {material}" for material, count in seen.materials])
    return f"{_plural(seen.name).capitalize()}: {kinds}{nothing}."


def _line(seen: Seen) -> str:
    many = f"{_article(seen.name)} {seen.name}" if seen.count == 1 else _counted(seen)
    verb = "runs" if seen.count == 1 else "run"
    if len(seen.sides) == 2:
        verb = f"{verb} from {seen.sides[0]} to {seen.sides[1]}"
    return f"{many.capitalize()} {verb} through the {_listed(seen.parts)}."


def _material(seen: Seen) -> str:
    return f" mostly of {seen.materials[0][0]}" if seen.materials else ""


def _counted(seen: Seen) -> str:
    if seen.name in _UNCOUNTED:
        return seen.name
    return f"{_number(seen.count)} {seen.name if seen.count == 1 else _plural(seen.name)}"


def _number(count: int) -> str:
    """Words up to twelve, tens beyond: nobody counts thirty roofs."""
    if count < len(_NUMBERS):
        return _NUMBERS[count]
    return "more than a dozen" if count <= 20 else "more than twenty" if count <= 40 else "many"


def _plural(name: str) -> str:
    name = name.replace("-", " ")
    if name in _UNCOUNTED or name.endswith("s"):
        return name
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def _article(name: str) -> str:
    return "an" if name[0] in "aeiou" else "a"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
