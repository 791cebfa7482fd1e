"""Curves of several versions in one picture, as SVG: sharp at any size, made without a plotting library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

COLOURS = ("#1f78b4", "#e31a1c", "#33a02c", "#ff7f00", "#6a3d9a", "#b15928", "#17becf", "#7f7f7f")
"""One for each version; the first comes again where there are more."""

Points = Sequence[tuple[float, float]]

_BEGINNINGS = {0.0: 1, 0.5: 1, 0.75: 2, 0.9: 2}
"""Where axes may begin, and how many digits after the point their five steps need."""

_SIDE, _LEFT, _TOP, _LINE = 320, 46, 34, 17


def draw(title: str, curves: Mapping[str, Points], across: str, up: str) -> str:
    """Draw curves over a square. Both axes end at 1, and begin below all points.

    Args:
        title: Above the picture.
        curves: Points (x, y) in [0, 1] in order, by version.
        across: What x is.
        up: What y is.

    Returns:
        An SVG document.
    """
    least = _least(curves)
    height = _TOP + _SIDE + 44 + _LINE * len(curves)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _SIDE + 20}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        _text(_LEFT, 20, title, 'font-size="14"'),
        *_axes(across, up, least),
    ]
    for number, (name, points) in enumerate(curves.items()):
        below = _TOP + _SIDE + 52 + _LINE * number
        parts += _curve(
            name, [_place(point, least) for point in points], COLOURS[number % len(COLOURS)], below
        )
    return "\n".join([*parts, "</svg>"])


def _least(curves: Mapping[str, Points]) -> float:
    """Where both axes begin: good curves lie in a corner of the whole square."""
    values = [value for points in curves.values() for point in points for value in point]
    return max((each for each in _BEGINNINGS if each <= min(values, default=0.0)), default=0.0)


def _axes(across: str, up: str, least: float) -> list[str]:
    lines = []
    for step in range(6):
        value = least + (1 - least) * step / 5
        told = f"{value:.{_BEGINNINGS[least]}f}"
        x, y = _place((value, value), least)
        lines += [
            f'<path d="M{x} {_TOP}V{_TOP + _SIDE}M{_LEFT} {y}H{_LEFT + _SIDE}" stroke="#ddd" fill="none"/>',
            _text(x, _TOP + _SIDE + 15, told, 'text-anchor="middle"'),
            _text(_LEFT - 5, y + 4, told, 'text-anchor="end"'),
        ]
    middle = _TOP + _SIDE / 2
    return [
        *lines,
        _text(_LEFT + _SIDE / 2, _TOP + _SIDE + 31, across, 'text-anchor="middle"'),
        _text(12, middle, up, f'text-anchor="middle" transform="rotate(-90 12 {middle})"'),
    ]


def _curve(name: str, points: Points, colour: str, below: float) -> list[str]:
    path = " ".join(f"{x},{y}" for x, y in points)
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        f'<path d="M{_LEFT} {below - 4}h22" stroke="{colour}" stroke-width="3"/>',
        _text(_LEFT + 28, below, name, ""),
    ]


def _place(point: tuple[float, float], least: float) -> tuple[float, float]:
    """Where a point is drawn, in pixels."""
    x, y = (min(max((value - least) / (1 - least), 0.0), 1.0) for value in point)
    return round(_LEFT + x * _SIDE, 1), round(_TOP + (1 - y) * _SIDE, 1)


def _text(x: float, y: float, words: str, attributes: str) -> str:
    return f'<text x="{x}" y="{y}" {attributes}>{escape(words)}</text>'
