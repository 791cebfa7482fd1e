"""How far labels lie beside the imagery, by neighbourhood: what was found, and how it is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fair_models.types import Json

SEARCHED_M = 8.0
"""Offsets up to this many metres east, west, north and south are looked for."""

NOTICED_M = 0.75
"""Offsets from which on labels count as beside the imagery. Outlines of people are no truer than that."""


@dataclass(frozen=True)
class Neighbourhood:
    """Adjacent chips, and how far their labels lie beside the imagery.

    chips: Names of the chips.
    east_m, north_m: Where the labels lie seen from the imagery, in metres; negative is west and south. The
        best estimate, also where it is weak.
    error_m: Standard error of the estimate along the worse axis, in metres; infinite where there is none.
    objects: Number of labels that it is made of.
    is_certain: Whether labels may be moved by it.
    why: Why it is not certain, as part of a sentence; empty where it is.
    """

    chips: Sequence[str]
    east_m: float
    north_m: float
    error_m: float
    objects: int
    is_certain: bool
    why: str = ""

    @property
    def offset_m(self) -> float:
        """How far the labels lie beside the imagery in any direction, in metres."""
        return math.hypot(self.east_m, self.north_m)


@dataclass(frozen=True)
class Registration:
    """How far labels lie beside the imagery, by neighbourhood; each chip is in one at most."""

    neighbourhoods: Sequence[Neighbourhood] = ()

    def of_chip(self, name: str) -> Neighbourhood | None:
        """The neighbourhood that a chip is in; None for a chip that no label touches."""
        return self._by_chip.get(name)

    @cached_property
    def _by_chip(self) -> dict[str, Neighbourhood]:
        return {name: each for each in self.neighbourhoods for name in each.chips}

    @property
    def certain(self) -> list[Neighbourhood]:
        """Those whose estimate is certain."""
        return [each for each in self.neighbourhoods if each.is_certain]

    @cached_property
    def beside(self) -> list[Neighbourhood]:
        """Those whose labels surely lie so far beside the imagery that moving them is right.

        Where all labels lie somewhat beside it, smaller offsets count too, so that all are moved alike.
        """
        known = self.certain
        least_m = NOTICED_M / 2 if known and math.hypot(*_median(known)) >= NOTICED_M else NOTICED_M
        return [each for each in known if each.offset_m >= least_m]

    def facts(self, *, moved: bool) -> Json:
        """What an item says of it.

        Args:
            moved: Whether labels were moved by it.
        """
        known = self.certain
        said: Json = {
            "neighbourhoods": len(self.neighbourhoods),
            "certain": len(known),
            "beside": len(self.beside),
            "moved": moved and bool(self.beside),
        }
        if known:
            east_m, north_m = _median(known)
            said |= {
                "east_m": east_m,
                "north_m": north_m,
                "worst_m": round(max(each.offset_m for each in known), 2),
                "error_m": round(float(np.median([each.error_m for each in known])), 2),
            }
        return said

    def note(self, *, moved: bool) -> str:
        """What people are told; empty where no labels surely lie beside the imagery.

        Args:
            moved: Whether labels were moved by it.
        """
        beside = self.beside
        if not beside:
            return ""
        where = (
            f"{_direction(*_median(beside))} of the imagery in {len(beside)} of {len(self.neighbourhoods)} "
            "neighbourhoods"
        )
        if moved:
            return f"Labels lay {where}; they were moved onto it"
        return f"Labels lie {where}; ingest again with --align to move them"


def _median(among: Sequence[Neighbourhood]) -> tuple[float, float]:
    """Median offset east and north, in metres to a centimetre."""
    east_m, north_m = np.median([(each.east_m, each.north_m) for each in among], axis=0)
    return round(float(east_m), 2), round(float(north_m), 2)


def _direction(east_m: float, north_m: float) -> str:
    """An offset in words: "2.9 m east and 0.4 m south"."""
    parts = [
        f"{abs(value):.1f} m {words[value < 0]}"
        for value, words in ((east_m, ("east", "west")), (north_m, ("north", "south")))
        if abs(value) >= 0.05
    ]
    return " and ".join(parts) or "0.0 m east"
