"""What is cut from which imagery: the places of the chips, in blocks that can be cut one by one.

A block gives the same chips whoever cuts it, and whatever was cut before: of a service of tiles only the
tiles of the block are opened, of other imagery always the whole.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import metadata

import orjson
import shapely

from fair_models import settings
from fair_models.data.dataset_check import rules_of
from fair_models.data.images import antimeridian
from fair_models.data.images.acquisition import Period
from fair_models.errors import FairModelsError, Unavailable
from fair_models.inference.imagery.areas import Area
from fair_models.inference.imagery.reading import Imagery, Parts
from fair_models.inference.imagery.rights import NOTHING_SAID, Rights
from fair_models.inference.imagery.sources.opening import look_beside, open_source
from fair_models.inference.imagery.sources.source import ImagerySource
from fair_models.ingestion.cells import Cell, in_blocks
from fair_models.ingestion.metric import MetricSystem
from fair_models.ingestion.places import (
    coarse_notes,
    finer_zooms,
    ground_of_all,
    gsd_of,
    pixel_of_images_m,
    pixel_of_tiles_m,
    places_of,
    require_fine,
)
from fair_models.params import IngestDatasetParams
from fair_models.store.web.policy import retry_policy

logger = logging.getLogger(__name__)

_VERSION = 1
"""Changes with the pixels or files of chips; it is a part of what a cut is called by."""

_SOFTWARE = ("fair-models", "numpy", "scipy", "pillow", "rasterio", "pyproj")
"""What chips depend on beside what is asked for."""

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
    model = ChipInput(gsd_of(area, params), size_px)
    asked = None if wanted is None or params.grid == "metric" else wanted + finer
    retries = retry_policy(shared_by)
    with ExitStack() as stack:
        imagery = stack.enter_context(
            open_source(source, model, area, asked, retries, rules=rules, first_look=True)
        )
        where = area or ground_of_all(imagery)
        places = places_of(imagery, where, params)
        require_fine(imagery, places)
        cells = places.cells
        choice = _choice(imagery, cells, None if places.zoom is None else places.zoom + finer)
        if choice is None:
            imagery = stack.enter_context(open_source(source, model, retries=retries, rules=rules))
        finest_m = (
            pixel_of_images_m(imagery)
            if choice is None
            else pixel_of_tiles_m(places.ground, choice.zoom, choice.size_px)
        )
        coarse = coarse_notes(finest_m, places)
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
