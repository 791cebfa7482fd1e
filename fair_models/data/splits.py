"""Which chips train a model and which are held out to evaluate it.

By area where labels are drawn on the ground, so that neighbours do not leak: a block of chips, or whole areas
of those that were mapped (see `area_splits`). By image where captions speak of images as wholes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import shapely
from pydantic import TypeAdapter, ValidationError

from fair_models.data.images import antimeridian
from fair_models.data.images.chips import Chip
from fair_models.errors import Invalid
from fair_models.store import atomic
from fair_models.types import Array, Json

MIN_CHIPS = 4
"""The fewest chips that are split."""

_SIDES: dict[str, tuple[int, int]] = {
    "south": (0, -1),
    "west": (-1, 0),
    "north": (0, 1),
    "east": (1, 0),
}
_CORNERS: dict[str, tuple[int, int]] = {
    "south-west": (-1, -1),
    "north-east": (1, 1),
    "north-west": (-1, 1),
    "south-east": (1, -1),
}
CUTS: Sequence[str] = (*_SIDES, *_CORNERS)
"""Where the held-out block lies. Seed 0 takes the first, seed 1 the second, ..., seed 8 the first again."""

_METRES_PER_DEGREE = 111_195.0
_SHARED_AREA = 0.01


@dataclass(frozen=True)
class Split:
    """Names of the chips on each side, and how they came there.

    method: area: a block of chips is held out; whole-areas: all chips of some areas; image: images by chance.
    held_out_ratio: Share of the chips that was asked for.
    buffer_m: Training chips nearer than this to a held-out chip are left out.
    cut: Where the held-out block lies, one of `CUTS`; empty where there is no block.
    validation: Set aside for choosing among the epochs of a training; only splits by image have some.
    areas: The chips of each area that was mapped, by its name; none where no area was given.
    held_out_areas: Names of the areas that are held out whole.
    """

    method: Literal["area", "whole-areas", "image"]
    held_out_ratio: float
    buffer_m: float
    seed: int
    cut: str
    train: tuple[str, ...]
    held_out: tuple[str, ...]
    left_out: tuple[str, ...]
    validation: tuple[str, ...] = ()
    areas: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    held_out_areas: tuple[str, ...] = ()

    def spec(self) -> Json:
        """The split for `fair:split_spec`: its parameters, and numbers of chips instead of their names."""
        said = {name: value for name, value in self._facts().items() if name != "areas"}
        return {
            name: len(value) if name in _SIDES_OF else list(value) if isinstance(value, tuple) else value
            for name, value in said.items()
        }

    def area_counts(self) -> list[Json]:
        """How many chips each area has, and how many of them train and are held out."""
        train, held_out = set(self.train), set(self.held_out)
        return [
            {
                "name": name,
                "chips": len(chips),
                "train": len(train.intersection(chips)),
                "held_out": len(held_out.intersection(chips)),
            }
            for name, chips in self.areas.items()
        ]

    def together(self, names: Sequence[str]) -> list[list[str]]:
        """Some chips of one side, in their order, those of each area together; all of them without areas."""
        area_of = {chip: area for area, chips in self.areas.items() for chip in chips}
        found: dict[str | None, list[str]] = {}
        for name in names:
            found.setdefault(area_of.get(name), []).append(name)
        return list(found.values())

    def write(self, path: Path) -> None:
        """Write as JSON."""
        atomic.write_json(path, self._facts())

    def _facts(self) -> Json:
        """What is said of a split of its kind."""
        absent = {
            "validation": self.method != "image",
            "areas": not self.areas,
            "held_out_areas": self.method != "whole-areas",
        }
        return {name: value for name, value in asdict(self).items() if not absent.get(name)}

    @classmethod
    def read(cls, path: Path) -> Split:
        """Read what `write` wrote.

        Raises:
            Invalid: The file is no split, or a chip is on both sides or in two areas.
        """
        try:
            split = TypeAdapter(cls).validate_json(path.read_bytes())
        except OSError as error:
            raise Invalid(
                f"{path.name} cannot be read ({error.strerror}): ingest the dataset again"
            ) from error
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise Invalid(f"{path.name} is no split of chips ({wrong}): ingest the dataset again") from error
        names = [*split.train, *split.held_out, *split.left_out, *split.validation]
        if len(set(names)) < len(names):
            raise Invalid(f"{path.name} has a chip on more than one side: ingest the dataset again")
        in_areas = [chip for chips in split.areas.values() for chip in chips]
        if len(set(in_areas)) < len(in_areas):
            raise Invalid(f"{path.name} has a chip in more than one area: ingest the dataset again")
        return split


_SIDES_OF = frozenset({"train", "held_out", "left_out", "validation"})
"""What a split has names of chips in, beside its areas."""


def by_area(
    chips: Sequence[Chip],
    ratio: float,
    seed: int,
    buffer_m: float,
    labelled: Collection[str] | None = None,
) -> Split:
    """Hold out one contiguous block of chips: along a side, or in a corner, as the seed says.

    The block has `ratio` of the chips, rounded. Training chips that share area with it or lie nearer than
    `buffer_m` are left out. Where a cut leaves one side without chips or without labels, the next one is
    taken. The same arguments give the same split.

    Args:
        chips: All chips.
        ratio: Share to hold out, 0 to 1.
        seed: Chooses the cut, see `CUTS`.
        buffer_m: Width of the strip without chips between the sides, in metres.
        labelled: Names of the chips that have labels. Default: all.

    Raises:
        Invalid: There are too few chips, or no cut leaves labelled chips on both sides.
    """
    if len(chips) < MIN_CHIPS:
        raise Invalid(
            f"{len(chips)} chips are too few to split by area, at least {MIN_CHIPS} are needed: add chips"
        )
    ordered = sorted(chips, key=lambda chip: chip.name)
    boxes, size_m = _boxes(ordered)
    with_labels = np.array([labelled is None or chip.name in labelled for chip in ordered])
    count = min(max(1, round(ratio * len(ordered))), len(ordered) - 1)
    for attempt in range(len(CUTS)):
        cut = CUTS[(seed + attempt) % len(CUTS)]
        held_out = np.zeros(len(ordered), dtype=bool)
        held_out[_order(boxes, size_m, cut)[:count]] = True
        left_out = ~held_out & _near(boxes, held_out, buffer_m)
        train = ~held_out & ~left_out
        if with_labels[held_out].any() and with_labels[train].any():
            sides = names(ordered, train), names(ordered, held_out), names(ordered, left_out)
            return Split("area", ratio, buffer_m, seed, cut, *sides)
    raise Invalid(
        f"{len(chips)} chips ({int(with_labels.sum())} with labels) cannot be split with a ratio of "
        f"{ratio:g} and a buffer of {buffer_m:g} m so that both sides have labels: add chips or labels, "
        "or ask for a smaller buffer"
    )


def by_image(images: Sequence[str], ratio: float, seed: int) -> Split:
    """Hold out images by chance, and set as many aside for validation; the rest is learnt from.

    Args:
        images: Names of all images.
        ratio: Share to hold out, and share for validation: 0.2 gives 60/20/20.
        seed: All chance comes from it: equal names give equal splits, in whatever order they come.

    Raises:
        Invalid: There are too few images for three sides.
    """
    count = max(1, round(ratio * len(images)))
    if len(images) < MIN_CHIPS or len(images) <= 2 * count:
        raise Invalid(
            f"{len(images)} images are too few to hold out {ratio:g} of them and as many for validation, "
            f"at least {MIN_CHIPS} are needed and some to learn from: add images, or hold out fewer"
        )
    ordered = sorted(images)
    shuffled = [ordered[index] for index in np.random.default_rng(seed).permutation(len(ordered))]
    held_out, validation = shuffled[:count], shuffled[count : 2 * count]
    train = tuple(sorted(shuffled[2 * count :]))
    return Split("image", ratio, 0.0, seed, "", train, tuple(sorted(held_out)), (), tuple(sorted(validation)))


def near(chips: Sequence[Chip], held_out: Array, buffer_m: float) -> Array:
    """Which chips share ground with held-out ones or lie nearer to one than a buffer, bool, shape (n,).

    Args:
        chips: All chips.
        held_out: Which of them are held out, bool, shape (n,).
        buffer_m: Width of the strip without chips between the sides, in metres.
    """
    return _near(_boxes(chips)[0], held_out, buffer_m)


def names(chips: Sequence[Chip], chosen: Array) -> tuple[str, ...]:
    """Names of the chips that are chosen, bool, shape (n,)."""
    return tuple(chip.name for chip, is_chosen in zip(chips, chosen, strict=True) if is_chosen)


def _boxes(chips: Sequence[Chip]) -> tuple[Array, float]:
    """Outlines of the chips in metres around their middle, and the typical width of one."""
    outlines = antimeridian.together(chip.grid.footprint for chip in chips)
    west, south, east, north = shapely.total_bounds(outlines)
    middle, squeeze = (west + east) / 2, np.cos(np.radians((south + north) / 2))
    metres = shapely.transform(
        outlines,
        lambda lonlat: np.column_stack(
            [(lonlat[:, 0] - middle) * squeeze * _METRES_PER_DEGREE, lonlat[:, 1] * _METRES_PER_DEGREE]
        ),
    )
    return metres, float(np.median(np.sqrt(shapely.area(metres))))


def _order(boxes: Array, size_m: float, cut: str) -> Array:
    """Indices of the chips from the cut's side inwards.

    Places are rounded to half a chip, so that chips of one row count as equally far although their tiles
    or a tilt differ by centimetres; within a row they go from west to east or north to south.
    """
    middles = shapely.get_coordinates(shapely.centroid(boxes))
    steps = np.round((middles - middles.min(axis=0)) / (size_m / 2)).astype(int)
    steps = steps - steps.max(axis=0) / 2
    extent = np.maximum(steps.max(axis=0), 0.5)
    if cut in _SIDES:
        x, y = _SIDES[cut]
        inwards = -(steps[:, 0] * x + steps[:, 1] * y)
        return np.lexsort((-steps[:, 1], steps[:, 0], inwards))
    x, y = _CORNERS[cut]
    inwards = np.maximum(-steps[:, 0] * x / extent[0], -steps[:, 1] * y / extent[1])
    return np.lexsort((-steps[:, 1] * y, -steps[:, 0] * x, np.round(inwards, 9)))


def _near(boxes: Array, held_out: Array, buffer_m: float) -> Array:
    """Which chips share area with the held-out block or lie nearer to it than the buffer."""
    block = shapely.union_all(boxes[held_out])
    shared = shapely.area(shapely.intersection(boxes, block)) > _SHARED_AREA * shapely.area(boxes)
    return np.asarray(shared | (shapely.distance(boxes, block) < buffer_m))
