"""Objects on images as COCO keeps them (https://cocodataset.org/#format-data), brought onto the map.

`segmentation` is the outline of an object, see `coco_outlines`; `bbox` is x, y, width and height of a box
around it. Both are in pixels from an image's top left corner. The chip that an image is, by its file name,
says where that lies. Where any annotation has an outline the labels are outlines, else they are boxes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from shapely import MultiPolygon, Polygon

from fair_models.class_names import ANY_VALUE, option
from fair_models.data.images.chips import Chip, shortened
from fair_models.data.vectors import coco_outlines, geojson, labels, pixel_shapes
from fair_models.data.vectors.labels import Labels
from fair_models.data.vectors.pixel_shapes import INSET_PX
from fair_models.errors import InvalidDocument, InvalidLabels
from fair_models.store import documents
from fair_models.types import Array, Json

REPAIRS = {
    "crowd": "annotations of a crowd (iscrowd), left out; the ground of their outlines counts neither way",
    "only_box": "boxes without an outline, where others have one; their ground counts neither way",
    "without_chip": "annotations of images that are not among the chips, left out",
    "off_image": "annotations that lie beside their image, left out",
    "clipped": "annotations that reach beyond their image, cut and kept",
}
"""What `Labels.mended` counts beside `labels.REPAIRS`."""

ID_PROPERTY = "coco:id"
"""The property of a label that names the annotation it comes from."""

_MEMBERS = ("images", "annotations", "categories")
_PEEK_BYTES = 64 * 1024
_MEMBER = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')


@dataclass(frozen=True)
class _Document:
    """A COCO file whose ids fit together.

    images: By id.
    names: Name of each category, by id.
    annotations: As they are written.
    """

    images: Mapping[Any, Json]
    names: Mapping[Any, str]
    annotations: Sequence[Json]


@dataclass(frozen=True)
class CocoLabels:
    """What was read of a file.

    labels: Polygons with their classes.
    are_boxes: Whether they are boxes and no outlines.
    """

    labels: Labels
    are_boxes: bool


def is_coco(path: Path) -> bool:
    """Whether a file looks like COCO; its content decides, not its name."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _MEMBER.search(file.read(_PEEK_BYTES)) is not None


def read(
    path: Path,
    classes: Sequence[str],
    chips: Sequence[Chip],
    values: Mapping[str, Sequence[str]] | None = None,
) -> CocoLabels:
    """Read annotations and place them. What cannot be used is left out and counted.

    Args:
        path: A COCO file.
        classes: Classes to read, without the background; categories are compared in lower case.
        chips: The chips that its images are.
        values: Categories that mean a class, by class; by "background" those that mean none. Default: each
            class is meant by its own name.

    Returns:
        The outline of each object; where the file has none, a polygon of four corners for each box. Those of
        other categories are among `ignored`, as is what has a box alone where others have an outline.

    Raises:
        InvalidLabels: The file cannot be used, an image is no chip's size, or no object of a class is left.
    """
    document = _mapped(_document(path), classes, values or {})
    by_name = {chip.name: chip for chip in chips}
    placed = {key: by_name.get(_name(image)) for key, image in document.images.items()}
    if reasons := list(_other_sizes(document, placed)):
        raise InvalidLabels(str(path), shortened(reasons))
    are_boxes = not any(
        coco_outlines.is_there(annotation) and not annotation.get("iscrowd")
        for annotation in document.annotations
    )
    counts = dict.fromkeys({**labels.REPAIRS, **REPAIRS}, 0)
    too_large: list[str] = []
    found: dict[str, list[tuple[int, Polygon | MultiPolygon]]] = {}
    others: dict[str, list[tuple[int, Polygon | MultiPolygon]]] = {}
    for number, annotation in enumerate(document.annotations):
        chip, name = placed[annotation["image_id"]], document.names[annotation["category_id"]]
        drawn, happened = _drawn(annotation, chip, are_boxes)
        if drawn is not None and (reason := pixel_shapes.too_large(number, drawn)):
            too_large.append(reason)
        if name not in classes and "malformed" not in happened:
            happened = ["background_value" if name == labels.BACKGROUND else "other_class"]
        for each in happened:
            counts[each] += 1
        if drawn is not None and chip is not None and name != labels.BACKGROUND:
            is_known = name in classes and not {"crowd", "only_box"} & set(happened)
            (found if is_known else others).setdefault(chip.name, []).append((number, drawn))
    if too_large:
        raise InvalidLabels(str(path), shortened(too_large))
    if not found:
        raise InvalidLabels(str(path), [_nothing_left(document, counts, classes, are_boxes)])
    known = _on_map(document, found, by_name, counts)
    if missing := [name for name in classes if name not in set(known.names)]:
        raise InvalidLabels(str(path), [_without_label(missing, document, are_boxes)])
    return CocoLabels(known.ignoring(_on_map(document, others, by_name, {})), are_boxes)


def _mapped(document: _Document, classes: Sequence[str], values: Mapping[str, Sequence[str]]) -> _Document:
    """The same with categories under the names of the classes that they mean."""
    own = {value: name for name in classes for value in values.get(name, (name,))}
    own |= dict.fromkeys(values.get(labels.BACKGROUND, ()), labels.BACKGROUND)
    spelled = {_spelled(value): name for value, name in own.items()}
    rest = own.get(ANY_VALUE)
    names = {
        key: own.get(said) or spelled.get(_spelled(said)) or rest or _spelled(said)
        for key, said in document.names.items()
    }
    return replace(document, names=names)


def _spelled(category: str) -> str:
    return category.strip().lower().replace(" ", "-")


def _document(path: Path) -> _Document:
    try:
        found = documents.read_json(path, documents.Limits(geojson.MAX_BYTES, geojson.MAX_DEPTH))
    except InvalidDocument as error:
        raise InvalidLabels(str(path), error.reasons) from error
    reasons = [
        f"{member} is no list of objects; export it as COCO, with {', '.join(_MEMBERS)}"
        for member in _MEMBERS
        if not _is_list_of_objects(found.get(member) if isinstance(found, dict) else None)
    ]
    if reasons:
        raise InvalidLabels(str(path), reasons)
    images, categories, annotations = (found[each] for each in ("images", "categories", "annotations"))
    if len(annotations) > geojson.MAX_FEATURES:
        limit = f"{geojson.MAX_FEATURES:,}"
        raise InvalidLabels(
            str(path),
            [f"it has {len(annotations):,} annotations, at most {limit} are read; cut it to the chips"],
        )
    reasons = [*_unclear("images", images, "file_name"), *_unclear("categories", categories, "name")]
    if not reasons:
        known = {
            "image_id": {each["id"] for each in images},
            "category_id": {each["id"] for each in categories},
        }
        reasons = [*_same_stem(images), *_dangling(annotations, known)]
    if reasons:
        raise InvalidLabels(str(path), shortened(reasons))
    return _Document(
        {each["id"]: each for each in images},
        {each["id"]: each["name"].strip() for each in categories},
        annotations,
    )


def _is_list_of_objects(member: Any) -> bool:
    return isinstance(member, list) and all(isinstance(each, dict) for each in member)


def _unclear(member: str, entries: Sequence[Json], text: str) -> Iterator[str]:
    """Entries without an id of their own, or without a name."""
    ids = [each.get("id") for each in entries]
    if not all(isinstance(one, int | str) for one in ids):
        yield f"{sum(not isinstance(one, int | str) for one in ids)} of {member} have no id; number them"
        return
    for one, count in Counter(ids).items():
        if count > 1:
            yield f"{count} of {member} have the id {one}; number them anew"
    unnamed = sum(not isinstance(each.get(text), str) for each in entries)
    if unnamed:
        yield f"{unnamed} of {member} have no {text}; name them"


def _same_stem(images: Sequence[Json]) -> Iterator[str]:
    for name, count in Counter(map(_name, images)).items():
        if count > 1:
            yield f"{count} images are called {name}, which names one chip; keep one of them"


def _dangling(annotations: Sequence[Json], known: Mapping[str, set[Any]]) -> Iterator[str]:
    """Annotations that name an image or a category that is not there."""
    for field, ids in known.items():
        wrong = [each.get(field) for each in annotations if not _is_among(each.get(field), ids)]
        if wrong:
            member = "images" if field == "image_id" else "categories"
            yield (
                f"{len(wrong)} annotations have a {field} that is not among {member}, the first is "
                f"{wrong[0]}; export images, categories and annotations together"
            )


def _is_among(one: Any, ids: set[Any]) -> bool:
    return isinstance(one, int | str) and one in ids


def _name(image: Json) -> str:
    """Name of the chip that an image is: its file's, whatever folder and system it was written in."""
    return Path(str(image["file_name"]).replace("\\", "/")).stem


def _other_sizes(document: _Document, placed: Mapping[Any, Chip | None]) -> Iterator[str]:
    for key, chip in placed.items():
        image = document.images[key]
        said = image.get("width"), image.get("height")
        if chip is not None and None not in said and said != (chip.width, chip.height):
            yield (
                f"{image['file_name']} is {said[0]} x {said[1]} px there and {chip.width} x {chip.height} px "
                "among the chips; use the images that were annotated"
            )


def _drawn(
    annotation: Json, chip: Chip | None, are_boxes: bool
) -> tuple[Polygon | MultiPolygon | None, list[str]]:
    """What an annotation draws, in pixels of its chip, and what happened to it."""
    if are_boxes or not coco_outlines.is_there(annotation):
        box, happened = _box(annotation, chip)
        return box, happened if are_boxes or box is None else [*happened, "only_box"]
    if chip is None:
        return None, ["without_chip"]
    whole, happened = coco_outlines.outline(annotation["segmentation"], chip.height, chip.width)
    if whole is None:
        return None, happened
    if annotation.get("iscrowd"):
        happened = [*happened, "crowd"]
    inside = pixel_shapes.inside(whole, chip)
    if inside is None:
        return None, ["off_image"]
    left, top, right, bottom = whole.bounds
    beyond = max(-left, -top, right - chip.width, bottom - chip.height)
    return inside, [*happened, "clipped"] if beyond > INSET_PX else happened


def _box(annotation: Json, chip: Chip | None) -> tuple[Polygon | None, list[str]]:
    values = annotation.get("bbox")
    if not isinstance(values, list) or len(values) != 4 or not all(map(_is_number, values)):
        return None, ["malformed"]
    if annotation.get("iscrowd"):
        return None, ["crowd"]
    x, y, width, height = values
    if width <= 0 or height <= 0:
        return None, ["without_area"]
    if chip is None:
        return None, ["without_chip"]
    whole = np.array([x, y, x + width, y + height], np.float64)
    limits = np.array([chip.width, chip.height, chip.width, chip.height])
    box = np.clip(whole, INSET_PX, limits - INSET_PX)
    if (box[2:] <= box[:2]).any():
        return None, ["off_image"]
    corners = np.column_stack([box[[0, 2, 2, 0]], box[[1, 1, 3, 3]]])
    return Polygon(corners), ["clipped"] if (np.abs(box - whole) > 2 * INSET_PX).any() else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _on_map(
    document: _Document,
    drawn: Mapping[str, Sequence[tuple[int, Polygon | MultiPolygon]]],
    chips: Mapping[str, Chip],
    counts: Mapping[str, int],
) -> Labels:
    """What is drawn on chips in longitude and latitude, in the order of the file."""
    numbers: list[int] = []
    shapes: list[Array] = [np.empty(0, dtype=object)]
    for name, listed in drawn.items():
        numbers += [number for number, _ in listed]
        drawn_there = np.array([shape for _, shape in listed], dtype=object)
        shapes.append(pixel_shapes.on_map(drawn_there, chips[name]))
    order = np.argsort(numbers)
    annotations = [document.annotations[numbers[at]] for at in order]
    return Labels(
        np.concatenate(shapes)[order] if numbers else shapes[0],
        [document.names[each["category_id"]] for each in annotations],
        [{ID_PROPERTY: each["id"]} if _is_number(each.get("id")) else {} for each in annotations],
        counts,
    )


def _without_label(missing: Sequence[str], document: _Document, are_boxes: bool) -> str:
    counts = Counter(document.names[each["category_id"]] for each in document.annotations)
    said = ", ".join(f"{name} ({count})" for name, count in counts.most_common(8))
    other = next((name for name, _ in counts.most_common() if name not in missing), missing[0])
    kind = "box" if are_boxes else "outline"
    return (
        f"no {kind} is of the class {' or '.join(missing)}: its categories are {said}; map those that "
        f"mean it, for example {option(missing[0], [other])}; or leave the class out"
    )


def _nothing_left(
    document: _Document, counts: Mapping[str, int], classes: Sequence[str], are_boxes: bool
) -> str:
    total = len(document.annotations)
    if counts["background_value"] == total:
        there = f"all its {total} annotations mean {labels.BACKGROUND}" if total else "it has no annotation"
        return f"{there}, and {labels.BACKGROUND_ALONE}"
    what = {**labels.REPAIRS, **REPAIRS}
    left_out = ", ".join(f"{count} {what[name]}" for name, count in counts.items() if count)
    said = ", ".join(sorted(set(document.names.values()))) or "none"
    kind = "boxes" if are_boxes else "outlines"
    return (
        f"none of its {total} {kind} can be used: {left_out}; "
        f"its categories are {said}, asked for were {', '.join(classes)}; use their own chips and classes"
    )
