"""Chips cut from imagery, on the tiles of the web map."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import shapely

from fair_models import settings
from fair_models.data.dataset_check import rules_of
from fair_models.data.images import antimeridian, chip_files
from fair_models.data.images.tiles import HALF_WORLD_M, Tile
from fair_models.data.progress import ChipProgress, ignore_progress
from fair_models.errors import FairModelsError, InvalidImagery
from fair_models.imagery_rules import ImageryRules
from fair_models.inference.imagery.areas import Area
from fair_models.inference.imagery.reading import Imagery
from fair_models.inference.imagery.rights import Rights
from fair_models.inference.imagery.sources.opening import open_source
from fair_models.inference.imagery.sources.services import TILE_PX, ZOOMS
from fair_models.inference.imagery.sources.source import ImagerySource
from fair_models.inference.imagery.sources.tiling import tiles_of
from fair_models.ingestion.tile_views import TileViews
from fair_models.params import IngestDatasetParams

logger = logging.getLogger(__name__)

MAX_ZOOM = 23
"""The highest zoom of chips: 2 cm a pixel at the equator."""

_COARSEST = 8
"""How many times wider than those of the chips the pixels of imagery may be."""

_MUCH_COARSER = 2
"""From here on it is said."""

_THREADS = min(4, os.cpu_count() or 1)
_AT_ONCE = 32
"""Chips that are on their way from imagery to file."""


@dataclass(frozen=True)
class ChipInput:
    """What chips take of imagery: `reading.ModelInput`."""

    gsd_m: float
    size_px: int
    bands: int = 3
    resampling: str = "average"


@dataclass(frozen=True)
class CutChips:
    """Chips that were cut.

    folder: Where they lie, named by their tiles.
    count: How many.
    empty: Tiles of the area without any imagery, of which there is no chip.
    zoom: Zoom of the tiles.
    rights: What the source says of licence and attribution.
    notes: What people should know, in sentences.
    """

    folder: Path
    count: int
    empty: int
    zoom: int
    rights: Rights
    notes: Sequence[str]


def cut(
    params: IngestDatasetParams,
    source: ImagerySource,
    area: Area | None,
    folder: Path,
    progress: ChipProgress = ignore_progress,
) -> CutChips:
    """Cut chips from imagery: every tile that has ground in common with the area, whole.

    The same imagery gives the same bytes. Memory does not grow with the number of chips.

    Args:
        params: Zoom or ground resolution, size of the chips, and what is no data.
        source: The imagery.
        area: What was mapped. Default: all of the imagery; a service of tiles needs one.
        folder: Where the chips are written; made if missing.
        progress: Called after each tile with how many are done, and how many there are.

    Raises:
        NotFound: There is no imagery.
        Invalid: The imagery cannot be used or read, does not fit area or zoom, has no pixel there, or there
            are more chips than the settings allow.
        Unavailable: A server does not answer, or leaves out too much.
    """
    with _opened(params, source, area) as (imagery, tiles):
        count, empty = _write(imagery, tiles, params.chip_size_px, folder, progress)
        facts = imagery.facts()
        if not count:
            raise InvalidImagery(imagery.name, [imagery.why_empty() or _WITHOUT])
        notes = [*_missing(facts.get("fair:tiles", {})), *_coarse(imagery, tiles[0], params.chip_size_px)]
        logger.info("Cut %d chips of zoom %d from %s", count, tiles[0].z, imagery.name)
        return CutChips(folder, count, empty, tiles[0].z, imagery.rights, notes)


def look_at_image(params: IngestDatasetParams, source: ImagerySource, area: Area | None) -> None:
    """See by its header that an image of this machine can be cut.

    Args:
        params: The request.
        source: The image.
        area: Its area, where that can be read here.

    Raises:
        Invalid: The image cannot be used, or does not fit the area, or there would be too many chips.
    """
    with _opened(params, source, area):
        pass


_WITHOUT = (
    "it has no pixel in the area that is imagery: all is transparent, without data, or white or black fill "
    "at its border; give the area that it shows, or say --fill kept where white and black are imagery"
)


@contextmanager
def _opened(
    params: IngestDatasetParams, source: ImagerySource, area: Area | None
) -> Iterator[tuple[Imagery, Sequence[Tile]]]:
    """The imagery, and the tiles of the chips. It is opened twice: what it is says which tiles are wanted."""
    rules, size_px = rules_of(params), params.chip_size_px
    finer = _steps(size_px)
    wanted = params.zoom if isinstance(params.zoom, int) else None
    model = ChipInput(_gsd_m(area, params), size_px)
    asked = None if wanted is None else wanted + finer
    with open_source(source, model, area, asked, rules=rules, first_look=True) as imagery:
        where = area or _all_of(imagery)
        zoom = wanted or (_nearest(where, params) if imagery.zoom is None else imagery.zoom - finer)
        tiles = tiles_of(where, zoom, settings.current().most_tiles, imagery.name)
        _require_fine(imagery, tiles[0], size_px)
        of_tiles = imagery.zoom
        tile_px = _tile_px(imagery)
    if of_tiles is None:
        with open_source(source, model, rules=rules) as imagery:
            yield imagery, tiles
        return
    with _of_service(source, model, tiles, (of_tiles, tile_px), zoom + finer, rules) as imagery:
        yield imagery, tiles


def _of_service(
    source: ImagerySource,
    model: ChipInput,
    tiles: Sequence[Tile],
    found: tuple[int, int],
    zoom: int,
    rules: ImageryRules,
) -> Imagery:
    """The tiles of a service with the pixels of the chips; else those that were found, to be brought down.

    Args:
        source: The service.
        model: What chips take.
        tiles: The tiles of the chips.
        found: A zoom that it has, and how many pixels its tiles have along a side.
        zoom: The zoom whose tiles of 256 px would have the pixels of the chips.
        rules: By which rules it is read.
    """
    outlines = Area(shapely.union_all([tile.outline for tile in tiles]), "")
    at, tile_px = found
    same = zoom - _steps(tile_px)
    if same != at:
        try:
            with open_source(source, model, outlines, same, rules=rules, first_look=True) as imagery:
                at = same if _tile_px(imagery) == tile_px else at
        except FairModelsError as error:
            logger.info("Tiles of zoom %d are used, for those of zoom %d cannot be had: %s", at, same, error)
    return open_source(source, model, outlines, at, rules=rules)


def _tile_px(imagery: Imagery) -> int:
    return imagery.blocks[0].native.chips[0].chip.width


def _gsd_m(area: Area | None, params: IngestDatasetParams) -> float:
    """The ground resolution that imagery has to do for: that of the zoom, if one is asked for."""
    if not isinstance(params.zoom, int):
        return params.gsd_m
    return _width_m(area, params.zoom) / params.chip_size_px


def _width_m(area: Area | None, zoom: int) -> float:
    """Width of a tile on the ground in the middle of an area, in metres; without an area at the equator."""
    _, south, _, north = area.bbox if area else (0.0, 0.0, 0.0, 0.0)
    return 2 * HALF_WORLD_M * math.cos(math.radians((south + north) / 2)) / float(2**zoom)


def _steps(size_px: int) -> int:
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


def _times_coarser(imagery: Imagery, tile: Tile, size_px: int) -> float:
    """How many times wider the finest pixels of imagery are than those of a chip."""
    finest = min(block.native.chips[0].chip.gsd_m for block in imagery.blocks)
    return finest / _pixel_m(tile, size_px)


def _require_fine(imagery: Imagery, tile: Tile, size_px: int) -> None:
    times = _times_coarser(imagery, tile, size_px)
    if times > _COARSEST:
        lower = tile.z - math.floor(math.log2(times))
        raise InvalidImagery(
            imagery.name,
            [
                f"its pixels are {times:.0f} times wider than those of chips of zoom {tile.z} "
                f"({_pixel_m(tile, size_px):.2g} m), at most {_COARSEST} times is allowed; ask for zoom "
                f"{lower} or less, or use finer imagery"
            ],
        )


def _coarse(imagery: Imagery, tile: Tile, size_px: int) -> list[str]:
    times = _times_coarser(imagery, tile, size_px)
    if times < _MUCH_COARSER:
        return []
    lower = tile.z - round(math.log2(times))
    return [
        f"The imagery's pixels are {times:.1f} times wider than those of the chips (zoom {tile.z}), which "
        f"show no more for that; --zoom {lower} has its own resolution"
    ]


def _missing(counts: dict[str, int]) -> list[str]:
    """What is said of tiles that a service has not given for other reasons than that it has none."""
    broken = counts.get("broken", 0)
    if not broken:
        return []
    return [
        f"{broken} of {counts['all']} tiles could not be had and are not in the chips; ingest again later "
        "for those"
    ]


def _write(
    imagery: Imagery, tiles: Sequence[Tile], size_px: int, folder: Path, progress: ChipProgress
) -> tuple[int, int]:
    """Write the chips; how many there are, and how many tiles have no imagery."""
    views = TileViews(imagery.blocks)

    def made(tile: Tile) -> bool:
        pixels, valid = views.read(tile, size_px)
        if not valid.any():
            return False
        path = folder / f"{tile.name}.tif"
        chip_files.write(path, tile, np.moveaxis(pixels, 0, -1), valid)
        return True

    count, waiting = 0, iter(tiles)
    done = 0
    with ThreadPoolExecutor(_THREADS, "chips") as pool:
        while some := list(islice(waiting, _AT_ONCE)):
            for is_there in pool.map(made, some):
                count, done = count + is_there, done + 1
                progress(done, len(tiles))
    return count, len(tiles) - count
