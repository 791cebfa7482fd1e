"""A picture of the report on labels: all chips coloured by their worst finding, and the worst from near."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely

from fair_models.data.images import antimeridian, chips
from fair_models.data.images.chips import Chip
from fair_models.data.label_quality.glimpses import Glimpse
from fair_models.data.label_quality.report import DOUBTS, KINDS, ChipReport, LabelReport
from fair_models.data.vectors.labels import Labels
from fair_models.types import Array

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

WIDTH_PX = 1200
WORST = 8
"""Chips that are shown from near."""

_MARGIN, _GAP = 24, 16
_COLUMNS = 4
_MAP_PX = 620
_LEAST_COVER = 0.05
"""Chips that fill less of the map than this lie far apart: they stand side by side instead."""

_THUMBNAIL_PX = 24
"""Cells of the map that are larger show their chip, smaller ones are of the colour alone."""

_PAPER, _INK, _QUIET, _GOOD, _NO_LABELS = (
    (255, 255, 255),
    (38, 42, 48),
    (110, 116, 124),
    (126, 190, 130),
    (206, 210, 214),
)
_COLOURS: Mapping[str, tuple[int, int, int]] = {
    "missing_labels": (214, 39, 40),
    "nothing_there": (142, 68, 173),
    "blocks": (230, 126, 34),
    "boxes": (140, 86, 75),
    "beside": (31, 119, 180),
}
_SLIGHT = (241, 196, 15)
"""Of all findings that put no chip in doubt."""

_LABEL, _CASING = (0, 224, 255), (10, 25, 40)
_TITLES = {
    "missing_labels": "labels missing",
    "nothing_there": "nothing there",
    "blocks": "blocks",
    "boxes": "boxes",
    "beside": "beside the imagery",
}
_LINES, _LINE_PX = 4, 20
_CAPTION_PX = (_LINES + 1) * _LINE_PX + 6


def draw(
    title: str,
    report: LabelReport,
    found: Sequence[Chip],
    known: Labels,
    glimpses: Mapping[str, Glimpse],
    marks: Mapping[str, Array],
    left_out: Iterable[str],
    path: Path,
) -> None:
    """Draw the report as JPEG, 1200 px wide. Only chips that are shown from near are decoded again.

    Args:
        title: Name of the dataset.
        report: What was found.
        found: The chips, in the report's order.
        known: Their labels.
        glimpses: A thumbnail of each chip, by its name.
        marks: Where something was seen, by the name of a chip, see `completeness.Judged`.
        left_out: Names of chips that were left out; they are crossed out.
        path: The file.
    """
    from PIL import Image, ImageDraw, ImageFont

    large, small = ImageFont.load_default(24), ImageFont.load_default(16)
    cells, height = _cells(found)
    worst = sorted((each for each in report.chips if each.doubts), key=_badness)[:WORST]
    side = (WIDTH_PX - 2 * _MARGIN - (_COLUMNS - 1) * _GAP) // _COLUMNS
    rows = -(-len(worst) // _COLUMNS)
    top = 3 * _MARGIN + 70
    page = Image.new("RGB", (WIDTH_PX, top + height + _MARGIN + rows * (side + _CAPTION_PX + _GAP)), _PAPER)
    pen = ImageDraw.Draw(page)
    doubtful = f"{len(report.doubtful)} of {len(report.chips)} chips in doubt"
    pen.text((_MARGIN, _MARGIN), f"Labels of {title}: {doubtful}", _INK, large)
    _legend(pen, report, small)
    crossed = set(left_out)
    for each, (left, upper, right, lower) in zip(report.chips, cells, strict=True):
        place = left, upper + top, right, lower + top
        _cell(page, pen, glimpses[each.chip].thumbnail, each, place, each.chip in crossed)
    by_name = {chip.name: chip for chip in found}
    for number, each in enumerate(worst):
        x = _MARGIN + (number % _COLUMNS) * (side + _GAP)
        y = top + height + _MARGIN + (number // _COLUMNS) * (side + _CAPTION_PX + _GAP)
        chip = by_name[each.chip]
        page.paste(_near(chip, known, marks.get(each.chip), side), (x, y))
        pen.rectangle((x, y, x + side - 1, y + side - 1), outline=_colour(each), width=4)
        _caption(pen, each, (x, y + side + 6), side, small)
    page.save(path, format="JPEG", quality=88)


def _badness(each: ChipReport) -> tuple[int, float, str]:
    """Worst first: by the finding, then by how much is missing or unseen."""
    worst = each.worst
    order = list(KINDS).index(worst.kind) if worst is not None else len(KINDS)
    amount = 0.0 if each.cover is None else max(each.cover.missing, each.cover.unseen)
    return order, -amount, each.chip


def _cells(found: Sequence[Chip]) -> tuple[list[tuple[int, int, int, int]], int]:
    """Left, top, right and bottom of each chip on the map, and the map's height, in pixels."""
    outlines = antimeridian.together(chip.grid.footprint for chip in found)
    bounds = shapely.bounds(outlines)
    bounds = bounds * np.array([np.cos(np.radians(bounds[:, [1, 3]].mean())), 1.0] * 2)
    west, south = bounds[:, :2].min(axis=0)
    east, north = bounds[:, 2:].max(axis=0)
    areas = (bounds[:, 2] - bounds[:, 0]) * (bounds[:, 3] - bounds[:, 1])
    wide = WIDTH_PX - 2 * _MARGIN
    if areas.sum() < _LEAST_COVER * (east - west) * (north - south):
        return _side_by_side(len(found), wide)
    scale = min(wide / (east - west), _MAP_PX / (north - south))
    left = _MARGIN + (wide - (east - west) * scale) / 2
    pixels = np.stack(
        [
            left + (bounds[:, 0] - west) * scale,
            (north - bounds[:, 3]) * scale,
            left + (bounds[:, 2] - west) * scale,
            (north - bounds[:, 1]) * scale,
        ],
        axis=1,
    )
    rounded = np.rint(pixels).astype(int)
    rounded[:, 2:] = np.maximum(rounded[:, 2:], rounded[:, :2] + 2)
    return [(one[0], one[1], one[2], one[3]) for one in rounded.tolist()], int((north - south) * scale) + 2


def _side_by_side(count: int, wide: int) -> tuple[list[tuple[int, int, int, int]], int]:
    columns = max(1, int(np.ceil(np.sqrt(count * wide / _MAP_PX))))
    size = max(4, min(120, wide // columns))
    columns = max(1, wide // size)
    cells = []
    for number in range(count):
        x, y = _MARGIN + (number % columns) * size, (number // columns) * size
        cells.append((x, y, x + size - 2, y + size - 2))
    return cells, -(-count // columns) * size


def _colour(each: ChipReport) -> tuple[int, int, int]:
    worst = each.worst
    if worst is None:
        return _GOOD if each.labels else _NO_LABELS
    return _COLOURS.get(worst.kind, _SLIGHT)


def _cell(
    page: Image.Image,
    pen: ImageDraw.ImageDraw,
    thumbnail: Array,
    each: ChipReport,
    box: tuple[int, int, int, int],
    is_left_out: bool,
) -> None:
    left, top, right, bottom = box
    colour = _colour(each)
    size = right - left, bottom - top
    if min(size) >= _THUMBNAIL_PX:
        page.paste(_image(thumbnail, size), (left, top))
        width = max(2, min(size) // 14)
        pen.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=width)
    else:
        pen.rectangle((left, top, right - 1, bottom - 1), fill=colour)
    if is_left_out:
        for line in ((left, top, right - 1, bottom - 1), (left, bottom - 1, right - 1, top)):
            pen.line(line, fill=_INK, width=2)


def _image(pixels: Array, size: tuple[int, int]) -> Image.Image:
    from PIL import Image

    return Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)


def _near(chip: Chip, known: Labels, marks: Array | None, side: int) -> Image.Image:
    """A chip with its labels, and dots where something was seen."""
    from PIL import ImageDraw

    picture = _image(np.ascontiguousarray(np.moveaxis(chips.read(chip), 0, -1)), (side, side))
    pen = ImageDraw.Draw(picture)
    outlines, _ = known.around(chip.grid)
    scale = np.array([side / chip.width, side / chip.height])
    shapes = shapely.transform(
        outlines[known.touching(chip.grid)], lambda places: chip.grid.pixels(places) * scale
    )
    rings = [shapely.get_coordinates(ring).ravel().tolist() for ring in shapely.get_rings(shapes)]
    for width, ink in ((4, _CASING), (2, _LABEL)):
        for ring in rings:
            pen.line(ring, fill=ink, width=width)
    for x, y in (np.zeros((0, 2)) if marks is None else marks * side).tolist():
        pen.ellipse((x - 2.5, y - 2.5, x + 2.5, y + 2.5), fill=_COLOURS["missing_labels"], outline=_PAPER)
    return picture


def _caption(pen: ImageDraw.ImageDraw, each: ChipReport, at: tuple[int, int], width: int, font: Font) -> None:
    x, y = at
    lines = [each.chip, *_wrapped(pen, each.doubts[0].reason, width, font)]
    for number, line in enumerate(lines[: _LINES + 1]):
        pen.text((x, y + _LINE_PX * number), line, _INK if number == 0 else _QUIET, font)


def _wrapped(pen: ImageDraw.ImageDraw, words: str, width: int, font: Font) -> list[str]:
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if pen.textlength(longer, font) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _legend(pen: ImageDraw.ImageDraw, report: LabelReport, font: Font) -> None:
    worst = [each.worst.kind if each.worst is not None else "" for each in report.chips]
    slight = sum(bool(kind) and kind not in DOUBTS for kind in worst)
    bare = sum(not kind and not each.labels for kind, each in zip(worst, report.chips, strict=True))
    entries = [
        *((_TITLES[kind], worst.count(kind), tint) for kind, tint in _COLOURS.items() if kind in worst),
        *([("worth a look", slight, _SLIGHT)] if slight else []),
        ("nothing found", worst.count("") - bare, _GOOD),
        *([("no labels, none expected", bare, _NO_LABELS)] if bare else []),
    ]
    x, y = _MARGIN, _MARGIN + 44
    for name, count, tint in entries:
        words = f"{name}  {count}"
        pen.rectangle((x, y + 2, x + 16, y + 18), fill=tint)
        pen.text((x + 24, y), words, _INK, font)
        x += 24 + int(pen.textlength(words, font)) + 28
    told = "Cyan: labels. Red dots: where what was found is to be seen. Crossed out: left out"
    pen.text((_MARGIN, y + 28), told, _QUIET, font)
