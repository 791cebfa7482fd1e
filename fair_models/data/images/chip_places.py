"""Where an image lies: the one answer for chips, single images, COGs and VRTs.

What the file says counts first (`.aux.xml` beside it included), then ground control points, then a world file
with a `.prj`, then the web-map tile in its name. What contradicts itself is refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fair_models.data.images import file_kinds, tiles
from fair_models.data.images.grid import LONLAT, WEB_MERCATOR, Grid, reproject
from fair_models.errors import Invalid
from fair_models.types import Affine6, Array

FARTHEST_PX = 1.0
"""How far ground control points, or two georeferences of one image, may differ, in pixels."""

_SHEARED = 0.1
"""Cosine of the angle between rows and columns of pixels above which they are sheared."""

_WORLD_FILES = ("w", "wld", "tfw", "jgw", "pgw", "tifw", "jpgw", "pngw")
_NOT_READ = {
    ".points": "`gdalwarp` with its points, as QGIS' georeferencer writes it",
    ".tab": "`gdal_translate -a_srs EPSG:…` with its corner points",
    ".map": "`gdal_translate -a_srs EPSG:…` with its corner points",
    ".kml": "`gdal_translate -a_srs EPSG:4326 -a_ullr west north east south`",
}


@dataclass(frozen=True)
class ChipPlace:
    """Where an image lies.

    grid: Its pixels and where they lie; None where it is not known, or not certain.
    by_name: Whether it comes from the tile in its name.
    reasons: Why it cannot be placed, each with a remedy.
    """

    grid: Grid | None
    by_name: bool = False
    reasons: tuple[str, ...] = ()


def place_of(dataset: Any, path: Path, beside: bool = True, strict: bool = True) -> ChipPlace:
    """Where the image of a rasterio dataset lies.

    Args:
        dataset: The dataset.
        path: Its file, or the name of one that is elsewhere.
        beside: Whether files beside it are looked at.
        strict: Whether ground control points and world files count and contradictions are refused, as they
            are not for what was ingested before.
    """
    tile = tiles.parse(path.stem)
    transform = _six(dataset.transform)
    if dataset.crs is not None and not dataset.transform.is_identity and _has_area(transform):
        grid = Grid(dataset.crs.to_string(), transform, dataset.height, dataset.width)
        reasons = _wrong(dataset, grid, path, beside) if strict else ()
        return ChipPlace(None if reasons else grid, reasons=tuple(reasons))
    if strict:
        found = _by_points(dataset) or (_by_world_file(dataset, path, tile) if beside else None)
        if found is not None:
            return found
    if tile is None:
        return ChipPlace(None, reasons=(_nowhere(path, beside and strict),))
    return ChipPlace(on_tile(tile, dataset.height, dataset.width), by_name=True)


def on_tile(tile: tiles.Tile, height: int, width: int) -> Grid:
    """The pixels of an image that covers a web-map tile."""
    return Grid(WEB_MERCATOR, tile.transform(width, height), height, width)


def files_beside(path: Path) -> list[Path]:
    """Files that say where an image lies and that GDAL does not name: its `.prj`."""
    found = path.with_suffix(".prj")
    return [found] if found.is_file() else []


def _nowhere(path: Path, beside: bool) -> str:
    reason = (
        "it has neither a coordinate reference system nor a tile name that say where it lies; "
        "georeference it, or name it OAM-{x}-{y}-{z} after its web-map tile"
    )
    there = [path.with_suffix(ending) for ending in _NOT_READ] if beside else []
    for file in there:
        if file.is_file():
            return f"{reason}; {file.name} beside it is not read: use {_NOT_READ[file.suffix]}"
    return reason


def _wrong(dataset: Any, grid: Grid, path: Path, beside: bool) -> list[str]:
    """Why a georeference cannot be used."""
    reasons = []
    a, b, _, d, e, _ = grid.transform
    shrinks = np.cos(np.radians(grid.middle[1])) if grid.crs == LONLAT else 1.0
    across, down = np.array([a * shrinks, d]), np.array([b * shrinks, e])
    if abs(across @ down) > _SHEARED * np.linalg.norm(across) * np.linalg.norm(down):
        reasons.append("its pixels are sheared, no rectangles; warp it with `gdalwarp -t_srs EPSG:… in out`")
    if beside and path.is_file():
        reasons += _contradictions(dataset, grid, path)
    return reasons


def _contradictions(dataset: Any, grid: Grid, path: Path) -> list[str]:
    """Georeferences of the same image that say other things."""
    found = []
    aside, own = path.with_name(f"{path.name}.aux.xml"), _internal(path)
    if own is not None and aside.is_file() and _apart(grid, own) > FARTHEST_PX:
        found.append(
            f"{aside.name} beside it puts it {_apart(grid, own):,.0f} px off its own georeference; take "
            "away the one that is wrong (`gdal_edit.py -unsetgt` for its own)"
        )
    world = _world_file(path)
    said = None if world is None else _read_world_file(world)
    if world is not None and said is not None:
        apart = _apart(grid, Grid(grid.crs, said, grid.height, grid.width))
        if apart > FARTHEST_PX:
            found.append(
                f"{world.name} beside it puts it {apart:,.0f} px off its own georeference; take away the "
                "one that is wrong"
            )
    return found


def _internal(path: Path) -> Grid | None:
    """What a GeoTIFF says itself, without the files beside it."""
    import rasterio

    if file_kinds.format_of(path) != "GTiff":
        return None
    try:
        with (
            rasterio.Env(**{**file_kinds.GDAL, "GDAL_GEOREF_SOURCES": "INTERNAL", "GDAL_PAM_ENABLED": "NO"}),
            rasterio.open(path, driver="GTiff") as own,
        ):
            if own.crs is None or own.transform.is_identity:
                return None
            return Grid(own.crs.to_string(), _six(own.transform), own.height, own.width)
    except file_kinds.GDAL_ERRORS:
        return None


def _apart(one: Grid, other: Grid) -> float:
    """How far the corners of two grids lie apart, in pixels of the first."""
    try:
        places = np.column_stack(reproject(other.crs, one.crs, *other.corners.T))
    except Invalid:
        return np.inf
    if not np.isfinite(places).all():
        return np.inf
    own = np.array([(0, 0), (one.width, 0), (one.width, one.height), (0, one.height)])
    return float(np.abs(one.pixels(one.nearest(places)) - own).max())


def _by_points(dataset: Any) -> ChipPlace | None:
    """By ground control points, where they lie on one grid to a pixel."""
    from rasterio.transform import from_gcps

    points, crs = dataset.gcps
    if not points:
        if getattr(dataset, "rpcs", None):
            return ChipPlace(
                None,
                reasons=(
                    "it is placed by rational polynomials (RPC); warp it with "
                    "`gdalwarp -rpc -t_srs EPSG:… in out`",
                ),
            )
        return None
    if crs is None:
        return ChipPlace(
            None,
            reasons=(
                "its ground control points name no reference system; write it with "
                "`gdal_translate -a_srs EPSG:… in out`",
            ),
        )
    transform = _six(from_gcps(points)) if len(points) >= 3 else (0.0,) * 6
    if _has_area(transform):
        grid = Grid(crs.to_string(), transform, dataset.height, dataset.width)
        places = np.array([(point.x, point.y) for point in points])
        pixels = np.array([(point.col, point.row) for point in points])
        apart = float(np.abs(grid.pixels(places) - pixels).max())
        if apart <= FARTHEST_PX:
            return ChipPlace(grid)
    else:
        apart = np.inf
    return ChipPlace(
        None,
        reasons=(
            f"its {len(points)} ground control points do not fit one grid (off by {apart:.3g} px); warp it "
            "with `gdalwarp -tps -t_srs EPSG:… in out`",
        ),
    )


def _by_world_file(dataset: Any, path: Path, tile: tiles.Tile | None) -> ChipPlace | None:
    """By a world file, whose reference system a `.prj` beside it or a tile's name tells."""
    from rasterio.crs import CRS

    world = _world_file(path)
    said = None if world is None else _read_world_file(world)
    if world is None or said is None or not _has_area(said):
        return None
    size = dataset.height, dataset.width
    prj = path.with_suffix(".prj")
    crs: Any = dataset.crs
    if crs is None and prj.is_file():
        try:
            crs = CRS.from_wkt(prj.read_text(errors="replace")[:20_000])
        except file_kinds.GDAL_ERRORS as error:
            return ChipPlace(
                None, reasons=(f"{prj.name} beside it is no reference system ({error}); write it again",)
            )
    if crs is not None:
        return ChipPlace(Grid(crs.to_string(), said, *size))
    if tile is None:
        return ChipPlace(
            None,
            reasons=(
                f"{world.name} beside it says where it lies and nothing in which reference system; put "
                f"{prj.name} there (`gdalsrsinfo -o wkt1_esri EPSG:… > {prj.name}`)",
            ),
        )
    named = on_tile(tile, *size)
    if min(_apart(named, Grid(system, said, *size)) for system in (WEB_MERCATOR, LONLAT)) <= FARTHEST_PX:
        return ChipPlace(named, by_name=True)
    return ChipPlace(
        None,
        reasons=(
            f"{world.name} beside it and the tile in its name contradict each other; if {world.name} is "
            f"right put {prj.name} there (`gdalsrsinfo -o wkt1_esri EPSG:… > {prj.name}`), else take "
            f"{world.name} away",
        ),
    )


def _world_file(path: Path) -> Path | None:
    first = path.suffix[1:2] + path.suffix[-1:] + "w" if len(path.suffix) > 2 else ""
    endings: Sequence[str] = dict.fromkeys([first, f"{path.suffix[1:]}w", *_WORLD_FILES])  # type: ignore[assignment]
    there = {
        each.name.lower(): each for each in (path.with_suffix(f".{ending}") for ending in endings if ending)
    }
    return next((file for file in there.values() if file.is_file()), None)


def _read_world_file(path: Path) -> Affine6 | None:
    """The transform of a world file, which gives the middle of the top left pixel; None where it is none."""
    try:
        numbers = [float(word.replace(",", ".")) for word in path.read_text(errors="replace")[:2000].split()]
    except (OSError, ValueError):
        return None
    if len(numbers) != 6 or not np.isfinite(numbers).all():
        return None
    a, d, b, e, x, y = numbers
    return a, b, x - a / 2 - b / 2, d, e, y - d / 2 - e / 2


def _six(transform: Any) -> Affine6:
    a, b, c, d, e, f = tuple(transform)[:6]
    return a, b, c, d, e, f


def _has_area(transform: Sequence[float] | Array) -> bool:
    a, b, _, d, e, _ = transform
    return bool(a * e != b * d)
