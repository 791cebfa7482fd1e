"""Outlines of COCO: polygons and masks in run lengths, as the objects that they are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask
from rasterio.features import rasterize

from fair_models.data.chip_samples import LoadedSamples, load_samples
from fair_models.data.images.chips import Chip
from fair_models.data.ingest import prepare
from fair_models.data.samples import IGNORE
from fair_models.data.splits import Split
from fair_models.data.vectors import coco, coco_outlines
from fair_models.errors import InvalidLabels
from fair_models.ml_tasks.registry import targets_for
from fair_models.params import IngestDatasetParams
from fair_models.store.archive import unpack
from tests.inference.tiny import CORNER, grey, write_png_chip

SIZE = 64
BOX = [0, 0, 9, 9]
HOUSES = [
    [10.2, 10.7, 30.4, 10.7, 30.4, 25.1, 10.2, 25.1],
    [30.4, 10.7, 44.0, 10.7, 44.0, 25.1, 30.4, 25.1],
    [50.0, 40.0, 64.0, 40.0, 64.0, 64.0, 57.0, 58.0, 50.0, 64.0],
]
"""Two houses that share a wall, and one in the corner."""


def drawn(polygon: list[float]) -> np.ndarray:
    shape = shapely.Polygon(np.reshape(polygon, (-1, 2)))
    mask: np.ndarray = rasterize([shape], out_shape=(SIZE, SIZE), dtype=np.uint8)
    return mask


def packed(mask: np.ndarray) -> dict[str, Any]:
    found = coco_mask.encode(np.asfortranarray(mask))
    return {"size": list(found["size"]), "counts": found["counts"].decode()}


def unpacked(mask: np.ndarray) -> dict[str, Any]:
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat])))
    ends = np.concatenate([edges, [len(flat)]])
    return {"size": list(mask.shape), "counts": np.diff(np.concatenate([[0], ends])).tolist()}


@pytest.fixture
def chips(tmp_path: Path) -> Path:
    folder = tmp_path / "chips"
    folder.mkdir()
    for at in range(4):
        write_png_chip(folder, type(CORNER)(CORNER.x + at % 2, CORNER.y + at // 2, 19), grey(SIZE, SIZE))
    return folder


def document(folder: Path, segmentations: list[Any], **more: Any) -> Path:
    names = sorted(path.name for path in folder.iterdir())
    path = folder.parent / "outlines.json"
    annotations = [
        {
            "id": 10 * image + at,
            "image_id": image,
            "category_id": 1,
            "segmentation": each,
            "bbox": [0, 0, 9, 9],
        }
        for image in range(len(names))
        for at, each in enumerate(segmentations)
    ]
    images = [{"id": at, "file_name": name, "width": SIZE, "height": SIZE} for at, name in enumerate(names)]
    content = {
        "images": images,
        "categories": [{"id": 1, "name": "building"}, {"id": 2, "name": "tank"}],
        "annotations": [{**each, **more} for each in annotations],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def ingested(folder: Path, path: Path, work: Path) -> tuple[Any, LoadedSamples]:
    params = IngestDatasetParams.model_validate(
        {"name": "town", "title": "Town", "chips": str(folder), "labels": str(path), "buffer_m": 0}
    )
    prepared = prepare(params, work)
    unpack(prepared.chips, work / "unpacked")
    loaded = load_samples(
        work / "unpacked",
        prepared.labels,
        Split.read(prepared.split),
        ["background", "building"],
        size_px=SIZE,
        gsd_m=prepared.gsd_m or 0,
        resampling="average",
        targets=targets_for("semantic-segmentation"),
    )
    return prepared, loaded


def test_polygons_and_masks_give_the_same_objects(chips: Path, tmp_path: Path) -> None:
    masks = [drawn(house) for house in HOUSES]
    forms: dict[str, list[Any]] = {
        "polygons": [[house] for house in HOUSES],
        "packed": [packed(mask) for mask in masks],
        "runs": [unpacked(mask) for mask in masks],
    }

    found = {
        name: ingested(chips, document(chips, each), tmp_path / name)[1].all for name, each in forms.items()
    }

    for samples in found.values():
        assert len(samples) == 4
        assert samples.instances is not None
        assert np.array_equal(samples.instances > 0, np.broadcast_to(sum(masks) > 0, (4, SIZE, SIZE)))
        for instances in samples.instances:
            numbers = [set(np.unique(instances[mask == 1])) for mask in masks]
            assert all(len(each) == 1 for each in numbers)
            assert len(set.union(*numbers)) == len(HOUSES)
    packed_ones, runs = (np.asarray(found[name].instances) for name in ("packed", "runs"))
    assert np.array_equal(packed_ones, runs)


def test_outlines_keep_the_tasks_that_were_asked_for(chips: Path, tmp_path: Path) -> None:
    prepared, _ = ingested(chips, document(chips, [[house] for house in HOUSES]), tmp_path / "work")

    assert prepared.keywords == ()
    assert prepared.label_counts == {"building": 12}
    assert set(prepared.repairs) == {"placed_by_name"}


def test_the_parts_of_an_object_that_is_hidden_in_part_are_counted_one_by_one(
    chips: Path, tmp_path: Path
) -> None:
    _, loaded = ingested(chips, document(chips, [[HOUSES[0], HOUSES[2]]]), tmp_path / "work")

    assert loaded.all.instances is not None
    assert loaded.all.instances[0].max() == 2


def test_the_ground_of_crowds_and_of_boxes_among_outlines_counts_neither_way(
    chips: Path, tmp_path: Path
) -> None:
    path = document(chips, [[house] for house in HOUSES])
    content = json.loads(path.read_text())
    firsts = content["annotations"][::3]
    crowd = np.zeros((SIZE, SIZE), np.uint8)
    crowd[50:, :5] = 1
    content["annotations"] += [{**each, "iscrowd": 1, "segmentation": packed(crowd)} for each in firsts]
    content["annotations"] += [{**each, "segmentation": [], "bbox": [0, 0, 5, 5]} for each in firsts]
    path.write_text(json.dumps(content))

    prepared, loaded = ingested(chips, path, tmp_path / "work")

    assert {name: prepared.repairs[name] for name in ("crowd", "only_box")} == {"crowd": 4, "only_box": 4}
    assert prepared.label_counts == {"building": 12}
    for target in loaded.all.targets:
        assert (target[50:, :5] == IGNORE).all()
        assert (target[:5, :5] == IGNORE).all()
        assert (target == IGNORE).sum() == 14 * 5 + 25


def test_what_cannot_be_used_is_left_out_and_counted(chips: Path, tmp_path: Path) -> None:
    path = document(
        chips,
        [
            [HOUSES[0]],
            [[10, 40, 20, 50, 20, 40, 10, 50]],
            [[-5, 30, 8, 30, 8, 36, -5, 36]],
            [[70, 30, 80, 30, 80, 36, 70, 36]],
            [[1, 1, 2, 2]],
            [[1, 1, 2, 2, 3]],
            [["1", 1, 2, 2, 3, 1]],
            [1, 1, 5, 1, 5, 5],
            "oops",
            {"size": [SIZE, SIZE], "counts": [5, 7]},
            {"size": [SIZE, SIZE - 1], "counts": [SIZE * SIZE - SIZE]},
            {"size": [SIZE, SIZE], "counts": [SIZE * SIZE]},
        ],
    )

    prepared, _ = ingested(chips, path, tmp_path / "work")

    assert prepared.label_counts == {"building": 12}
    assert {name: count for name, count in prepared.repairs.items() if name != "placed_by_name"} == {
        "repaired": 4,
        "clipped": 4,
        "off_image": 4,
        "without_area": 8,
        "malformed": 24,
    }


def test_a_file_whose_outlines_all_are_broken_is_refused(chips: Path, tmp_path: Path) -> None:
    path = document(chips, [{"size": [SIZE, SIZE], "counts": "1"}])

    with pytest.raises(InvalidLabels, match="none of its 4 outlines can be used: 4 polygons"):
        ingested(chips, path, tmp_path / "work")


def test_an_outline_with_too_many_rings_is_refused(tmp_path: Path) -> None:
    chip = Chip(Path("a.tif"), "a", "EPSG:4326", (1e-6, 0, 85.0, 0, -1e-6, 27.0), 256, 256, 3, 0.1)
    dots = np.zeros((256, 256), np.uint8)
    dots[::2, ::2] = 1
    content = {
        "images": [{"id": 1, "file_name": "a.tif"}],
        "categories": [{"id": 1, "name": "building"}],
        "annotations": [{"image_id": 1, "category_id": 1, "segmentation": packed(dots)}],
    }

    path = tmp_path / "outlines.json"
    path.write_text(json.dumps(content))

    with pytest.raises(InvalidLabels, match="16,384 rings"):
        coco.read(path, ["building"], [chip])


@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 1)))
def test_masks_come_back_as_pycocotools_packed_them(mask: np.ndarray) -> None:
    height, width = mask.shape

    for segmentation in (packed(mask), unpacked(mask)):
        outline, happened = coco_outlines.outline(segmentation, height, width)
        if not mask.any():
            assert (outline, happened) == (None, ["without_area"])
            continue
        assert happened == []
        assert outline is not None
        assert outline.is_valid
        assert np.array_equal(rasterize([outline], out_shape=mask.shape, dtype=np.uint8), mask)


@pytest.mark.parametrize("sizes", [(3, 2000), (2000, 3), (700, 900)])
def test_long_runs_come_back(sizes: tuple[int, int]) -> None:
    mask = np.zeros(sizes, np.uint8)
    mask[1:-1, 1:-1] = 1

    outline, _ = coco_outlines.outline(packed(mask), *sizes)

    assert outline is not None
    assert outline.bounds == (1, 1, sizes[1] - 1, sizes[0] - 1)


@given(st.one_of(st.text(max_size=30), st.lists(st.integers(-3, 70), max_size=9), st.none()))
def test_runs_that_do_not_fill_the_image_are_told(counts: Any) -> None:
    outline, happened = coco_outlines.outline({"size": [8, 8], "counts": counts}, 8, 8)

    assert outline is not None or happened in (["malformed"], ["without_area"])
    assert outline is None or 0 < outline.area <= 64
