"""Why a service has no tile at all in an area: what was asked, and where it does have tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fair_models.data.images import tiles
from fair_models.data.images.tiles import MAX_LATITUDE, Tile
from fair_models.inference.imagery.areas import Area, longitude_first
from fair_models.inference.imagery.sources.fetcher import Fetcher
from fair_models.inference.imagery.sources.services import ZOOMS, Service
from fair_models.store import locations

_LOWER, _HIGHER = 6, 2
"""How many zooms are tried on either side of the one that was asked for."""


def why(service: Service, fetcher: Fetcher, asked: Sequence[Tile], area: Area) -> str:
    """The reason, with an address that was asked, and the first of the usual mistakes that explains it.

    Args:
        service: The service.
        fetcher: Asks it; some ten tiles more at most.
        asked: The tiles of the area.
        area: The area.
    """
    middle = asked[len(asked) // 2]
    zoom = middle.z
    number = "the tile" if len(asked) == 1 else f"none of the {len(asked)} tiles"
    is_not = "is not there" if len(asked) == 1 else "is there"
    hint = next(_mistakes(service, fetcher, middle, area), None) or (
        "see in a browser whether the address shows the area; where y is counted from the south write {-y} "
        "in place of {y}, and try another zoom (--zoom) or area (--area)"
    )
    return (
        f"{number} of zoom {zoom} in the area {is_not}: {locations.shown(service.address(middle))} was asked "
        f"for{', among others' if len(asked) > 1 else ''}; {hint}"
    )


def _mistakes(service: Service, fetcher: Fetcher, middle: Tile, area: Area) -> Iterator[str]:
    if fetcher.has(Tile(middle.x, 2**middle.z - 1 - middle.y, middle.z)):
        yield (
            "there is a tile where y is counted from the other end: write {-y} in place of {y}, "
            "or {y} in place of {-y}"
        )
    for zoom in _other_zooms(service, middle.z):
        if fetcher.has(_at_zoom(middle, zoom)):
            yield f"there is a tile of zoom {zoom}: ask for that one (--zoom {zoom})"
    west, south, east, north = area.bbox
    if max(abs(west), abs(east)) < MAX_LATITUDE:
        swapped = tiles.at((south + north) / 2, (west + east) / 2, middle.z)
        if fetcher.has(swapped):
            yield (
                "there is a tile where longitude and latitude of the area are swapped: "
                f"{longitude_first(area.bbox)}"
            )


def _other_zooms(service: Service, zoom: int) -> Iterator[int]:
    min_zoom, max_zoom = max(ZOOMS[0], service.zooms[0]), min(ZOOMS[1], service.zooms[1])
    yield from range(zoom - 1, max(min_zoom, zoom - _LOWER) - 1, -1)
    yield from range(zoom + 1, min(max_zoom, zoom + _HIGHER) + 1)


def _at_zoom(tile: Tile, zoom: int) -> Tile:
    """The tile of another zoom that holds a tile's middle."""
    scale = 2.0 ** (zoom - tile.z)
    return Tile(int((tile.x + 0.5) * scale), int((tile.y + 0.5) * scale), zoom)
