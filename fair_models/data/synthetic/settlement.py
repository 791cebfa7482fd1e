"""The plan of an invented settlement, in metres.

x runs east and y south from the scene's top left corner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from shapely import LineString, Polygon, affinity, box

from fair_models.types import Array

STYLES: Sequence[tuple[str, float]] = (
    ("concrete", 0.36),
    ("tin-grey", 0.17),
    ("tin-blue", 0.12),
    ("tin-red", 0.10),
    ("tile", 0.17),
    ("thatch", 0.08),
)
"""Roof styles and their shares."""

ROOF_TAGS = {
    "concrete": ("concrete", "flat"),
    "tin-grey": ("metal", "gabled"),
    "tin-blue": ("metal", "gabled"),
    "tin-red": ("metal", "gabled"),
    "tile": ("roof_tiles", "hipped"),
    "thatch": ("thatch", "gabled"),
}
"""OpenStreetMap's `roof:material` and `roof:shape` of each style."""


@dataclass(frozen=True)
class Road:
    """A road: its middle line, its width in metres, and "asphalt", "dirt" or "path"."""

    line: LineString
    width_m: float
    surface: str


@dataclass(frozen=True)
class Wing:
    """A rectangle of a building, "length" along `angle` (radians, clockwise from east)."""

    x: float
    y: float
    length: float
    width: float
    angle: float

    @property
    def outline(self) -> Polygon:
        """Its four corners."""
        half_length, half_width = self.length / 2, self.width / 2
        upright = box(-half_length, -half_width, half_length, half_width)
        turned = affinity.rotate(upright, self.angle, origin=(0, 0), use_radians=True)
        return affinity.translate(turned, self.x, self.y)

    def part(self, along: float, across: float, length: float, width: float, turn: float = 0.0) -> Wing:
        """A rectangle placed relative to this one's middle and direction."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        x, y = self.x + along * cos - across * sin, self.y + along * sin + across * cos
        return Wing(x, y, length, width, self.angle + turn)


@dataclass(frozen=True)
class Building:
    """Its outline, the wings that make it up, the style of its roof and its height."""

    outline: Polygon
    wings: Sequence[Wing]
    style: str
    height_m: float


@dataclass(frozen=True)
class Clutter:
    """What may be taken for a building and is none: "parking", "yard", "tarp", "car", "pool"."""

    wing: Wing
    kind: str


@dataclass(frozen=True)
class Hamlets:
    """Where buildings stand in a place that is not built everywhere: patches some 80 to 200 m across.

    waves: Direction and phase of plane waves, rows of (east, south, phase) in radians per metre; buildings
        stand where their sum is at least `level`.
    """

    waves: Array
    level: float

    @classmethod
    def scattered(cls, width_m: float, height_m: float, share: float, rng: np.random.Generator) -> Hamlets:
        """Patches that take a share of the area, 0 to 1."""
        angles, lengths_m = rng.uniform(0, 2 * math.pi, 12), rng.uniform(160, 420, 12)
        steps = 2 * math.pi / lengths_m
        phases = rng.uniform(0, 2 * math.pi, 12)
        waves = np.column_stack([steps * np.cos(angles), steps * np.sin(angles), phases])
        x, y = np.meshgrid(np.linspace(0, width_m, 96), np.linspace(0, height_m, 96))
        level = float(np.quantile(_sum(waves, x, y), 1 - share)) if share > 0 else math.inf
        return cls(waves, level)

    def hold(self, x: float, y: float) -> bool:
        """Whether buildings stand there."""
        return bool(_sum(self.waves, np.asarray(x), np.asarray(y)) >= self.level)


def _sum(waves: Array, x: Array, y: Array) -> Array:
    east, south, phase = waves.T
    return np.asarray(np.sin(x[..., None] * east + y[..., None] * south + phase).sum(axis=-1))


@dataclass
class Settlement:
    """The whole plan. Trees are rows of x, y, radius. Without hamlets it is built everywhere."""

    width_m: float
    height_m: float
    roads: list[Road] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    clutter: list[Clutter] = field(default_factory=list)
    trees: list[tuple[float, float, float]] = field(default_factory=list)
    hamlets: Hamlets | None = None

    def centrality(self, x: float | Array, y: float | Array) -> Array:
        """1.15 in the middle of the place, falling to 0 and below in its fields."""
        across = (np.asarray(x) / self.width_m - 0.45) / 0.75
        down = (np.asarray(y) / self.height_m - 0.52) / 0.62
        return np.asarray(1.15 - np.hypot(across, down))

    def crowding(self, x: float, y: float) -> float:
        """How densely the place is built, 0 (fields) to 1 (the centre)."""
        return float(np.clip(self.centrality(x, y), 0.0, 1.0))
