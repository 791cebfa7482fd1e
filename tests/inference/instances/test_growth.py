"""Objects of arrays, against flooding pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fair_models.inference.instances import growth
from fair_models.types import Array


def near(row: int, column: int) -> list[tuple[int, int]]:
    return [(row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column)]


def flooded(classes: Array, through: Array) -> Array:
    """Numbers of connected pixels of one class, in the order of their first ones."""
    found = np.zeros(classes.shape, np.int32)
    for start in map(tuple, np.argwhere(through)):
        if found[start]:
            continue
        found[start] = found.max() + 1
        border = [start]
        while border:
            at = border.pop()
            for other in near(*at):
                inside = all(0 <= side < length for side, length in zip(other, classes.shape, strict=True))
                if inside and through[other] and not found[other] and classes[other] == classes[at]:
                    found[other] = found[at]
                    border.append(other)
    return found


def slow_objects(classes: Array, markers: Array, reach_px: int) -> Array:
    """Objects whose pixels ask their neighbours, step by step: above, on the left, on the right, below."""
    numbers = flooded(classes, markers & (classes > 0))
    for _ in range(reach_px):
        before = numbers.copy()
        for at in map(tuple, np.argwhere((classes > 0) & (before == 0))):
            for other in near(*at):
                inside = all(0 <= side < length for side, length in zip(other, classes.shape, strict=True))
                if inside and before[other] and classes[other] == classes[at]:
                    numbers[at] = before[other]
                    break
    alone = flooded(classes, (classes > 0) & (numbers == 0))
    numbers = np.where(alone > 0, alone + numbers.max(initial=0), numbers)
    order = {
        number: rank for rank, number in enumerate(dict.fromkeys(numbers[numbers > 0].tolist()), start=1)
    }
    return np.array([[order.get(number, 0) for number in row] for row in numbers.tolist()], np.int32)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 9), st.sampled_from([0, 0.1, 0.4]), st.integers(0, 5), st.integers(0)
)
def test_any_mask_gives_the_objects_of_slow_flooding(
    height: int, width: int, density: float, reach_px: int, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    classes = draw.choice(np.array([0, 1, 1, 1, 2], np.uint8), (height, width))
    markers = draw.random((height, width)) < density

    found = growth.number_objects(classes, markers, reach_px)

    assert found.tolist() == slow_objects(classes, markers, reach_px).tolist()


@pytest.mark.parametrize(
    ("reach_m", "pixel_m", "steps"), [(3, 0.3, 10), (0, 0.3, 0), (0.1, 0.3, 1), (3, 10, 1), (1, 0.26, 4)]
)
def test_a_reach_is_some_whole_steps_and_never_none_where_one_was_asked_for(
    reach_m: float, pixel_m: float, steps: int
) -> None:
    assert growth.steps(reach_m, pixel_m) == steps
