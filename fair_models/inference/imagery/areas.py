"""The area of a prediction: only what lies in it counts.

Imagery around it may still be seen as margin. On a block it is clipped by pixels: a pixel counts where its
middle lies in the area, so that polygons over the area's edge end there.
"""

from __future__ import annotations

import json
import logging
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from fair_models.data.images import antimeridian
from fair_models.data.images.grid import LONLAT, Grid, reproject
from fair_models.data.vectors import mapped_area, polygons
from fair_models.data.vectors.mapped_area import NamedArea
from fair_models.errors import Invalid, InvalidDocument, InvalidLabels, NotFound
from fair_models.inference.imagery.georeference import pixels_of
from fair_models.inference.windows import Rectangle
from fair_models.store import documents, locations
from fair_models.store.locations import WebAddress
from fair_models.store.web.policy import DOCUMENT_BYTES, Web
from fair_models.types import Array, BBox

logger = logging.getLogger(__name__)

MAX_POSITIONS = 5000
"""Corners that an area may have: it is kept in the prediction's item."""

_NUMBER = r"[+-]?[0-9]{1,3}(?:\.[0-9]{0,20})?"
_BOX = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*")
_LIMITS = documents.Limits(DOCUMENT_BYTES)
_STEPS = 256
"""A straight line in one projection bends in another: edges get this many vertices over the area's extent."""


@dataclass(frozen=True)
class Area:
    """An area on the map.

    outline: In longitude and latitude, with parts on both sides of the antimeridian where it lies over that.
    text: The same as "west,south,east,north", or as a GeoJSON geometry in one line.
    mended: What was mended or left out on reading, by the names of `polygons.REPAIRS`.
    features: The polygons that it was given as.
    """

    outline: Polygon | MultiPolygon
    text: str
    mended: Mapping[str, int] = field(default_factory=dict, hash=False)
    features: Sequence[polygons.Feature] = field(default=(), hash=False, repr=False, compare=False)

    @cached_property
    def parts(self) -> list[NamedArea]:
        """The areas that it is made of, by their names; one of the whole where no file named several."""
        return mapped_area.named(self.features or [polygons.Feature(self.outline)])

    @property
    def bbox(self) -> BBox:
        """West, south, east, north in degrees; west > east over the antimeridian."""
        return antimeridian.bbox([self.outline])

    def on_map(self, crs: str, within: Polygon | None = None) -> Polygon | MultiPolygon:
        """The area in another reference system, or the part of it in a whole outline in degrees.

        Edges are straight in longitude and latitude, so they get further vertices.
        """
        shape = self.outline if within is None else antimeridian.part_in(self.outline, within)
        if shape.is_empty:
            return shape
        west, south, east, north = shapely.bounds(shapely.get_parts([shape])).T
        dense = shapely.segmentize(shape, max((east - west).max(), (north - south).max(), 1e-9) / _STEPS)
        return shapely.transform(
            dense, lambda xy: np.column_stack(reproject(LONLAT, crs, xy[:, 0], xy[:, 1]))
        )


@dataclass(frozen=True)
class Clip:
    """An area on the pixels of a block.

    area: The area.
    outline: What of it lies there, in pixels (column, row).
    """

    area: Area
    outline: Polygon | MultiPolygon

    def touches(self, area: Rectangle) -> bool:
        """Whether a rectangle of the block has ground in common with the area."""
        box = _box(area)
        return bool(shapely.intersects(self._prepared, box) and not shapely.touches(self._prepared, box))

    def has(self, points: Array) -> Array:
        """Which points (column, row) lie in the area, shape (n, 2) to (n,)."""
        return np.asarray(shapely.contains_xy(self._prepared, points[:, 0], points[:, 1]))

    def inside(self, area: Rectangle) -> Array:
        """Which pixels of a rectangle lie in the area with their middle, bool, shape (height, width)."""
        from rasterio.features import rasterize
        from rasterio.transform import Affine

        shape, box = (area.height, area.width), _box(area)
        if shapely.contains_properly(self._prepared, box):
            return np.ones(shape, bool)
        near = shapely.intersection(self.outline, box.buffer(2))
        if near.is_empty:
            return np.zeros(shape, bool)
        to_block = Affine.translation(area.column, area.row)
        return np.asarray(rasterize([near], out_shape=shape, transform=to_block, dtype="uint8"), dtype=bool)

    @cached_property
    def _prepared(self) -> Polygon | MultiPolygon:
        shapely.prepare(self.outline)
        return self.outline


def clip(area: Area, grid: Grid) -> Clip | None:
    """An area on the pixels of a grid; None where they have no ground in common."""
    shape = area.on_map(grid.crs, _around(grid.footprint))
    if shape.is_empty:
        return None
    found = Clip(area, shapely.transform(shape, lambda xy: pixels_of(grid, grid.nearest(xy))))
    return found if found.touches(Rectangle(0, 0, grid.height, grid.width)) else None


def read(text: str) -> Area:
    """The area that a text means.

    Args:
        text: "west,south,east,north" in degrees, with west > east over the antimeridian; GeoJSON; or the path
            or https address of a file of polygons (see `data.polygons`). Of several polygons all count; what
            is none is named and left out.

    Raises:
        Invalid: It is no area of the Earth in WGS 84, is wider than half of it, or has more than 5,000
            corners.
        NotFound: There is no such file.
        Unavailable: The file cannot be read now.
    """
    if (found := _BOX.fullmatch(text)) is not None:
        return _of_box(*(float(number) for number in found.groups()))
    if text.lstrip().startswith("{"):
        return _of_document(documents.parse_json(text.encode(), "area", _LIMITS), "as given")
    name = locations.shown(text)
    if re.fullmatch(r"[\s0-9,.;+-]+", text):
        raise _refused(name, "it is no box; write west,south,east,north in degrees")
    if locations.is_web(text):
        return _from_web(locations.parse_web(text), name)
    path = locations.local_path(text)
    if not path.exists():
        raise NotFound(f"There is no file {path}. Name one that exists.")
    return _of_file(path, name)


def _from_web(address: WebAddress, name: str) -> Area:
    web = Web()
    try:
        body = web.get(address, largest_bytes=DOCUMENT_BYTES).body
    finally:
        web.close()
    with tempfile.TemporaryDirectory(prefix="fair-area-") as folder:
        path = Path(folder) / "area"
        path.write_bytes(body)
        return _of_file(path, name)


def _of_file(path: Path, name: str) -> Area:
    if path.is_file() and path.stat().st_size > DOCUMENT_BYTES:
        raise _refused(name, f"it has more than {DOCUMENT_BYTES:,} bytes; simplify it")
    try:
        return _of_features(polygons.read(path), name)
    except InvalidLabels as error:
        raise InvalidDocument(f"Area {name}", error.reasons) from error


def _of_box(west: float, south: float, east: float, north: float) -> Area:
    text = ",".join(format(number, ".15g") for number in (west, south, east, north))
    if west == east or not south < north:
        raise _refused(text, "it has no extent; write west,south,east,north in degrees")
    if east < west and west - east < antimeridian.HALF_TURN:
        raise _refused(
            text,
            "its west lies east of its east, and over the antimeridian it is wider than half the Earth; "
            "write west,south,east,north in degrees",
        )
    if not west < east and not -180 <= east < west <= 180:
        raise _refused(text, "longitude goes from -180 to 180; write west,south,east,north in degrees")
    if east - west > antimeridian.HALF_TURN:
        raise _refused(text, "it is wider than half the Earth; give a smaller area")
    return _checked(antimeridian.box(west, south, east, north), text, text)


def _of_document(document: Any, name: str) -> Area:
    try:
        return _of_features(polygons.of_document(document, name), name)
    except InvalidLabels as error:
        raise InvalidDocument(f"Area {name}", error.reasons) from error


def _of_features(features: Sequence[polygons.Feature], name: str) -> Area:
    outlines = [each.outline for each in features if each.outline is not None]
    counts = polygons.counted(features)
    if not outlines:
        raise _refused(
            name,
            f"it has no usable polygon ({', '.join(sorted(counts)) or 'there is none'}), and an area is made "
            "of polygons and nothing else; export the area as GeoJSON",
        )
    for sentence in polygons.repair_sentences(counts):
        logger.warning("Area %s: %s", name, sentence)
    outline = shapely.union_all(outlines)
    shape = json.loads(shapely.to_geojson(outline))
    area = _checked(outline, json.dumps(shape, separators=(",", ":")), name)
    return replace(area, mended=dict(counts), features=tuple(features))


def _checked(outline: Polygon | MultiPolygon, text: str, name: str) -> Area:
    west, south, east, north = outline.bounds
    if not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        swapped = west >= -90 and east <= 90 and south >= -180 and north <= 180
        remedy = longitude_first(outline.bounds) if swapped else "write longitude first, in WGS 84"
        raise _refused(
            name,
            f"it reaches from {west:g}, {south:g} to {east:g}, {north:g}, and longitude goes from -180 to "
            f"180, latitude from -90 to 90 degrees; {remedy}",
        )
    west, _, east, _ = antimeridian.bbox([outline])
    if (east - west) % antimeridian.TURN > antimeridian.HALF_TURN or east - west >= antimeridian.TURN:
        raise _refused(name, "it is wider than half the Earth; give a smaller area")
    corners = shapely.get_num_coordinates(outline)
    if corners > MAX_POSITIONS:
        raise _refused(name, f"it has {corners:,} corners, at most {MAX_POSITIONS:,} are read; simplify it")
    return Area(outline, text)


def _around(footprint: Polygon) -> Polygon:
    """A footprint and some ground around it, no wider than the Earth."""
    wider = footprint.buffer(0.1 * max(1e-4, math.sqrt(footprint.area)))
    west, _, east, _ = footprint.bounds
    spare = max(0.0, antimeridian.TURN - (east - west)) / 2
    return shapely.intersection(wider, shapely.box(west - spare, -90.0, east + spare, 90.0))


def _box(area: Rectangle) -> Polygon:
    return shapely.box(area.column, area.row, area.column + area.width, area.row + area.height)


def _refused(name: str, reason: str) -> InvalidDocument:
    return InvalidDocument(f"Area {name}", [reason])


def nothing_common(name: str, imagery: BBox, area: Area) -> Invalid:
    """What is said where imagery and area lie apart.

    Args:
        name: The imagery.
        imagery: Its box in degrees.
        area: The area.
    """
    south, west, north, east = area.bbox
    swapped = west < imagery[2] and imagery[0] < east and south < imagery[3] and imagery[1] < north
    remedy = (
        f"longitude and latitude of the area are swapped: {longitude_first(area.bbox)}"
        if swapped
        else "correct the area"
    )
    return Invalid(
        f"{name} and the area have no ground in common: the imagery covers {box_text(imagery)}, the area "
        f"{box_text(area.bbox)} (west, south, east, north); {remedy}"
    )


def longitude_first(box: BBox) -> str:
    """How to write a box whose numbers were given as south, west, north, east."""
    south, west, north, east = (f"{number:.15g}" for number in box)
    return f"write longitude first, {west},{south},{east},{north} (WGS 84)"


def box_text(box: BBox) -> str:
    """A box for a message."""
    return ", ".join(f"{number:.6g}" for number in box)
