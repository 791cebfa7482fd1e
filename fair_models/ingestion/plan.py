"""What is cut from which imagery: the places of the chips, in blocks that can be cut one by one.

A block gives the same chips whoever cuts it, and whatever was cut before: of a service of tiles only the
tiles of the block are opened, of other imagery always the whole.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import metadata

import orjson
import shapely

from fair_models import settings
from fair_models.data.dataset_check import rules_of
from fair_models.data.images import antimeridian
from fair_models.data.images.acquisition import Period
from fair_models.data.images.tiles import HALF_WORLD_M, Tile
from fair_models.errors import FairModelsError, InvalidImagery, Unavailable
from fair_models.inference.imagery.areas import Area
from fair_models.inference.imagery.reading import Imagery, Parts
from fair_models.inference.imagery.rights import NOTHING_SAID, Rights
from fair_models.inference.imagery.sources.opening import look_beside, open_source
from fair_models.inference.imagery.sources.services import TILE_PX, ZOOMS
from fair_models.inference.imagery.sources.source import ImagerySource
from fair_models.inference.imagery.sources.tiling import tiles_of
from fair_models.ingestion.cells import Cell, WebCell, in_blocks
from fair_models.ingestion.metric import MetricSystem, cells_of, system_of
from fair_models.params import IngestDatasetParams
from fair_models.store.web.policy import retry_policy

logger = logging.getLogger(__name__)

MAX_ZOOM = 23
"""The highest zoom of chips: 2 cm a pixel at the equator."""

_VERSION = 1
"""Changes with the pixels or files of chips; it is a part of what a cut is called by."""

_SOFTWARE = ("fair-models", "numpy", "scipy", "pillow", "rasterio", "pyproj")
"""What chips depend on beside what is asked for."""

_COARSEST = 8
"""How many times wider than those of the chips the pixels of imagery may be."""

_MUCH_COARSER = 2
"""From here on it is said."""

_MARGIN_PX = 4
"""Pixels of a service's tiles around a block that are read too, where chips lie between them."""


@dataclass(frozen=True)
class ChipInput:
    """What chips take of imagery: `reading.ModelInput`."""

    gsd_m: float
    size_px: int
    bands: int = 3
    resampling: str = "average"


@dataclass(frozen=True)
class TileChoice:
    """Tiles of a service that chips are made of.

    parts: Opens them.
    zoom: Their zoom.
    size_px: Pixels along their sides.
    count: How many there are in all.
    most_broken: How many of them may stay broken.
    margin: Ground around a block that is read too, in degrees.
    """

    parts: Parts
    zoom: int
    size_px: int
    count: int
    most_broken: float
    margin: float

    def open(self, ground: Area, most_broken: float, wanted: Area | None = None) -> Imagery | None:
        """The tiles of some ground; None where the service has none there.

        Args:
            ground: The ground.
            most_broken: How many tiles may stay broken.
            wanted: What of it is read. Default: all.
        """
        first = None if wanted is None else self._wider(wanted)
        return self.parts.open(
            self._wider(ground),
            self.zoom,
            most_broken=most_broken,
            wanted=first,
            size_px=self.size_px,
        )

    def _wider(self, ground: Area) -> Area:
        if not self.margin:
            return ground
        return Area(antimeridian.cut(antimeridian.whole(ground.outline).buffer(self.margin)), "")


@dataclass(frozen=True)
class CutPlan:
    """A cut whose imagery is open.

    imagery: The imagery; of a service only what tells it from others.
    tiles: Its tiles, where it is a service.
    blocks: The places of the chips.
    size_px: Height and width of a chip.
    zoom: Zoom of the chips; None on a grid of metres.
    identity: What tells the imagery from itself before it was changed.
    digest: What the cut is called by: all that its chips depend on.
    notes: What people should know before it is cut, in sentences.
    rights: What the source of the imagery says of licence and attribution.
    taken: When it was taken, which its chips say; None where nothing says so.
    system: The grid of metres, where chips lie on one.
    """

    imagery: Imagery
    tiles: TileChoice | None
    blocks: Sequence[Sequence[Cell]]
    size_px: int
    zoom: int | None
    identity: object
    digest: str
    notes: Sequence[str]
    rights: Rights = NOTHING_SAID
    taken: Period | None = None
    system: MetricSystem | None = None

    @property
    def count(self) -> int:
        """How many places of chips there are."""
        return sum(map(len, self.blocks))

    @contextmanager
    def opened(self, block: int, cells: Sequence[Cell], broken_before: int = 0) -> Iterator[Imagery | None]:
        """The imagery of a block; None where there is none.

        Args:
            block: Number of the block.
            cells: Those of its places that are read.
            broken_before: How many tiles of other blocks are broken.
        """
        if self.tiles is None:
            yield self.imagery
            return
        most_broken = self.tiles.most_broken - broken_before
        found = self.tiles.open(ground_of(self.blocks[block]), most_broken, ground_of(cells))
        if found is None:
            yield None
            return
        with found:
            yield found

    def check_broken(self, broken: int) -> None:
        """Stop where too many tiles are broken. Raises Unavailable."""
        if self.tiles is not None and broken > self.tiles.most_broken:
            raise Unavailable(
                f"{self.imagery.name}: {broken} of {self.tiles.count} tiles could not be had, more than may "
                "be missing (FAIR_MOST_BROKEN_TILES). Try again later: what is here is not asked for again"
            )

    def check_unchanged(self) -> None:
        """Stop where the imagery is not what it was when it was opened. Raises Unavailable."""
        if self.imagery.identity() != self.identity:
            raise Unavailable(
                f"Imagery {self.imagery.name} was changed while chips were cut from it. Start again when it "
                "is complete: the chips are cut anew"
            )

    def why_empty(self) -> str:
        """Why no place has imagery."""
        if self.tiles is None:
            return self.imagery.why_empty() or _WITHOUT
        everything = ground_of([cell for block in self.blocks for cell in block])
        found = self.tiles.open(everything, math.inf)
        if found is None:
            return _WITHOUT
        with found:  # what is asked for lies in the cache
            return found.why_empty() or _WITHOUT


_WITHOUT = (
    "it has no pixel in the area that is imagery: all is transparent, without data, or white or black fill "
    "at its border; give the area that it shows, or say --fill kept where white and black are imagery"
)


@contextmanager
def planned(
    params: IngestDatasetParams, source: ImagerySource, area: Area | None, shared_by: int = 1
) -> Iterator[CutPlan]:
    """Open imagery, and find the places of the chips. What it is says which these are.

    Args:
        params: Zoom or ground resolution, size of the chips, and what is no data.
        source: The imagery.
        area: What was mapped. Default: all of the imagery; a service of tiles needs one.
        shared_by: How many processes ask the same server at the same time: all of them together ask no more
            often than one alone.

    Raises:
        NotFound: There is no imagery.
        Invalid: The imagery cannot be used or read, does not fit area or zoom, or there are more chips than
            the settings allow.
        Unavailable: A server does not answer.
    """
    rules, size_px = rules_of(params), params.chip_size_px
    finer = finer_zooms(size_px)
    wanted = params.zoom if isinstance(params.zoom, int) else None
    model = ChipInput(_gsd_m(area, params), size_px)
    asked = None if wanted is None or params.grid == "metric" else wanted + finer
    retries = retry_policy(shared_by)
    with ExitStack() as stack:
        imagery = stack.enter_context(
            open_source(source, model, area, asked, retries, rules=rules, first_look=True)
        )
        where = area or _all_of(imagery)
        places = _places(imagery, where, params)
        _require_fine(imagery, places)
        cells = places.cells
        choice = _choice(imagery, cells, None if places.zoom is None else places.zoom + finer)
        if choice is None:
            imagery = stack.enter_context(open_source(source, model, retries=retries, rules=rules))
        coarse = _coarse(_finest_m(imagery, choice, places), places)
        identity = imagery.identity()
        rights, taken = _provenance(source, imagery)
        times = [each.isoformat() for each in taken] if taken else None
        digest = _digest([str(source), identity, rules.model_dump(), size_px, times], cells, choice)
        yield CutPlan(
            imagery,
            choice,
            in_blocks(cells),
            size_px,
            places.zoom,
            identity,
            digest,
            coarse,
            rights,
            taken,
            places.system,
        )


@dataclass(frozen=True)
class Places:
    """The places of chips.

    cells: The places.
    ground: What was asked for.
    pixel_m: Width of a pixel of the first one on the ground, in metres.
    zoom: Zoom of the tiles that they are; None on a grid of metres.
    system: The grid of metres.
    """

    cells: Sequence[Cell]
    ground: Area
    pixel_m: float
    zoom: int | None = None
    system: MetricSystem | None = None

    @property
    def name(self) -> str:
        """What they are, for messages."""
        return f"zoom {self.zoom}" if self.system is None else f"{self.system.gsd_m:g} m"

    def coarser(self, times: float, rounded: Callable[[float], int]) -> str:
        """What to ask for to have pixels that are so many times wider."""
        if self.zoom is None:
            return f"a gsd_m of {self.pixel_m * times / _COARSEST:.2g} or more"
        return f"zoom {self.zoom - rounded(math.log2(times))} or less"


def _places(imagery: Imagery, ground: Area, params: IngestDatasetParams) -> Places:
    size_px, max_chips = params.chip_size_px, settings.current().most_tiles
    if params.grid == "metric":
        system = system_of(imagery, ground, params.gsd_m, size_px)
        return Places(cells_of(system, ground, max_chips, imagery.name), ground, params.gsd_m, system=system)
    zoom = params.zoom if isinstance(params.zoom, int) else None
    if zoom is None:
        zoom = _nearest(ground, params) if imagery.zoom is None else imagery.zoom - finer_zooms(size_px)
    tiles = tiles_of(ground, zoom, max_chips, imagery.name)
    return Places([WebCell(tile) for tile in tiles], ground, _pixel_m(tiles[0], size_px), zoom)


def _provenance(source: ImagerySource, imagery: Imagery) -> tuple[Rights, Period | None]:
    """Rights and time of imagery: as its source says, else as metadata beside it does."""
    rights, taken = imagery.rights, imagery.taken
    if rights.license and taken is not None:
        return rights, taken
    beside, time = look_beside(source)
    known = Rights(rights.license or beside.license, rights.attribution or beside.attribution)
    return known, time or taken


def ground_of(cells: Sequence[Cell]) -> Area:
    """The ground of some places."""
    return Area(shapely.union_all([antimeridian.cut(cell.outline) for cell in cells]), "")


def _choice(imagery: Imagery, cells: Sequence[Cell], zoom: int | None) -> TileChoice | None:
    """The tiles of a service with the pixels of the chips; else those that were found, to be brought down.

    Args:
        imagery: The imagery, as it was opened.
        cells: The places of the chips.
        zoom: The zoom whose tiles of 256 px would have the pixels of the chips; None where no tiles have.
    """
    parts, at = imagery.parts, imagery.zoom
    if parts is None or at is None:
        return None
    ground, size_px = ground_of(cells), parts.size_px
    same = None if zoom is None else zoom - finer_zooms(size_px)
    if same is not None and same != at:
        try:
            found = parts.open(ground, same, fetch=False)
            if found is not None:
                with found:
                    at = same if found.parts and found.parts.size_px == size_px else at
        except FairModelsError as error:
            logger.info("Tiles of zoom %d are used, for those of zoom %d cannot be had: %s", at, same, error)
    count = parts.count(ground, at)
    margin = 0.0 if at == same else _MARGIN_PX * 360 / 2**at / size_px
    return TileChoice(parts, at, size_px, count, settings.current().most_broken_tiles * count, margin)


def _digest(asked: Sequence[object], cells: Sequence[Cell], choice: TileChoice | None) -> str:
    """What a cut is called by. Imagery counts with its state, so that changed imagery is cut anew."""
    import rasterio

    everything = [
        _VERSION,
        *asked,
        [choice.zoom, choice.size_px, choice.margin] if choice else None,
        [cell.name for cell in cells],
        [metadata.version(name) for name in _SOFTWARE],
        rasterio.__gdal_version__,
    ]
    return hashlib.sha256(orjson.dumps(everything)).hexdigest()[:32]


def _gsd_m(area: Area | None, params: IngestDatasetParams) -> float:
    """The ground resolution that imagery has to do for: that of the zoom, if one is asked for."""
    if not isinstance(params.zoom, int):
        return params.gsd_m
    return _width_m(area, params.zoom) / params.chip_size_px


def _width_m(area: Area | None, zoom: int) -> float:
    """Width of a tile on the ground in the middle of an area, in metres; without an area at the equator."""
    _, south, _, north = area.bbox if area else (0.0, 0.0, 0.0, 0.0)
    return 2 * HALF_WORLD_M * math.cos(math.radians((south + north) / 2)) / float(2**zoom)


def finer_zooms(size_px: int) -> int:
    """How many zooms finer the pixels of tiles of some size are than those of 256 px."""
    return round(math.log2(size_px / TILE_PX))


def _all_of(imagery: Imagery) -> Area:
    """The ground of all imagery."""
    outlines = [antimeridian.cut(block.native.grid.footprint) for block in imagery.blocks]
    return Area(shapely.union_all(outlines), "")


def _nearest(area: Area, params: IngestDatasetParams) -> int:
    """The zoom whose pixels are nearest in size to those that were asked for, in the middle of an area."""
    zoom = round(math.log2(_width_m(area, 0) / params.chip_size_px / params.gsd_m))
    return min(MAX_ZOOM, max(ZOOMS[0], zoom))


def _pixel_m(tile: Tile, size_px: int) -> float:
    """Width of a pixel of a tile on the ground, in metres."""
    _, bottom, _, top = tile.bounds_mercator()
    return tile.width_m / size_px / math.cosh((bottom + top) / 2 / (HALF_WORLD_M / math.pi))


def _finest_m(imagery: Imagery, choice: TileChoice | None, places: Places) -> float:
    """Width of the finest pixels of imagery on the ground, in metres."""
    if choice is not None:
        return _width_m(places.ground, choice.zoom) / choice.size_px
    return min(block.native.chips[0].chip.gsd_m for block in imagery.blocks)


def _require_fine(imagery: Imagery, places: Places) -> None:
    times = _finest_m(imagery, None, places) / places.pixel_m
    if times > _COARSEST:
        raise InvalidImagery(
            imagery.name,
            [
                f"its pixels are {times:.0f} times wider than those of chips of {places.name} "
                f"({places.pixel_m:.2g} m), at most {_COARSEST} times is allowed; ask for "
                f"{places.coarser(times, math.floor)}, or use finer imagery"
            ],
        )


def _coarse(finest_m: float, places: Places) -> list[str]:
    times = finest_m / places.pixel_m
    if times < _MUCH_COARSER:
        return []
    own = f"--zoom {places.zoom - round(math.log2(times))}" if places.zoom else f"--gsd-m {finest_m:.2g}"
    return [
        f"The imagery's pixels are {times:.1f} times wider than those of the chips ({places.name}), which "
        f"show no more for that; {own} has its own resolution"
    ]
