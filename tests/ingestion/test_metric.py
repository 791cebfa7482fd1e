"""Chips on a grid of metres: right pixels in the right place, and the ingest after it works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from fair_models.catalog import validation
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.images import antimeridian, chips
from fair_models.data.images.grid import LONLAT, reproject
from fair_models.errors import Invalid, InvalidImagery
from fair_models.inference.imagery import areas
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.ingestion import cut, metric
from fair_models.ingestion.cut import CutChips
from fair_models.params import IngestDatasetParams
from fair_models.publishing import datasets
from fair_models.store.local import LocalStore
from tests.inference.tile_server import TileServer
from tests.ingestion.test_cut import slope
from tests.ingestion.town import Town


@pytest.fixture
def server(town: Town, tmp_path: Path) -> Iterator[TileServer]:
    with TileServer(tmp_path, town.picture, town.corner).running() as running:
        assert isinstance(running, TileServer)
        yield running


def request(imagery: Path | str | None, area: str | None, **more: Any) -> IngestDatasetParams:
    given = {"name": "town", "title": "Town", "labels": "labels.geojson", "area": area, "grid": "metric"}
    imagery_too = {} if imagery is None else {"imagery": str(imagery)}
    return IngestDatasetParams.model_validate({**given, **imagery_too, **more})


def cut_metric(imagery: Path | str, folder: Path, area: str | None = None, **more: Any) -> CutChips:
    where = None if area is None else areas.read(area)
    return cut.cut(request(imagery, area, **more), parse_source(str(imagery)), where, folder)


def write_slope(
    path: Path, crs: str, place: tuple[float, float], pixel_m: float = 0.2, side_m: float = 230
) -> Path:
    """Imagery whose values say where each pixel lies."""
    x, y = (float(each) for each in reproject(LONLAT, crs, np.array(place[0]), np.array(place[1])))
    size = round(side_m / pixel_m)
    transform = (pixel_m, 0.0, x - side_m / 2, 0.0, -pixel_m, y + side_m / 2)
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "height": size, "width": size, "crs": crs}
    with rasterio.open(path, "w", transform=Affine(*transform), tiled=True, **profile) as image:
        image.write(slope(crs, transform, size, place))
    return path


@pytest.mark.parametrize(
    ("crs", "place", "label", "taken"),
    [
        ("EPSG:32631", (5.4003, 27.5997), "UTM31N", "imagery"),
        ("EPSG:32731", (5.4003, -27.5997), "UTM31S", "imagery"),
        ("EPSG:2056", (7.6, 46.9), "EPSG2056", "imagery"),
        ("EPSG:3857", (5.4003, 27.5997), "UTM31N", "area"),  # its metres are none of the ground
        ("EPSG:3031", (20.0, -71.2), "EPSG3031", "imagery"),  # Antarctica, true at 71 degrees
        ("EPSG:3413", (-45.0, 84.5), "EPSG3413", None),  # its scale is wrong by 2 % there
    ],
)
def test_chips_lie_on_whole_metres_and_show_what_is_there(
    tmp_path: Path, crs: str, place: tuple[float, float], label: str, taken: str | None
) -> None:
    image = write_slope(tmp_path / "slope.tif", crs, place)
    if taken is None:
        with pytest.raises(Invalid, match="UTM goes from 80° south to 84° north"):
            cut_metric(image, tmp_path / "cut", gsd_m=0.25)
        return

    made = cut_metric(image, tmp_path / "cut", gsd_m=0.25)

    assert made.system is not None
    assert (made.system.label, made.system.source, made.zoom) == (label, taken, None)
    found = chips.find(tmp_path / "cut")
    assert len(found) == made.count >= 9
    seen = 0
    for chip in found:
        a, b, left, d, e, top = chip.transform
        assert (a, b, d, e) == (0.25, 0.0, 0.0, -0.25)
        assert left % 64 == top % 64 == 0
        assert chip.name == f"{label}-r{round(top / 64) - 1}-c{round(left / 64)}"
        assert chip.crs == made.system.crs
        assert chip.tile is None
        assert chip.gsd_m == pytest.approx(0.25, rel=0.005)
        pixels, valid = chips.read_with_mask(chip)
        wrong = np.abs(pixels.astype(int) - slope(chip.crs, chip.transform, chip.width, place))[:, valid]
        assert wrong.max() <= 1
        seen += int(valid.sum())
    scale = 1.0 if crs != "EPSG:3857" else np.cos(np.radians(place[1]))
    assert seen * 0.25**2 == pytest.approx((230 * scale) ** 2, rel=0.02)


def test_imagery_on_the_grid_gives_its_pixels_unchanged(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(1, 255, (3, 512, 768), np.uint8)
    transform = Affine(0.5, 0, 128.0 * 5000, 0, -0.5, 128.0 * 24000)
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "height": 512, "width": 768}
    with rasterio.open(tmp_path / "i.tif", "w", crs="EPSG:32645", transform=transform, **profile) as image:
        image.write(pixels)

    made = cut_metric(tmp_path / "i.tif", tmp_path / "cut", gsd_m=0.5)

    assert made.count == 6
    for chip in chips.find(made.folder):
        row, column = (int(part[1:]) for part in chip.name.split("-")[1:])
        y, x = (24000 - row - 1) * 256, (column - 5000) * 256
        np.testing.assert_array_equal(chips.read(chip), pixels[:, y : y + 256, x : x + 256])


def test_tiles_of_a_service_are_brought_onto_the_grid(town: Town, server: TileServer, tmp_path: Path) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")
    of_image = cut_metric(image, tmp_path / "a", town.area(), gsd_m=0.3)
    of_tiles = cut_metric(server.url("{z}/{x}/{y}.png"), tmp_path / "b", town.area(), gsd_m=0.3)

    assert of_tiles.count == of_image.count > 6
    for one, other in zip(chips.find(of_image.folder), chips.find(of_tiles.folder), strict=True):
        assert (one.name, one.transform) == (other.name, other.transform)
        (pixels, valid), (others, inside) = chips.read_with_mask(one), chips.read_with_mask(other)
        both = valid & inside
        assert (valid == inside).mean() > 0.95  # the service has whole tiles around the area
        assert np.abs(pixels.astype(int) - others)[:, both].max() <= 1


@pytest.mark.parametrize(
    ("box", "code"),
    [
        ("84.1,27,84.2,27.1", 32645),
        ("83.9,27,84.05,27.1", 32644),  # two thirds lie in the west
        ("83.95,-1.1,84.1,-1", 32745),
        ("84.1,-0.2,84.2,0.1", 32745),  # over the equator
        ("179.98,-17,-179.9,-16.9", 32701),  # over the antimeridian, most of it in the east
        ("179.9,-17,-179.98,-16.9", 32760),
        ("-180,10,-179.9,10.1", 32601),
        ("179.9,10,180,10.1", 32660),
        ("20,83.9,20.1,84", 32634),
    ],
)
def test_the_zone_with_most_of_the_ground_is_that_of_all(box: str, code: int) -> None:
    assert metric.zone_of(areas.read(box)) == code


@pytest.mark.parametrize("box", ["179.9995,-17.001,-179.9995,-17", "83.9995,27,84.0005,27.001"])
def test_cells_over_the_antimeridian_and_over_two_zones_cover_the_area_once(box: str) -> None:
    ground = areas.read(box)
    system = metric.system_of(None, ground, 0.25, 256)
    cells = metric.cells_of(system, ground, 10_000, "x")

    assert len({cell.name for cell in cells}) == len(cells)
    shares = [antimeridian.cut(cell.outline).intersection(ground.outline).area for cell in cells]
    assert sum(shares) == pytest.approx(ground.outline.area, rel=1e-3)
    assert min(shares) > 0


@pytest.mark.parametrize("box", ["10,84.1,10.1,84.2", "10,-80.2,10.1,-80.1", "10,83.9,10.1,84.1"])
def test_near_the_poles_there_is_no_zone(box: str) -> None:
    with pytest.raises(Invalid, match="UTM goes from 80° south to 84° north"):
        metric.zone_of(areas.read(box))


def test_more_chips_than_allowed_are_refused_with_their_number_before_anything_is_fetched(
    town: Town, server: TileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_MOST_TILES", "40")
    image = town.in_web_mercator(tmp_path / "mosaic.tif")
    with pytest.raises(InvalidImagery, match=r"about [0-9]+ chips of 256 px at 0.1 m, at most 40 are cut"):
        cut_metric(image, tmp_path / "cut", town.area(), gsd_m=0.1)
    with pytest.raises(InvalidImagery, match=r"about [0-9]+ tiles of zoom 20, at most 40"):
        cut_metric(server.url("{z}/{x}/{y}.png"), tmp_path / "cut", town.area(), gsd_m=0.1)
    assert server.asked == []


def test_pixels_much_finer_than_those_of_the_imagery_are_refused(town: Town, tmp_path: Path) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")
    with pytest.raises(Invalid, match=r"13 times too coarse"):
        cut_metric(image, tmp_path / "cut", town.area(1.4), gsd_m=0.02)


def test_an_area_that_is_too_wide_for_one_zone_is_refused() -> None:
    ground = areas.read("80,10,92,10.1")
    system = metric.system_of(None, ground, 1.0, 256)
    with pytest.raises(Invalid, match="too wide for one grid of metres"):
        metric.cells_of(system, ground, 10, "x")


@pytest.mark.parametrize(
    "wrong", [{"zoom": 19}, {"zoom": "resample"}, {"chips": "folder"}, {"grid": "hexagons"}]
)
def test_what_does_not_go_with_a_metric_grid_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"zoom|grid|chips"):
        request(None if "chips" in wrong else "image.tif", None, **wrong)


def test_a_dataset_on_a_grid_of_metres_is_valid_and_can_be_learnt_from(town: Town, tmp_path: Path) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")
    catalog, store = LocalCatalog(tmp_path / "catalog"), LocalStore(tmp_path / "store")
    params = request(image, town.area(), labels=town.labels, license="CC0-1.0", gsd_m=0.3)

    item = datasets.ingest(params, catalog, store)

    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    assert item.properties["fair:chip_grid"] == {
        "kind": "metric",
        "crs": "EPSG:32631",
        "gsd_m": 0.3,
        "crs_of": "area",
    }
    assert item.properties["gsd"] == pytest.approx(0.3, rel=0.005)
    again = datasets.ingest(params, catalog, store)
    assert again.id == item.id
