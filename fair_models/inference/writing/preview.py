"""A picture for people: what was found, over the imagery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fair_models.data.images import antimeridian, tiles
from fair_models.data.images.grid import LONLAT, WEB_MERCATOR, Grid, repeats_after
from fair_models.inference.imagery.georeference import moved, pixel_size_m, pixels_of
from fair_models.inference.outlines.features import Features
from fair_models.inference.writing.legend import Legend, add_legend
from fair_models.types import Array

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from fair_models.inference.imagery.reading import Block

LONGEST_SIDE_PX = 1400
_MIN_SIDE_PX = 900
_MIN_COVER = 0.05
"""Blocks that lie so far apart that they fill less of the picture than this: only the largest is drawn."""

_NO_IMAGERY = (236, 236, 236)
_CASING = (10, 25, 40)
_BACKGROUND_CLASS = (150, 150, 150)
_PALETTE = (
    (0, 224, 255),
    (255, 72, 160),
    (255, 196, 0),
    (140, 230, 60),
    (170, 120, 255),
    (255, 122, 26),
)
_FILL_OPACITY = 0.25
_SATURATION = 0.75
"""Imagery is drawn paler than it is, so that the colours of classes stand out."""

_SUPERSAMPLING = 2

_MIN_OUTLINED_PX = 3
"""Smaller shapes are filled alone: an outline would be larger than they are."""


_TURNED = {
    LONLAT: "+proj=longlat +datum=WGS84 +pm=180 +no_defs",
    WEB_MERCATOR: "+proj=merc +a=6378137 +b=6378137 +lon_0=180 +units=m +nadgrids=@null +no_defs",
}

Read = Callable[[], Iterable[Features]]
"""Gives the features from the start, some at a time."""


def draw(blocks: Sequence[Block], read: Read, classes: Sequence[str], caption: str, path: Path) -> None:
    """Draw features over the imagery as PNG, with a legend and a scale bar.

    Args:
        blocks: The imagery that was predicted over.
        read: What was found, in batches, so that not all of it is held. It is called twice.
        classes: Class names; the position is the index.
        caption: One line on what this is, e.g. "roofs-v1 · banepa".
        path: The file.
    """
    shown = _shown(blocks)
    frame = _frame(shown)
    picture = _imagery(shown, frame)
    counts = _overlay(picture, read, frame)
    legend = Legend(
        entries=[
            (name, counts[index], colour(index))
            for index, name in enumerate(classes)
            if index or counts[index]
        ],
        caption=caption if len(shown) == len(blocks) else f"{caption} · the largest of {len(blocks)} areas",
        pixel_m=pixel_size_m(frame)[0],
    )
    add_legend(picture, legend).save(path, format="PNG", optimize=True)


def colour(index: int) -> tuple[int, int, int]:
    """Red, green and blue of a class in pictures."""
    return _PALETTE[(index - 1) % len(_PALETTE)] if index else _BACKGROUND_CLASS


def _shown(blocks: Sequence[Block]) -> Sequence[Block]:
    boxes = _mercator_boxes(blocks)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    west, south = boxes[:, :2].min(axis=0)
    east, north = boxes[:, 2:].max(axis=0)
    if areas.sum() >= _MIN_COVER * (east - west) * (north - south):
        return blocks
    return [blocks[int(areas.argmax())]]


def _mercator_boxes(blocks: Sequence[Block]) -> Array:
    """Left, bottom, right, top of each block in Web Mercator, which goes on beyond 180°; shape (n, 4)."""
    import shapely

    outlines = antimeridian.together(block.grid.footprint for block in blocks)
    corners = np.stack([moved(block.grid.corners, block.grid.crs, WEB_MERCATOR) for block in blocks])
    world = repeats_after(WEB_MERCATOR) or 0.0
    middles = np.radians(shapely.bounds(outlines)[:, [0, 2]].mean(axis=1)) / (2 * np.pi) * world
    corners[:, :, 0] += world * np.rint((middles[:, None] - corners[:, :, 0]) / world)
    return np.hstack([corners.min(axis=1), corners.max(axis=1)])


def _frame(blocks: Sequence[Block]) -> Grid:
    boxes = _mercator_boxes(blocks)
    west, south = boxes[:, :2].min(axis=0)
    east, north = boxes[:, 2:].max(axis=0)
    longest = max(east - west, north - south)
    stored = min(
        (box[2] - box[0]) / block.native.grid.width for box, block in zip(boxes, blocks, strict=True)
    )
    side = int(np.clip(longest / stored, _MIN_SIDE_PX, LONGEST_SIDE_PX))
    pixel = float(longest / side)
    height, width = (max(1, round(float(length) / pixel)) for length in (north - south, east - west))
    return Grid(WEB_MERCATOR, (pixel, 0.0, float(west), 0.0, -pixel, float(north)), height, width)


def _imagery(blocks: Sequence[Block], frame: Grid) -> Image.Image:
    from affine import Affine
    from PIL import Image, ImageEnhance
    from rasterio.warp import Resampling, reproject

    canvas = np.broadcast_to(
        np.array(_NO_IMAGERY, np.uint8)[:, None, None], (3, frame.height, frame.width)
    ).copy()
    turn = abs(frame.corners[:, 0]).max() > tiles.HALF_WORLD_M
    target = _turned(frame) if turn else frame
    for block in blocks:
        pixels, valid, grid = block.overview(max(frame.height, frame.width))
        grid = _turned(grid) if turn else grid
        warped = np.zeros((4, frame.height, frame.width), np.uint8)
        reproject(
            np.concatenate([_as_rgb(pixels), valid[None].astype(np.uint8) * 255]),
            warped,
            src_transform=Affine(*grid.transform),
            src_crs=grid.crs,
            dst_transform=Affine(*target.transform),
            dst_crs=target.crs,
            resampling=Resampling.bilinear,
        )
        seen = warped[3] > 127
        canvas[:, seen] = warped[:3, seen]
    picture = Image.fromarray(np.ascontiguousarray(np.moveaxis(canvas, 0, -1)))
    return ImageEnhance.Color(picture).enhance(_SATURATION)


def _turned(grid: Grid) -> Grid:
    """The same places in a system that goes on at 180°, for GDAL finds none beyond the usual ones' edges."""
    period, system = repeats_after(grid.crs), _TURNED.get(grid.crs)
    if period is None or system is None:
        return grid
    a, b, c, d, e, f = grid.transform
    left = c - period / 2
    return Grid(system, (a, b, left - period * round(left / period), d, e, f), grid.height, grid.width)


def _as_rgb(pixels: Array) -> Array:
    """The first three bands, or one band three times."""
    return pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, axis=0)


def _overlay(picture: Image.Image, read: Read, frame: Grid) -> Counter[int]:
    """Fill all features, then outline them, drawn larger than shown so that slanted edges are smooth.

    Returns:
        How many there are of each class.
    """
    from PIL import Image, ImageDraw

    counts: Counter[int] = Counter()
    size = frame.width * _SUPERSAMPLING, frame.height * _SUPERSAMPLING
    inside: dict[int, Array] = {}
    for features in read():
        counts.update(features.classes.tolist())
        for index, shapes in _by_class(features, frame):
            if index:
                _fill(inside.setdefault(index, np.zeros(size[::-1], np.uint8)), shapes)
    if not counts:
        return counts
    layer = Image.new("RGBA", size, (0, 0, 0, 0))
    for index in sorted(inside):
        mask = Image.fromarray(inside.pop(index), "L")
        layer.paste((*colour(index), round(255 * _FILL_OPACITY)), mask=mask)
    for features in read():
        for index, shapes in _by_class(features, frame):
            _outline(ImageDraw.Draw(layer), shapes, colour(index))
    layer = layer.resize(picture.size, Image.Resampling.BOX)
    picture.paste(layer, mask=layer)
    return counts


def _by_class(features: Features, frame: Grid) -> Iterator[tuple[int, Array]]:
    """Class by class the shapes of features, in pixels of the layer."""
    import shapely

    drawn = shapely.transform(
        features.geometry,
        lambda places: pixels_of(frame, frame.nearest(moved(places, LONLAT, WEB_MERCATOR))) * _SUPERSAMPLING,
    )
    for index in np.unique(features.classes).tolist():
        yield index, drawn[features.classes == index]


def _fill(inside: Array, shapes: Array) -> None:
    """Mark where polygons are, holes left open."""
    import shapely
    from rasterio.features import rasterize

    surfaces = shapes[shapely.get_dimensions(shapes) == 2]
    if len(surfaces):
        rasterize(surfaces, out=inside, default_value=255)


def _outline(pen: ImageDraw.ImageDraw, shapes: Array, tint: tuple[int, int, int]) -> None:
    import shapely

    surfaces = shapes[shapely.get_dimensions(shapes) == 2]
    west, south, east, north = shapely.bounds(surfaces).T
    large = np.maximum(east - west, north - south) >= _MIN_OUTLINED_PX * _SUPERSAMPLING
    rings = shapely.get_rings(shapely.simplify(surfaces[large], 0.5))
    lines = [[tuple(corner) for corner in shapely.get_coordinates(ring).tolist()] for ring in rings]
    for width, ink in ((3.5, (*_CASING, 120)), (1.5, (*tint, 255))):
        for corners in lines:
            pen.line(corners, fill=ink, width=round(width * _SUPERSAMPLING), joint="curve")
    radius = 4 * _SUPERSAMPLING
    for x, y in shapely.get_coordinates(shapes[shapely.get_dimensions(shapes) == 0]).tolist():
        pen.ellipse(
            (x - radius, y - radius, x + radius, y + radius),
            fill=(*tint, 255),
            outline="white",
            width=_SUPERSAMPLING,
        )
