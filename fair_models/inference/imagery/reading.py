"""Imagery as blocks at the model's resolution, from a folder of chips or from one georeferenced image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, get_args

from shapely import Polygon

from fair_models.data.images import acquisition, antimeridian, zooms
from fair_models.data.images.acquisition import Period
from fair_models.data.images.chips import Chip, find
from fair_models.data.images.grid import Factors, factors
from fair_models.data.images.orientation import UPRIGHT
from fair_models.data.images.resampling import Resampling
from fair_models.errors import Invalid, InvalidImagery, NotFound
from fair_models.imagery_rules import CURRENT, ImageryRules
from fair_models.inference.imagery import overlaps
from fair_models.inference.imagery.areas import Area, clip, nothing_common
from fair_models.inference.imagery.blocks import Block
from fair_models.inference.imagery.failures import Failures, ForgivingReader
from fair_models.inference.imagery.grids import NativeBlock, blocks
from fair_models.inference.imagery.images import ImageReader
from fair_models.inference.imagery.overlaps import Settled
from fair_models.inference.imagery.pixels import ChipReader, PixelReader
from fair_models.inference.imagery.remote import RemoteImage
from fair_models.inference.imagery.rights import NOTHING_SAID, Rights
from fair_models.inference.windows import Rectangle
from fair_models.settings import current
from fair_models.types import Json

__all__ = ["MARGIN_PX", "Block", "Imagery", "ModelInput", "image_of", "open_imagery", "put_together"]

_SHOWN = 3
MARGIN_PX = 64
"""Pixels of the model around an area that are read, so that what lies at its edge is seen whole."""


REMARKS = {
    "filled_images": "images with white or black fill at their border, which counts as no data (`fill`)",
    "fill_pixels": "pixels of fill in them",
    "grey_alpha": "images whose band of transparency has grey values, as near infrared; it is not looked at",
    "grey_images": "images in grey; red, green and blue are equal",
    "turned_images": "images that were turned as their EXIF says",
}
"""What is counted of how images were read."""


class ModelInput(Protocol):
    """What the network takes, as the item's `mlm:input` says it. `ModelItem.input` is one."""

    @property
    def bands(self) -> int:
        """Number of bands."""

    @property
    def size_px(self) -> int:
        """Height and width of a training sample, in pixels."""

    @property
    def gsd_m(self) -> float:
        """Ground sample distance that the model works at, in metres."""

    @property
    def resampling(self) -> str:
        """How imagery is brought to that distance: average, bilinear or nearest."""


class Parts(Protocol):
    """A service of tiles that is open, to be read part by part: no more is in memory than one part needs."""

    @property
    def size_px(self) -> int:
        """Pixels along a tile's side, at the zoom at which it was opened."""

    def open(
        self,
        area: Area,
        zoom: int,
        *,
        fetch: bool = True,
        most_broken: float | None = None,
        wanted: Area | None = None,
        size_px: int | None = None,
    ) -> Imagery | None:
        """The tiles of an area; None where the service has none there."""

    def count(self, area: Area, zoom: int) -> int:
        """How many tiles an area has."""


class Imagery:
    """Imagery that is open. Use it in a `with` block.

    Args:
        name: What to call it: the name of the folder, file or service.
        blocks: Its blocks, in a fixed order.
        close: What closes all that is open.
        area: The area that counts, if not all of it does.
        facts: What the prediction's item says of it; asked in the end.
        identity: What tells it from other imagery, and from itself before it was changed, as JSON.
        zoom: Zoom of its tiles; None where it is no service of tiles.
        why_empty: Why no pixel of it counts, where that is so; None where it does not know.
        warnings: What people should know of it, once everything was read, in sentences.
        rights: What its source says of its licence, and whom to name.
        parts: Opens other parts of the same service of tiles; None where it is none.
        gaps: Asked for ground, in outlines in degrees, that could not be read so far.
        taken: When it was taken, as its source says. Default: as its images say.
    """

    def __init__(
        self,
        name: str,
        blocks: Sequence[Block],
        close: Callable[[], None],
        area: Area | None = None,
        facts: Callable[[], Json] = dict,
        identity: Callable[[], object] = dict,
        zoom: int | None = None,
        why_empty: Callable[[], str | None] = lambda: None,
        warnings: Callable[[], Sequence[str]] = list,
        rights: Rights = NOTHING_SAID,
        parts: Parts | None = None,
        gaps: Callable[[], Sequence[Polygon]] = list,
        taken: Period | None = None,
    ) -> None:
        self.name = name
        self.blocks = tuple(blocks)
        self.area = area
        self.zoom = zoom
        self.rights = rights
        self.taken = taken or acquisition.together(
            placed.chip.taken for block in self.blocks for placed in block.native.chips
        )
        self.why_empty, self.warnings = why_empty, warnings
        self.parts, self.gaps = parts, gaps
        self._close, self._facts, self._identity = close, facts, identity

    def __enter__(self) -> Imagery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def closing(self, also: Callable[[], None]) -> Imagery:
        """The same imagery; something else is closed with it, after it."""

        def close() -> None:
            try:
                self._close()
            finally:
                also()

        return Imagery(
            self.name,
            self.blocks,
            close,
            self.area,
            self._facts,
            self._identity,
            self.zoom,
            self.why_empty,
            self.warnings,
            self.rights,
            self.parts,
            self.gaps,
            self.taken,
        )

    def under(self, rights: Rights, taken: Period | None = None) -> Imagery:
        """The same imagery with what its source says of its licence, whom to name, and when it was taken."""
        self.rights, self.taken = rights, taken or self.taken
        return self

    def facts(self) -> Json:
        """What the prediction's item says of it, once everything was read, e.g. its tiles.

        Raises:
            Unavailable: So much of it could not be read that the result would be full of holes.
        """
        return self._facts()

    def identity(self) -> object:
        """What tells it from other imagery, and from itself before it was changed, as JSON.

        Of files that is their size and when they were changed, of files elsewhere what their server says of
        them, of a service the addresses of its tiles.
        """
        return self._identity()

    def remarks(self) -> Mapping[str, int]:
        """How many images were read otherwise than they look at first, by the names of `REMARKS`."""
        counts = dict.fromkeys(REMARKS, 0)
        for block in self.blocks:
            for chip in (placed.chip for placed in block.native.chips):
                said = block.reader.remarks(chip)
                counts["fill_pixels"] += said.fill_px
                counts["filled_images"] += said.fill_px > 0
                counts["grey_alpha"] += said.has_grey_alpha
                counts["grey_images"] += chip.layout.kind == "grey"
                counts["turned_images"] += chip.orientation != UPRIGHT
        return {name: count for name, count in counts.items() if count}

    @property
    def image_count(self) -> int:
        """How many chips or images there are."""
        return sum(len(block.native.chips) for block in self.blocks)


def open_imagery(
    path: Path,
    model: ModelInput,
    area: Area | None = None,
    failures: Failures | None = None,
    rules: ImageryRules = CURRENT,
    zoom: int | None = None,
) -> Imagery:
    """Find the chips of a folder, or open one image, and put them together at the model's resolution.

    Chips that lie on one pixel grid and touch become one block; chips of another zoom, resolution or
    reference system become blocks of their own. Ground that several of them show counts once, see `overlaps`.

    Args:
        path: A folder of chips, or a GeoTIFF, VRT or other raster with a place (its own, or a tile name's).
        model: Bands, ground sample distance and resampling.
        area: What counts of it. Default: all.
        failures: Notes chips and parts that cannot be read, where some may be. Default: none may.
        rules: By which rules it is read.
        zoom: Which chips of a folder are used. Default: all.

    Raises:
        NotFound: There is nothing at `path`.
        InvalidImagery: Chips that cannot be read or placed; all of them are named.
        Invalid: The imagery is too coarse for the model, its resampling is not known, or imagery and area
            have no ground in common.
    """
    if not path.exists():
        raise NotFound(f"There is no imagery at {path}. Name a folder of chips or a georeferenced image")
    check_resampling(model)
    if not path.is_dir():
        return image_of(path, model, area, failures, rules)
    failures = failures or Failures()
    chips = find(path, failures.pass_over if failures.forgives else None, rules)
    reader = ChipReader(decode=failures.decode)
    check_bands(str(path), reader.bands, model)
    if zoom is not None:
        chips = zooms.choose(chips, zoom, path)
    if rules.chips == "alone":
        found, said = put_together(str(path), blocks(chips), reader, model, area), _Overlaps(None, "")
    else:
        settled = overlaps.settle(chips, model.gsd_m)
        found = [
            replace(block, scored=settled.scored)
            for block in put_together(str(path), blocks(settled.chips), reader, model, area)
        ]
        found, said = overlaps.ranked(found, model.gsd_m), _Overlaps(settled, settled.note(model.gsd_m))
    return Imagery(
        path.name or str(path),
        found,
        reader.close,
        area,
        facts=said.facts,
        warnings=lambda: [*([said.note] if said.note else []), *_elsewhere(chips)],
        identity=lambda: _states(sorted(each for each in path.iterdir() if not each.name.startswith("."))),
    )


def image_of(
    image: Path | RemoteImage,
    model: ModelInput,
    area: Area | None = None,
    failures: Failures | None = None,
    rules: ImageryRules = CURRENT,
) -> Imagery:
    """One image as imagery. See `open_imagery`."""
    reader = ImageReader(image, model.bands, rules)
    forgiving = ForgivingReader(reader) if failures is not None and failures.forgives else reader
    try:
        found = put_together(str(image), blocks([reader.chip]), forgiving, model, area)
    except BaseException:
        reader.close()
        raise
    name = image.name if isinstance(image, Path) else image.path.name
    return Imagery(
        name,
        found,
        reader.close,
        area,
        warnings=lambda: _elsewhere([reader.chip]),
        identity=lambda: _states(reader.files) if isinstance(image, Path) else image.state,
    )


def _elsewhere(chips: Sequence[Chip]) -> list[str]:
    """What is said of chips whose georeference contradicts the tile in their name."""
    found = [chip.path.name for chip in chips if chip.elsewhere]
    if not found:
        return []
    shown = ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
    return [f"{shown}: the georeference contradicts the tile in the name; the georeference counts"]


@dataclass(frozen=True)
class _Overlaps:
    """What is said of chips that show the same ground."""

    settled: Settled | None
    note: str

    def facts(self) -> Json:
        """For the prediction's item."""
        if self.settled is None or not (self.settled.left_out or len(self.settled.used) > 1):
            return {}
        used = {str(zoom): count for zoom, count in self.settled.used.items()}
        left_out = {str(zoom): count for zoom, count in self.settled.left_out.items()}
        return {"fair:zooms": {"best": self.settled.best, "used": used, "left_out": left_out}}


def _states(paths: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Files with their size and when they were changed."""
    found = [(path, path.stat()) for path in paths if path.is_file()]
    return [(str(path.resolve()), state.st_size, state.st_mtime_ns) for path, state in found]


def put_together(
    name: str, native: Sequence[NativeBlock], reader: PixelReader, model: ModelInput, area: Area | None
) -> list[Block]:
    """Blocks at the model's resolution, and of each only what lies in the area and a margin around it.

    Raises:
        Invalid: The imagery is too coarse, or has nothing in common with the area.
        InvalidImagery: There are more pixels than the settings allow.
    """
    found = []
    for one in native:
        factor = factors(one.grid, model.gsd_m, one.chips[0].chip.rules.scale)
        part = one if area is None else _around(one, factor, area)
        if part is not None:
            block = Block(part, factor, model.resampling, reader)
            found.append(block if area is None else replace(block, clip=clip(area, block.grid)))
    if area is not None and not found:
        raise nothing_common(
            f"Imagery {name}", antimeridian.bbox([one.grid.footprint for one in native]), area
        )
    _check_size(name, [block.native for block in found])
    return found


def check_resampling(model: ModelInput) -> None:
    """Refuse a model whose resampling is not known."""
    if model.resampling not in get_args(Resampling):
        raise Invalid(
            f"The model's resampling {model.resampling!r} is not one of {', '.join(get_args(Resampling))}"
        )


def check_bands(name: str, bands: int, model: ModelInput) -> None:
    """Refuse a model that takes other bands than there are."""
    if model.bands != bands:
        raise InvalidImagery(
            name, [f"it is read with {bands} bands and the model takes {model.bands}; choose other imagery"]
        )


def _around(native: NativeBlock, factor: Factors, area: Area) -> NativeBlock | None:
    """The rectangle of a block that holds an area and a margin, on the same pixels of the model.

    Of several chips those that reach into it stay whole: they may be scored as wholes.
    """
    found = clip(area, native.grid)
    if found is None:
        return None
    wide, high = MARGIN_PX * float(factor.across), MARGIN_PX * float(factor.down)
    left, top, right, bottom = found.outline.bounds
    sides = _aligned(native, factor, left - wide, top - high, right + wide, bottom + high)
    if len(native.chips) > 1:
        chips = [placed.area for placed in native.chips_in(sides)]
        if not chips:
            return None
        left, top = min(chip.column for chip in chips), min(chip.row for chip in chips)
        right = max(chip.column + chip.width for chip in chips)
        bottom = max(chip.row + chip.height for chip in chips)
        sides = _aligned(native, factor, left, top, right, bottom)
    return native.part(sides)


def _aligned(
    native: NativeBlock, factor: Factors, left: float, top: float, right: float, bottom: float
) -> Rectangle:
    """A rectangle of a block, moved outwards to whole pixels of the model, as far as the block goes."""
    across, down = factor.across.numerator, factor.down.numerator
    column, row = max(0, math.floor(left / across) * across), max(0, math.floor(top / down) * down)
    width = min(native.grid.width, math.ceil(right / across) * across) - column
    height = min(native.grid.height, math.ceil(bottom / down) * down) - row
    return Rectangle(row, column, height, width)


def _check_size(name: str, native: Sequence[NativeBlock]) -> None:
    max_pixels, pixels = current().most_imagery_pixels, sum(one.pixels for one in native)
    if pixels > max_pixels:
        raise InvalidImagery(
            name,
            [
                f"there are {pixels:,} pixels to read, at most {max_pixels:,} are "
                "(FAIR_MOST_IMAGERY_PIXELS); give a smaller area"
            ],
        )
