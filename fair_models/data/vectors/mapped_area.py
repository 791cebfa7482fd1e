"""The area that was looked at: chips and labels beyond it do not belong to a dataset.

A chip over the area's edge is kept whole, so that what lies there is seen as it is; the ground outside is
kept beside the labels (`Labels.outside`), for nobody knows what is there.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon, STRtree

from fair_models.data.images import antimeridian
from fair_models.data.images.chips import Chip
from fair_models.data.vectors import labels, polygons
from fair_models.data.vectors.labels import Labels
from fair_models.data.vectors.polygons import Feature
from fair_models.text import SENTENCE_PATTERN, in_one_way
from fair_models.types import Json

Outline: TypeAlias = "Polygon | MultiPolygon"
"""An area in longitude and latitude, cut at the antimeridian."""

_LONGEST_EDGE = 1e-3
"""Degrees, about 100 m: over this length straight lines of degrees bend by less than a millimetre in other
projections."""

_LEAST_SHARE = 1e-6
"""Of a chip: what is smaller is how numbers were rounded, a fifteenth of a pixel of 256 x 256."""

MAX_AREAS = 500
"""Areas that are told apart: more polygons, such as cells of a grid, are one area."""

_LONGEST_NAME = 120


@dataclass(frozen=True)
class NamedArea:
    """One of the areas that were looked at.

    name: What people call it; other areas have other names.
    outline: In longitude and latitude, cut at the antimeridian. Holes are holes.
    polygon_count: How many polygons of a file it is made of: those of one name are one area.
    """

    name: str
    outline: Outline
    polygon_count: int = 1


def named(features: Sequence[Feature]) -> list[NamedArea]:
    """The areas that features are, in their order; features of one name are one area.

    The name is the property `name`, else `id` (a GeoJSON member `id` counts too), else "area-1", "area-2" and
    so on by the place among the polygons. More than `MAX_AREAS` are one area.

    Args:
        features: Features; those without an outline are passed over.
    """
    kept = [each for each in features if each.outline is not None]
    said = [_name_of(each) for each in kept]
    outlines: dict[str, list[Any]] = {}
    for number, (feature, name) in enumerate(zip(kept, said, strict=True), 1):
        outlines.setdefault(name or _free_name(number, said), []).append(feature.outline)
    if len(outlines) > MAX_AREAS:
        outlines = {_default_name(1): [each for some in outlines.values() for each in some]}
    return [
        NamedArea(name, each[0] if len(each) == 1 else shapely.union_all(each), len(each))
        for name, each in outlines.items()
    ]


def is_default_name(name: str) -> bool:
    """Whether a name is that of a single area to which nobody gave one."""
    return name == _default_name(1)


def document(areas: Sequence[NamedArea]) -> Json:
    """Areas as a GeoJSON collection from which `named` makes the same areas."""
    features = [
        {"type": "Feature", "properties": {"name": area.name}, "geometry": geometry(area.outline)}
        for area in areas
    ]
    return {"type": "FeatureCollection", "features": features}


def geometry(outline: Outline) -> Json:
    """An outline as a GeoJSON geometry, written in one way whatever corner and direction it came with."""
    shape: Json = json.loads(shapely.to_geojson(shapely.orient_polygons(shapely.normalize(outline))))
    return shape


def chips_by_area(chips: Sequence[Chip], areas: Sequence[NamedArea]) -> dict[str, tuple[str, ...]]:
    """Names of the chips of each area, in the order of areas and chips; an area may have none.

    A chip belongs to the area that has most of its ground; of equal ones to the first. Chips outside of all
    areas belong to none.

    Args:
        chips: The chips.
        areas: The areas, which may touch or overlap.
    """
    found: dict[str, list[str]] = {area.name: [] for area in areas}
    outlines = [area.outline for area in areas]
    tree = STRtree(outlines)
    for chip in chips:
        footprint = chip.grid.footprint
        near = np.sort(tree.query(antimeridian.cut(footprint), predicate="intersects"))
        shares = [round(_share(outlines[index], footprint), 6) for index in near]
        if shares and max(shares) > 0:
            found[areas[int(near[int(np.argmax(shares))])].name].append(chip.name)
    return {name: tuple(names) for name, names in found.items()}


def label_counts(known: Labels, areas: Sequence[NamedArea]) -> Mapping[str, int]:
    """How many labels have ground in each area; one in several areas counts in each."""
    outlines = antimeridian.normal(known.outlines)
    pairs = STRtree(outlines).query([area.outline for area in areas], predicate="intersects")
    shared = ~shapely.touches(np.array([areas[one].outline for one in pairs[0]]), outlines[pairs[1]])
    counts = np.bincount(pairs[0][shared], minlength=len(areas))
    return {area.name: int(count) for area, count in zip(areas, counts, strict=True)}


def chips_in(chips: Sequence[Chip], area: Outline) -> list[Chip]:
    """Those of some chips that have ground in common with an area, in their order."""
    shapely.prepare(area)
    return [chip for chip in chips if _share(area, chip.grid.footprint) > _LEAST_SHARE]


def labels_in(known: Labels, area: Outline) -> Labels:
    """Those of some labels that have ground in common with an area, whole, in their order."""
    shapely.prepare(area)
    outlines = antimeridian.normal(known.outlines)
    shared = shapely.intersects(area, outlines) & ~shapely.touches(area, outlines)
    return known.select(np.flatnonzero(shared))


def outside(chips: Sequence[Chip], area: Outline) -> Labels:
    """The ground of chips that lies outside of an area, chip by chip.

    Args:
        chips: The chips.
        area: The area.
    """
    shapely.prepare(area)
    return labels.of_outlines([part for chip in chips for part in _outside(chip.grid.footprint, area)])


def joined(known: Labels, further: Labels) -> Labels:
    """Ground that lies outside of an area, and what of further such ground is not part of it yet.

    Args:
        known: As a dataset was stored with it.
        further: As it is found now, chip by chip; of the same area it is the same.
    """
    tree = STRtree(known.outlines)
    new = [
        each
        for each in further.outlines
        if (rest := shapely.difference(each, shapely.union_all(known.outlines[tree.query(each)]))).area
        > _LEAST_SHARE * each.area
        and not rest.is_empty
    ]
    return labels.of_outlines([*known.outlines, *new])


def _outside(footprint: Polygon, area: Outline) -> Iterator[Outline]:
    if shapely.covers(area, footprint):
        return
    rest = shapely.difference(footprint, antimeridian.part_in(area, footprint))
    parts = [part for part in shapely.get_parts([rest]) if part.geom_type == "Polygon"]
    for part in parts:
        if part.area > _LEAST_SHARE * footprint.area:
            yield antimeridian.cut(shapely.segmentize(part, _LONGEST_EDGE))


def _share(area: Outline, footprint: Polygon) -> float:
    """Which part of a footprint lies in an area, 0 to 1."""
    if shapely.covers(area, footprint):
        return 1.0
    shared = antimeridian.part_in(area, footprint)
    return 0.0 if shared.is_empty or not math.isfinite(shared.area) else shared.area / footprint.area


def _name_of(feature: Feature) -> str:
    """What a feature is called; empty where nothing that people can read says it."""
    said = polygons.text_of(polygons.named(feature.properties, "name")) or feature.id
    name = in_one_way(" ".join(said.split()))
    return name if len(name) <= _LONGEST_NAME and re.fullmatch(SENTENCE_PATTERN, name) else ""


def _free_name(number: int, taken: Sequence[str]) -> str:
    while _default_name(number) in taken:
        number += len(taken)
    return _default_name(number)


def _default_name(number: int) -> str:
    return f"area-{number}"
