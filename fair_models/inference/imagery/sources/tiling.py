"""Tiles of a service as one block on the pixels of their zoom."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely

from fair_models import settings
from fair_models.data.images import antimeridian, bands, chips
from fair_models.data.images.chips import Chip, Decoded
from fair_models.data.images.grid import WEB_MERCATOR, Grid
from fair_models.data.images.tiles import HALF_WORLD_M, MAX_LATITUDE, Tile
from fair_models.errors import InvalidImagery, Unavailable
from fair_models.imagery_rules import CURRENT, ImageryRules
from fair_models.inference.imagery.areas import Area, nothing_common
from fair_models.inference.imagery.grids import NativeBlock, PlacedChip
from fair_models.inference.imagery.pixels import ChipReader
from fair_models.inference.imagery.reading import (
    Imagery,
    ModelInput,
    check_bands,
    check_resampling,
    put_together,
)
from fair_models.inference.imagery.rights import Rights
from fair_models.inference.imagery.sources import missing
from fair_models.inference.imagery.sources.fetcher import LOSSY, Fetcher
from fair_models.inference.imagery.sources.services import TILE_PX, Service
from fair_models.store.web.policy import Web
from fair_models.store.web.tile_cache import TileCache
from fair_models.types import Array, BBox, Json

_MAX_LOOKS = 64
_MAX_UNAVAILABLE = 3
"""After so many tiles that could not be had, and none that could, the service is down."""

_INSET = 1e-6
"""Of a tile's width: a tile that only touches the area's edge is not in it, whatever the rounding says."""


def open_tiles(
    service: Service,
    area: Area,
    zoom: int,
    model: ModelInput,
    web: Web,
    rules: ImageryRules = CURRENT,
    *,
    fetch: bool = True,
    most_broken: float | None = None,
    is_part: bool = False,
    wanted: Area | None = None,
    size_px: int | None = None,
) -> Imagery:
    """The tiles of a service in an area, as one block. They are fetched while the first ones are read.

    Args:
        service: Where they come from.
        area: What counts.
        zoom: Zoom of the tiles.
        model: Bands, ground sample distance and resampling.
        web: Asks for them; it is closed with the imagery, unless that is a part.
        rules: By which rules they are read.
        fetch: Whether they are fetched. Else nothing can be read.
        most_broken: How many tiles may stay broken. Default: the share that the settings allow.
        is_part: Whether other parts of the service are opened with the same `web`.
        wanted: Ground whose tiles are fetched at once, others when they are read. Default: all.
        size_px: Pixels along a tile's side, where that is known. Default: some tiles are looked at.

    Raises:
        Invalid: The service has not this zoom or nothing in the area, or there are more tiles or pixels than
            the settings allow.
        Unavailable: The first tiles cannot be had.
    """
    limits = settings.current()
    check_resampling(model)
    check_bands(service.name, ChipReader.bands, model)
    _check_zoom(service, zoom)
    tiles = tiles_of(area, zoom, limits.most_tiles, service.name, service.bounds)
    with ExitStack() as stack:
        fetcher = Fetcher(
            service, web, TileCache(limits.cache_folder / "tiles"), limits.tile_days, is_shared=is_part
        )
        stack.callback(fetcher.close)
        size_px = size_px or _size_px(fetcher, tiles)
        reader = ChipReader(decode=lambda chip: _decoded(fetcher, chip, rules))
        stack.callback(reader.close)
        blocks = put_together(service.name, [_block(tiles, size_px, rules)], reader, model, area)
        if fetch:
            share = limits.most_broken_tiles * len(tiles)
            first = tiles if wanted is None else tiles_of(wanted, zoom, limits.most_tiles, service.name)
            fetcher.start(first, share if most_broken is None else most_broken)
        facts = _TileReport(service, fetcher, tiles, area)
        return Imagery(
            service.name,
            blocks,
            stack.pop_all().close,
            area,
            facts,
            zoom=zoom,
            why_empty=facts.why_empty,
            warnings=facts.warnings,
            rights=Rights(service.license, service.attribution),
            parts=TileParts(service, model, web, rules, size_px),
            gaps=lambda: [tile.outline for tile in fetcher.gaps()],
        )


@dataclass(frozen=True)
class TileParts:
    """See `reading.Parts`."""

    service: Service
    model: ModelInput
    web: Web
    rules: ImageryRules
    size_px: int

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
        """The tiles of an area; None where the service has none there. See `open_tiles`.

        Args:
            area: The part.
            zoom: Zoom of the tiles.
            fetch: Whether they are fetched.
            most_broken: How many tiles may stay broken.
            wanted: Ground whose tiles are fetched at once, others when they are read. Default: all.
            size_px: Pixels along a tile's side, where that is known. Default: some tiles are looked at.
        """
        if not _on_the_map(area, self.service.bounds).area:
            return None
        return open_tiles(
            self.service,
            area,
            zoom,
            self.model,
            self.web,
            self.rules,
            fetch=fetch,
            most_broken=most_broken,
            is_part=True,
            wanted=wanted,
            size_px=size_px,
        )

    def count(self, area: Area, zoom: int) -> int:
        """How many tiles an area has.

        Raises:
            Invalid: The service has none of them.
            InvalidImagery: There are more than the settings allow.
        """
        limits = settings.current()
        return len(tiles_of(area, zoom, limits.most_tiles, self.service.name, self.service.bounds))


class _TileReport:
    """What the item says of tiles."""

    def __init__(self, service: Service, fetcher: Fetcher, tiles: Sequence[Tile], area: Area) -> None:
        self._service, self._fetcher, self._tiles, self._area = service, fetcher, tiles, area

    def __call__(self) -> Json:
        self._fetcher.check()
        counts, broken = self._fetcher.counts(), self._fetcher.broken()
        return {
            "fair:tiles": dict(counts),
            **({"fair:broken_tiles": broken} if broken else {}),
            **({"fair:attribution": self._service.attribution} if self._service.attribution else {}),
        }

    def warnings(self) -> list[str]:
        """How much of the area has no tile."""
        counts = self._fetcher.counts()
        gone = [(counts["holes"], "is not there", "are not there")]
        gone.append((counts["broken"], "could not be had", "could not be had"))
        return [
            f"{number} of {counts['all']} tiles {one if number == 1 else more}: nothing was looked for in "
            f"{'its' if number == 1 else 'their'} place"
            for number, one, more in gone
            if number
        ]

    def why_empty(self) -> str | None:
        """Why there is nothing to look at: no tile is there. None where some are."""
        counts = self._fetcher.counts()
        if counts["holes"] + counts["broken"] < counts["all"]:
            return None
        reason = missing.why(self._service, self._fetcher, self._tiles, self._area)
        self._fetcher.forget_holes()
        return reason


def _check_zoom(service: Service, zoom: int) -> None:
    min_zoom, max_zoom = service.zooms
    if not min_zoom <= zoom <= max_zoom:
        raise InvalidImagery(
            service.name, [f"it has zooms {min_zoom} to {max_zoom} and not {zoom}; ask for one of these"]
        )


def _size_px(fetcher: Fetcher, tiles: Sequence[Tile]) -> int:
    """Pixels along a tile's side, by one near the middle that is there."""
    middle_x, middle_y = np.mean([(tile.x, tile.y) for tile in tiles], axis=0)
    nearest = sorted(tiles, key=lambda tile: (abs(tile.x - middle_x) + abs(tile.y - middle_y), tile))
    unavailable = 0
    for tile in nearest[:_MAX_LOOKS]:
        try:
            image = fetcher.first(tile)
        except Unavailable:
            unavailable += 1
            if unavailable == min(_MAX_UNAVAILABLE, len(tiles)):
                raise
            continue  # it is asked for again with all others, and counted there
        if image is not None:
            return image.width
    return TILE_PX


def _block(tiles: Sequence[Tile], size_px: int, rules: ImageryRules) -> NativeBlock:
    """Tiles on their common grid, which goes on beyond 180° where they lie over the antimeridian."""
    columns = _columns(tiles)
    left, top = min(columns), min(tile.y for tile in tiles)
    right, bottom = max(columns) + 1, max(tile.y for tile in tiles) + 1
    transform = Tile(left, top, tiles[0].z).transform(size_px, size_px)
    grid = Grid(WEB_MERCATOR, transform, (bottom - top) * size_px, (right - left) * size_px)
    placed = tuple(
        PlacedChip(_chip(tile, size_px, rules), (tile.y - top) * size_px, (column - left) * size_px)
        for tile, column in zip(tiles, columns, strict=True)
    )
    return NativeBlock(grid, placed)


def _columns(tiles: Sequence[Tile]) -> list[int]:
    """Where tiles lie from west to east: an area is at most half the Earth wide."""
    count: int = 2 ** tiles[0].z
    columns = [tile.x for tile in tiles]
    if max(columns) - min(columns) <= count // 2:
        return columns
    return [column + count if column < count // 2 else column for column in columns]


def _chip(tile: Tile, size_px: int, rules: ImageryRules) -> Chip:
    name = f"{tile.z}/{tile.x}/{tile.y}"
    _, bottom, _, top = tile.bounds_mercator()
    shrinks = 1 / np.cosh((bottom + top) / 2 / (HALF_WORLD_M / np.pi))
    return Chip(
        path=Path(name),
        name=name,
        crs=WEB_MERCATOR,
        transform=tile.transform(size_px, size_px),
        width=size_px,
        height=size_px,
        bands=ChipReader.bands,
        gsd_m=float(tile.width_m / size_px * shrinks),
        tile=tile,
        placed_by_name=True,
        masked=True,
        rules=rules,
    )


def _decoded(fetcher: Fetcher, chip: Chip, rules: ImageryRules) -> Decoded:
    """A tile's pixels; black where the service has none. Fill is looked for in each tile, as in each chip."""
    assert chip.tile is not None  # noqa: S101 - chips of services are tiles
    image = fetcher.image(chip.tile, (chip.width, chip.height))
    if image is None:
        shape = chip.height, chip.width
        return Decoded(np.zeros((ChipReader.bands, *shape), np.uint8), np.zeros(shape, bool))
    pixels, valid, has_grey_alpha = bands.of_picture(image, rules)
    return chips.without_fill(pixels, valid, rules, image.format in LOSSY, has_grey_alpha)


def tiles_of(area: Area, zoom: int, max_tiles: int, name: str, bounds: BBox | None = None) -> list[Tile]:
    """Tiles that have ground in common with an area, row by row from the north.

    Args:
        area: The area.
        zoom: Their zoom.
        max_tiles: How many are allowed.
        name: The service, for messages.
        bounds: Where the service has tiles at all, in degrees.

    Raises:
        Invalid: The service has nothing in the area.
        InvalidImagery: There are more than allowed.
    """
    outline = _on_the_map(area, bounds)
    if not outline.area:
        raise nothing_common(f"Imagery {name}", _mapped(bounds), area)
    shapely.prepare(outline)
    found = np.zeros((1, 2), np.int64)
    for level in range(1, zoom + 1):
        # Each of these has a tile of the zoom below it: there are never more on the way than in the end.
        found = (found[:, None] * 2 + np.array([(0, 0), (1, 0), (0, 1), (1, 1)])).reshape(-1, 2)
        found = found[shapely.intersects(outline, _boxes(found, level))]
        if len(found) > max_tiles:
            raise _too_many(outline, zoom, len(found), max_tiles, name)
    order = np.lexsort((found[:, 0], found[:, 1]))
    return [Tile(int(x), int(y), zoom) for x, y in found[order]]


def _mapped(bounds: BBox | None) -> BBox:
    """Where a service has tiles: the web map ends before the poles."""
    west, south, east, north = bounds or (-180.0, -90.0, 180.0, 90.0)
    return west, max(south, -MAX_LATITUDE), east, min(north, MAX_LATITUDE)


def _on_the_map(area: Area, bounds: BBox | None) -> shapely.Polygon | shapely.MultiPolygon:
    """What of an area a service has tiles of, in Web Mercator; empty where it has none."""
    there = shapely.get_parts([antimeridian.box(*_mapped(bounds))])
    return shapely.union_all([area.on_map(WEB_MERCATOR, part) for part in there])


def _boxes(tiles: Array, zoom: int) -> Array:
    width = 2 * HALF_WORLD_M / 2**zoom
    left, top = tiles[:, 0] * width - HALF_WORLD_M, HALF_WORLD_M - tiles[:, 1] * width
    inset = _INSET * width
    return np.asarray(shapely.box(left + inset, top - width + inset, left + width - inset, top - inset))


def _too_many(
    outline: shapely.Polygon, zoom: int, min_count: int, max_tiles: int, name: str
) -> InvalidImagery:
    width = 2 * HALF_WORLD_M / 2**zoom
    number = max(min_count, round(outline.area / width**2))
    return InvalidImagery(
        name,
        [
            f"the area has about {number:,} tiles of zoom {zoom}, at most {max_tiles:,} are asked for "
            "(FAIR_MOST_TILES); give a smaller area or a lower zoom"
        ],
    )
