"""Metres on the ground of pixels and degrees."""

import numpy as np

from fair_models.data.images.grid import WEB_MERCATOR, Grid, degrees_of, to_lonlat


def test_pixels_of_degrees_lie_east_and_south_and_shrink_with_latitude():
    at_60_north = Grid("EPSG:4326", (1e-5, 0.0, 10.0, 0.0, -1e-5, 60.0), 100, 100)

    (east_of_right, east_of_down), (north_of_right, north_of_down) = at_60_north.axes_m

    assert np.isclose(east_of_right, 0.558, atol=0.002)
    assert np.isclose(north_of_down, -1.114, atol=0.002)
    assert np.allclose([east_of_down, north_of_right], 0, atol=1e-3)


def test_pixels_of_a_turned_grid_lie_along_its_axes():
    turned = Grid(WEB_MERCATOR, (0.0, 0.5, 0.0, 0.5, 0.0, 0.0), 64, 64)  # right is north, down is east

    assert np.allclose(turned.axes_m, [[0, 0.5], [0.5, 0]], atol=0.01)


def test_degrees_of_metres_are_those_of_a_geodesic():
    east, north = degrees_of(np.array([27.6, -60.0]), np.array([3.0, -4.0]), np.array([0.0, 3.0]))

    x, _ = to_lonlat("EPSG:32645", np.array([500000.0, 500003.0]), np.array([3053000.0, 3053000.0]))
    assert np.isclose(east[0], (x[1] - x[0]) * 0.9996, rtol=1e-4)  # scale of UTM
    assert np.isclose(north[0], 0, atol=1e-10)
    assert np.isclose(east[1] * 55_800, -4.0, rtol=0.01)
    assert np.isclose(north[1] * 111_400, 3.0, rtol=0.01)
