"""Open imagery of every kind: the form of an address and what lies there say what it is."""

from __future__ import annotations

import logging
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fair_models.data.images.acquisition import Period
from fair_models.errors import FairModelsError, Invalid, InvalidImagery, NotFound, Unavailable
from fair_models.imagery_rules import CURRENT, ImageryRules
from fair_models.inference.imagery import rights
from fair_models.inference.imagery.areas import Area
from fair_models.inference.imagery.failures import Failures
from fair_models.inference.imagery.reading import Imagery, ModelInput, image_of, open_imagery
from fair_models.inference.imagery.remote import RemoteImage
from fair_models.inference.imagery.rights import NOTHING_SAID, Rights
from fair_models.inference.imagery.sources import addresses, oam, ogc, services, stac
from fair_models.inference.imagery.sources.addresses import TileAddress
from fair_models.inference.imagery.sources.services import Service
from fair_models.inference.imagery.sources.source import ImagerySource
from fair_models.inference.imagery.sources.tiling import open_tiles
from fair_models.store import documents, locations
from fair_models.store.locations import BucketKey, Download, LocalPath, Location, WebAddress
from fair_models.store.s3.bucket_reading import S3Ranges
from fair_models.store.web.policy import DOCUMENT_BYTES, RetryPolicy, Web
from fair_models.store.web.ranges import RangedFile, WebRanges
from fair_models.types import Json

logger = logging.getLogger(__name__)

_LIMITS = documents.Limits(DOCUMENT_BYTES)
_WHERE = (
    "a GeoTIFF, a STAC item, a TileJSON, metadata of OpenAerialMap, or a template of tile addresses with "
    "{z}, {x} and {y}"
)


def open_source(
    imagery: ImagerySource,
    model: ModelInput,
    area: Area | None = None,
    zoom: int | None = None,
    retries: RetryPolicy | None = None,
    failures: Failures | None = None,
    rules: ImageryRules = CURRENT,
    first_look: bool = False,
) -> Imagery:
    """Open imagery: use it in a `with` block.

    Args:
        imagery: What is opened, as `parse_source` found it.
        model: Bands, ground sample distance and resampling.
        area: What counts of it. Default: all. Tile services need one.
        zoom: Zoom of the tiles of a service, 14 to 22. Default: the one whose pixels are nearest in size to
            the model's. Of a folder with chips of several zooms: the one used. Other imagery has none.
        retries: How often one host is asked. Default: as the settings say.
        failures: Notes chips and parts that cannot be read, where some may be. Default: none may.
        rules: By which rules it is read.
        first_look: Whether it is opened to see what it is, and not read: the zoom counts for a service of
            tiles alone, and of its tiles only one is asked for.

    Raises:
        NotFound: There is nothing there.
        Invalid: The imagery cannot be used or read, or does not fit area, zoom or model.
        Unavailable: A server does not answer.
    """
    with ExitStack() as stack:
        opening = _Opening(model, area, zoom, retries, failures, rules, stack, first_look)
        opened = opening.open(imagery)
        return opened.closing(stack.pop_all().close)


@dataclass(eq=False)
class _Opening:
    """One way for each kind of imagery. What it opens besides is closed with `stack`."""

    model: ModelInput
    area: Area | None
    zoom: int | None
    retries: RetryPolicy | None
    failures: Failures | None
    rules: ImageryRules
    stack: ExitStack
    first_look: bool = False

    @cached_property
    def web(self) -> Web:
        """Asks servers. Imagery of this machine does without."""
        web = Web(self.retries)
        self.stack.callback(web.close)
        return web

    def open(self, imagery: ImagerySource) -> Imagery:
        if isinstance(imagery, TileAddress):
            return self._service(imagery)
        match imagery.location:
            case LocalPath() as place:
                return self._here(place, imagery.asset)
            case WebAddress() as place:
                return self._on_the_web(place, imagery.asset)
            case BucketKey() as place:
                return self._remote(place)

    def _service(self, tiles: TileAddress) -> Imagery:
        if tiles.kind == "wms":
            return self._tiles(ogc.from_wms(tiles.href).within(tiles.zooms))
        if tiles.kind == "wmts":
            return self._tiles(ogc.from_wmts(tiles.href, self.web).within(tiles.zooms))
        return self._tiles(services.from_template(tiles))

    def _on_the_web(self, place: WebAddress, key: str) -> Imagery:
        ranges = WebRanges(self.web, place)
        if not _is_json(ranges.start):
            return self._image(place, ranges)
        body = self.web.get(place, largest_bytes=DOCUMENT_BYTES).body
        return self._described(documents.parse_json(body, place.shown, _LIMITS), place, key)

    def _here(self, place: LocalPath, key: str) -> Imagery:
        path = place.path
        if path.is_file():
            with path.open("rb") as file:
                start = file.read(64)
            if _is_json(start):
                return self._described(documents.read_json(path, _LIMITS), place, key)
        if not path.is_dir():
            self._refuse_zoom(str(path))
        zoom = None if self.first_look else self.zoom
        return open_imagery(path, self.model, self.area, self.failures, self.rules, zoom)

    def _described(self, document: Any, place: LocalPath | WebAddress, key: str) -> Imagery:
        """What a JSON document tells of."""
        if isinstance(document, dict) and "tilejson" in document:
            return self._tiles(services.from_tilejson(document, str(place)))
        if oam.is_metadata(document):
            image = oam.image_of(document, locations.shown(str(place)))
            return self._of_metadata(image, place, key).under(oam.rights_of(image), oam.taken_of(image))
        if not stac.is_item(document):
            raise InvalidImagery(
                locations.shown(str(place)),
                [f"it is neither a STAC item, a TileJSON nor metadata of OpenAerialMap; give {_WHERE}"],
            )
        return self._of_item(document, place, key).under(rights.of_item(document), stac.taken_of(document))

    def _of_metadata(self, image: Json, place: LocalPath | WebAddress, key: str) -> Imagery:
        """The imagery that metadata of OpenAerialMap names."""
        kind, href = oam.href_of(image, key, locations.shown(str(place)))
        if kind == oam.IMAGE:
            return self._remote(locations.parse_download(href))
        return self._service(
            TileAddress("wmts", href, href) if kind == oam.WMTS else addresses.template(href)
        )

    def _of_item(self, document: Json, place: LocalPath | WebAddress, key: str) -> Imagery:
        """The image of a STAC item."""
        target = stac.image_href(document, key)
        found = locations.parse_location(target, place)
        if not isinstance(found, LocalPath):
            return self._remote(found)
        self._refuse_zoom(target)
        if not found.path.is_file():
            raise NotFound(f"The item {place} names the image {target}, and there is none: put it there")
        return image_of(found.path, self.model, self.area, self.failures, self.rules)

    def _remote(self, place: Download) -> Imagery:
        ranges = S3Ranges(place) if isinstance(place, BucketKey) else WebRanges(self.web, place)
        return self._image(place, ranges)

    def _image(self, place: Download, ranges: WebRanges | S3Ranges) -> Imagery:
        self._refuse_zoom(str(place))
        image = RemoteImage(str(place), RangedFile(ranges), ranges.start)
        return image_of(image, self.model, self.area, self.failures, self.rules)

    def _tiles(self, service: Service) -> Imagery:
        if self.area is None:
            raise Invalid(
                f"Imagery {service.name} is a service of tiles: give the area (west,south,east,north)"
            )
        if self.zoom is None:
            return self._tiles_of_nearest_zoom(service, self.area)
        services.check_zoom(self.zoom)
        return self._tiles_of(service, self.area, self.zoom)

    def _tiles_of_nearest_zoom(self, service: Service, area: Area) -> Imagery:
        zoom = services.nearest_zoom(service, area, self.model.gsd_m)
        try:
            return self._tiles_of(service, area, zoom)
        except Unavailable as error:
            raise Unavailable(
                f"{error}. Zoom {zoom} was asked for, the nearest to the model's {self.model.gsd_m:g} m; "
                "give the zoom (--zoom) for another"
            ) from error

    def _tiles_of(self, service: Service, area: Area, zoom: int) -> Imagery:
        return open_tiles(service, area, zoom, self.model, self.web, self.rules, fetch=not self.first_look)

    def _refuse_zoom(self, imagery: str) -> None:
        if self.zoom is not None and not self.first_look:
            raise Invalid(
                f"Imagery {locations.shown(imagery)} is no service of tiles and has its own resolution: "
                "leave the zoom out"
            )


def look_beside(source: ImagerySource) -> tuple[Rights, Period | None]:
    """What metadata of OpenAerialMap beside imagery says of its rights, and of when it was taken.

    That it is missing or cannot be read is no fault of the imagery.
    """
    try:
        with closing(Web()) as web:
            for place in oam.beside(source):
                document = _read(place, web)
                if oam.is_metadata(document):
                    image = oam.image_of(document, locations.shown(str(place)))
                    return oam.rights_of(image), oam.taken_of(image)
    except FairModelsError as error:
        logger.info("There is no metadata of OpenAerialMap beside the imagery: %s", error)
    return NOTHING_SAID, None


def _read(place: Location, web: Web) -> Any:
    if isinstance(place, LocalPath):
        return documents.read_json(place.path, _LIMITS) if place.path.is_file() else None
    if isinstance(place, BucketKey):
        return documents.parse_json(S3Ranges(place).start, place.shown, _LIMITS)
    return documents.parse_json(web.get(place, largest_bytes=DOCUMENT_BYTES).body, place.shown, _LIMITS)


def _is_json(start: bytes) -> bool:
    """Whether a file is JSON, by its first bytes."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
