"""Labels of a dataset as they lie on one chip, in pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import shapely
from shapely import MultiPolygon, Polygon

from fair_models.data.images.chips import Chip
from fair_models.data.vectors import outlines, pixel_shapes
from fair_models.data.vectors.labels import Labels


@dataclass(frozen=True)
class Drawn:
    """The part of a label that lies on a chip.

    outline: In pixels from the chip's top left corner, y down.
    name: Its class.
    """

    outline: Polygon | MultiPolygon
    name: str

    @property
    def parts(self) -> list[Polygon]:
        """Its polygons."""
        return list(shapely.get_parts([self.outline]))

    @property
    def has_holes(self) -> bool:
        """Whether any of its polygons has a hole."""
        return any(part.interiors for part in self.parts)


def on_chip(known: Labels, chip: Chip, classes: Sequence[str]) -> list[Drawn]:
    """What labels of some classes draw on a chip; nothing of them on ground outside of the area."""
    outside = shapely.union_all(list(_shapes(known.outside, chip)))
    found = []
    for outline, name in zip(_shapes(known, chip), _names(known, chip), strict=True):
        part = outline if outside.is_empty else outlines.polygonal(outline.difference(outside))
        inside = None if part.is_empty else pixel_shapes.inside(part, chip)
        if inside is not None and name in classes:
            found.append(Drawn(inside, name))
    return found


def unknown(known: Labels, chip: Chip) -> list[Polygon | MultiPolygon]:
    """Ground of a chip that counts neither way, in pixels: what is ignored or lies outside of the area."""
    parts = [*_shapes(known.ignored, chip), *_shapes(known.outside, chip)]
    inside = (pixel_shapes.inside(part, chip) for part in parts)
    return [part for part in inside if part is not None]


def _names(known: Labels, chip: Chip) -> list[str]:
    return [known.names[at] for at in known.touching(chip.grid)]


def _shapes(known: Labels | None, chip: Chip) -> Iterator[Polygon | MultiPolygon]:
    """The outlines that touch a chip, in its pixels."""
    if known is None:
        return
    placed, _ = known.around(chip.grid)
    for shape in placed[known.touching(chip.grid)]:
        moved = shapely.transform(shape, chip.grid.pixels)
        yield moved if moved.is_valid else outlines.mended(moved)
