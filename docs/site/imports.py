"""The picture of the packages: who imports whom, drawn from the code's own imports as SVG.

python -m docs.site.imports > packages.svg
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import grimp

MARKER = "<!-- picture of the packages -->"
"""Stands in a page for the picture."""

ROOTS = ("flows", "blocks", "models", "fair_models")
"""The packages that are looked at. Those of the library are shown one by one."""

LIBRARY = Path(__file__).resolve().parents[2] / "fair_models"
"""Its folders are drawn; its single modules (errors, types, settings, …) are what all of them stand on."""

COLUMN, ROW, BOX, HEIGHT = 150, 74, 124, 30
"""Sizes in pixels: the width of a column and the height of a row, the width and height of a box."""


def dependencies() -> dict[str, set[str]]:
    """The packages, and those that each imports itself."""
    graph = grimp.build_graph(*ROOTS)
    found: dict[str, set[str]] = defaultdict(set)
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            one, two = _package(module), _package(other)
            if one and two and one != two:
                found[one].add(two)
                found.setdefault(two, set())
    return dict(found)


def _package(module: str) -> str | None:
    """The box that a module belongs to; None where it is not drawn."""
    parts = module.split(".")
    if parts[0] != "fair_models":
        return parts[0]
    return parts[1] if len(parts) > 1 and (LIBRARY / parts[1]).is_dir() else None


def levels(imported: Mapping[str, set[str]]) -> dict[str, int]:
    """How many packages lie below each, along the longest chain. What imports each other shares a level."""
    found: dict[str, int] = {}

    def level(name: str, seen: frozenset[str]) -> int:
        if name not in found:
            below = [level(other, seen | {name}) for other in sorted(imported[name]) if other not in seen]
            found[name] = 1 + max(below, default=-1)
        return found[name]

    for name in sorted(imported):
        level(name, frozenset())
    return found


def direct(imported: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """The arrows: imports, but for those that a longer chain of arrows says too."""

    def reached(name: str, seen: set[str]) -> set[str]:
        for other in imported[name]:
            if other not in seen:
                seen.add(other)
                reached(other, seen)
        return seen

    every = {name: reached(name, set()) for name in imported}
    return {
        (one, two)
        for one, others in imported.items()
        for two in others
        if not any(two in every[other] for other in others - {two} if one not in every[other])
    }


def picture() -> str:
    """The picture as SVG: a row for each level, arrows downwards. Its colours are those of the page."""
    imported = dependencies()
    rows: dict[int, list[str]] = defaultdict(list)
    for name, level in levels(imported).items():
        rows[level].append(name)
    arrows = direct(imported)
    width = COLUMN * (1 + max(len(names) for names in rows.values()))
    places: dict[str, tuple[float, float]] = {}
    for row, level in enumerate(sorted(rows, reverse=True)):
        step = width / (len(rows[level]) + 1)
        above = {name: [places[one][0] for one, two in arrows if two == name] for name in rows[level]}
        wished = {name: sum(xs) / len(xs) if xs else width * 0.2 for name, xs in above.items()}
        for column, name in enumerate(sorted(rows[level], key=lambda name: (wished[name], name)), 1):
            shift = step * (0, -0.2, 0.2)[row % 3]  # so that a long arrow does not run through a box
            places[name] = (column * step + shift, row * ROW + HEIGHT)
    drawn = [
        f'<svg class="packages" role="img" aria-label="Which package imports which" '
        f'viewBox="0 0 {width} {len(rows) * ROW}" xmlns="http://www.w3.org/2000/svg">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>',
    ]
    for one, two in sorted(arrows):
        (x, y), (x2, y2) = places[one], places[two]
        top, bottom = y + HEIGHT / 2, y2 - HEIGHT / 2
        bend = (bottom - top) / 2
        drawn.append(
            f'<path class="import" marker-end="url(#tip)" d="M{x:.0f} {top:.0f}C{x:.0f} {top + bend:.0f} '
            f'{x2:.0f} {bottom - bend:.0f} {x2:.0f} {bottom:.0f}"/>'
        )
    for name, (x, y) in sorted(places.items()):
        kind = "" if name not in ROOTS else " application"
        drawn.append(
            f'<rect class="package{kind}" x="{x - BOX / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{BOX}" '
            f'height="{HEIGHT}" rx="4"/><text x="{x:.0f}" y="{y + 4:.0f}">{name}</text>'
        )
    return "".join([*drawn, "</svg>"])
