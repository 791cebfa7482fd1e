"""Data over the antimeridian is what the same data is elsewhere."""

from pathlib import Path

import numpy as np
import orjson
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from fair_models.data import ingest
from fair_models.data.images import antimeridian, chips, footprint
from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import WEB_MERCATOR, Grid
from fair_models.data.splits import by_area
from fair_models.data.vectors import labels
from fair_models.params import IngestDatasetParams
from tests.data.messy import picture, write_geotiff

PIXEL = 2e-6
"""Degrees: some 0.2 m."""

SIZE_PX = 64


def block(west: float, columns: int, rows: int, south: float = -16.9) -> list[Chip]:
    """Chips side by side in degrees, which go on beyond 180° or begin anew at -180°."""
    found = []
    for column in range(columns):
        for row in range(rows):
            left = float(antimeridian.wrapped(west + column * SIZE_PX * PIXEL))
            top = south + (row + 1) * SIZE_PX * PIXEL
            transform = (PIXEL, 0.0, left, 0.0, -PIXEL, top)
            found.append(
                Chip(
                    path=Path(f"c{column}{row}.tif"),
                    name=f"c{column}{row}",
                    crs="EPSG:4326",
                    transform=transform,
                    width=SIZE_PX,
                    height=SIZE_PX,
                    bands=3,
                    gsd_m=0.2,
                )
            )
    return found


@settings(deadline=None, max_examples=60)
@given(
    columns=st.integers(2, 5),
    rows=st.integers(2, 5),
    offset=st.floats(0, 1),
    seed=st.integers(0, 8),
    buffer_m=st.sampled_from([0.0, 5.0, 20.0]),
)
def test_moving_chips_over_the_antimeridian_changes_nothing_but_their_longitudes(
    columns: int, rows: int, offset: float, seed: int, buffer_m: float
) -> None:
    west = -offset * columns * SIZE_PX * PIXEL
    here, there = block(west, columns, rows), block(west + 180, columns, rows)

    try:
        split = by_area(here, 0.3, seed, buffer_m)
    except Exception as error:
        with pytest.raises(type(error)):
            by_area(there, 0.3, seed, buffer_m)
    else:
        assert by_area(there, 0.3, seed, buffer_m) == split

    left, south, right, north = footprint.bbox(footprint.of(here))
    moved = footprint.bbox(footprint.of(there))
    assert (moved[1], moved[3]) == (south, north)
    assert (moved[0] - left - 180) % 360 == pytest.approx(0, abs=1e-7) or (
        (moved[0] - left - 180) % 360 == pytest.approx(360, abs=1e-7)
    )
    assert (moved[2] - moved[0]) % 360 == pytest.approx(right - left, abs=1e-7)
    shape = shapely.geometry.shape(footprint.geometry(footprint.of(there)))
    assert shape.area == pytest.approx(footprint.of(here).area, rel=1e-4)
    assert shape.bounds[0] >= -180
    assert shape.bounds[2] <= 180


@settings(deadline=None, max_examples=80)
@given(
    west=st.floats(-540, 540),
    width=st.floats(1e-4, 150),
    parts=st.integers(1, 4),
)
def test_cutting_and_joining_give_the_same_shape_again(west: float, width: float, parts: int) -> None:
    step = width / parts
    whole = shapely.union_all(
        [shapely.box(west + at * step, -10, west + at * step + step / 2, 10) for at in range(parts)]
    )

    cut = antimeridian.cut(whole)

    assert cut.bounds[0] >= -180
    assert cut.bounds[2] <= 180
    assert cut.area == pytest.approx(whole.area, rel=1e-6)
    again = shapely.union_all(antimeridian.together(shapely.get_parts([cut])))
    assert again.area == pytest.approx(whole.area, rel=1e-6)
    assert again.bounds[2] - again.bounds[0] == pytest.approx(whole.bounds[2] - whole.bounds[0], abs=1e-6)
    box = antimeridian.bbox([cut])
    assert antimeridian.box(*box).area == pytest.approx(shapely.box(*whole.bounds).area, rel=1e-5)


def test_what_does_not_reach_the_antimeridian_stays_the_same_object() -> None:
    shapes = shapely.box([10.0, -60.0], [0.0, 0.0], [11.0, -59.0], [1.0, 1.0])

    assert antimeridian.normal(shapes) is shapes
    assert antimeridian.cut(shapes[0]) is shapes[0]
    assert antimeridian.near(shapes, 10.0) is shapes
    assert antimeridian.bbox(shapes) == (-60.0, 0.0, 11.0, 1.0)


def test_a_ring_that_jumps_over_the_antimeridian_goes_the_short_way() -> None:
    ring = shapely.Polygon([(179.9, 0), (-179.9, 0), (-179.9, 1), (179.9, 1)])

    made = antimeridian.normal(np.array([ring]))[0]

    assert made.geom_type == "MultiPolygon"
    assert made.area == pytest.approx(0.2)
    assert antimeridian.bbox([made]) == pytest.approx((179.9, 0, -179.9, 1))


def test_boxes_over_the_antimeridian_share_ground_with_those_on_either_side() -> None:
    fiji = (179.0, -17.0, -179.0, -16.0)

    assert antimeridian.share(fiji, (179.5, -16.5, 180.0, -15.0))
    assert antimeridian.share(fiji, (-180.0, -16.5, -179.5, -15.0))
    assert not antimeridian.share(fiji, (-178.0, -17.0, 178.0, -16.0))


@pytest.mark.parametrize("crs", ["EPSG:4326", WEB_MERCATOR, "EPSG:3832", "EPSG:32701"])
def test_a_label_over_the_antimeridian_is_drawn_whole_on_any_grid(crs: str) -> None:
    from pyproj import Transformer

    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(179.9999, -16.9)
    pixel = 2e-6 if crs == "EPSG:4326" else 0.2
    grid = Grid(crs, (pixel, 0.0, x, 0.0, -pixel, y), 100, 100)
    middle = grid.footprint.centroid
    assert grid.footprint.bounds[2] > 180 > grid.footprint.bounds[0]
    label = antimeridian.cut(shapely.box(middle.x - 6e-5, middle.y - 2e-5, middle.x + 6e-5, middle.y + 2e-5))
    known = labels.Labels(np.array([label]), ["building"], [{}])

    mask = labels.rasterise(known, grid.transform, 100, 100, crs, ["background", "building"])

    area = mask.sum() * grid.gsd_m**2
    expected = 12e-5 * np.cos(np.radians(16.9)) * 4e-5 * 111_195**2
    assert area == pytest.approx(expected, rel=0.08)


@pytest.fixture
def taveuni(tmp_path: Path) -> Path:
    """16 chips in four columns over 180° in a Pacific projection, with a label on each."""
    from pyproj import Transformer

    to_map = Transformer.from_crs("EPSG:4326", "EPSG:3832", always_xy=True)
    east, south = to_map.transform(180.0, -16.9)
    features = []
    for column in range(4):
        for row in range(4):
            x, y = east + (column - 2.3) * 51.2, south + row * 51.2
            write_geotiff(
                tmp_path / f"c{column}{row}.tif",
                picture(256, 256),
                "EPSG:3832",
                Affine(0.2, 0, x, 0, -0.2, y + 51.2),
            )
            corners = to_map.transform(
                [x + 10, x + 30, x + 30, x + 10], [y + 10, y + 10, y + 30, y + 30], direction="INVERSE"
            )
            ring = np.column_stack(corners)
            for part in shapely.get_parts([antimeridian.normal(np.array([shapely.Polygon(ring)]))[0]]):
                geometry = orjson.loads(shapely.to_geojson(part))
                features.append({"type": "Feature", "properties": {}, "geometry": geometry})
    (tmp_path / "labels.geojson").write_bytes(
        orjson.dumps({"type": "FeatureCollection", "features": features})
    )
    return tmp_path


def test_a_dataset_over_the_antimeridian_is_described_as_rfc_7946_says(taveuni: Path, tmp_path: Path) -> None:
    params = IngestDatasetParams(name="taveuni", title="Taveuni", chips=str(taveuni))

    made = ingest.prepare(params, tmp_path / "work")

    assert made.bbox is not None
    assert made.geometry is not None
    west, _, east, _ = made.bbox
    assert west > 179.99
    assert east < -179.99
    assert made.geometry["type"] == "MultiPolygon"
    assert not {"touching_no_chip", "over_edge"} & set(made.repairs)


def test_the_west_of_an_area_over_the_antimeridian_is_its_west(taveuni: Path) -> None:
    split = by_area(chips.find(taveuni), 0.25, 1, 10)

    assert split.cut == "west"
    assert split.held_out == ("c00", "c01", "c02", "c03")
    assert split.left_out == ("c10", "c11", "c12", "c13")
