"""Chips and labels as people keep them, checked and mended, and what is known of a dataset made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from fair_models.data.folders import DatasetFolder, locate
from fair_models.data.images import antimeridian, chips, footprint, zooms
from fair_models.data.images.chips import Chip, Decoded
from fair_models.data.images.grid import LONLAT, degrees_of
from fair_models.data.images.orientation import UPRIGHT
from fair_models.data.label_quality import alignment
from fair_models.data.label_quality.estimation import Estimator
from fair_models.data.label_quality.glimpses import Glimpses
from fair_models.data.label_quality.registration import SEARCHED_M, Registration
from fair_models.data.label_quality.report import LabelReport
from fair_models.data.progress import ChipProgress, ignore_progress, reported
from fair_models.data.splits import Split
from fair_models.data.vectors import coco, label_pixels, labels, mapped_area, masks
from fair_models.data.vectors.label_pixels import Drawn
from fair_models.data.vectors.labels import Labels
from fair_models.data.vectors.mapped_area import Outline
from fair_models.data.vectors.osm import origin
from fair_models.errors import Invalid, InvalidImagery, InvalidLabels
from fair_models.imagery_rules import CURRENT, ImageryRules
from fair_models.params import IngestDatasetParams
from fair_models.types import Array, BBox, Json

REPAIRS = {
    **labels.REPAIRS,
    **coco.REPAIRS,
    **masks.REPAIRS,
    **alignment.REPAIRS,
    "tiles_without_imagery": "tiles of the area without imagery, of which there is no chip",
    "chips_outside_area": "chips that lie wholly outside of the area, left out",
    "labels_outside_area": "labels that lie wholly outside of the area, left out",
    "over_area_edge": "chips that reach beyond the area; what lies outside counts neither way",
    "touching_no_chip": "labels that touch no chip, left out",
    "overlapping": "pairs of labels that overlap by more than a pixel; there the smaller one counts",
    "smaller_than_a_pixel": "labels that cover the middle of no pixel, which no model can learn from",
    "over_edge": "labels that reach beyond the chips, kept; the part on the chips counts",
    "other_zoom": "chips of another zoom, left out",
    "placed_by_name": "chips without a georeference, placed by the tile in their name",
    "elsewhere": "chips whose georeference contradicts the tile in their name; the georeference counts",
    "with_transparency": "chips with transparent pixels, which do not count",
    "with_fill": "chips with white or black fill at their border, which does not count",
    "grey_alpha": "chips whose band of transparency has grey values, as near infrared; it is not looked at",
    "grey_chips": "chips in grey; red, green and blue are equal",
    "ink_chips": "chips in the colours of print (CMYK), brought to red, green and blue",
    "turned": "chips that were turned as their EXIF says",
    "without_labels": "chips that no label touches, kept",
    "buffer": "chips between the sides of the split, used for neither",
    "left_out": "chips left out of training and evaluation because of their labels",
}
"""What `PreparedDataset.repairs` counts, by the names in `fair:repairs`."""

BANDS = ("red", "green", "blue")


@dataclass(frozen=True)
class PreparedDataset:
    """A dataset that is ready to be stored, and what is known of it.

    chips: Zip archive, stored, of the chips and the files that belong to them.
    labels: GeoJSON in longitude and latitude; `class` names each label's class.
    split: JSON, see `Split`.
    split_spec: The split for `fair:split_spec`.
    chip_count: Chips in the archive.
    gsd_m: Median ground sample distance of the chips, in metres; None where they have no place.
    zooms: Number of chips by zoom.
    geometry: Area of the chips, GeoJSON Polygon or MultiPolygon in EPSG:4326. None: they have no place.
    created: Earliest and latest time that the images tell; None where none does.
    label_counts: Labels by class.
    class_counts: Labels that touch a chip, by side ("train", "held_out") and class.
    chip_counts: Chips by side and the class that they are as a whole, "background" among them.
    repairs: What was repaired or left out, by the names of `REPAIRS`; only what happened.
    rules: By which rules the chips were read.
    classes: Classes of its labels, where they are not those that were asked for.
    keywords: Its keywords, likewise.
    from_osm: Why its labels are known to come from OpenStreetMap; empty where they are not.
    labels_time: Of when its labels are, in UTC, where they say so.
    zoom_choice: Which of several zooms was taken and why, in a sentence; empty where there was one.
    ignored_note: What to do where labels of other values take much of the ground; empty where they do not.
    objects_note: Which labels do not tell objects apart; empty where all do.
    are_masks: Whether its labels were connected pixels of masks.
    left_out: Chips that neither train nor evaluate because of their labels, and why, by name.
    registration: How far its labels lay beside the imagery; None where nobody looked.
    report: What was found out about its labels; None where nobody looked, as with captions.
    report_files: The report and its picture by asset key, as they are to be stored.
    areas: Of each area that was mapped its name, chips, and labels; none where no area was given.
    """

    chips: Path
    labels: Path
    split: Path
    split_spec: Json
    chip_count: int
    gsd_m: float | None
    zooms: Mapping[int, int]
    bands: Sequence[str]
    bbox: BBox | None
    geometry: Json | None
    created: tuple[datetime, datetime] | None
    label_counts: Mapping[str, int]
    class_counts: Mapping[str, Mapping[str, int]]
    chip_counts: Mapping[str, Mapping[str, int]]
    repairs: Mapping[str, int]
    rules: ImageryRules
    classes: Sequence[str] = ()
    keywords: Sequence[str] = ()
    from_osm: str = ""
    labels_time: datetime | None = None
    zoom_choice: str = ""
    ignored_note: str = ""
    objects_note: str = ""
    are_masks: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    registration: Registration | None = None
    report: LabelReport | None = None
    report_files: Mapping[str, Path] = field(default_factory=dict)
    areas: Sequence[Json] = ()


def rules_of(params: IngestDatasetParams) -> ImageryRules:
    """By which rules the chips of a request are read."""
    return CURRENT.model_copy(update={"fill": params.fill})


@dataclass(frozen=True)
class CheckedDataset:
    """Chips and labels that can be used.

    touching: Indices of the labels that each chip shares area with, by the chip's name.
    other_zoom: Number of chips.
    zooms: Number of chips by zoom, those that were left out too.
    imagery: Which pixels are imagery, for chips where some are not, by name; bool, shape (height, width).
    drawn: What the labels draw on the chips.
    read: How many chips were read in which way, by the names of `REPAIRS`.
    are_boxes: Whether the labels are boxes and no outlines.
    are_masks: Whether they are connected pixels of masks.
    area: What the area left out, by the names of `REPAIRS`; empty where none was given.
    registration: How far the labels lay beside the imagery when they were read; None where nobody looked: of
        masks, and where captions are made of labels.
    """

    chips: Sequence[Chip]
    labels: Labels
    touching: Mapping[str, Array]
    other_zoom: int
    imagery: Mapping[str, Array]
    drawn: Drawn
    read: Mapping[str, int]
    are_boxes: bool = False
    are_masks: bool = False
    zooms: Mapping[int, int] = field(default_factory=dict)
    area: Mapping[str, int] = field(default_factory=dict)
    registration: Registration | None = None

    @property
    def labelled(self) -> list[str]:
        """Names of the chips that have labels."""
        return [name for name, indices in self.touching.items() if len(indices)]

    @property
    def from_osm(self) -> str:
        """Why the labels are known to come from OpenStreetMap; empty where they are not."""
        if self.labels.osm is not None:
            return "their file is in a format of its data"
        return "they have its ids" if origin.have_ids(self.labels.properties) else ""

    @property
    def labels_time(self) -> datetime | None:
        """Of when labels of OpenStreetMap are: the time of their file, else that of the newest of them."""
        if not self.from_osm:
            return None
        said = self.labels.osm.time if self.labels.osm else None
        return said or origin.newest(self.labels.properties)

    def on(self, names: Iterable[str]) -> Array:
        """Indices of the labels that touch any of these chips, each once."""
        return np.unique(np.concatenate([np.empty(0, dtype=int), *(self.touching[name] for name in names)]))

    def count(self, classes: Sequence[str], names: Iterable[str]) -> dict[str, int]:
        """Labels by class that touch any of these chips."""
        found = Counter(self.labels.names[index] for index in self.on(names))
        return {name: found[name] for name in classes}

    def count_chips(self, classes: Sequence[str], names: Iterable[str]) -> dict[str, int]:
        """Chips among these by the class that they are as a whole; some are none, see `Drawn`."""
        found = Counter(self.drawn.whole[name] for name in names)
        return {name: found[name] for name in (labels.BACKGROUND, *classes)}


def check(
    params: IngestDatasetParams,
    progress: ChipProgress = ignore_progress,
    area: Outline | None = None,
    glimpses: Glimpses | None = None,
) -> CheckedDataset:
    """Read chips and labels; all that is wrong with either is reported together.

    Args:
        params: Where chips and labels lie, and what they mean.
        progress: Called after each chip that was read with how many were, and how many there are.
        area: What was looked at, in longitude and latitude; nothing counts outside of it. Default: all chips.
        glimpses: What keeps something of each chip while it is decoded, where anything does.

    Raises:
        Invalid: Something cannot be used (InvalidImagery, InvalidLabels where it is one of them).
    """
    source = locate(params.chips_folder, params.labels)
    if params.align:
        alignment.require_movable(source.labels)
    wrong: list[Invalid] = []
    kept: list[Chip] = []
    estimator: Estimator | None = None
    is_coco, are_masks, are_boxes = coco.is_coco(source.labels), source.labels.is_dir(), False
    try:
        found = chips.find(source.chips, rules=rules_of(params))
        of_zoom = zooms.choose(found, params.zoom, source.chips, params.gsd_m)
        kept = of_zoom if area is None else _in_area(of_zoom, area, source)
    except InvalidImagery as error:
        wrong.append(error)
    try:
        if (is_coco or are_masks) and wrong:
            raise wrong[0]  # chips say where pixels lie
        if is_coco:
            found_labels = coco.read(source.labels, params.class_names, kept, params.class_values)
            known, are_boxes = found_labels.labels, found_labels.are_boxes
        elif are_masks:
            known = masks.read(source.labels, params.class_names, kept, params.class_values)
        else:
            known = labels.read(
                source.labels,
                params.class_names,
                params.class_property,
                params.class_values,
                around=_around(kept, SEARCHED_M if params.align else 0.0),
            )
        if not are_masks and params.captions == "none":
            estimator = Estimator(kept, known)
    except InvalidLabels as error:
        wrong.append(error)
    try:
        imagery, read = _decode_all(kept, source, progress, estimator, glimpses)
    except InvalidImagery as error:
        wrong.insert(0, error)
    if len(wrong) > 1:
        raise Invalid(f"Dataset {params.name} cannot be ingested. {'. '.join(map(str, wrong))}") from wrong[0]
    if wrong:
        raise wrong[0]
    registration = None if estimator is None else estimator.registration()
    if params.align and registration is not None:
        known = alignment.moved(known, registration, kept)
    known, by_area = (known, {}) if area is None else _looked_at(known, kept, len(of_zoom), area, source)
    touching = {chip.name: known.touching(chip.grid) for chip in kept}
    if not any(len(indices) for indices in touching.values()):
        where = _counted_from_the_south(kept, known) or _far_away(footprint.bbox(footprint.of(kept)), known)
        raise InvalidLabels(str(source.labels), [where])
    known = _with_ignored_on(kept, known)
    try:
        drawn = label_pixels.draw(known, kept, touching, imagery, [labels.BACKGROUND, *params.class_names])
    except Invalid as error:
        raise InvalidLabels(str(source.labels), [str(error)]) from error
    checked = CheckedDataset(
        chips=kept,
        labels=known,
        touching=touching,
        other_zoom=len(found) - len(of_zoom),
        imagery=imagery,
        drawn=drawn,
        read=read,
        are_boxes=are_boxes,
        are_masks=are_masks,
        zooms=zooms.counts(found),
        area=by_area,
        registration=registration,
    )
    if reasons := _nothing_to_learn(checked, params.class_names):
        raise InvalidLabels(str(source.labels), reasons)
    return checked


def _in_area(found: Sequence[Chip], area: Outline, source: DatasetFolder) -> list[Chip]:
    """The chips that have ground in an area.

    Raises:
        InvalidImagery: None has.
    """
    kept = mapped_area.chips_in(found, area)
    if not kept:
        theirs = footprint.bbox(footprint.of(found))
        raise InvalidImagery(
            str(source.chips),
            [
                f"none of its {len(found)} chips lies in the area: the chips lie within {_shown(theirs)}, "
                f"the area within {_shown(antimeridian.bbox([area]))} (west, south, east, north); correct "
                "the area"
            ],
        )
    return kept


def _looked_at(
    known: Labels, kept: Sequence[Chip], chip_count: int, area: Outline, source: DatasetFolder
) -> tuple[Labels, Mapping[str, int]]:
    """Labels in an area, with the ground of chips outside of it; and what was left out, by `REPAIRS`.

    Raises:
        InvalidLabels: No label lies in the area.
    """
    inside = mapped_area.labels_in(known, area)
    if not len(inside):
        theirs = antimeridian.bbox(known.outlines)
        raise InvalidLabels(
            str(source.labels),
            [
                f"none of its {len(known)} polygons lies in the area: they lie within {_shown(theirs)}, "
                f"the area within {_shown(antimeridian.bbox([area]))} (west, south, east, north); correct "
                "the area, or use labels of it"
            ],
        )
    beyond = mapped_area.outside(kept, area)
    if known.outside is not None:  # of the dataset that these labels were stored with
        beyond = mapped_area.joined(known.outside, beyond)
    counts = {
        "chips_outside_area": chip_count - len(kept),
        "labels_outside_area": len(known) - len(inside),
        "over_area_edge": sum(len(beyond.touching(chip.grid)) > 0 for chip in kept),
    }
    return inside.without(beyond), counts


def _around(kept: Sequence[Chip], margin_m: float) -> BBox | None:
    """What labels are read of, where a file has more; None where chips lie on both sides of 180°."""
    if not kept:
        return None
    west, south, east, north = footprint.bbox(footprint.of(kept))
    across, up = degrees_of(np.full(1, south), np.full(1, margin_m), np.full(1, margin_m))
    west, south, east, north = west - across[0], south - up[0], east + across[0], north + up[0]
    return (west, south, east, north) if west < east else None


def _with_ignored_on(kept: Sequence[Chip], known: Labels) -> Labels:
    """The labels with those to ignore that touch a chip; others are not stored."""
    if known.ignored is not None:
        known = known.ignoring(_on(kept, known.ignored))
    if known.outside is not None:
        known = known.without(_on(kept, known.outside))
    return known


def _on(kept: Sequence[Chip], ground: Labels) -> Labels:
    on_chips = [np.empty(0, dtype=int), *(ground.touching(chip.grid) for chip in kept)]
    return ground.select(np.unique(np.concatenate(on_chips)))


def _nothing_to_learn(checked: CheckedDataset, classes: Sequence[str]) -> list[str]:
    """Why labels draw nothing, or nothing of a class."""
    on_chips = checked.on(checked.labelled)
    finest = min(chip.gsd_m for chip in checked.chips)
    remedy = f"map outlines that are wider than a pixel ({finest:.2g} m), or use finer imagery"
    if not checked.drawn.visible.any():
        return [f"none of the {len(on_chips)} labels on chips covers the middle of a pixel; {remedy}"]
    if not checked.drawn.labelled:
        return [
            f"none of the {len(on_chips)} labels that touch chips covers the middle of a pixel of the "
            "imagery: they lie at its edge, or where there is none; use imagery of the mapped ground"
        ]
    reasons = []
    for name in classes:
        own = [index for index in on_chips if checked.labels.names[index] == name]
        if not own:
            there = checked.labels.names.count(name)
            reasons.append(
                f"none of the {there} labels of {name} touches a chip; leave the class out, or use chips "
                "where it is"
            )
        elif not checked.drawn.visible[own].any():
            reasons.append(f"none of the {len(own)} labels of {name} covers the middle of a pixel; {remedy}")
    return reasons


def _counted_from_the_south(kept: Sequence[Chip], known: Labels) -> str | None:
    """What is wrong with chips named in TMS order: mirrored at the equator they lie where the labels are."""
    named = [chip for chip in kept if chip.placed_by_name and chip.tile is not None]
    _, tree = known.in_crs(LONLAT)
    fitting = [chip.tile for chip in named if chip.tile and len(tree.query(chip.tile.mirrored.outline))]
    if not fitting:
        return None
    tile = fitting[0]
    first = next(chip for chip in named if chip.tile == tile)
    other = first.path.name.replace(f"{tile.y}", f"{tile.mirrored.y}")
    return (
        f"none of its {len(known)} polygons touches a chip, and {len(fitting)} of {len(kept)} chips would be "
        "touched if the y in their names were counted from the south (TMS, as gdal2tiles counts): here it is "
        f"counted from the north (XYZ). Rename the chips with y = 2^zoom - 1 - y, for example "
        f"{first.path.name} to {other}, or cut the tiles anew with `gdal2tiles --xyz`"
    )


def _decode_all(
    kept: Sequence[Chip],
    source: DatasetFolder,
    progress: ChipProgress,
    estimator: Estimator | None,
    glimpses: Glimpses | None,
) -> tuple[dict[str, Array], Mapping[str, int]]:
    """Decode each chip once, so that a broken one is found before anything is stored.

    Args:
        kept: The chips.
        source: Where they lie.
        progress: Called after each chip that was read.
        estimator: What compares the labels with the chips, where anything does.
        glimpses: What keeps something of each chip, where anything does.

    Returns:
        Which pixels are imagery, for the chips where some are not, by name; and how many chips were read in
        which way, by the names of `REPAIRS`.

    Raises:
        InvalidImagery: Some cannot be decoded, or none has a pixel that is not transparent.
    """
    reasons: list[str] = []
    transparent: dict[str, Array] = {}
    counts: Counter[str] = Counter()
    empty = 0
    for chip in reported(kept if estimator is None else estimator.order, progress):
        try:
            decoded = chips.decode(chip)
        except InvalidImagery as error:
            reasons += [f"{chip.path.name}: {reason}" for reason in error.reasons]
            continue
        if not decoded.valid.all():
            transparent[chip.name] = decoded.valid
        empty += not decoded.valid.any()
        counts.update(_ways(chip, decoded))
        if estimator is not None:
            estimator.see(chip, decoded.pixels, decoded.valid)
        if glimpses is not None:
            glimpses.see(chip, decoded, len(kept))
    if kept and not reasons and empty == len(kept):
        reasons = ["all chips are wholly transparent, or white or black fill; export them again"]
    if reasons:
        raise InvalidImagery(str(source.chips), chips.shortened(sorted(reasons)))
    return transparent, counts


def _ways(chip: Chip, decoded: Decoded) -> dict[str, bool]:
    """How a chip was read, by the names of `REPAIRS`."""
    return {
        "with_transparency": bool((~decoded.valid).sum() > decoded.fill_px),
        "with_fill": decoded.fill_px > 0,
        "grey_alpha": decoded.has_grey_alpha,
        "grey_chips": chip.layout.kind == "grey",
        "ink_chips": chip.layout.kind == "cmyk" or chip.layout.converted,
        "turned": chip.orientation != UPRIGHT,
    }


def _far_away(around: BBox, known: Labels) -> str:
    south, west, north, east = bounds = antimeridian.bbox(known.outlines)
    swapped = shapely.intersects(shapely.box(west, south, east, north), antimeridian.box(*around))
    remedy = (
        "longitude and latitude are swapped in the labels, longitude comes first"
        if swapped
        else "use labels of the same area"
    )
    return (
        f"none of its {len(known)} polygons touches a chip: the chips lie within {_shown(around)}, the "
        f"labels within {_shown(bounds)} (west, south, east, north); {remedy}"
    )


def _shown(box: BBox) -> str:
    return f"({', '.join(f'{value:.5f}' for value in box)})"


def repairs_of(checked: CheckedDataset, split: Split, area: Polygon | MultiPolygon) -> dict[str, int]:
    """What was repaired or left out, by the names of `REPAIRS`; only what happened."""
    on_chips = checked.on(checked.labelled)
    outlines = antimeridian.near(checked.labels.outlines[on_chips], float(area.centroid.x))
    inside = shapely.covers(footprint.widened(area), outlines)
    finest_m = min(chip.gsd_m for chip in checked.chips)
    counts = {
        **checked.labels.mended,
        **checked.area,
        "moved": alignment.count_moved([checked.labels.properties[index] for index in on_chips]),
        "touching_no_chip": len(checked.labels) - len(on_chips),
        "overlapping": 0 if checked.are_boxes else label_pixels.overlapping(outlines, finest_m),
        "smaller_than_a_pixel": int((~checked.drawn.visible[on_chips]).sum()),
        "over_edge": int((~inside).sum()),
        "other_zoom": checked.other_zoom,
        "placed_by_name": sum(chip.placed_by_name for chip in checked.chips),
        "elsewhere": sum(chip.elsewhere for chip in checked.chips),
        **checked.read,
        "without_labels": len(checked.chips) - len(checked.labelled),
        "buffer": len(split.left_out),
    }
    return {name: counts[name] for name in REPAIRS if counts.get(name)}
