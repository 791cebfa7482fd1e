"""What is done to outlines before they are put on the map: holes, right angles, simplification."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fair_models.inference.outlines import right_angles
from fair_models.types import Array


@dataclass(frozen=True)
class OutlineParams:
    """What is done to outlines.

    min_area_m2: Smaller features are left out.
    simplify_m: Tolerance of simplification (Douglas-Peucker that keeps topology), in metres. 0 keeps the
        pixels' edges.
    holes: Whether holes are kept. Filled ones count to the area.
    regularise: Whether outlines get right angles where their shape has them.
    """

    min_area_m2: float = 0.0
    simplify_m: float = 0.0
    holes: bool = True
    regularise: bool = False


def shaped(shapes: Array, pixel_m: tuple[float, float], params: OutlineParams) -> Array:
    """Outlines as they are asked for. Tolerances count in metres on the ground, however wide pixels are.

    Args:
        shapes: Shapely polygons in pixels of a grid, shape (n,).
        pixel_m: Width and height of a pixel on the ground, in metres.
        params: What is done.

    Returns:
        Polygons in pixels, shape (n,), in the same order.
    """
    import shapely

    if not params.holes:
        shapes = shapely.polygons(shapely.get_exterior_ring(shapes))
    if not (params.simplify_m or params.regularise):
        return np.asarray(shapes)
    scale = np.array(pixel_m)
    metres = shapely.transform(shapes, lambda pixels: pixels * scale)
    regular = np.zeros(len(metres), bool)
    if params.regularise:
        tolerance_m = max(params.simplify_m, right_angles.TOLERANCE_PX * max(pixel_m))
        metres, regular = right_angles.regularise(metres, tolerance_m)
    if params.simplify_m:
        simple = shapely.simplify(metres, params.simplify_m, preserve_topology=True)
        metres = np.where(regular, metres, simple)
    return np.asarray(shapely.transform(metres, lambda places: places / scale))
