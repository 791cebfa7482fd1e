"""Labels: polygons with a class, read from GeoJSON, mended where they are broken, rasterised onto grids.

GeoJSON: RFC 7946, https://www.rfc-editor.org/rfc/rfc7946. Its coordinates are longitude and latitude.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely
from shapely import MultiPolygon, Polygon, STRtree

from fair_models.data import antimeridian, geojson
from fair_models.data.grid import LONLAT, Grid, repeats_after, reproject
from fair_models.errors import InvalidLabels
from fair_models.types import Affine6, Array, Json, Mask

BACKGROUND = "background"
"""The class at index 0: what no label covers."""

CLASS_PROPERTY = "fair:class"
"""The property that names the class in labels that were ingested."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Polygons with their classes.

    outlines: Valid shapely polygons and multipolygons in longitude and latitude, shape (n,).
    names: Class of each.
    properties: Properties of each, as they were read.
    mended: What was repaired or left out on reading, by the names of `REPAIRS`.
    """

    outlines: Array
    names: Sequence[str]
    properties: Sequence[Json]
    mended: Mapping[str, int] = field(default_factory=dict)
    _projected: dict[tuple[str, int], tuple[Array, STRtree]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.outlines)

    def select(self, indices: Iterable[int]) -> Labels:
        """These labels, in this order."""
        chosen = [int(index) for index in indices]
        return Labels(
            self.outlines[chosen],
            [self.names[index] for index in chosen],
            [self.properties[index] for index in chosen],
            self.mended,
        )

    def touching(self, grid: Grid) -> Array:
        """Indices of the labels that share area with a grid, in the order of the file."""
        outlines, tree = self.around(grid)
        found = tree.query(Polygon(grid.corners), predicate="intersects")
        shared = ~shapely.touches(outlines[found], Polygon(grid.corners))
        return np.sort(found[shared])

    def around(self, grid: Grid) -> tuple[Array, STRtree]:
        """The outlines in a grid's reference system, and an index over them.

        Where the system repeats itself after a turn of the Earth, outlines lie in the grid's turn.
        """
        period = repeats_after(grid.crs)
        quarter = 0 if period is None else round(grid.middle[0] / period * 4)
        return self.in_crs(grid.crs, quarter)

    def in_crs(self, crs: str, quarter: int = 0) -> tuple[Array, STRtree]:
        """The outlines in a reference system, reprojected in one call, and an index over them.

        Args:
            crs: The system.
            quarter: Where it repeats itself after a turn of the Earth: outlines lie within half a turn of
                this quarter of a turn, 0 at longitude 0, 1 at 90° and so on.
        """
        key = crs, quarter
        if key not in self._projected:
            outlines, period = self.outlines, repeats_after(crs)
            if crs != LONLAT:
                x, y = reproject(LONLAT, crs, *shapely.get_coordinates(outlines).T)
                outlines = shapely.set_coordinates(outlines.copy(), np.column_stack([x, y]))
            if period is not None:
                outlines = antimeridian.near(outlines, quarter / 4 * period, period)
            self._projected[key] = (outlines, STRtree(outlines))
        return self._projected[key]


REPAIRS = {
    "repaired": "outlines that crossed themselves, mended and kept",
    "closed": "outlines with a ring that was open, closed and kept",
    "null_geometry": "labels without a geometry, left out",
    "other_geometry": "points, lines and other geometries that are no polygons, left out",
    "malformed": "polygons whose coordinates are not what GeoJSON says, left out",
    "without_area": "polygons that are empty or without area, left out",
    "other_class": "labels without a class or of one that was not asked for, left out",
}
"""What `Labels.mended` counts."""


def read(path: Path, classes: Sequence[str], class_property: str | None = None) -> Labels:
    """Read labels. Polygons that cross themselves are repaired, others are left out; all is counted.

    Args:
        path: A GeoJSON file in longitude and latitude.
        classes: Classes that are wanted, without the background.
        class_property: Property that names a label's class. With one class it may be left out: then every
            label is of that class.

    Raises:
        InvalidLabels: The file cannot be used, or no label of these classes is left.
    """
    wrong = _wrong_classes(classes, class_property)
    if wrong:
        raise InvalidLabels(str(path), wrong)
    features = geojson.features(path)
    counts = dict.fromkeys(REPAIRS, 0)
    found: Counter[str] = Counter()
    kept: list[tuple[Polygon | MultiPolygon, str, Json]] = []
    for feature in features:
        properties = feature.get("properties") or {}
        name = _class_of(properties, classes, class_property)
        found[_said(properties.get(class_property)) if class_property else name] += 1
        outline, happened = geojson.polygon(feature.get("geometry"))
        if outline is None:
            counts[happened or "malformed"] += 1
        elif name not in classes:
            counts["other_class"] += 1
        else:
            if happened:
                counts[happened] += 1
            kept.append((outline, name, properties))
    if not kept:
        raise InvalidLabels(str(path), _nothing_left(len(features), counts, found, classes, class_property))
    _check_degrees(path, [outline for outline, _, _ in kept])
    outlines = np.empty(len(kept), dtype=object)
    outlines[:] = [outline for outline, _, _ in kept]
    return Labels(outlines, [name for _, name, _ in kept], [properties for _, _, properties in kept], counts)


def write(labels: Labels, path: Path) -> None:
    """Write labels as GeoJSON (RFC 7946); each names its class in the property `CLASS_PROPERTY`."""
    features = [
        {
            "type": "Feature",
            "properties": {**properties, CLASS_PROPERTY: name},
            "geometry": shapely.geometry.mapping(outline),
        }
        for outline, name, properties in zip(
            shapely.orient_polygons(labels.outlines), labels.names, labels.properties, strict=True
        )
    ]
    lines = b",\n".join(orjson.dumps(feature) for feature in features)
    path.write_bytes(b'{"type": "FeatureCollection", "features": [\n' + lines + b"\n]}\n")


def rasterise(
    labels: Labels, transform: Affine6, height: int, width: int, crs: str, classes: Sequence[str]
) -> Mask:
    """Draw labels onto pixels: a pixel has the class of the label that its middle lies in.

    Where labels overlap, the smaller one lies on top.

    Args:
        labels: The labels.
        transform: Pixel to map.
        height: Rows.
        width: Columns.
        crs: Coordinate reference system of the map.
        classes: Class names; the position is the index, 0 the background. Other labels are not drawn.

    Returns:
        Class index of each pixel, uint8, shape (height, width).
    """
    from rasterio import Affine
    from rasterio.features import rasterize

    grid = Grid(crs, transform, height, width)
    index = {name: number for number, name in enumerate(classes) if number > 0}
    inside = [label for label in labels.touching(grid) if labels.names[label] in index]
    if not inside:
        return np.zeros((height, width), dtype=np.uint8)
    outlines, _ = labels.around(grid)
    inside.sort(key=lambda label: -float(shapely.area(outlines[label])))
    mask: Mask = rasterize(
        [(outlines[label], index[labels.names[label]]) for label in inside],
        out_shape=(height, width),
        transform=Affine(*transform),
        fill=0,
        dtype=np.uint8,
    )
    return mask


def _wrong_classes(classes: Sequence[str], class_property: str | None) -> list[str]:
    reasons = []
    if not classes:
        reasons.append("no class is asked for; name at least one")
    if len(set(classes)) < len(classes):
        reasons.append(f"a class is named twice in {', '.join(classes)}; name each once")
    if BACKGROUND in classes:
        reasons.append(f"{BACKGROUND} is what no label covers; do not name it as a class")
    if class_property is None and len(classes) > 1:
        reasons.append(
            f"there are {len(classes)} classes; name the property that tells them (class_property)"
        )
    return reasons


def _class_of(properties: Mapping[str, Any], classes: Sequence[str], class_property: str | None) -> str:
    if class_property is None:
        return classes[0]
    return str(properties.get(class_property, ""))


def _nothing_left(
    total: int,
    counts: Mapping[str, int],
    found: Counter[str],
    classes: Sequence[str],
    class_property: str | None,
) -> list[str]:
    if total == 0:
        return ["it holds no features; map some buildings, or name the right file"]
    left_out = [f"{count} {REPAIRS[name]}" for name, count in counts.items() if count]
    reason = f"none of its {total} features is a usable polygon: {', '.join(left_out)}"
    if counts["other_class"] and class_property:
        seen = ", ".join(f"{name} ({count})" for name, count in found.most_common(8))
        reason += f"; the property {class_property} says {seen}, asked for were {', '.join(classes)}"
    return [reason + "; export the labels as polygons with the classes that you name"]


def _said(value: object) -> str:
    return "nothing" if value is None else str(value)


def _check_degrees(path: Path, outlines: Sequence[Polygon | MultiPolygon]) -> None:
    coordinates, owner = shapely.get_coordinates(outlines, return_index=True)
    outside = ~(np.isfinite(coordinates).all(axis=1) & (np.abs(coordinates) <= (180, 90)).all(axis=1))
    if outside.any():
        x, y = coordinates[np.flatnonzero(outside)[0]]
        raise InvalidLabels(
            str(path),
            [
                f"{len(np.unique(owner[outside]))} polygons have coordinates such as ({x:.6g}, {y:.6g}), no "
                "longitude and latitude; reproject the file with `ogr2ogr -t_srs EPSG:4326`"
            ],
        )
