"""Tiles from their service into the cache, while others are already read."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from io import BytesIO
from typing import TYPE_CHECKING

from fair_models.data.images.tiles import Tile
from fair_models.errors import FairModelsError, Unavailable
from fair_models.inference.imagery.sources.services import Service
from fair_models.store import locations
from fair_models.store.web import connections
from fair_models.store.web.policy import Answer, Web
from fair_models.store.web.tile_cache import CachedTile, TileCache

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST_BYTES = 20_000_000
"""Largest tile that is read."""

LARGEST_PX = 4096
"""Most pixels along a tile's side."""

PLACEHOLDER_PX = (1, 1)
"""Size of the picture that some services send where they have no tile."""

FORMATS = ("JPEG", "PNG", "WEBP")
LOSSY = frozenset({"JPEG", "WEBP"})
"""Formats of tiles that are coded with losses."""

_PNG_DEPTH_AT = 24
"""The byte of a PNG that says how many bits a value has."""

HOLE_DAYS = 1.0
"""How long it is believed that a service has no tile somewhere: imagery grows."""

_NOTHING = 204
_UNCHANGED = 304
_SHOWN = 10


class Fetcher:
    """Brings tiles into the cache, several at a time and in the order in which they are given.

    Args:
        service: Where they come from.
        web: Asks for them.
        cache: Where they are kept.
        days: How long a tile in the cache is used without asking again.
        is_shared: Whether others ask with the same `web`, which then stays open.
    """

    def __init__(
        self, service: Service, web: Web, cache: TileCache, days: float, *, is_shared: bool = False
    ) -> None:
        self._service, self._web, self._cache, self._days = service, web, cache, days
        self._is_shared = is_shared
        self._pool = ThreadPoolExecutor(web.retries.at_once, "tiles")
        self._fetched: dict[Tile, Future[CachedTile]] = {}
        self._lock = threading.Lock()
        self._broken: dict[Tile, str] = {}
        self._most_broken = 0.0

    def start(self, tiles: Sequence[Tile], most_broken: float) -> None:
        """Begin to fetch.

        Args:
            tiles: The tiles that will be asked for. Others are fetched when they are.
            most_broken: How many of them may stay broken.
        """
        self._most_broken = most_broken
        for tile in tiles:
            self._fetched[tile] = self._pool.submit(self._fetch, tile)

    def first(self, tile: Tile) -> Image | None:
        """A tile that is looked at before all others; None for a hole.

        Raises:
            FairModelsError: It cannot be had.
        """
        return self._opened(tile, self._fetch(tile))

    def image(self, tile: Tile, size: tuple[int, int]) -> Image | None:
        """A tile, when it is there; None for a hole and for one that is broken.

        Args:
            tile: One of those that are fetched.
            size: Width and height that it must have.

        Raises:
            Unavailable: More tiles are broken than may be.
        """
        try:
            with self._lock:
                if tile not in self._fetched:
                    self._fetched[tile] = self._pool.submit(self._fetch, tile)
            image = self._opened(tile, self._fetched[tile].result())
            if image is not None and image.size != size:
                raise Unavailable(
                    f"it has {image.width} x {image.height} pixels, others {size[0]} x {size[1]}"
                )
        except FairModelsError as error:
            with self._lock:
                self._broken[tile] = str(error)
            self.check()
            return None
        return image

    def check(self) -> None:
        """Stop where too many tiles are broken.

        Raises:
            Unavailable: They are; it names some of them.
        """
        with self._lock:
            broken = sorted(self._broken.items())
        if len(broken) > self._most_broken:
            shown = "; ".join(f"{tile.z}/{tile.x}/{tile.y}: {reason}" for tile, reason in broken[:3])
            raise Unavailable(
                f"{self._service.name}: {len(broken)} of {len(self._fetched)} tiles could not be had, more "
                "than may be missing (FAIR_MOST_BROKEN_TILES). Try again later: what is here is not asked "
                f"for again. {shown}"
            )

    def counts(self) -> Mapping[str, int]:
        """Tiles in all, and how many of them are holes, and broken. Waits for all."""
        wait(self._fetched.values())
        done = [fetched for fetched in self._fetched.values() if fetched.exception() is None]
        with self._lock:
            return {
                "all": len(self._fetched),
                "holes": sum(fetched.result().is_hole for fetched in done),
                "broken": len(self._broken),
            }

    def broken(self) -> list[str]:
        """Some of the broken tiles, and why they are."""
        with self._lock:
            return [
                f"{tile.z}/{tile.x}/{tile.y}: {why}" for tile, why in sorted(self._broken.items())[:_SHOWN]
            ]

    def gaps(self) -> list[Tile]:
        """The tiles that are broken, of those that were asked for by `image` so far."""
        with self._lock:
            return sorted(self._broken)

    def has(self, tile: Tile) -> bool:
        """Whether the service has a tile that is none of those that were asked for."""
        try:
            return not self._fetch(tile).is_hole
        except FairModelsError:
            return False

    def forget_holes(self) -> None:
        """Let the cache forget that there were no tiles: whoever asks again wants to know it anew."""
        for tile, fetched in self._fetched.items():
            if fetched.done() and fetched.exception() is None and fetched.result().is_hole:
                self._cache.forget(self._service.address(tile))

    def close(self) -> None:
        """Stop; what was not begun is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if not self._is_shared:  # else those at work end with the web
            self._web.close()
            self._pool.shutdown(wait=True)

    def _fetch(self, tile: Tile) -> CachedTile:
        known = self._cache.find(self._service.address(tile))
        if known is not None:
            days = min(HOLE_DAYS, self._days) if known.is_hole else self._days
            if known.age_days() <= days:
                return known
        return self._asked(tile, known)

    def _opened(self, tile: Tile, entry: CachedTile) -> Image | None:
        if entry.is_hole:
            return None
        data = self._cache.read(entry.digest)
        if data is None:  # the cache lost it meanwhile
            entry = self._asked(tile, None)
            data = None if entry.is_hole else self._cache.read(entry.digest)
        return opened(data) if data is not None else None

    def _asked(self, tile: Tile, known: CachedTile | None) -> CachedTile:
        """Ask for a tile, again where what comes is no image."""
        address, retries = self._service.address(tile), self._web.retries
        place = locations.parse_web(address)
        same = [("If-None-Match", known.etag)] if known is not None and known.etag else []
        for failures in range(1, retries.attempts + 1):
            answer = self._web.get(
                place,
                largest_bytes=LARGEST_BYTES,
                headers=same,
                right=(200, _NOTHING, *connections.GONE, *((_UNCHANGED,) if same else ())),
            )
            if answer.status == _UNCHANGED and known is not None:
                data, etag = self._cache.read(known.digest), known.etag
                if data is not None:
                    return self._cache.put(address, data, etag)
                same = []
                continue
            if answer.status != 200:
                return self._cache.put(address, None)
            size, problem = _looked_at(answer)
            if size == PLACEHOLDER_PX:
                return self._cache.put(address, None)
            if problem is None:
                return self._cache.put(address, answer.body, answer.headers.get("etag", ""))
            if failures < retries.attempts:
                self._web.pause(retries.wait_s(failures, None))
        raise Unavailable(f"it is no image ({problem})")


def opened(data: bytes) -> Image:
    """A tile's image, decoded.

    Raises:
        OSError: It is no JPEG, PNG or WebP, too large, or cut off.
    """
    from PIL import Image

    image = Image.open(BytesIO(data), formats=FORMATS)
    if max(image.size) > LARGEST_PX:
        raise OSError(
            f"it has {image.width} x {image.height} pixels, at most {LARGEST_PX} along a side are read"
        )
    if image.mode not in {"RGB", "RGBA", "L", "LA", "P", "PA", "1", "CMYK"}:
        raise OSError(f"its pixels are {image.mode}, 8 bits of red, green and blue are needed")
    if image.format == "PNG" and data[_PNG_DEPTH_AT] > 8:
        raise OSError("its values have 16 bits, 8 bits of red, green and blue are needed")
    image.load()
    return image


def _looked_at(answer: Answer) -> tuple[tuple[int, int] | None, str | None]:
    """The size of an answer's image, or why it is no tile: many servers say 200 and send a page."""
    try:
        return opened(answer.body).size, None
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises over broken files
        kind = answer.headers.get("content-type", "unknown content")[:60]
        return None, f"{kind}, {str(error)[:200]}" if answer.body else "it is empty"
