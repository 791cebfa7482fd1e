"""Labels: polygons with a class, read from files of polygons, mended where they are broken, drawn onto grids.

What is read, and how: see `polygons`.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import shapely
from shapely import MultiPolygon, Polygon, STRtree

from fair_models.class_names import ANY_VALUE, option
from fair_models.data.images import antimeridian
from fair_models.data.images.grid import LONLAT, Grid, repeats_after, reproject
from fair_models.data.vectors import polygons
from fair_models.data.vectors.osm import census, origin, tags
from fair_models.data.vectors.osm.origin import OsmFile
from fair_models.data.vectors.osm.tags import Query, Tag, TagRules
from fair_models.errors import InvalidLabels
from fair_models.types import Affine6, Array, BBox, Json, Mask

BACKGROUND = "background"
"""The class at index 0: what no label covers."""

CLASS_PROPERTY = "class"
"""The property that names the class in labels that were ingested, as in predictions."""

OLDER_CLASS_PROPERTY = "fair:class"
"""What it was called in datasets before."""

IGNORED_PROPERTY = "ignored"
"""Stored labels in which this is true have no class: their ground counts neither way."""

OUTSIDE_PROPERTY = "outside_area"
"""Ignored ground in which this is true too lies outside of the area that was looked at: labels that reach
into it do not count there."""

BACKGROUND_ALONE = (
    "a dataset without any label trains nothing. Where there is nothing to map, put these chips into one "
    "folder with chips that have labels, with all labels in one file, and ingest that: chips without a label "
    "count as background"
)
"""Why chips of background alone are refused, and how they come to use."""

_DISPLACED = "orig_class"
"""Where a property `class` of somebody else's meaning goes when labels are written."""

_SHOWN = 8
"""How many values or properties a message names."""

_ALIKE = 0.6
"""Ratio of `difflib` from which on two words are alike."""

_PART = 3
"""Letters that a word has at least to count as part of another."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Polygons with their classes.

    outlines: Valid shapely polygons and multipolygons in longitude and latitude, shape (n,).
    names: Class of each.
    properties: Properties of each, as they were read.
    mended: What was repaired or left out on reading, by the names of `REPAIRS`.
    ignored: Labels without a class that is known: what lies there is no background either. None: none.
    outside: Ground that nobody looked at, see `mapped_area`: nothing counts there, whatever labels say. None:
        none.
    osm: The file in a format of OpenStreetMap that they come from. None: they come from another one.
    """

    outlines: Array
    names: Sequence[str]
    properties: Sequence[Json]
    mended: Mapping[str, int] = field(default_factory=dict)
    ignored: Labels | None = None
    outside: Labels | None = None
    osm: OsmFile | None = None
    _projected: dict[tuple[str, int], tuple[Array, STRtree]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.outlines)

    def select(self, indices: Iterable[int]) -> Labels:
        """These labels, in this order. What is ignored stays, as does what lies outside."""
        chosen = [int(index) for index in indices]
        return Labels(
            self.outlines[chosen],
            [self.names[index] for index in chosen],
            [self.properties[index] for index in chosen],
            self.mended,
            self.ignored,
            self.outside,
            self.osm,
        )

    def ignoring(self, ignored: Labels) -> Labels:
        """These labels with others to ignore; none where there are none."""
        return replace(self, ignored=ignored if len(ignored) else None, _projected=self._projected)

    def without(self, outside: Labels) -> Labels:
        """These labels with ground on which nothing counts; all of it where there is none."""
        return replace(self, outside=outside if len(outside) else None, _projected=self._projected)

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
    **polygons.REPAIRS,
    "other_class": "labels without a class or of one that was not asked for; their ground counts neither way",
    "other_tags": "features without a tag that was asked for, left out",
    "background_value": "labels whose value was said to mean background, left out",
}
"""What `Labels.mended` counts."""

_ALWAYS = (
    "repaired",
    "closed",
    "null_geometry",
    "other_geometry",
    "malformed",
    "without_area",
    "other_class",
)
"""Counts that are there even where they are 0."""


def read(
    path: Path,
    classes: Sequence[str],
    class_property: str | None = None,
    values: Mapping[str, Sequence[str]] | None = None,
    around: BBox | None = None,
) -> Labels:
    """Read labels of people. What is broken is mended, other geometries are left out; all is counted.

    Args:
        path: A file of polygons, see `polygons.read`.
        classes: Classes to read, without the background.
        class_property: Property that names a label's class. Left out where tags do so: of data of
            OpenStreetMap, and where `values` has any. With one class and no values every label of another
            file is of that class.
        values: Values of that property that mean a class, by class; by "background" those that mean none.
            Default: each class is meant by its own name. Without a property they are tags, see `osm.tags`.
        around: West, south, east, north of what is read of data of OpenStreetMap. Default: all.

    Returns:
        Labels of these classes. Those of other values of the property, or without one, are among `ignored`;
        what has none of the tags is left out.

    Raises:
        InvalidLabels: The file cannot be used, or a class has no label; the message has the values that there
            are, and how to map them.
    """
    if not path.exists():
        raise InvalidLabels(
            str(path),
            ["there is no such file; put labels.geojson among the chips, or name the file (labels)"],
        )
    osm = None if path.is_dir() else origin.of_file(path)
    rules = _tag_rules(classes, class_property, values or {}, osm)
    wrong = _wrong_classes(classes, class_property, values or {}, rules)
    if wrong:
        raise InvalidLabels(str(path), wrong)
    wanted = rules
    if osm and class_property is not None:
        wanted = TagRules({"": [Tag(class_property)]})
    query = Query(wanted, around)
    features = polygons.read(path, query)
    known, found = _sorted(features, classes, class_property, values or {}, rules)
    missing = [name for name in classes if name not in set(known.names)]
    if missing and wanted is not None:
        count = sum(found.values())
        if osm or (count and not known.mended.get("background_value") == count):
            raise InvalidLabels(str(path), [_without_tags(path, missing, query, features, osm)])
    if not len(known):
        total = sum(found.values())
        raise InvalidLabels(str(path), _nothing_left(total, known, found, classes, class_property))
    if missing:
        raise InvalidLabels(str(path), [_without_label(missing, known, found, class_property)])
    return replace(known, osm=osm)


def _tag_rules(
    classes: Sequence[str],
    class_property: str | None,
    values: Mapping[str, Sequence[str]],
    osm: OsmFile | None,
) -> TagRules | None:
    """The tags that classes mean; None where a property or the file as a whole says them."""
    are_mapped = any(list(each) != [name] for name, each in values.items())
    return tags.rules(classes, values) if class_property is None and (osm or are_mapped) else None


def read_stored(path: Path, classes: Sequence[str], class_property: str | None = CLASS_PROPERTY) -> Labels:
    """Read labels of a dataset, as `write` wrote them now or earlier. A class may have none.

    Args:
        path: The dataset's labels.
        classes: Classes to read, without the background. Others are not drawn: they are known to be
            something else.
        class_property: `CLASS_PROPERTY`: as datasets have it. None: all labels are of the only class.

    Raises:
        InvalidLabels: The file cannot be used, or none of its labels is of these classes.
    """
    if wrong := _wrong_classes(classes, class_property, {}, None):
        raise InvalidLabels(str(path), wrong)
    features, outside = _divided(polygons.read(path))
    marked = [_is_ignored(feature.properties) for feature in features]
    stored = OLDER_CLASS_PROPERTY if class_property == CLASS_PROPERTY else class_property
    known, found = _sorted(
        [feature for feature, is_ignored in zip(features, marked, strict=True) if not is_ignored],
        classes,
        stored,
        {},
    )
    if not len(known):
        reasons = _nothing_left(len(features), known, found, classes, class_property)
        raise InvalidLabels(str(path), reasons)
    return known.ignoring(
        _labels(
            [
                (feature.outline, BACKGROUND, feature.properties)
                for feature, is_ignored in zip(features, marked, strict=True)
                if is_ignored and feature.outline is not None
            ]
        )
    ).without(outside)


def of_outlines(outlines: Sequence[Polygon | MultiPolygon]) -> Labels:
    """Ground to ignore, without properties, of outlines in longitude and latitude."""
    return _labels([(outline, BACKGROUND, {}) for outline in outlines])


def write(labels: Labels, path: Path) -> None:
    """Write labels as GeoJSON (RFC 7946); each names its class in the property `CLASS_PROPERTY`.

    Those to ignore come last, with null for a class and true for `IGNORED_PROPERTY`; after them the ground
    outside of the area, with true for `OUTSIDE_PROPERTY` too.
    """
    features = _written(labels, [{CLASS_PROPERTY: name} for name in labels.names])
    if labels.ignored is not None:
        marker = {CLASS_PROPERTY: None, IGNORED_PROPERTY: True}
        features += _written(labels.ignored, [marker] * len(labels.ignored))
    if labels.outside is not None:
        marker = {CLASS_PROPERTY: None, IGNORED_PROPERTY: True, OUTSIDE_PROPERTY: True}
        features += _written(labels.outside, [marker] * len(labels.outside))
    lines = b",\n".join(orjson.dumps(feature) for feature in features)
    path.write_bytes(b'{"type": "FeatureCollection", "features": [\n' + lines + b"\n]}\n")


def _written(labels: Labels, own: Sequence[Json]) -> list[Json]:
    return [
        {
            "type": "Feature",
            "properties": {**_without_class(properties, said), **said},
            "geometry": shapely.geometry.mapping(outline),
        }
        for outline, said, properties in zip(
            shapely.orient_polygons(labels.outlines), own, labels.properties, strict=True
        )
    ]


def _without_class(properties: Json, said: Json) -> Json:
    """Properties without what names the class now or did so; another value of `class` gets another name."""
    kept = {
        name: value
        for name, value in properties.items()
        if name not in (CLASS_PROPERTY, OLDER_CLASS_PROPERTY, IGNORED_PROPERTY, OUTSIDE_PROPERTY)
    }
    before = properties.get(CLASS_PROPERTY)
    if before is not None and before != said[CLASS_PROPERTY]:
        kept.setdefault(_DISPLACED, before)
    return kept


def rasterise(
    labels: Labels,
    transform: Affine6,
    height: int,
    width: int,
    crs: str,
    classes: Sequence[str],
    ignore: int | None = None,
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
        ignore: Value of pixels that lie in `labels.ignored` and in no label, and of those that lie in
            `labels.outside`. Default: both are drawn as if they were not there.

    Returns:
        Class index of each pixel, uint8, shape (height, width).
    """
    from rasterio import Affine
    from rasterio.features import rasterize

    grid = Grid(crs, transform, height, width)
    index = {name: number for number, name in enumerate(classes) if number > 0}
    shapes: list[tuple[Any, int]] = []
    if ignore is not None and labels.ignored is not None:
        others, _ = labels.ignored.around(grid)
        shapes += [(others[other], ignore) for other in labels.ignored.touching(grid)]
    outlines, _ = labels.around(grid)
    inside = drawing_order(labels, grid, classes)
    shapes += [(outlines[label], index[labels.names[label]]) for label in inside]
    if ignore is not None and labels.outside is not None:
        beyond, _ = labels.outside.around(grid)
        shapes += [(beyond[part], ignore) for part in labels.outside.touching(grid)]
    if not shapes:
        return np.zeros((height, width), dtype=np.uint8)
    mask: Mask = rasterize(
        shapes,
        out_shape=(height, width),
        transform=Affine(*transform),
        fill=0,
        dtype=np.uint8,
    )
    return mask


def outside_mask(labels: Labels, grid: Grid) -> Mask:
    """Which pixels of a grid lie outside of the area with their middle, bool, shape (height, width)."""
    from rasterio import Affine
    from rasterio.features import rasterize

    shape = grid.height, grid.width
    if labels.outside is None:
        return np.zeros(shape, bool)
    parts = labels.outside.touching(grid)
    if not len(parts):
        return np.zeros(shape, bool)
    outlines, _ = labels.outside.around(grid)
    drawn = rasterize(outlines[parts], out_shape=shape, transform=Affine(*grid.transform), dtype=np.uint8)
    return np.asarray(drawn, bool)


def drawing_order(labels: Labels, grid: Grid, classes: Sequence[str]) -> list[int]:
    """Indices of the labels of some classes that touch a grid, in the order in which they are drawn.

    Large ones come first, equally large ones in the order of the file: where labels overlap, the one that is
    drawn last lies on top.

    Args:
        labels: The labels.
        grid: Where they are drawn.
        classes: Class names; the first is the background, which nothing draws.
    """
    outlines, _ = labels.around(grid)
    drawn = set(classes[1:])
    inside = [int(label) for label in labels.touching(grid) if labels.names[label] in drawn]
    return sorted(inside, key=lambda label: -float(shapely.area(outlines[label])))


def _sorted(
    features: Sequence[polygons.Feature],
    classes: Sequence[str],
    class_property: str | None,
    values: Mapping[str, Sequence[str]],
    rules: TagRules | None = None,
) -> tuple[Labels, Counter[str]]:
    """Labels by class, what is to be ignored among them, and how many features have each value."""
    features, outside = _divided(features)
    meant = {value: name for name in classes for value in values.get(name, (name,))}
    meant |= dict.fromkeys(values.get(BACKGROUND, ()), BACKGROUND)
    counts = Counter(dict.fromkeys(_ALWAYS, 0))
    found: Counter[str] = Counter()
    kept: list[tuple[Polygon | MultiPolygon, str, Json]] = []
    others: list[tuple[Polygon | MultiPolygon, str, Json]] = []
    for feature in features:
        value = value_of(feature.properties, class_property) if class_property else classes[0]
        name = _class_of(value, meant) if class_property else classes[0]
        if rules is not None:
            name = rules.class_of(feature.properties)
        is_other = rules is not None and name is None
        if class_property is None and _is_ignored(feature.properties):
            name, is_other = None, False
        found["nothing" if value is None else value] += 1
        if is_other:
            counts["other_tags"] += 1
        elif feature.outline is None:
            counts.update(feature.happened)
        elif name == BACKGROUND:
            counts["background_value"] += 1
        elif name is None:
            counts["other_class"] += 1
            others.append((feature.outline, BACKGROUND, feature.properties))
        else:
            counts.update(feature.happened)
            kept.append((feature.outline, name, feature.properties))
    known = _labels(kept, dict(counts))
    return known.ignoring(_labels(others)).without(outside), found


def _divided(features: Sequence[polygons.Feature]) -> tuple[list[polygons.Feature], Labels]:
    """Features without the ground outside of an area that a dataset was stored with, and that ground."""
    marked = [
        _is_ignored(feature.properties) and feature.properties.get(OUTSIDE_PROPERTY) is True
        for feature in features
    ]
    both = list(zip(features, marked, strict=True))
    outlines = [feature.outline for feature, is_outside in both if is_outside and feature.outline is not None]
    return [feature for feature, is_outside in both if not is_outside], of_outlines(outlines)


def _labels(
    listed: Sequence[tuple[Polygon | MultiPolygon, str, Json]], mended: Mapping[str, int] | None = None
) -> Labels:
    outlines = np.empty(len(listed), dtype=object)
    outlines[:] = [outline for outline, _, _ in listed]
    names, properties = [name for _, name, _ in listed], [each for _, _, each in listed]
    return Labels(outlines, names, properties, mended or {})


def value_of(properties: Mapping[str, Any], class_property: str) -> str | None:
    """What a label says of its class, as text. The class that datasets have is read under both its names."""
    value = polygons.named(properties, class_property)
    if value is None and class_property in (CLASS_PROPERTY, OLDER_CLASS_PROPERTY):
        other = OLDER_CLASS_PROPERTY if class_property == CLASS_PROPERTY else CLASS_PROPERTY
        value = polygons.named(properties, other)
    if value is None:
        value = tags.value(properties, class_property)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def class_said(properties: Mapping[str, Any]) -> str | None:
    """The class of a polygon by the property that predictions and datasets have for it."""
    return value_of(properties, CLASS_PROPERTY)


def _class_of(value: str | None, meant: Mapping[str, str]) -> str | None:
    if value is not None and value in meant:
        return meant[value]
    rest = meant.get(ANY_VALUE)
    return rest if value is not None or rest == BACKGROUND else None


def _is_ignored(properties: Mapping[str, Any]) -> bool:
    return properties.get(IGNORED_PROPERTY) is True and properties.get(CLASS_PROPERTY) is None


def _wrong_classes(
    classes: Sequence[str],
    class_property: str | None,
    values: Mapping[str, Sequence[str]],
    rules: TagRules | None,
) -> list[str]:
    reasons = []
    if not classes:
        reasons.append("no class is asked for; name at least one")
    if len(set(classes)) < len(classes):
        reasons.append(f"a class is named twice in {', '.join(classes)}; name each once")
    if BACKGROUND in classes:
        reasons.append(f"{BACKGROUND} is what no label covers; do not name it as a class")
    if rules is not None:
        return [*reasons, *rules.twice()]
    if class_property is None and len(classes) > 1:
        reasons.append(
            f"there are {len(classes)} classes; name the property that tells them (class_property), or the "
            f"tags that mean each, as {option(classes[0], [f'{classes[0]}=*'])}"
        )
    owners: dict[str, str] = {}
    for name, each in values.items():
        for value in each:
            if owners.setdefault(value, name) != name:
                reasons.append(f"the value {value!r} means {owners[value]} and {name}; map it once")
    return reasons


def _without_tags(
    path: Path,
    missing: Sequence[str],
    query: Query,
    features: Sequence[polygons.Feature],
    osm: OsmFile | None,
) -> str:
    """Why no polygon has the tags of a class: what there is instead, or where it is."""
    assert query.rules is not None  # noqa: S101 - asked for by tags
    asked = query.rules.told(missing) or query.rules.told(query.rules.classes)
    flat = [each for each in features if each.outline is None and "other_geometry" in each.happened]
    bare = sum(query.rules.class_of(each.properties) in (*missing, "") for each in flat)
    counted = (
        census.of_file(path, query)
        if osm
        else census.count([(each.properties, each.outline) for each in features], query)
    )
    reason = f"no polygon is {' or '.join(missing)} by its tags ({asked})"
    if bare:
        return (
            f"{reason}; {bare:,} lines and points have them, which have no area: make polygons of them "
            "first, for example in QGIS with Vector, Geoprocessing Tools, Buffer"
        )
    if counted.wanted and query.around and counted.bounds and len(missing) == len(query.rules.classes):
        theirs, chips = (
            ", ".join(f"{each:.5f}" for each in bounds) for bounds in (counted.bounds, query.around)
        )
        return (
            f"{reason} where the chips are: the chips lie within ({chips}), the file's {counted.wanted:,} "
            f"polygons of these tags within ({theirs}) (west, south, east, north); use data of the same area"
        )
    if not counted.told:
        return f"{reason}: the file has no polygon at all; export the area with its ways and their nodes"
    other = next(iter(counted.values or {f"{key}=*": 1 for key in counted.keys}))
    return (
        f"{reason}: its polygons have {counted.told}; ask for those that mean it, for example "
        f"{option(missing[0], [other])}, or leave the class out"
    )


def _nothing_left(
    total: int,
    known: Labels,
    found: Counter[str],
    classes: Sequence[str],
    class_property: str | None,
) -> list[str]:
    if total == 0:
        return [f"it holds no features. If it is the right file: {BACKGROUND_ALONE}"]
    if known.mended.get("background_value") == total:
        return [f"all its {total} features mean {BACKGROUND}, and {BACKGROUND_ALONE}"]
    left_out = [f"{count} {REPAIRS[name]}" for name, count in known.mended.items() if count]
    reason = f"none of its {total} features is a usable polygon: {', '.join(left_out)}"
    if known.mended["other_class"] and class_property:
        seen = _seen(found, known, class_property, classes)
        reason += f"; {seen}, asked for were {', '.join(classes)}{_mapping(classes, found)}"
    return [reason + "; export the labels as polygons with the classes that you name"]


def _without_label(
    missing: Sequence[str], known: Labels, found: Counter[str], class_property: str | None
) -> str:
    seen = _seen(found, known, class_property or "", missing)
    mapping = _mapping(missing, found - Counter(known.names))
    return f"no label is of the class {' or '.join(missing)}: {seen}{mapping}; or leave the class out"


def _seen(found: Counter[str], known: Labels, class_property: str, classes: Sequence[str]) -> str:
    """Which values there are; where the property is on no label, which properties are."""
    if set(found) == {"nothing"}:
        ignored = known.ignored.properties if known.ignored is not None else ()
        there = Counter(key for each in ignored for key, value in each.items() if value is not None)
        keys = _likest(there, classes)
        others = ", ".join(keys[:_SHOWN]) or "none"
        named = next((key for key in keys if _likeness(key, classes) >= _ALIKE), None)
        hint = f"; perhaps --class-property {shlex.quote(named)}" if named else ""
        nothing = f"no label has the property {class_property} (nothing: {found['nothing']})"
        return f"{nothing}, they have {others}{hint}"
    seen = ", ".join(f"{name} ({count})" for name, count in found.most_common(_SHOWN))
    more = len(found) - _SHOWN
    return f"the property {class_property} says {seen}{f' and {more} more' if more > 0 else ''}"


def _mapping(missing: Sequence[str], found: Counter[str]) -> str:
    """How values that are there are mapped onto a class: the one most like its name, else the commonest."""
    values = _likest(
        Counter({value: count for value, count in found.items() if value != "nothing"}), missing[:1]
    )
    if not values:
        return ""
    return f"; map values that mean it, for example {option(missing[0], values[:1])}"


def _likest(counts: Counter[str], names: Sequence[str]) -> list[str]:
    """Words with those first that are most like any of some names, then those that are most frequent."""
    return sorted(counts, key=lambda word: (-_likeness(word, names), -counts[word]))


def _likeness(word: str, names: Sequence[str]) -> float:
    """How like a word is to the likest of some names, 0 (not at all) to 1 (one is part of the other)."""
    best = 0.0
    for name in names:
        one, other = word.casefold(), name.casefold()
        is_part = min(len(one), len(other)) >= _PART and (one in other or other in one)
        ratio = 1.0 if is_part else SequenceMatcher(None, one, other).ratio()
        best = max(best, ratio if ratio >= _ALIKE else 0.0)
    return best
