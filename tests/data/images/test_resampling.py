from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fair_models.data.images import chips
from fair_models.data.images.grid import Factors
from fair_models.data.images.resampling import read_at, resample
from fair_models.errors import Invalid
from tests.data.messy import jpeg_named_tif, rgba

ALL = np.ones((4, 6), dtype=bool)


@given(pixels=arrays(np.uint8, (3, 12, 18)), times=st.sampled_from([2, 3, 6]))
def test_averaging_is_the_mean_of_each_square(pixels: np.ndarray, times: int) -> None:
    means, valid = resample(pixels, np.ones((12, 18), bool), Fraction(times))

    expected = pixels.reshape(3, 12 // times, times, 18 // times, times).mean(axis=(2, 4))
    assert np.abs(means - expected).max() <= 0.5
    assert valid.all()


@given(
    down=st.sampled_from([Fraction(1), Fraction(2), Fraction(1, 2), Fraction(3, 2), Fraction(4, 5)]),
    across=st.sampled_from([Fraction(1), Fraction(3), Fraction(7, 5), Fraction(1, 3), Fraction(5, 7)]),
)
def test_a_factor_for_each_axis_keeps_what_is_where(down: Fraction, across: Fraction) -> None:
    rows, columns = np.mgrid[0:70, 0:105]
    pixels = np.stack([2 * rows, 2 * columns, 0 * rows + 99]).astype(np.uint8)

    made, valid = resample(pixels, np.ones((70, 105), bool), Factors(across, down))

    assert valid.all()
    assert made.shape == (3, -(-70 // down), -(-105 // across))
    middles = (np.arange(made.shape[1]) + 0.5) * float(down) * 2 - 1
    assert np.abs(made[0, 2:-2, 5] - middles[2:-2]).max() <= 1 + 2 * max(1, float(1 / down)) / 2
    middles = (np.arange(made.shape[2]) + 0.5) * float(across) * 2 - 1
    assert np.abs(made[1, 5, 2:-2] - middles[2:-2]).max() <= 1 + 2 * max(1, float(1 / across)) / 2
    assert (made[2] == 99).all()


def test_a_square_that_reaches_beyond_the_image_is_made_of_what_it_has() -> None:
    pixels = np.full((3, 5, 6), 200, dtype=np.uint8)

    means, valid = resample(pixels, np.ones((5, 6), bool), Fraction(2))

    assert means.shape == (3, 3, 3)
    assert (means == 200).all()
    assert valid.all()


def test_a_square_with_less_than_half_of_an_image_is_not_valid() -> None:
    pixels = np.full((3, 4, 4), 90, dtype=np.uint8)

    means, valid = resample(pixels, np.ones((4, 4), bool), Fraction(3))

    assert valid.tolist() == [[True, False], [False, False]]
    assert means[0].tolist() == [[90, 0], [0, 0]]


def test_transparent_pixels_weigh_nothing() -> None:
    pixels = np.zeros((3, 2, 4), dtype=np.uint8)
    pixels[:, :, 1] = 100
    valid = np.array([[False, True, False, False]] * 2)

    means, mostly = resample(pixels, valid, Fraction(2))

    assert means[0].tolist() == [[100, 0]]
    assert mostly.tolist() == [[True, False]]


@pytest.mark.parametrize("resampling", ["average", "bilinear", "nearest"])
@pytest.mark.parametrize("factor", [Fraction(2), Fraction(3), Fraction(1, 2), Fraction(1, 3)])
def test_nothing_is_shifted(resampling: str, factor: Fraction) -> None:
    """A linear ramp stays the same ramp, at the middles of the new pixels."""
    columns = 4 * np.arange(60) + 2
    pixels = np.broadcast_to(columns.astype(np.uint8), (3, 12, 60)).copy()

    resampled, _ = resample(pixels, np.ones((12, 60), bool), factor, resampling)

    middles = 4 * (np.arange(resampled.shape[2]) + 0.5) * float(factor)
    tolerance = 1.01 if resampling != "nearest" else 4 * max(1, float(factor)) / 2 + 0.5
    assert np.abs(resampled[0, 0, 3:-3] - middles[3:-3]).max() <= tolerance


def test_a_factor_of_one_changes_nothing() -> None:
    pixels = np.arange(72, dtype=np.uint8).reshape(3, 4, 6)

    assert resample(pixels, ALL, Fraction(1))[0] is pixels


def test_an_unknown_resampling_is_refused() -> None:
    with pytest.raises(Invalid, match="use average, bilinear, nearest"):
        resample(np.zeros((3, 4, 6), np.uint8), ALL, Fraction(2), "cubic")


def test_a_chip_is_read_at_the_resolution_of_a_model(tmp_path: Path) -> None:
    view = read_at(chips.describe(jpeg_named_tif(tmp_path)), 0.26)

    assert view.pixels.shape == (3, 256, 256)
    assert view.grid.gsd_m == pytest.approx(0.264, abs=0.001)


def test_transparency_follows_the_resolution(tmp_path: Path) -> None:
    view = read_at(chips.describe(rgba(tmp_path)), 0.53)

    assert view.valid.shape == (128, 128)
    assert not view.valid[:, :32].any()
    assert view.valid[:, 32:].all()
    assert not view.pixels[:, :, :32].any()
