"""Curves of several versions in one picture, as SVG: sharp at any size, made without a plotting library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

COLOURS = ("#1f78b4", "#e31a1c", "#33a02c", "#ff7f00", "#6a3d9a", "#b15928", "#17becf", "#7f7f7f")
"""One for each version; the first comes again where there are more."""

Points = Sequence[tuple[float, float]]

_SIDE, _LEFT, _TOP, _LINE = 320, 46, 34, 17


def draw(title: str, curves: Mapping[str, Points], across: str, up: str) -> str:
    """Draw curves over a square from 0 to 1 on both axes.

    Args:
        title: Above the picture.
        curves: Points (x, y) in [0, 1] in order, by version.
        across: What x is.
        up: What y is.

    Returns:
        An SVG document.
    """
    height = _TOP + _SIDE + 44 + _LINE * len(curves)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _SIDE + 20}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        _text(_LEFT, 20, title, 'font-size="14"'),
        *_axes(across, up),
    ]
    for number, (name, points) in enumerate(curves.items()):
        parts += _curve(name, points, COLOURS[number % len(COLOURS)], _TOP + _SIDE + 52 + _LINE * number)
    return "\n".join([*parts, "</svg>"])


def _axes(across: str, up: str) -> list[str]:
    lines = []
    for step in range(6):
        value = step / 5
        x, y = _place((value, value))
        lines += [
            f'<path d="M{x} {_TOP}V{_TOP + _SIDE}M{_LEFT} {y}H{_LEFT + _SIDE}" stroke="#ddd" fill="none"/>',
            _text(x, _TOP + _SIDE + 15, f"{value:.1f}", 'text-anchor="middle"'),
            _text(_LEFT - 5, y + 4, f"{value:.1f}", 'text-anchor="end"'),
        ]
    middle = _TOP + _SIDE / 2
    return [
        *lines,
        _text(_LEFT + _SIDE / 2, _TOP + _SIDE + 31, across, 'text-anchor="middle"'),
        _text(12, middle, up, f'text-anchor="middle" transform="rotate(-90 12 {middle})"'),
    ]


def _curve(name: str, points: Points, colour: str, below: float) -> list[str]:
    path = " ".join(f"{x},{y}" for x, y in map(_place, points))
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        f'<path d="M{_LEFT} {below - 4}h22" stroke="{colour}" stroke-width="3"/>',
        _text(_LEFT + 28, below, name, ""),
    ]


def _place(point: tuple[float, float]) -> tuple[float, float]:
    x, y = (min(max(value, 0.0), 1.0) for value in point)
    return round(_LEFT + x * _SIDE, 1), round(_TOP + (1 - y) * _SIDE, 1)


def _text(x: float, y: float, words: str, attributes: str) -> str:
    return f'<text x="{x}" y="{y}" {attributes}>{escape(words)}</text>'
