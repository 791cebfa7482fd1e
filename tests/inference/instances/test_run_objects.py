"""Objects of masks as runs, against those of the whole mask as an array."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fair_models.inference.instances import growth
from fair_models.inference.instances.run_objects import NumberedRuns, number_runs
from fair_models.inference.windowing import mask_runs
from fair_models.types import Array


def numbered(classes: Array, markers: Array, reach_px: int, band_px: int = 1000) -> NumberedRuns:
    probability = np.random.default_rng(0).random(classes.shape).astype(np.float32)
    runs, inside = (mask_runs.of_mask(each, probability) for each in (classes, classes * markers))
    return number_runs(runs, inside, classes.shape[1], reach_px, band_px)


def as_array(found: NumberedRuns, shape: tuple[int, int]) -> Array:
    made = np.zeros(shape, np.int32)
    runs = found.runs
    for row, start, stop, number in zip(runs.rows, runs.starts, runs.stops, found.numbers, strict=True):
        assert not made[row, start:stop].any()
        made[row, start:stop] = number + 1
    return made


@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(1, 3),
    st.sampled_from([0.5, 0.8, 0.95]),
    st.sampled_from([0, 0.02, 0.1, 0.4]),
    st.integers(0, 4),
    st.integers(1, 60),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=400, deadline=None)
def test_any_mask_gives_the_objects_of_the_whole_array_however_many_rows_are_grown_at_a_time(
    height: int,
    width: int,
    count: int,
    density: float,
    marked: float,
    reach_px: int,
    band_px: int,
    seed: int,
) -> None:
    draw = np.random.default_rng(seed)
    shape = height, width
    classes = np.where(draw.random(shape) < density, draw.integers(1, count + 1, shape), 0).astype(np.uint8)
    markers = (draw.random(shape) < marked) & (classes > 0)

    found = numbered(classes, markers, reach_px, band_px)

    expected = growth.number_objects(classes, markers, reach_px)
    assert (as_array(found, shape) == expected).all()
    assert found.count == expected.max()


def test_a_run_that_is_divided_gives_each_object_its_markers_and_the_mean_of_the_rest() -> None:
    classes = np.ones((1, 8), np.uint8)
    markers = np.array([[0, 1, 1, 0, 0, 0, 1, 0]], bool)
    probability = np.array([[0.5, 1, 1, 0.7, 0.9, 0.6, 0.8, 0.8]], np.float32)
    runs, inside = (mask_runs.of_mask(each, probability) for each in (classes, classes * markers))

    found = number_runs(runs, inside, 8, 3)

    assert found.runs.starts.tolist() == [0, 5]
    assert found.numbers.tolist() == [0, 1]
    assert found.runs.totals == pytest.approx([2 + 3 * 0.7, 0.8 + 2 * 0.7])


def test_an_object_that_has_its_region_to_itself_has_the_probability_of_all_its_pixels() -> None:
    draw = np.random.default_rng(1)
    classes = np.pad(np.ones((6, 9), np.uint8), 1)
    markers = np.pad(np.ones((2, 5), bool), 3)
    probability = draw.random(classes.shape).astype(np.float32)
    runs, inside = (mask_runs.of_mask(each, probability) for each in (classes, classes * markers))

    found = number_runs(runs, inside, 11, 20)

    assert found.count == 1
    assert found.runs.totals.sum() == pytest.approx(probability[1:-1, 1:-1].sum(dtype=np.float64))
