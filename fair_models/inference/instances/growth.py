"""Markers that grow into the mask around them, until every pixel of a class belongs to one object.

A watershed without heights (Beucher and Lantuéjoul 1979): each pixel goes to the marker that is nearest along
the pixels of its class, sides counted, not corners. Growth ends at a distance, so what a pixel belongs to
depends on its surroundings alone, and not on how an area is cut. Numpy; scipy for connected pixels.
"""

from __future__ import annotations

import numpy as np

from fair_models.types import Array


def number_objects(classes: Array, markers: Array, reach_px: int) -> Array:
    """Number the objects of a mask.

    Args:
        classes: Class index of each pixel, unsigned integer, shape (height, width); 0 is the background.
        markers: Which pixels are the interior of an object, bool, same shape. Connected ones of one class
            are one object; those on the background are not looked at.
        reach_px: Steps from pixel to pixel that a marker grows at most.

    Returns:
        Number of the object of each pixel, int32, same shape: from 1 on in the order of their first pixels,
        row by row; 0 is the background. Connected pixels of a class that no marker reaches are an object of
        their own. Pixels of one object are of one class and share edges.
    """
    numbers = connected(np.where(markers, classes, 0))
    grow(numbers, classes, reach_px)
    left = np.where(numbers == 0, classes, 0)
    if left.any():
        alone = connected(left)
        numbers = np.where(alone > 0, alone + numbers.max(), numbers)
    return in_order(numbers)


def steps(reach_m: float, pixel_m: float) -> int:
    """Steps from pixel to pixel of a reach on the ground: at least one, unless the reach is 0.

    Args:
        reach_m: How far a marker grows, in metres.
        pixel_m: Size of a pixel on the ground, in metres.
    """
    return max(1, round(reach_m / pixel_m)) if reach_m else 0


def connected(classes: Array) -> Array:
    """Number connected pixels of one class, from 1 on; a corner does not connect.

    Args:
        classes: Class index of each pixel, shape (height, width); 0 is the background.

    Returns:
        int32, same shape; 0 is the background.
    """
    # scipy costs a third of a second to import, and models without instances need none of this.
    from scipy import ndimage

    numbers = np.zeros(classes.shape, np.int32)
    total = 0
    for index in np.unique(classes[classes > 0]):
        found, count = ndimage.label(classes == index)
        numbers += np.where(found > 0, found + total, 0).astype(np.int32)
        total += count
    return numbers


def grow(numbers: Array, classes: Array, reach_px: int) -> None:
    """Let numbered pixels grow into those of their class that have no number, in place.

    Of two that reach a pixel in the same step, the one above it comes first, then the one on its left, on its
    right, below it.

    Args:
        numbers: Number of each pixel, int32, shape (height, width); 0 where there is none.
        classes: Class index of each pixel, same shape; 0 is the background, into which nothing grows.
        reach_px: Steps from pixel to pixel.
    """
    height, width = numbers.shape
    # A frame of background spares every step the question where the image ends.
    framed, ground = np.pad(numbers, 1).ravel(), np.pad(classes, 1).ravel()
    across = width + 2
    edge = np.flatnonzero(framed)
    for _ in range(reach_px):
        reached = []
        for step in (across, 1, -1, -across):
            there = edge + step
            free = (framed[there] == 0) & (ground[there] == ground[edge])
            framed[there[free]] = framed[edge[free]]
            reached.append(there[free])
        edge = np.concatenate(reached)
        if not len(edge):
            break
    numbers[:] = framed.reshape(height + 2, across)[1:-1, 1:-1]


def in_order(numbers: Array) -> Array:
    """Number anew, in the order of first pixels row by row.

    Args:
        numbers: Numbers in any order and with gaps, shape (height, width); 0 stays 0.

    Returns:
        int32, same shape, from 1 on without a gap.
    """
    known, first, position = np.unique(numbers.ravel(), return_index=True, return_inverse=True)
    order = np.argsort(np.where(known == 0, -1, first), kind="stable")
    rank = np.empty(len(known), np.int32)
    rank[order] = np.arange(len(known))
    if known[0] != 0:
        rank += 1
    return rank[position].reshape(numbers.shape).astype(np.int32)
