"""Labels that are checked with a published model: what it sees, and which models are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import shapely
from pystac import Item

from fair_models import prechecks
from fair_models.catalog import validation
from fair_models.catalog.items.dataset import LABEL_REPORT, LEFT_OUT
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.images import chip_files, chips, tiles
from fair_models.errors import Invalid, NotFound
from fair_models.params import IngestDatasetParams
from fair_models.publishing.datasets import ingest
from fair_models.publishing.register.register import register_base_model
from fair_models.store.local import LocalStore
from fair_models.types import DATASETS
from tests.publishing import tiny_contribution

SIZE_PX = 64
CORNER = tiles.Tile(386690, 220241, 19)
ROOFS = ((8, 8, 20, 18), (34, 10, 50, 26), (12, 36, 24, 54), (40, 40, 56, 52))
"""Left, top, right, bottom in pixels of a chip."""


def red_roofs(folder: Path) -> Path:
    """Six chips of green ground with four red roofs each, and labels of all of them."""
    rng, features = np.random.default_rng(0), []
    for number in range(6):
        tile = tiles.Tile(CORNER.x + number % 3, CORNER.y + number // 3, CORNER.z)
        pixels = rng.integers(0, 20, (SIZE_PX, SIZE_PX, 3)) + np.array([60, 120, 60])
        for left, top, right, bottom in ROOFS:
            pixels[top:bottom, left:right] = (190, 60, 50)
        chip_files.write(folder / f"{tile.name}.tif", tile, pixels.astype(np.uint8))
    for chip in chips.find(folder):
        for left, top, right, bottom in ROOFS:
            x, y = chip.grid.places(np.array([left, right]), np.array([bottom, top]))
            shape = shapely.box(x[0], y[0], x[1], y[1])
            features.append({"chip": chip.name, "shape": orjson.loads(shapely.to_geojson(shape))})
    write_labels(folder, features)
    return folder


def write_labels(folder: Path, features: list[dict[str, Any]]) -> None:
    document = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {"chip": each["chip"]}, "geometry": each["shape"]}
            for each in features
        ],
    }
    (folder / "labels.geojson").write_bytes(orjson.dumps(document))


def without(folder: Path, names: set[str]) -> None:
    document = orjson.loads((folder / "labels.geojson").read_bytes())
    document["features"] = [each for each in document["features"] if each["properties"]["chip"] not in names]
    (folder / "labels.geojson").write_bytes(orjson.dumps(document))


@pytest.fixture
def roofs(tmp_path: Path) -> Path:
    return red_roofs(tmp_path / "chips")


@pytest.fixture
def model(tmp_path: Path, catalog: LocalCatalog, store: LocalStore) -> Item:
    """A base model that finds what is red."""
    import torch

    from fair_models.ml_tasks import weights

    folder = tiny_contribution.write(tmp_path / "contribution")
    network = tiny_contribution.network(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network[0].weight[0, 0, 1, 1], network[0].weight[0, 1, 1, 1] = 1.0, -1.0
        network[2].weight[1, 0, 1, 1], network[2].bias[1] = 40.0, -5.0
    weights.save(network, folder / "weights" / "initial.safetensors")
    tiny_contribution.write_item(folder)
    return register_base_model(str(folder), catalog, store)


def asked(folder: Path, **more: Any) -> IngestDatasetParams:
    fields = {"name": "red-roofs", "title": "Red roofs", "chips": str(folder), "check_with": "tiny", **more}
    return IngestDatasetParams.model_validate(fields)


def test_a_model_finds_what_lacks_on_chips_too_few_to_learn_from(
    roofs: Path, model: Item, catalog: LocalCatalog, store: LocalStore
) -> None:
    names = sorted(path.stem for path in roofs.glob("*.tif"))
    without(roofs, set(names[:2]))
    notes: list[str] = []

    item = ingest(asked(roofs, leave_out=["doubtful"]), catalog, store, note=notes.append)

    said = item.properties[LABEL_REPORT]
    assert said["checked_with"] == model.id == "tiny-v1"
    assert said["chips"] == {"missing_labels": 2}
    assert set(item.properties[LEFT_OUT]["chips"]) == set(names[:2])
    assert any("objects are to be seen that no label covers" in each for each in notes)
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    report = orjson.loads(Path(item.assets["label-report"].href).read_bytes())
    bare = next(each for each in report["chips"] if each["chip"] == names[0])
    share = sum((right - left) * (bottom - top) for left, top, right, bottom in ROOFS) / SIZE_PX**2
    assert bare["expected_share"] == pytest.approx(share, rel=0.15)
    assert bare["labelled_share"] == 0


def test_a_model_sees_nothing_on_bare_ground(
    roofs: Path, model: Item, catalog: LocalCatalog, store: LocalStore
) -> None:
    chip = chips.find(roofs)[4]
    assert chip.tile is not None
    chip_files.write(chip.path, chip.tile, np.full((SIZE_PX, SIZE_PX, 3), (60, 120, 60), np.uint8))

    item = ingest(asked(roofs), catalog, store)
    assert item.properties[LABEL_REPORT]["chips"] == {"nothing_there": 1}


def test_labels_that_lack_everywhere_are_found_too(
    roofs: Path, model: Item, catalog: LocalCatalog, store: LocalStore
) -> None:
    """No learning from the labels could tell: three of four are missing on every chip."""
    document = orjson.loads((roofs / "labels.geojson").read_bytes())
    document["features"] = document["features"][::4]
    (roofs / "labels.geojson").write_bytes(orjson.dumps(document))

    item = ingest(asked(roofs), catalog, store)
    assert item.properties[LABEL_REPORT]["chips"] == {"missing_labels": 6}


def test_the_same_model_again_is_no_new_version_and_none_is(
    roofs: Path, model: Item, catalog: LocalCatalog, store: LocalStore
) -> None:
    first = ingest(asked(roofs), catalog, store)
    assert ingest(asked(roofs, check_with="base-models/tiny-v1"), catalog, store).id == first.id
    assert ingest(asked(roofs, check_with=None), catalog, store).id == "red-roofs-v2"


@pytest.mark.parametrize("check", [prechecks.check, lambda params, catalog: ingest(params, catalog, None)])
def test_models_that_do_not_fit_are_refused_before_anything_is_read(
    check: Any, roofs: Path, model: Item, catalog: LocalCatalog
) -> None:
    with pytest.raises(NotFound, match=r"There is no tinny.*did you mean tiny"):
        check(asked(roofs, check_with="tinny"), catalog)
    with pytest.raises(Invalid, match=r"check_with: tiny-v1 segments building, the labels are road, tree"):
        check(asked(roofs, classes=["road=highway=*", "tree=natural=tree"]), catalog)
    assert list(catalog.search(DATASETS)) == []


def test_imagery_that_is_too_coarse_for_the_model_is_refused_with_the_reason(
    tmp_path: Path, model: Item, catalog: LocalCatalog, store: LocalStore
) -> None:
    tile = tiles.Tile(CORNER.x // 32, CORNER.y // 32, 14)
    folder = tmp_path / "coarse"
    for number in range(4):
        beside = tiles.Tile(tile.x + number, tile.y, tile.z)
        chip_files.write(folder / f"{beside.name}.tif", beside, np.full((64, 64, 3), 90, np.uint8))
    shapes = [chip.grid.footprint.buffer(-0.004) for chip in chips.find(folder)]
    write_labels(
        folder, [{"chip": "x", "shape": orjson.loads(shapely.to_geojson(shape))} for shape in shapes]
    )

    with pytest.raises(Invalid, match=r"check_with: tiny-v1 cannot look at the chips: .* too coarse"):
        ingest(asked(folder, zoom=14), catalog, store)
    assert list(catalog.search(DATASETS)) == []
