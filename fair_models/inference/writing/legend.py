"""The strip under a preview: classes with their counts, what was predicted, and a scale bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

_PAPER = (255, 255, 255)
_INK = (38, 42, 48)
_QUIET = (120, 126, 134)
_ROUND_LENGTHS = (1, 2, 5)


@dataclass(frozen=True)
class Legend:
    """What the strip says.

    entries: Name, count and colour of each class.
    caption: One line.
    pixel_m: Width of a pixel on the ground, in metres.
    """

    entries: Sequence[tuple[str, int, tuple[int, int, int]]]
    caption: str
    pixel_m: float


def add_legend(picture: Image.Image, legend: Legend) -> Image.Image:
    """The picture with the strip under it; its text grows with the picture."""
    from PIL import Image, ImageDraw, ImageFont

    unit = max(11, round(picture.width / 62))
    strip = round(unit * 3.9)
    page = Image.new("RGB", (picture.width, picture.height + strip), _PAPER)
    page.paste(picture)
    pen = ImageDraw.Draw(page)
    large, small = ImageFont.load_default(unit * 1.15), ImageFont.load_default(unit * 0.85)
    bar_left = _scale_bar(pen, page, legend.pixel_m, unit, small)
    top, right = picture.height, bar_left - unit
    _entries(pen, legend.entries, (unit, top + unit * 0.75), right, unit, large)
    pen.text((unit, top + unit * 2.4), _fitting(pen, legend.caption, right - unit, small), _QUIET, small)
    return page


def round_length_m(longest_m: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not longer than `longest_m`."""
    power = 10.0**-6
    best = power
    while power <= longest_m:
        best = max(best, *(step * power for step in _ROUND_LENGTHS if step * power <= longest_m))
        power *= 10
    return best


def _entries(
    pen: ImageDraw.ImageDraw,
    entries: Sequence[tuple[str, int, tuple[int, int, int]]],
    start: tuple[float, float],
    right: float,
    unit: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    """Swatch, name and count of each class, as many as there is room for."""
    x, y = start
    for name, count, tint in entries:
        words = f"{name}  {count:,}"
        width = unit * 1.7 + pen.textlength(words, font)
        if x + width > right:
            pen.text((x, y), "…", _INK, font)
            return
        pen.rounded_rectangle((x, y + unit * 0.1, x + unit * 1.1, y + unit * 1.2), unit * 0.25, fill=tint)
        pen.text((x + unit * 1.7, y), words, _INK, font)
        x += width + unit * 1.6


def _scale_bar(
    pen: ImageDraw.ImageDraw,
    page: Image.Image,
    pixel_m: float,
    unit: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> float:
    """Draw the bar at the right; returns where its place begins."""
    metres = round_length_m(page.width * 0.2 * pixel_m)
    length = metres / pixel_m
    right, base = page.width - unit, page.height - unit * 1.35
    left = right - length
    pen.line(
        [(left, base - unit * 0.45), (left, base), (right, base), (right, base - unit * 0.45)],
        _INK,
        max(2, unit // 9),
    )
    words = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    wide = pen.textlength(words, font)
    pen.text((left + (length - wide) / 2, base - unit * 1.4), words, _INK, font)
    return min(left, left + (length - wide) / 2)


def _fitting(
    pen: ImageDraw.ImageDraw, words: str, width: float, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> str:
    while words and pen.textlength(words, font) > width:
        words = words.rstrip("…")[:-1].rstrip() + "…" if len(words) > 2 else ""
    return words
