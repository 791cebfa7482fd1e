"""How far labels lie beside the imagery, and where that is not certain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import shapely
from scipy import ndimage

from fair_models.data.images import chips as images
from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import WEB_MERCATOR, Grid
from fair_models.data.label_quality.estimation import Estimator, estimate
from fair_models.data.label_quality.registration import Registration
from fair_models.data.synthetic import make_settlement
from fair_models.data.vectors import labels
from fair_models.data.vectors.labels import Labels
from tests.data.label_quality import offsets
from tests.data.label_quality.offsets import beside, drawn, errors_m, houses

Change = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Town:
    chips: list[Chip]
    labels: Labels

    def estimate(self, known: Labels | None = None, change: Change | None = None) -> Registration:
        """Over the imagery, or over what is made of it; uint8, shape (bands, height, width)."""
        estimator = Estimator(self.chips, self.labels if known is None else known)
        for chip in self.chips:
            pixels, valid = images.read_with_mask(chip)
            estimator.see(chip, pixels if change is None else change(pixels), valid)
        return estimator.registration()


def _town(folder: Path, **settings: object) -> Town:
    make_settlement(folder, prediction_columns=0, **settings)  # type: ignore[arg-type]
    classes = settings.get("classes", ["building"])
    return Town(
        images.find(folder / "input"),
        labels.read(folder / "input" / "labels.geojson", classes),  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return _town(tmp_path_factory.mktemp("town"), seed=1, columns=6, rows=4)


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return _town(tmp_path_factory.mktemp("trees"), seed=5, columns=5, rows=4, classes=["tree"])


@pytest.mark.parametrize(
    ("east_m", "north_m"), [(0, 0), (0.5, 0), (-0.6, 0.8), (3, -4), (-5, 0), (0, 5), (4.6, 2), (7, -6.5)]
)
def test_offsets_of_a_settlement_are_found_to_a_fraction_of_a_pixel(
    town: Town, east_m: float, north_m: float
) -> None:
    found = town.estimate(beside(town.labels, east_m, north_m))

    assert len(found.neighbourhoods) >= 4
    assert len(found.certain) == len(found.neighbourhoods)
    assert errors_m(found, east_m, north_m).max() < 0.3
    assert bool(found.beside) == (np.hypot(east_m, north_m) >= 0.75)


def test_the_estimate_knows_how_true_it_is(town: Town) -> None:
    found = town.estimate(beside(town.labels, 2, 1))

    errors = errors_m(found, 2, 1)
    assert (errors < 4 * np.array([each.error_m for each in found.certain]) + 0.1).all()


def test_each_neighbourhood_has_an_offset_of_its_own(town: Town) -> None:
    x = shapely.get_x(shapely.centroid(town.labels.outlines))
    is_west = x < np.median(x)
    found = town.estimate(beside(town.labels, np.where(is_west, 3.0, 0.0), np.where(is_west, 0.0, -2.0)))

    middle = {chip.name: chip.grid.footprint.centroid.x for chip in town.chips}
    for each in found.beside:
        places = np.array([middle[name] for name in each.chips])
        expected = (3.0, 0.0) if (places < np.median(x)).all() else (0.0, -2.0)
        assert np.hypot(each.east_m - expected[0], each.north_m - expected[1]) < 0.3, each
    assert len({round(each.east_m) for each in found.beside}) == 2


def _blurred(sigma_px: float) -> Change:
    return lambda pixels: ndimage.gaussian_filter(pixels, (0, sigma_px, sigma_px))


def _noise(pixels: np.ndarray) -> np.ndarray:
    return np.random.default_rng(1).integers(90, 110, pixels.shape).astype(np.uint8)


def _clouds(pixels: np.ndarray) -> np.ndarray:
    smooth = ndimage.gaussian_filter(np.random.default_rng(1).normal(0, 1, pixels.shape), (0, 4, 4))
    return (smooth * 1200 + 128).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "change",
    [
        _blurred(12),
        _noise,
        _clouds,
        lambda pixels: pixels[:, ::-1, ::-1],
        lambda pixels: np.full_like(pixels, 80),
        lambda pixels: np.zeros_like(pixels),
    ],
    ids=["blurred", "noise", "clouds", "another place", "flat", "black"],
)
@pytest.mark.parametrize("east_m", [0, 3])
def test_imagery_that_does_not_show_the_labels_is_never_certain(
    town: Town, change: Change, east_m: float
) -> None:
    assert town.estimate(beside(town.labels, east_m, 0), change).certain == []


def _far_off(known: Labels) -> Labels:
    return beside(known, 40, 30)


def _anywhere(known: Labels) -> Labels:
    rng = np.random.default_rng(0)
    return beside(known, *rng.uniform(-30, 30, (2, len(known))))


def _beyond_the_search(known: Labels) -> Labels:
    return beside(known, 9, -9)


def _few(known: Labels) -> Labels:
    return beside(known.select(range(0, len(known), len(known) // 12)), 3, 0)


def _carelessly_drawn(known: Labels) -> Labels:
    rng = np.random.default_rng(0)
    return beside(known, *rng.normal(0, 2.5, (2, len(known))))


def _round(known: Labels) -> Labels:
    middles = shapely.centroid(known.outlines)
    return labels.of_outlines(list(shapely.buffer(middles, 4e-5)))


@pytest.mark.parametrize("change", [_far_off, _anywhere, _beyond_the_search, _few, _carelessly_drawn, _round])
def test_labels_that_fit_nothing_are_never_moved(town: Town, change: Callable[[Labels], Labels]) -> None:
    found = town.estimate(change(town.labels))

    assert found.neighbourhoods
    assert found.beside == []
    assert all(each.why for each in found.neighbourhoods if not each.is_certain)


@pytest.mark.parametrize("grown_m", [-1.5, -1.0, 1.0, 1.5])
def test_labels_that_are_drawn_too_large_or_too_small_are_never_moved(town: Town, grown_m: float) -> None:
    sized = shapely.buffer(town.labels.outlines, grown_m * 1e-5, join_style="mitre")
    found = town.estimate(labels.of_outlines(list(sized[~shapely.is_empty(sized)])))

    assert found.neighbourhoods
    assert found.beside == []


def test_few_labels_say_how_many_are_needed(town: Town) -> None:
    found = town.estimate(_few(town.labels))

    assert {each.is_certain for each in found.neighbourhoods} == {False}
    assert all("at least 20 are needed" in each.why for each in found.neighbourhoods)


@pytest.mark.parametrize("east_m", [0, 2])
def test_crowns_are_never_moved_onto_their_shade(trees: Town, east_m: float) -> None:
    found = trees.estimate(beside(trees.labels, east_m, 0))

    assert found.neighbourhoods
    assert found.certain == []


def test_without_labels_on_chips_there_is_no_neighbourhood(town: Town) -> None:
    found = town.estimate(beside(town.labels, 20_000, 0))

    assert found.neighbourhoods == []
    assert found.note(moved=False) == ""


def test_labels_over_banepa_lie_on_its_roofs_and_moved_ones_are_found(shared_data: Path) -> None:
    chips = images.find(shared_data / "chips")
    known = labels.read(shared_data / "labels.geojson", ["building"])
    as_it_is = estimate(chips, known)
    moved = estimate(chips, beside(known, -2.4, 1.8))

    assert len(as_it_is.certain) > 0.8 * len(as_it_is.neighbourhoods)
    assert as_it_is.beside == []
    assert len(moved.beside) > 0.7 * len(moved.neighbourhoods)
    assert np.median(errors_m(moved, -2.4, 1.8)) < 0.3
    assert errors_m(moved, -2.4, 1.8).max() < 0.75


GRIDS = {
    "degrees at 70° north": Grid("EPSG:4326", (1e-5, 0, 25.0, 0, -4e-6, 70.0), 200, 200),
    "web map at the antimeridian": Grid(WEB_MERCATOR, (0.5, 0, 20037508.34 - 60, 0, -0.5, -2e6), 160, 160),
    "turned by 30°": Grid("EPSG:32645", (0.35, 0.2, 5e5, 0.2, -0.35, 3e6), 200, 200),
    "rows to the north": Grid("EPSG:32645", (0.4, 0, 5e5, 0, 0.4, 3e6), 200, 200),
    "fine pixels": Grid("EPSG:32745", (0.1, 0, 5e5, 0, -0.1, 9e6), 800, 800),
    "coarse pixels": Grid("EPSG:32745", (1.0, 0, 5e5, 0, -1.0, 9e6), 128, 128),
    "large chips": Grid("EPSG:32745", (0.5, 0, 5e5, 0, -0.5, 9e6), 300, 2300),
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_any_reference_system_and_size_of_pixels_gives_metres_east_and_north(grid: Grid) -> None:
    chips = offsets.chips(grid, 2, 3)
    truth = houses(chips, each=60 if grid.width > 1000 else 12)
    found = estimate(chips, beside(truth, 2.5, -1.5), lambda chip: drawn(truth, chip))

    assert found.certain
    assert errors_m(found, 2.5, -1.5).max() < 0.3


def test_imagery_that_is_too_coarse_is_never_certain() -> None:
    chips = offsets.chips(Grid("EPSG:32745", (4.0, 0, 5e5, 0, -4.0, 9e6), 128, 128), 1, 2)
    truth = houses(chips, each=60)

    assert estimate(chips, beside(truth, 3, 0), lambda chip: drawn(truth, chip)).certain == []


def test_what_is_not_known_of_the_evidence_counts_neither_way() -> None:
    chips = offsets.chips(GRIDS["fine pixels"], 2, 3)
    truth = houses(chips)

    def half(chip: Chip) -> np.ndarray:
        shown = drawn(truth, chip)
        shown[:, : chip.width // 2] = np.nan
        return shown

    found = estimate(chips, beside(truth, -2, -2), half)

    assert errors_m(found, -2, -2).max() < 0.3


def test_chips_that_lie_apart_are_different_neighbourhoods() -> None:
    here = offsets.chips(GRIDS["fine pixels"], 1, 2)
    far = Grid("EPSG:32745", (0.1, 0, 5e5 + 1000, 0, -0.1, 9e6), 800, 800)
    chips = [*here, offsets.chip("far", far)]
    truth = houses(chips, each=15)
    found = estimate(chips, truth, lambda chip: drawn(truth, chip))

    assert sorted(sorted(each.chips) for each in found.neighbourhoods) == [["0-0", "0-1"], ["far"]]


def test_chips_in_any_order_give_the_same() -> None:
    chips = offsets.chips(GRIDS["fine pixels"], 2, 3)
    truth = houses(chips)
    known = beside(truth, 1, 1)
    backwards = Estimator(chips, known, any_shape=True)
    for chip in reversed(chips):
        shown = np.rint(drawn(truth, chip) * 255).astype(np.uint8)
        backwards.see(chip, shown[None], np.ones(shown.shape, bool))

    assert backwards.registration().facts(moved=False) == estimate(
        chips, known, lambda chip: drawn(truth, chip)
    ).facts(moved=False)
