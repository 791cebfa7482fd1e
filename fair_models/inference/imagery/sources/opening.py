"""Imagery of every kind: what an address means is told by its form and by what lies there."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urldefrag, urlsplit

from fair_models.errors import Invalid, InvalidImagery, NotFound, Unavailable
from fair_models.imagery_rules import CURRENT, ImageryRules
from fair_models.inference.imagery.areas import Area
from fair_models.inference.imagery.failures import Failures
from fair_models.inference.imagery.reading import Imagery, ModelInput, image_of, open_imagery
from fair_models.inference.imagery.remote import RemoteImage
from fair_models.inference.imagery.sources import addresses, ogc, services, stac
from fair_models.inference.imagery.sources.services import Service
from fair_models.inference.imagery.sources.tiling import open_tiles
from fair_models.store import documents
from fair_models.store.s3.place import S3Ranges
from fair_models.store.web import hrefs
from fair_models.store.web.policy import DOCUMENT_BYTES, Manners, Web
from fair_models.store.web.ranges import RangedFile, WebRanges

_LIMITS = documents.Limits(DOCUMENT_BYTES)
_WHERE = "a GeoTIFF, a STAC item, a TileJSON, or a template of tile addresses with {z}, {x} and {y}"


def open_source(
    imagery: str | Path,
    model: ModelInput,
    area: Area | None = None,
    zoom: int | None = None,
    manners: Manners | None = None,
    failures: Failures | None = None,
    rules: ImageryRules = CURRENT,
) -> Imagery:
    """Open imagery: use it in a `with` block.

    Args:
        imagery: A folder of chips; a georeferenced image by path, https:// or s3://; a STAC item of imagery
            by path or https://; a tile service: a template with {z}, {x} and {y} or {-y}, as `addresses` has
            them, a TileJSON by path or https://, a WMS or WMTS address with `service` and `layers` or `layer`
            in its query.
        model: Bands, ground sample distance and resampling.
        area: What counts of it. Default: all. Tile services need one.
        zoom: Zoom of the tiles of a service, 14 to 22. Default: the one whose pixels are nearest in size to
            the model's. Of a folder with chips of several zooms: the one used. Other imagery has none.
        manners: How often one host is asked. Default: as the settings say.
        failures: Notes chips and parts that cannot be read, where some may be. Default: none may.
        rules: By which rules it is read.

    Raises:
        NotFound: There is nothing there.
        Invalid: The imagery cannot be used or read, or does not fit area, zoom or model.
        Unavailable: A server does not answer.
    """
    with ExitStack() as stack:
        web = Web(manners)
        stack.callback(web.close)
        opened = _Opening(model, area, zoom, web, failures, rules).open(str(imagery))
        return opened.closing(stack.pop_all().close)


class _Opening:
    """One way for each kind of imagery."""

    def __init__(
        self,
        model: ModelInput,
        area: Area | None,
        zoom: int | None,
        web: Web,
        failures: Failures | None,
        rules: ImageryRules,
    ) -> None:
        self._model, self._area, self._zoom, self._web = model, area, zoom, web
        self._failures, self._rules = failures, rules

    def open(self, imagery: str) -> Imagery:
        read = addresses.read(imagery)
        if read.kind == "template":
            return self._tiles(services.from_template(imagery))
        if hrefs.scheme_of(read.href) == "s3":
            return self._remote(imagery, S3Ranges(imagery))
        if not hrefs.is_web(read.href):
            return self._here(imagery)
        address = urlsplit(read.href)
        kind = read.kind if read.kind != "other" else parse_qs(address.query.lower()).get("service", [""])[-1]
        if kind == "wms":
            return self._tiles(ogc.from_wms(read.href).within(read.zooms))
        if kind == "wmts" or address.path.lower().endswith("wmtscapabilities.xml"):
            return self._tiles(ogc.from_wmts(read.href, self._web).within(read.zooms))
        return self._on_the_web(read.href)

    def _on_the_web(self, imagery: str) -> Imagery:
        href, key = urldefrag(imagery)
        ranges = WebRanges(self._web, href)
        if ranges.start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
            return self._remote(href, ranges)
        body = self._web.get(href, largest_bytes=DOCUMENT_BYTES).body
        return self._described(documents.parse_json(body, hrefs.shown(href), _LIMITS), href, key)

    def _here(self, imagery: str) -> Imagery:
        href, key = (imagery, "") if Path(imagery).exists() else urldefrag(imagery)
        path = hrefs.local_folder(href)
        if path.is_file():
            with path.open("rb") as file:
                start = file.read(64)
            if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
                return self._described(documents.read_json(path, _LIMITS), str(path), key)
        if not path.is_dir():
            self._refuse_zoom(imagery)
        return open_imagery(path, self._model, self._area, self._failures, self._rules, self._zoom)

    def _described(self, document: Any, href: str, key: str) -> Imagery:
        """What a JSON document tells of."""
        if isinstance(document, dict) and "tilejson" in document:
            return self._tiles(services.from_tilejson(document, href))
        if not stac.is_item(document):
            raise InvalidImagery(
                hrefs.shown(href), [f"it is neither a STAC item nor a TileJSON; give {_WHERE}"]
            )
        target = stac.image_href(document, key)
        if hrefs.is_web(href):
            target = hrefs.joined(href, target)
        if hrefs.scheme_of(target) == "s3":
            return self._remote(target, S3Ranges(target))
        if hrefs.is_web(target) or hrefs.is_web(href):
            return self._remote(target, WebRanges(self._web, target))
        self._refuse_zoom(target)
        path = hrefs.local_path(target, Path(href).parent)
        if not path.is_file():
            raise NotFound(f"The item {href} names the image {target}, and there is none: put it there")
        return image_of(path, self._model, self._area, self._failures, self._rules)

    def _remote(self, href: str, ranges: WebRanges | S3Ranges) -> Imagery:
        self._refuse_zoom(href)
        image = RemoteImage(href, RangedFile(ranges), ranges.start)
        return image_of(image, self._model, self._area, self._failures, self._rules)

    def _tiles(self, service: Service) -> Imagery:
        if self._area is None:
            raise Invalid(
                f"Imagery {service.name} is a service of tiles: give the area (west,south,east,north)"
            )
        if self._zoom is None:
            return self._tiles_of_nearest_zoom(service, self._area)
        least, most = services.ZOOMS
        if not least <= self._zoom <= most:
            raise Invalid(f"The zoom {self._zoom} is not one of {least} to {most}")
        return open_tiles(service, self._area, self._zoom, self._model, self._web, self._rules)

    def _tiles_of_nearest_zoom(self, service: Service, area: Area) -> Imagery:
        zoom = services.nearest_zoom(service, area, self._model.gsd_m)
        try:
            return open_tiles(service, area, zoom, self._model, self._web, self._rules)
        except Unavailable as error:
            raise Unavailable(
                f"{error}. Zoom {zoom} was asked for, the nearest to the model's {self._model.gsd_m:g} m; "
                "give the zoom (--zoom) for another"
            ) from error

    def _refuse_zoom(self, imagery: str) -> None:
        if self._zoom is not None:
            raise Invalid(
                f"Imagery {hrefs.shown(imagery)} is no service of tiles and has its own resolution: "
                "leave the zoom out"
            )
