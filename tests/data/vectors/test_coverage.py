import numpy as np
import pytest

from fair_models.data.vectors.coverage import MIN_SHARE, main_class

EVERYWHERE = np.ones((20, 20), dtype=bool)


def covered(pixels: int, index: int = 1) -> np.ndarray:
    mask = np.zeros(400, dtype=np.uint8)
    mask[:pixels] = index
    return mask.reshape(20, 20)


@pytest.mark.parametrize(("pixels", "index"), [(0, 0), (1, 0), (2, 1), (400, 1)])
def test_a_chip_is_of_a_class_from_the_least_share_on(pixels: int, index: int) -> None:
    assert MIN_SHARE == 2 / 400
    assert main_class(covered(pixels), EVERYWHERE, 2) == index


def test_the_class_that_covers_most_wins() -> None:
    mask = covered(30, 1)
    mask[10:12] = 2

    assert main_class(mask, EVERYWHERE, 4) == 2


def test_pixels_without_imagery_count_neither_way() -> None:
    imagery = np.zeros((20, 20), dtype=bool)
    imagery[0, :10] = True

    assert main_class(covered(1), imagery, 2) == 1
    assert main_class(covered(1), ~imagery, 2) == 0
    assert main_class(covered(1), np.zeros((20, 20), dtype=bool), 2) == 0
