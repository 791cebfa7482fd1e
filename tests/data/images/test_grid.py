import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fair_models.data.images.grid import Factors, Grid, decimation, factors, reproject
from fair_models.errors import Invalid
from tests.data.messy import TILE

GRID = Grid("EPSG:32645", (0.5, 0.0, 354000.0, 0.0, -0.5, 3057000.0), 100, 200)


@pytest.mark.parametrize(
    ("chip", "model", "factor"),
    [
        (0.132, 0.264, Fraction(2)),
        (0.132, 0.26, Fraction(2)),
        (0.264, 0.264, Fraction(1)),
        (0.30, 0.26, Fraction(1)),
        (0.264, 0.37, Fraction(1)),
        (0.1, 0.25, Fraction(3)),
        (0.6, 0.3, Fraction(1, 2)),
        (0.5, 0.2, Fraction(1, 3)),
    ],
)
def test_imagery_is_brought_to_the_nearest_whole_factor(chip: float, model: float, factor: Fraction) -> None:
    assert decimation(chip, model) == factor


@given(chip=st.floats(0.02, 1), model=st.floats(0.1, 1))
def test_the_resolution_that_comes_out_is_within_half_a_step_of_the_models(chip: float, model: float) -> None:
    try:
        factor = decimation(chip, model)
    except Invalid:
        assert chip > 8 * model
        return
    ratio = float(factor) * chip / model

    assert 0.66 <= ratio <= 1.51
    assert factor.numerator == 1 or factor.denominator == 1


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_a_resolution_that_is_no_distance_is_refused(wrong: float) -> None:
    with pytest.raises(Invalid, match="positive metres"):
        decimation(wrong, 0.3)


def test_imagery_that_is_much_too_coarse_is_refused() -> None:
    with pytest.raises(Invalid, match=r"33 times too coarse .* at most 2.4 m"):
        decimation(10, 0.3)


@given(factor=st.sampled_from([Fraction(2), Fraction(3), Fraction(7), Fraction(1, 2), Fraction(1, 3)]))
def test_a_decimated_grid_keeps_its_corner_and_covers_the_image(factor: Fraction) -> None:
    decimated = GRID.decimated(factor)
    left, bottom, right, top = GRID.bounds
    new_left, new_bottom, new_right, new_top = decimated.bounds
    pixel = 0.5 * float(factor)

    assert (new_left, new_top) == (left, top)
    assert right <= new_right + 1e-6 < right + pixel + 1e-5
    assert bottom - pixel - 1e-5 < new_bottom - 1e-6 <= bottom
    assert decimated.width == math.ceil(200 / factor)


def test_a_window_lies_where_its_pixels_do() -> None:
    window = GRID.window(10, 20, 30, 40)

    assert window.bounds == (354010.0, 3056980.0, 354030.0, 3056995.0)


def test_a_tilted_grid_has_the_resolution_of_its_pixels() -> None:
    turn = math.radians(30)
    cos, sin = 0.3 * math.cos(turn), 0.3 * math.sin(turn)

    tilted = Grid("EPSG:32645", (cos, sin, 354000.0, sin, -cos, 3057000.0), 100, 100)

    assert tilted.gsd_m == pytest.approx(0.3, rel=1e-3)


@given(latitude=st.floats(-84, 84), size_m=st.floats(0.02, 0.8), model=st.sampled_from([0.15, 0.3, 0.5, 1.0]))
def test_a_factor_for_each_axis_makes_pixels_in_degrees_square_at_any_latitude(
    latitude: float, size_m: float, model: float
) -> None:
    step = size_m / 111_195
    grid = Grid("EPSG:4326", (step, 0.0, 25.0, 0.0, -step, latitude), 64, 64)

    each = factors(grid, model, "each-axis")

    made = grid.decimated(each)
    across, down = made.pixel_size_m
    assert 0.9 < across / down < 1.12
    assert factors(grid, model, "mean") == Factors.of(decimation(grid.gsd_m, model))


def test_pixels_that_are_square_have_one_factor_by_either_rule() -> None:
    assert factors(GRID, 0.9, "each-axis") == factors(GRID, 0.9, "mean") == Factors.of(Fraction(2))


def test_mercator_metres_are_not_taken_for_metres_on_the_ground() -> None:
    tile = Grid("EPSG:3857", TILE.transform(256, 256), 256, 256)

    assert TILE.width_m / 256 == pytest.approx(0.2986, abs=1e-4)
    assert tile.gsd_m == pytest.approx(0.2646, abs=1e-3)


def test_points_without_a_place_in_a_system_become_infinite_and_unknown_systems_are_refused() -> None:
    x, _ = reproject("EPSG:4326", "EPSG:3857", np.array([10.0]), np.array([95.0]))
    assert not np.isfinite(x).all()

    with pytest.raises(Invalid, match="Reproject the data first"):
        reproject("EPSG:999999", "EPSG:4326", np.array([1.0]), np.array([1.0]))
