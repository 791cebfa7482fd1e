"""The raster of features' numbers, against the features."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.features import rasterize

from fair_models.data.vectors import geojson
from fair_models.errors import Invalid
from fair_models.inference.imagery.reading import open_imagery
from fair_models.inference.instances import growth
from fair_models.inference.network.session import Session
from fair_models.inference.outlines.features import Features, concatenate
from fair_models.inference.prediction import PredictionResult, predict
from fair_models.inference.shards.sharding import sharded
from fair_models.inference.writing import number_rasters
from fair_models.inference.writing.geoparquet import features_in
from fair_models.store.local import LocalStore
from fair_models.types import Array
from tests.inference.test_streaming import UTM, UTM_CORNER, chips_with_gaps
from tests.inference.test_telling_apart import CLASSES, PIXEL_M, asked, copy_of, expected
from tests.inference.tiny import quarter, request_for, write_geotiff

SIZE = 700, 900
FORMATS = ["geoparquet", "instances", "classes"]


def numbers_of(result: PredictionResult, name: str = "instances.tif") -> Array:
    with rasterio.open(result.folder / name) as file:
        return np.asarray(file.read(1))


def test_pixels_have_the_ids_of_their_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn in several pieces, of features in several row groups."""
    monkeypatch.setattr(number_rasters, "_COLUMNS", 300)
    monkeypatch.setattr("fair_models.inference.writing.geoparquet.ROWS_PER_GROUP", 40)
    image = quarter(*SIZE, seed=4)
    path = write_geotiff(tmp_path / "town.tif", image, UTM, UTM_CORNER, PIXEL_M)
    params = {"simplify_m": 0, "min_area_m2": 0}

    result = predict(asked(path, tmp_path, copy_of(tmp_path, 128), params=params, formats=FORMATS))

    found = numbers_of(result)
    assert found.dtype == np.uint32
    assert (growth.in_order(found.astype(np.int64)) == expected(image)).all()
    features = all_features(result)
    with rasterio.open(result.folder / "classes.tif") as file:
        classes = file.read(1)
    assert (classes == np.append(0, features.classes)[found]).all()


def all_features(result: PredictionResult) -> Features:
    return concatenate(list(features_in(result.folder / "predictions.parquet", CLASSES)))


def test_numbers_are_those_of_the_vector_file_after_others_were_left_out(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "town.tif", quarter(*SIZE), UTM, UTM_CORNER, PIXEL_M)
    session = copy_of(tmp_path)
    everything = predict(asked(path, tmp_path / "one", session, formats=["geojson"]))
    mapped = tmp_path / "mapped.geojson"
    half = geojson_of(everything)[::2]
    mapped.write_text(shapely.to_geojson(shapely.geometrycollections(half)))

    result = predict(asked(path, tmp_path / "two", session, formats=["geojson", "instances"], exclude=mapped))

    found, left = numbers_of(result), geojson_of(result)
    assert result.excluded > 50
    assert found.max() == len(left)
    with rasterio.open(result.folder / "instances.tif") as file:
        for number in (1, len(left) // 2, len(left)):
            point = left[number - 1].representative_point()
            ((value,),) = file.sample(
                zip(*rasterio.warp.transform("EPSG:4326", file.crs, [point.x], [point.y]), strict=True)
            )
            assert value == number


def geojson_of(result: PredictionResult) -> list[shapely.Geometry]:
    read = geojson.features(result.folder / "predictions.geojson")
    return [shapely.geometry.shape(each["geometry"]) for each in read]


def test_each_block_has_a_raster_and_no_imagery_is_no_data(tmp_path: Path, network: Session) -> None:
    chips = chips_with_gaps(tmp_path / "chips")

    result = predict(
        request_for(chips, tmp_path / "out", network, formats=["geoparquet", "instances", "classes"])
    )

    names = [file.name for file in result.files if file.key.startswith("instances")]
    assert names == ["instances-1.tif", "instances-2.tif"]
    largest = []
    for name in names:
        found, path = numbers_of(result, name), result.folder / name.replace("instances", "classes")
        with rasterio.open(path) as file, rasterio.open(result.folder / name) as numbered:
            classes = file.read(1)
            assert (numbered.crs, numbered.transform) == (file.crs, file.transform)
            assert numbered.nodata == number_rasters.NO_DATA
        assert ((found == number_rasters.NO_DATA) == (classes == 255)).all()
        assert ((found > 0) == (classes > 0)).all()
        largest.append(found[found < number_rasters.NO_DATA].max())
    assert largest[0] < largest[1] == sum(result.counts.values())


def test_the_asset_says_what_the_numbers_are(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "town.tif", quarter(600, 600), UTM, UTM_CORNER, PIXEL_M)

    result = predict(asked(path, tmp_path, copy_of(tmp_path), formats=["geojson", "instances"]))

    asset = result.item["assets"]["instances"]
    assert asset["roles"] == ["data"]
    assert asset["data_type"] == "uint32"
    assert asset["nodata"] == 4294967295
    assert asset["description"].startswith("id of the feature")
    assert asset["file:checksum"].startswith("1220")
    assert sorted(path.name for path in result.folder.iterdir()) == [
        "instances.tif",
        "predict.yaml",
        "prediction.json",
        "predictions.geojson",
    ]
    with rasterio.open(result.folder / "instances.tif") as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.overviews(1) == [2]


def test_shards_give_the_same_raster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fair_models.inference.windowing.plan.MIN_SHARD_PX", 64 * 64 * 9)
    path = write_geotiff(tmp_path / "town.tif", quarter(300, 300), UTM, UTM_CORNER, PIXEL_M)
    session = copy_of(tmp_path, 64)
    one = predict(asked(path, tmp_path / "one", session, formats=FORMATS))
    with sharded(
        asked(path, tmp_path / "two", session, formats=FORMATS), LocalStore(tmp_path / "store")
    ) as work:
        two = work.write(lambda step: None)

    assert [file.checksum for file in one.files] == [file.checksum for file in two.files]


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("classification", "leave out instances"),
        ("object-detection", "finds boxes or points and says nothing of pixels: leave out instances"),
    ],
)
def test_models_that_give_no_mask_are_refused(
    tmp_path: Path, network: Session, task: str, reason: str
) -> None:
    path = write_geotiff(tmp_path / "town.tif", quarter(60, 60), UTM, UTM_CORNER, PIXEL_M)

    with pytest.raises(Invalid, match=reason):
        predict(request_for(path, tmp_path / "out", network, formats=["instances"], task=task))


def test_polygons_of_two_classes_that_overlap_show_the_later_one(tmp_path: Path) -> None:
    """Rasters agree with drawing the polygons in their order."""
    path = write_geotiff(tmp_path / "town.tif", quarter(*SIZE), UTM, UTM_CORNER, PIXEL_M)
    request = asked(path, tmp_path, copy_of(tmp_path), formats=FORMATS, params={"simplify_m": 1.5})

    result = predict(request)

    with rasterio.open(result.folder / "instances.tif") as file, open_imagery(path, request.input):
        crs, transform, found = file.crs, file.transform, file.read(1)
    features = all_features(result)
    placed = shapely.transform(
        features.geometry, lambda at: np.column_stack(rasterio.warp.transform("EPSG:4326", crs, *at.T))
    )
    drawn = rasterize(
        zip(placed, range(1, len(placed) + 1), strict=True),
        out_shape=found.shape,
        transform=transform,
        dtype="uint32",
    )
    assert (found != drawn).mean() < 1e-5
