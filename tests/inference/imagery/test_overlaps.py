"""Ground that several chips show counts once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from fair_models.data.images import tiles
from fair_models.errors import InvalidImagery
from fair_models.imagery_rules import CURRENT, OLD
from fair_models.inference.imagery.overlaps import settle
from fair_models.inference.imagery.reading import open_imagery
from fair_models.inference.imagery.sources.opening import open_source
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.inference.network.session import Session
from fair_models.inference.parts import Scores
from fair_models.inference.prediction import PredictionResult, predict
from tests.inference.tiny import (
    CORNER,
    Brightness,
    EverythingIsABuilding,
    Input,
    blobs,
    grey,
    request_for,
    write_geotiff,
    write_png_chip,
)

UTM = "EPSG:32645"
WEST, NORTH = 353_000.0, 3_057_000.0


def write_zoom(folder: Path, zoom: int, scene: Any, columns: int = 2, rows: int = 2) -> int:
    """The tiles of one zoom over the ground of `columns` x `rows` tiles of zoom 19, 256 px each."""
    from PIL import Image

    times = 2 ** (zoom - 19)
    height, width = 256 * rows * times, 256 * columns * times
    whole = np.asarray(Image.fromarray(scene[0]).resize((width, height), Image.Resampling.BICUBIC))
    for row in range(rows * times):
        for column in range(columns * times):
            part = whole[row * 256 : row * 256 + 256, column * 256 : column * 256 + 256]
            tile = tiles.Tile(CORNER.x * times + column, CORNER.y * times + row, zoom)
            write_png_chip(folder, tile, np.repeat(part[None], 3, axis=0))
    return rows * columns * times**2


def shapes_of(result: PredictionResult) -> list[Any]:
    document = json.loads((result.folder / "predictions.geojson").read_text())
    return [shapely.geometry.shape(feature["geometry"]) for feature in document["features"]]


def once(result: PredictionResult) -> bool:
    shapes = shapes_of(result)
    return sum(shape.area for shape in shapes) == pytest.approx(shapely.union_all(shapes).area, rel=1e-6)


@pytest.fixture(scope="module")
def layout_of_fair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same ground at zooms 19, 20 and 21 in one folder."""
    folder = tmp_path_factory.mktemp("fair") / "input"
    scene = blobs(512, 512)
    for zoom in (19, 20, 21):
        write_zoom(folder, zoom, scene)
    return folder


@pytest.mark.parametrize(("gsd_m", "best"), [(0.2646, 19), (0.14, 20), (0.06, 21)])
def test_of_several_zooms_of_the_same_ground_the_one_nearest_to_the_model_counts(
    layout_of_fair: Path, tmp_path: Path, network: Session, gsd_m: float, best: int
) -> None:
    result = predict(request_for(layout_of_fair, tmp_path / "out", network, input=Input(gsd_m=gsd_m)))

    assert once(result)
    assert sum(result.counts.values()) > 5
    assert result.image_count == 4 * 4 ** (best - 19)
    said = result.item["properties"]["fair:zooms"]
    assert said["best"] == best
    assert said["used"] == {str(best): result.image_count}
    assert sum(said["left_out"].values()) == 4 + 16 + 64 - result.image_count
    assert "were left out, so that ground counts once" in result.notes[0]


def test_models_of_before_predict_every_chip(layout_of_fair: Path) -> None:
    with open_imagery(layout_of_fair, Input(), rules=OLD) as imagery:
        assert imagery.image_count == 4 + 16 + 64
        assert imagery.facts() == {}


def test_the_zoom_that_is_asked_for_is_used(layout_of_fair: Path) -> None:
    with open_source(parse_source(layout_of_fair), Input(), zoom=20) as imagery:
        assert imagery.image_count == 16
        assert {
            chip.chip.tile.z for block in imagery.blocks for chip in block.native.chips if chip.chip.tile
        } == {20}
    with pytest.raises(InvalidImagery, match=r"no chip of zoom 18, only of 19 \(4 chips\), 20 \(16 chips\)"):
        open_source(parse_source(layout_of_fair), Input(), zoom=18)


def test_where_the_best_zoom_has_no_chips_another_one_counts(tmp_path: Path, network: Session) -> None:
    write_zoom(tmp_path / "in", 19, grey(512, 512), columns=2, rows=2)
    write_zoom(tmp_path / "in", 20, grey(256, 384), columns=2, rows=1)
    for path in (tmp_path / "in").glob("OAM-*-20.png"):
        if tiles.parse(path.stem).x >= 2 * CORNER.x + 3:  # type: ignore[union-attr]
            path.unlink()
    request = request_for(
        tmp_path / "in",
        tmp_path / "out",
        network,
        processing=EverythingIsABuilding(),
        input=Input(gsd_m=0.14),
    )

    result = predict(request)

    assert once(result)
    assert result.item["properties"]["fair:zooms"]["left_out"] == {"19": 1}
    ground = shapely.geometry.shape(result.item["geometry"])
    assert shapely.union_all(shapes_of(result)).area == pytest.approx(ground.area, rel=0.01)


@settings(
    deadline=None,
    max_examples=12,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    offsets=st.lists(
        st.tuples(st.floats(-20, 20), st.floats(-20, 20), st.floats(0, 1), st.sampled_from([0.2, 0.26, 0.5])),
        min_size=2,
        max_size=4,
    )
)
@example(offsets=[(0.0, 0.0, 0.0, 0.2), (0.0, 0.0, 0.5, 0.2)])
def test_overlapping_chips_of_any_place_turn_and_size_count_once(
    tmp_path_factory: pytest.TempPathFactory,
    network: Session,
    offsets: list[tuple[float, float, float, float]],
) -> None:
    folder = tmp_path_factory.mktemp("drone")
    for number, (x, y, turn, size) in enumerate(offsets):
        transform = (
            Affine.translation(WEST + x, NORTH + y) * Affine.rotation(90 * turn) * Affine.scale(size, -size)
        )
        (folder / "in").mkdir(exist_ok=True)
        with rasterio.open(
            folder / "in" / f"{number}.tif",
            "w",
            driver="GTiff",
            height=96,
            width=128,
            count=3,
            dtype="uint8",
            crs=UTM,
            transform=transform,
        ) as file:
            file.write(grey(96, 128))
    request = request_for(folder / "in", folder / "out", network, processing=EverythingIsABuilding())

    result = predict(request)

    assert once(result)
    ground = shapely.geometry.shape(result.item["geometry"])
    assert shapely.union_all(shapes_of(result)).area == pytest.approx(ground.area, rel=0.08)


def test_what_a_better_chip_has_no_imagery_of_is_taken_from_another(tmp_path: Path, network: Session) -> None:
    write_geotiff(tmp_path / "in" / "coarse.tif", grey(100, 100), UTM, (WEST, NORTH), 0.5)
    fine = grey(200, 200)
    fine[:, :, :80] = 0
    write_geotiff(tmp_path / "in" / "fine.tif", fine, UTM, (WEST, NORTH), 0.25, nodata=0)
    request = request_for(tmp_path / "in", tmp_path / "out", network, processing=EverythingIsABuilding())

    result = predict(request)

    assert once(result)
    assert result.area_m2 == pytest.approx(50 * 50, rel=0.02)
    assert result.image_count == 2


class AllBuilt(Brightness):
    def postprocess(self, outputs: Any, window: Any, params: Any) -> Any:
        return [Scores({"building": 0.9})]


def test_images_that_are_judged_as_wholes_are_judged_once(
    layout_of_fair: Path, tmp_path: Path, network: Session
) -> None:
    for name, offset in (("a", 0.0), ("b", 3.1), ("c", 40.0)):
        write_geotiff(tmp_path / "in" / f"{name}.tif", grey(128, 128), UTM, (WEST + offset, NORTH), 0.25)
    one, two = (
        predict(
            request_for(
                folder,
                tmp_path / name,
                network,
                processing=AllBuilt(),
                task="classification",
                input=Input(size_px=128),
            )
        )
        for folder, name in ((layout_of_fair, "one"), (tmp_path / "in", "two"))
    )

    assert one.counts["building"] == 4
    assert two.counts["building"] == 2


def test_chips_of_one_zoom_are_all_used_and_nothing_is_said(tmp_path: Path) -> None:
    write_zoom(tmp_path / "in", 19, grey(512, 512))

    with open_imagery(tmp_path / "in", Input()) as imagery:
        assert imagery.image_count == 4
        assert imagery.facts() == {}
        assert list(imagery.warnings()) == []
        chips = [placed.chip for block in imagery.blocks for placed in block.native.chips]
    assert settle(chips, 0.3).scored == {chip.name for chip in chips}
    assert all(chip.rules == CURRENT for chip in chips)
