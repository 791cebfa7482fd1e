"""RGB windows in, probabilities of buildings and of their interiors out. Numpy only."""

import numpy as np

from fair_models.sdk import Array, segmentation

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Of red, green and blue over the photographs that the encoder's weights have seen, for pixels in 0 to 1."""

postprocess = segmentation.class_and_interior


def preprocess(window: Array) -> Array:
    """Centre and scale each band as those photographs were.

    Args:
        window: uint8, shape (3, height, width).

    Returns:
        float32, same shape, about -2.1 to 2.6.
    """
    mean, deviation = (np.array(each, dtype=np.float32).reshape(3, 1, 1) for each in (MEAN, DEVIATION))
    scaled: Array = (window.astype(np.float32) / 255 - mean) / deviation
    return scaled
