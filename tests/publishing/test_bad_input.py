"""Bad chips, labels and wishes: each is told with its reason and the next step, and nothing is stored."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import rasterio
from PIL import Image

from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.cli import options
from fair_models.data.synthetic import make_settlement
from fair_models.errors import Invalid
from fair_models.params import FinetuneParams, IngestDatasetParams
from fair_models.publishing.datasets import ingest
from fair_models.store.local import LocalStore
from fair_models.types import DATASETS


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    make_settlement(folder, seed=3, columns=3, rows=2, size_px=64, prediction_columns=0)
    return folder


@pytest.fixture
def chips(drawn: Path, tmp_path: Path) -> Path:
    """Six chips and labels that are right, for a test to break."""
    return Path(shutil.copytree(drawn, tmp_path / "broken")) / "input"


def first(chips: Path) -> Path:
    return min(chips.glob("OAM-*.tif"))


def no_chips(chips: Path) -> None:
    for path in chips.glob("OAM-*"):
        path.unlink()


def cut_off_chip(chips: Path) -> None:
    first(chips).write_bytes(first(chips).read_bytes()[:500])


def no_image(chips: Path) -> None:
    first(chips).write_text("no image")


def nowhere(chips: Path) -> None:
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(chips / "holiday.png")


def in_grey(chips: Path) -> None:
    Image.open(first(chips)).convert("L").save(chips / f"{first(chips).stem}.png")
    first(chips).unlink()


def of_bands(count: int, dtype: str) -> Callable[[Path], None]:
    """Write the first chip anew, with bands that do not say what they are."""

    def write(chips: Path) -> None:
        with rasterio.open(
            first(chips),
            "w",
            driver="GTiff",
            width=64,
            height=64,
            count=count,
            dtype=dtype,
            photometric="minisblack",
        ) as chip:
            chip.write(np.arange(count * 64 * 64, dtype=dtype).reshape(count, 64, 64))

    return write


def one_chip(chips: Path) -> None:
    for path in sorted(chips.glob("OAM-*"))[1:]:
        path.unlink()


def labels_of(geometry: Any, count: int = 1) -> Callable[[Path], None]:
    features = [{"type": "Feature", "properties": {}, "geometry": geometry}] * count

    def write(chips: Path) -> None:
        document = {"type": "FeatureCollection", "features": features}
        (chips / "labels.geojson").write_bytes(orjson.dumps(document))

    return write


def no_labels_file(chips: Path) -> None:
    (chips / "labels.geojson").unlink()


def not_finite(chips: Path) -> None:
    (chips / "labels.geojson").write_text('{"type": "FeatureCollection", "features": [NaN]}')


LINE = {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}
FAR = {"type": "Polygon", "coordinates": [[[10, 20], [10.1, 20], [10.1, 20.1], [10, 20]]]}


@pytest.mark.parametrize(
    ("spoil", "thing", "reason", "step"),
    [
        (no_chips, "input", "it holds no image", "put GeoTIFF, JPEG, PNG or WebP chips"),
        (cut_off_chip, "OAM-", "it cannot be decoded", "copy or download it again"),
        (no_image, "OAM-", "it is no image", "convert it or take it away"),
        (nowhere, "holiday.png", "neither a coordinate reference system nor a tile name", "georeference it"),
        (of_bands(2, "uint8"), "OAM-", "it has 2 bands", "gdal_translate -b R -b G -b B"),
        (of_bands(3, "uint16"), "OAM-", "its pixels are uint16", "gdal_translate -ot Byte -scale"),
        (one_chip, "1 chips", "too few", "chips"),
        (no_labels_file, "labels.geojson", "there is no such file", "name the file (labels)"),
        (
            labels_of(None, 0),
            "labels.geojson",
            "it holds no features",
            "into one folder with chips that have",
        ),
        (
            labels_of(LINE),
            "labels.geojson",
            "none of its 1 features is a usable polygon",
            "export the labels",
        ),
        (
            labels_of(FAR),
            "labels.geojson",
            "none of its 1 polygons touches a chip",
            "labels of the same area",
        ),
        (not_finite, "labels.geojson", "it is no JSON", "export the file again"),
    ],
)
def test_bad_chips_and_labels_are_told_and_nothing_is_stored(
    chips: Path,
    catalog: LocalCatalog,
    store: LocalStore,
    spoil: Callable[[Path], None],
    thing: str,
    reason: str,
    step: str,
) -> None:
    spoil(chips)

    with pytest.raises(Invalid) as error:
        ingest(IngestDatasetParams(name="town", title="Town", chips=str(chips)), catalog, store)

    assert [part for part in (thing, reason, step) if part not in str(error.value)] == []
    assert list(catalog.search(DATASETS)) == []
    assert list(store.hrefs()) == []


def test_a_chip_of_one_grey_band_is_taken_and_counted(
    chips: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    in_grey(chips)

    item = ingest(IngestDatasetParams(name="town", title="Town", chips=str(chips)), catalog, store)

    assert item.properties["fair:repairs"]["grey_chips"] == 1
    assert item.properties["fair:chip_count"] == 6


INGEST = {"name": "town", "title": "Town", "chips": "x"}
FINETUNE = {"base_model": "some-base", "dataset": "some-data", "model_name": "some-model"}


@pytest.mark.parametrize(
    ("changes", "thing", "said"),
    [
        ({"name": "../town"}, "name", "does not match"),
        ({"name": "t\u043ewn"}, "name", "does not match"),  # a Cyrillic o
        ({"name": "\uff54own"}, "name", "does not match"),  # a full-width t
        ({"name": "to\u200bwn"}, "name", "does not match"),
        ({"name": "\u202etown"}, "name", "does not match"),
        ({"name": "town\n"}, "name", "does not match"),
        ({"name": "t" * 64}, "name", "should have at most"),
        ({"title": "a/../b"}, "title", "does not match what is allowed: Title for people"),
        ({"title": "Town\n"}, "title", "does not match what is allowed"),
        ({"title": "\u202enwoT"}, "title", "character 1 is U+202E (RIGHT-TO-LEFT OVERRIDE)"),
        ({"title": "To\u200bwn"}, "title", "character 3 is U+200B (ZERO WIDTH SPACE)"),
        ({"title": "T" * 121}, "title", "should have at most"),
        ({"description": "a\u2066b"}, "description", "character 2 is U+2066 (LEFT-TO-RIGHT ISOLATE)"),
        ({"provider": "two\nlines"}, "provider", "does not match what is allowed"),
        ({"classes": ["b\u0443ilding"]}, "classes", "does not match"),
        ({"keywords": ["buil\u0501ing"]}, "keywords", "does not match"),
        ({"license": "none"}, "license", "'none', which is no SPDX identifier or expression; give one such"),
        ({"license": "TODO"}, "license", "'TODO', which is no SPDX identifier"),
        ({"seed": True}, "seed", "should be a whole number"),
        ({"buffer_m": float("nan")}, "buffer_m", "is not a number that JSON has"),
        ({"held_out_ratio": float("inf")}, "held_out_ratio", "is not a number that JSON has"),
        ({"what": 1}, "what", "not known here"),
    ],
)
def test_bad_wishes_are_refused_before_a_run_is_started(
    changes: dict[str, Any], thing: str, said: str
) -> None:
    with pytest.raises(Invalid) as error:
        options.build(IngestDatasetParams, "ingest", INGEST | changes)

    assert thing in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize("title", ["a/b", "\u202eb", "b\u200b", "\ufeffb"])
def test_titles_of_models_are_held_to_the_same(title: str) -> None:
    with pytest.raises(Invalid, match="title"):
        options.build(FinetuneParams, "finetune", FINETUNE | {"title": title})


def test_a_chip_whose_name_contradicts_its_georeference_is_kept_and_counted(
    chips: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    before = ingest(IngestDatasetParams(name="town", title="Town", chips=str(chips)), catalog, store)
    assert "elsewhere" not in before.properties["fair:repairs"]
    for path in chips.glob(f"{first(chips).stem}*"):
        path.rename(path.with_name(path.name.replace(first(chips).stem, "OAM-1234-220241-19")))

    item = ingest(IngestDatasetParams(name="village", title="Town", chips=str(chips)), catalog, store)

    assert item.properties["fair:repairs"]["elsewhere"] == 1
    assert item.bbox == pytest.approx(before.bbox)
