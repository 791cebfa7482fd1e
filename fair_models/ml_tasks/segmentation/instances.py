"""Objects of one class that are told apart, made of what a network gives as predictions make them.

Numpy; scipy for connected pixels and distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fair_models.data.samples import IGNORE, Samples
from fair_models.inference.instances import growth
from fair_models.ml_tasks.segmentation.objects import SMALLEST_OBJECT_PX
from fair_models.types import Array


@dataclass(frozen=True)
class InstanceRule:
    """How objects are made, and which of them count: in the truth as in a prediction.

    marker_threshold: Least probability of a pixel of an interior, in [0, 1].
    marker_reach_m: How far an interior grows into its class, in metres along its pixels.
    min_area_m2: Smaller objects are none. None: those of fewer than `SMALLEST_OBJECT_PX` pixels, and likewise
        where the size of a pixel is not known.
    erosion_m: How far from its outline the interior of a true object begins, in metres.
    things: Classes whose objects are told apart. None: those that the samples say; where they say none, all
        but the background and those that occur without a number.
    pixel_m: Height of a pixel on the ground, in metres, where samples do not say it. None: not known; then
        interiors grow without a bound, and `erosion_m` counts pixels.
    """

    marker_threshold: float = 0.5
    marker_reach_m: float = 3.0
    min_area_m2: float | None = None
    erosion_m: float = 0.5
    things: Sequence[str] | None = None
    pixel_m: float | None = None

    def pixel_sizes(self, samples: Samples) -> list[float | None]:
        """Height of a pixel of each sample, in metres; None where nobody says it."""
        if samples.pixel_m is None:
            return [self.pixel_m] * len(samples)
        return [float(size) if np.isfinite(size) else self.pixel_m for size in samples.pixel_m]

    def smallest_px(self, pixel_m: float | None) -> float:
        """Pixels that an object has at least."""
        if self.min_area_m2 is None or pixel_m is None:
            return SMALLEST_OBJECT_PX
        return self.min_area_m2 / pixel_m**2

    def thing_indices(self, samples: Samples) -> list[int]:
        """Positions of the classes whose objects are told apart."""
        named = self.things if self.things is not None else samples.things
        if named is not None:
            return [index for index, name in enumerate(samples.classes) if index and name in named]
        if samples.instances is None:
            return []
        numbered = samples.instances > 0
        there, apart = np.unique(samples.targets), np.unique(samples.targets[numbered])
        return [index for index in range(1, len(samples.classes)) if index in apart or index not in there]


@dataclass(frozen=True)
class Objects:
    """Objects of one sample.

    numbers: Number of the object of each pixel, int32, shape (height, width): 1 to n, 0 is none.
    classes: Class index of each, shape (n,).
    scores: How sure a prediction is of each, float64, in [0, 1], shape (n,).
    """

    numbers: Array
    classes: Array
    scores: Array


def found(
    mask: Array,
    probabilities: Array,
    interior: Array | None,
    things: Sequence[int],
    rule: InstanceRule,
    pixel_m: float | None,
) -> Objects:
    """The objects of a prediction.

    Args:
        mask: Class index of each pixel as it is predicted, uint8, shape (height, width).
        probabilities: Probability of each class, shape (classes, height, width).
        interior: Probability that a pixel is the interior of an object, same shape as the mask. None: objects
            are connected pixels of a class.
        things: Indices of the classes that have objects.
        rule: How objects are made.
        pixel_m: Height of a pixel on the ground, in metres; None where it is not known.

    Returns:
        Their scores are the mean probability of their class over their pixels.
    """
    classes = np.where(np.isin(mask, things), mask, np.uint8(0))
    markers = None if interior is None else interior >= rule.marker_threshold
    numbers = _numbers(classes, markers, rule, pixel_m)
    likely = np.take_along_axis(probabilities, classes[None].astype(np.intp), axis=0)[0]
    count = int(numbers.max(initial=0))
    pixels = np.bincount(numbers.ravel(), minlength=count + 1)[1:]
    sums = np.bincount(numbers.ravel(), weights=likely.ravel(), minlength=count + 1)[1:]
    return Objects(numbers, classes_of(numbers, classes, count), sums / pixels)


def perfect(
    targets: Array,
    instances: Array,
    things: Sequence[int],
    rule: InstanceRule,
    pixel_m: float | None,
    *,
    with_interiors: bool,
) -> Objects:
    """The objects of a prediction whose mask, and whose interiors, are the truth.

    Args:
        targets: True class of each pixel, shape (height, width); `IGNORE` counts nowhere.
        instances: Number of the true object of each pixel, same shape; 0 is none.
        things: Indices of the classes that have objects.
        rule: How objects are made.
        pixel_m: Height of a pixel on the ground, in metres; None where it is not known.
        with_interiors: Whether the prediction knows interiors; else objects are connected pixels of a class.
    """
    classes = np.where(np.isin(targets, things) & (targets != IGNORE), targets, np.uint8(0))
    markers = interiors(instances, rule.erosion_m / (pixel_m or 1)) if with_interiors else None
    numbers = _numbers(classes, markers, rule, pixel_m)
    count = int(numbers.max(initial=0))
    return Objects(numbers, classes_of(numbers, classes, count), np.ones(count))


def everywhere(shape: tuple[int, int], index: int) -> Objects:
    """One object of a class that fills a sample; no object where the class is the background."""
    count = int(index > 0)
    return Objects(np.full(shape, count, np.int32), np.full(count, index), np.ones(count))


def interiors(instances: Array, erosion_px: float) -> Array:
    """Pixels of objects that lie further from their outline than a distance.

    The sample's edge is no outline: what it cuts goes on beyond it.

    Args:
        instances: Number of the object of each pixel, shape (height, width); 0 is none.
        erosion_px: The distance in pixels. An outline runs between pixels, so the middle of the outermost is
            half a pixel from it.

    Returns:
        bool, same shape. An object that is nowhere wide enough has none.
    """
    # scipy costs a third of a second to import, and predictions need none of this.
    from scipy import ndimage

    inside = np.zeros(instances.shape, bool)
    for number, box in enumerate(ndimage.find_objects(instances), start=1):
        if box is None:
            continue
        # One more pixel on each side that there is: what is nearest outside of an object lies there.
        around = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
        own = instances[around] == number
        far = own if own.all() else ndimage.distance_transform_edt(own) - 0.5 > erosion_px
        inside[around] |= far
    return inside


def contacts(instances: Array, reach_px: int) -> Array:
    """Pixels that are near to two objects at once.

    Args:
        instances: Number of the object of each pixel, unsigned integer, shape (height, width); 0 is none.
        reach_px: How many rows and columns away a pixel of an object may be.

    Returns:
        bool, same shape: true on either side of where objects touch, and on ground between near ones.
    """
    # scipy costs a third of a second to import, and predictions need none of this.
    from scipy import ndimage

    size, highest = 2 * reach_px + 1, np.iinfo(instances.dtype).max
    largest = ndimage.maximum_filter(instances, size)
    smallest = ndimage.minimum_filter(np.where(instances > 0, instances, highest), size)
    near: Array = (largest > 0) & (largest != smallest)
    return near


def classes_of(numbers: Array, classes: Array, count: int) -> Array:
    """Class of each of `count` objects whose pixels have one class, shape (count,)."""
    known = np.zeros(count + 1, np.int64)
    known[numbers.ravel()] = classes.ravel()
    return known[1:]


def _numbers(classes: Array, markers: Array | None, rule: InstanceRule, pixel_m: float | None) -> Array:
    if markers is None:
        return growth.connected(classes)
    reach_px = classes.size if pixel_m is None else growth.steps(rule.marker_reach_m, pixel_m)
    return growth.number_objects(classes, markers, reach_px)
