"""What an invented settlement looks like from above: an RGB picture of its plan.

Everything is painted once over the whole scene, so that buildings cross the edges of the chips that are
cut from it. Outlines are covered exactly: a pixel half under a roof is half roof.
"""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image
from scipy import ndimage

from fair_models.data.synthetic.canvas import Canvas, noise
from fair_models.data.synthetic.clutter import paint_clutter, paint_tree
from fair_models.data.synthetic.ground import ground, paint_roads
from fair_models.data.synthetic.roofs import paint_building
from fair_models.data.synthetic.settlement import Settlement
from fair_models.types import Array


def paint(settlement: Settlement, px_per_m: float, rng: np.random.Generator) -> Array:
    """Paint the plan.

    Args:
        settlement: The plan, in metres.
        px_per_m: Pixels per metre.
        rng: Source of everything random.

    Returns:
        uint8, shape (height, width, 3): the scene's size times `px_per_m`, rounded.
    """
    height, width = round(settlement.height_m * px_per_m), round(settlement.width_m * px_per_m)
    azimuth = rng.uniform(math.radians(200), math.radians(250))
    canvas = Canvas(
        ground(settlement, height, width, px_per_m, rng),
        np.zeros((height, width), np.float32),
        px_per_m,
        (math.cos(azimuth), math.sin(azimuth)),
        rng.uniform(0.65, 0.95),
        rng,
    )
    paint_roads(canvas, settlement)
    for clutter in settlement.clutter:
        paint_clutter(canvas, clutter)
    for building in sorted(settlement.buildings, key=lambda building: building.height_m):
        paint_building(canvas, building)
    for x, y, radius in settlement.trees:
        paint_tree(canvas, x, y, radius)
    return _expose(canvas)


def _expose(canvas: Canvas) -> Array:
    """Light, lens and sensor: bluish shadows, uneven light, slight blur, noise, and JPEG's traces."""
    height, width = canvas.shade.shape
    shade = ndimage.gaussian_filter(canvas.shade, 0.5)[..., None]
    seen = canvas.picture * (1 - shade * np.array([0.56, 0.52, 0.44], np.float32))
    seen *= (1 + 0.025 * noise(height, width, 300.0, canvas.rng))[..., None]
    seen = ndimage.gaussian_filter(seen, (0.55, 0.55, 0))
    seen += canvas.rng.normal(0, 2.6, (height, width, 1)) + canvas.rng.normal(0, 1.4, (height, width, 3))
    image = Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=86)
    return np.asarray(Image.open(buffer))
