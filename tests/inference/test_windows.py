"""How blocks are cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fair_models.inference.windows import Rectangle, WindowRule, cut, pad, rule_for


@given(
    height=st.integers(1, 1500),
    width=st.integers(1, 1500),
    size=st.sampled_from([64, 128, 512]),
    margin=st.integers(0, 20),
    fixed=st.booleans(),
)
def test_cores_cover_each_pixel_once_and_windows_give_them_their_margin(
    height: int, width: int, size: int, margin: int, fixed: bool
) -> None:
    rule = WindowRule(size, margin, multiple_px=32, fixed=fixed)
    covered = np.zeros((height, width), int)

    for view in cut(Rectangle(0, 0, height, width), rule, "area"):
        covered[view.core.slices] += 1
        window, core = view.window, view.core
        for start, length, core_start, core_length, whole in (
            (window.row, window.height, core.row, core.height, height),
            (window.column, window.width, core.column, core.width, width),
        ):
            assert start >= 0
            assert core_start == 0 or core_start - start >= margin
            assert core_start + core_length == whole or start + length - core_start - core_length >= margin
            assert length == size if fixed else length <= 2 * size and length % 32 == 0
        assert window.height * window.width <= size**2
        assert view.seen.row + view.seen.height <= height
        assert view.seen.column + view.seen.width <= width

    assert (covered == 1).all()


def test_windows_of_a_large_area_all_have_one_size_and_begin_at_multiples() -> None:
    views = list(cut(Rectangle(0, 0, 2600, 4400), rule_for(None), "area"))

    assert {(view.window.height, view.window.width) for view in views} == {(1024, 1632)}
    assert {view.window.row % 32 for view in views} == {view.window.column % 32 for view in views} == {0}
    assert max(view.seen.row + view.seen.height for view in views) == 2600
    assert max(view.window.row for view in views) == 1600  # 24 rows beyond the area, filled in


@pytest.mark.parametrize(
    ("height", "width", "most"), [(2048, 1536, 1.13), (1024, 1024, 1), (9000, 9000, 1.44)]
)
def test_few_pixels_go_through_the_network_twice(height: int, width: int, most: float) -> None:
    views = cut(Rectangle(0, 0, height, width), rule_for(None), "area")

    assert sum(view.window.height * view.window.width for view in views) <= most * height * width


def test_a_network_of_fixed_size_gets_windows_of_it() -> None:
    views = list(cut(Rectangle(0, 0, 300, 100), rule_for(256), "area"))

    assert {(view.window.height, view.window.width) for view in views} == {(256, 256)}
    assert len(views) == 2


def test_windows_of_an_area_see_nothing_beside_it() -> None:
    (view,) = cut(Rectangle(100, 200, 50, 60), WindowRule(256), "chip")

    assert view.window.height == view.window.width == 64
    assert view.seen == Rectangle(100, 200, 50, 60)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (31, 64)])
def test_padding_reflects_at_the_end_and_keeps_what_is_there(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, *shape), np.uint8)

    padded = pad(pixels, 64, 64)

    assert padded.shape == (3, 64, 64)
    assert (padded[:, : shape[0], : shape[1]] == pixels).all()
    assert np.isin(padded, pixels).all()


def test_a_window_over_a_whole_image_may_be_filled_with_black() -> None:
    filled = pad(np.full((3, 40, 50), 7, np.uint8), 64, 64, "black")

    assert filled.shape == (3, 64, 64)
    assert (filled[:, :40, :50] == 7).all()
    assert filled.sum() == 3 * 40 * 50 * 7
