import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fair_models.data.chip_samples import load_samples
from fair_models.data.dataset_check import REPAIRS
from fair_models.data.images.chips import Chip
from fair_models.data.ingest import prepare
from fair_models.data.splits import Split
from fair_models.data.vectors import coco, labels
from fair_models.data.vectors.labels import CLASS_PROPERTY
from fair_models.errors import Invalid, InvalidLabels
from fair_models.ml_tasks.detection.targets import listed
from fair_models.ml_tasks.registry import targets_for
from fair_models.params import IngestDatasetParams
from fair_models.store.archive import unpack
from tests.inference.tiny import CORNER, grey, write_jpeg_chip, write_png_chip

BOXES = [(20, 30, 40, 24), (100, 100, 12, 50), (200, 180, 56, 76)]
"""On each chip of 256 px: x, y, width, height. The last one reaches to the corner of the chip."""


def document(names: list[str], boxes: list[tuple[int, ...]] = BOXES, **more: Any) -> dict[str, Any]:
    return {
        "images": [
            {"id": number, "file_name": f"images/{name}", "width": 256, "height": 256}
            for number, name in enumerate(names, start=1)
        ],
        "categories": [{"id": 7, "name": "Building"}, {"id": 8, "name": "swimming pool"}],
        "annotations": [
            {"id": 10 * image + at, "image_id": image, "category_id": 7, "bbox": list(box), "iscrowd": 0}
            for image in range(1, len(names) + 1)
            for at, box in enumerate(boxes)
        ],
        **more,
    }


def write(folder: Path, content: Any) -> Path:
    path = folder / "boxes.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def chips(tmp_path: Path) -> Path:
    """2 x 2 chips of 256 px side by side, placed by file and by name."""
    folder = tmp_path / "chips"
    folder.mkdir()
    for at in range(4):
        tile = type(CORNER)(CORNER.x + at % 2, CORNER.y + at // 2, 19)
        (write_jpeg_chip if at % 2 else write_png_chip)(folder, tile, grey(256, 256))
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix in {".tif", ".png"})


def params(folder: Path, path: Path, **more: Any) -> IngestDatasetParams:
    return IngestDatasetParams.model_validate(
        {"name": "boxes", "title": "Boxes", "chips": str(folder), "labels": str(path), **more}
    )


def test_boxes_come_back_on_the_pixels_that_they_were_drawn_on(chips: Path, tmp_path: Path) -> None:
    path = write(tmp_path, document(names_in(chips)))

    prepared = prepare(params(chips, path), tmp_path / "work")
    unpack(prepared.chips, tmp_path / "unpacked")
    loaded = load_samples(
        tmp_path / "unpacked",
        prepared.labels,
        Split.read(prepared.split),
        ["background", "building"],
        size_px=256,
        gsd_m=prepared.gsd_m or 0,
        resampling="average",
        targets=targets_for("object-detection"),
    )

    assert prepared.repairs.keys() <= {"placed_by_name"}
    assert prepared.label_counts == {"building": 12}
    assert sum(counts["building"] for counts in prepared.class_counts.values()) == 12
    assert len(labels.read(prepared.labels, ["building"], CLASS_PROPERTY)) == 12
    for side in (loaded.train, loaded.held_out):
        for target in side.targets:
            boxes, classes = listed(target)
            assert boxes == pytest.approx(np.array([(x, y, x + w, y + h) for x, y, w, h in BOXES]), abs=0.01)
            assert classes.tolist() == [1, 1, 1]


def test_a_dataset_of_boxes_says_that_it_is_for_detection(chips: Path, tmp_path: Path) -> None:
    path = write(tmp_path, document(names_in(chips)))

    assert prepare(params(chips, path), tmp_path / "a").keywords == [
        "building",
        "object-detection",
        "polygon",
    ]
    plain = prepare(params(chips, path, keywords=["building"]), tmp_path / "b")
    assert plain.keywords == ["building", "object-detection"]


def test_what_cannot_be_used_is_left_out_and_counted(chips: Path, tmp_path: Path) -> None:
    content = document([*names_in(chips), "elsewhere.tif"], BOXES[:1])
    first: dict[str, Any] = content["annotations"][0]
    content["annotations"] += [
        {**first, "bbox": [240, 240, 40, 40]},
        {**first, "bbox": [300, 10, 20, 20]},
        {**first, "bbox": [10, 10, 0, 20]},
        {**first, "bbox": [10, 10, "7", 20]},
        {**first, "bbox": [10, 10, 20]},
        {**first, "iscrowd": 1},
        {**first, "category_id": 8},
    ]

    prepared = prepare(params(chips, write(tmp_path, content)), tmp_path / "work")

    assert prepared.label_counts == {"building": 5}
    assert {name: count for name, count in prepared.repairs.items() if name != "placed_by_name"} == {
        "without_area": 1,
        "malformed": 2,
        "other_class": 1,
        "crowd": 1,
        "without_chip": 1,
        "off_image": 1,
        "clipped": 1,
    }
    assert set(prepared.repairs) <= set(REPAIRS)


def test_categories_are_classes(chips: Path, tmp_path: Path) -> None:
    content = document(names_in(chips))
    for annotation in content["annotations"][::3]:
        annotation["category_id"] = 8

    prepared = prepare(
        params(chips, write(tmp_path, content), classes=["building", "swimming-pool"]), tmp_path / "work"
    )

    assert prepared.label_counts == {"building": 8, "swimming-pool": 4}


def test_content_decides_what_is_coco(tmp_path: Path) -> None:
    collection = {"type": "FeatureCollection", "features": [], "images": "none"}

    assert coco.is_coco(write(tmp_path, {"info": {}, "licenses": [], **document(["a.tif"])}))
    assert not coco.is_coco(write(tmp_path, collection))
    assert not coco.is_coco(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"images": [], "annotations": []}, "it has no annotation, and a dataset without any label trains"),
        ({"categories": None}, "categories is no list of objects"),
        ({"categories": [{"id": 7, "name": "tree"}]}, "its categories are tree, asked for were building"),
        ({"categories": [{"name": "building"}]}, "1 of categories have no id"),
        ({"categories": [{"id": 1, "name": "a"}] * 2}, "2 of categories have the id 1"),
        ({"images": [{"id": 1, "file_name": 3}]}, "1 of images have no file_name"),
        (
            {"images": [{"id": 1, "file_name": "x.tif"}]},
            "annotations have a image_id that is not among images",
        ),
        (
            {"images": [{"id": 1, "file_name": "x.tif"}, {"id": 2, "file_name": "b/x.png"}]},
            "2 images are called x",
        ),
        ({"annotations": [{"image_id": 1, "category_id": [7]}]}, r"the first is \[7\]"),
    ],
)
def test_a_file_that_does_not_fit_together_is_refused(
    chips: Path, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    path = write(tmp_path, document(names_in(chips), **change))

    with pytest.raises(InvalidLabels, match=reason):
        prepare(params(chips, path), tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_boxes_that_all_mean_background_are_refused_with_what_to_do_with_the_chips(
    chips: Path, tmp_path: Path
) -> None:
    path = write(tmp_path, document(names_in(chips)))

    with pytest.raises(InvalidLabels, match=r"all its 12 annotations mean background.*into one folder"):
        prepare(params(chips, path, classes=["tree", "background=Building"]), tmp_path / "work")


def test_images_of_another_size_than_the_chips_are_refused(chips: Path, tmp_path: Path) -> None:
    content = document(names_in(chips))
    content["images"][0] |= {"width": 512, "height": 512}

    with pytest.raises(InvalidLabels, match="512 x 512 px there and 256 x 256 px among the chips"):
        prepare(params(chips, write(tmp_path, content)), tmp_path / "work")


def test_without_usable_chips_only_those_are_told(tmp_path: Path) -> None:
    (tmp_path / "chips").mkdir()

    with pytest.raises(Invalid, match="holds no image"):
        prepare(params(tmp_path / "chips", write(tmp_path, document(["a.tif"]))), tmp_path / "work")


@pytest.mark.shared
def test_the_boxes_of_banepa_are_ingested(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "detection_labels.coco.json"
    annotations = json.loads(path.read_text(encoding="utf-8"))["annotations"]

    prepared = prepare(params(shared_data, path), tmp_path)

    assert prepared.label_counts == {"building": len(annotations)} == {"building": 1847}
    assert prepared.chip_count == 48
    assert sum(counts["building"] for counts in prepared.class_counts.values()) == len(annotations)
    assert prepared.repairs == {}


def test_boxes_are_placed_by_the_chip_that_their_image_names(tmp_path: Path) -> None:
    """Not all images are among the chips."""
    chip = Chip(tmp_path / "b.tif", "b", "EPSG:4326", (1e-6, 0, 85.0, 0, -1e-6, 27.0), 256, 256, 3, 0.1)

    found = coco.read(write(tmp_path, document(["a.tif", "b.tif"])), ["building"], [chip])

    assert [each[coco.ID_PROPERTY] for each in found.labels.properties] == [20, 21, 22]
    assert found.labels.outlines[0].bounds == pytest.approx((85.00002, 26.999946, 85.00006, 26.99997))
    assert found.labels.mended["without_chip"] == 3
