"""What stands against imagery and area of a request before its run: nothing is asked of other machines."""

from __future__ import annotations

from pathlib import Path

from fair_models import settings
from fair_models.errors import Invalid, NotFound
from fair_models.inference.imagery.areas import Area
from fair_models.inference.imagery.sources import services
from fair_models.inference.imagery.sources.addresses import TileAddress
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.inference.imagery.sources.tiling import tiles_of
from fair_models.ingestion import cut, metric, places
from fair_models.params import IngestDatasetParams
from fair_models.store import locations
from fair_models.store.locations import LocalPath


def look(params: IngestDatasetParams, area: Area | None, *, has_area: bool, files: bool) -> None:
    """See whether chips can be cut, as far as the request and files of this machine tell.

    Args:
        params: The request; it names imagery.
        area: Its area, where that can be read here.
        has_area: Whether it names one.
        files: Whether paths mean the same here as where the run is.

    Raises:
        NotFound: There is no such file.
        Invalid: The imagery cannot be used, a service has no area, or there are too many chips.
    """
    text = str(params.imagery)
    if not files and "://" not in text:
        return
    source = parse_source(text)
    if isinstance(source, TileAddress) and not has_area:
        raise Invalid(
            f"Imagery {locations.shown(source.href)} is a service of tiles: give the area that was mapped "
            "(--area west,south,east,north)"
        )
    if isinstance(source, TileAddress) and isinstance(params.zoom, int):
        _check_zoom(params.zoom, params.chip_size_px)
    if area is not None and isinstance(params.zoom, int):
        tiles_of(area, params.zoom, settings.current().most_tiles, locations.shown(text))
    if area is not None and params.grid == "metric" and isinstance(source, TileAddress):
        system = metric.system_of(None, area, params.gsd_m, params.chip_size_px)
        metric.cells_of(system, area, settings.current().most_tiles, locations.shown(text))
    if isinstance(source, TileAddress) or not isinstance(source.location, LocalPath):
        return
    path = source.location.path
    if not path.exists():
        raise NotFound(f"There is no imagery at {path}. Name an image, a folder of images, or an address")
    if path.is_file() and not _is_json(path):  # which may name addresses
        cut.look_at_image(params, source, area)


def _check_zoom(zoom: int, size_px: int) -> None:
    """Refuse a zoom of chips whose pixels no service is asked for."""
    of_tiles = zoom + places.finer_zooms(size_px)
    try:
        services.check_zoom(of_tiles)
    except Invalid as error:
        if of_tiles == zoom:
            raise
        raise Invalid(
            f"Chips of zoom {zoom} with {size_px} px have the pixels of tiles of zoom {of_tiles}. {error}"
        ) from error


def _is_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
