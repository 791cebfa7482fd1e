"""Photos that were held otherwise are turned as their EXIF says, and labels lie on what is seen."""

from pathlib import Path

import numpy as np
import orjson
from PIL import Image

from fair_models.data import ingest
from fair_models.data.images import chips
from fair_models.data.images.tiles import Tile
from fair_models.data.vectors import labels
from fair_models.params import IngestDatasetParams
from tests.data.layouts import TILE, turned_bytes


def test_boxes_of_a_turned_photo_lie_on_their_objects(tmp_path: Path) -> None:
    """As labelling tools in a browser show it; the file keeps other rows and columns."""
    folder = tmp_path / "photos"
    folder.mkdir()
    shown = np.full((60, 100, 3), 90, np.uint8)  # higher than wide in the file
    shown[10:30, 60:95] = 220
    for at in range(4):
        tile = Tile(TILE.x + at % 2, TILE.y + at // 2, TILE.z)
        data = turned_bytes(6, image=Image.fromarray(shown))
        (folder / f"{tile.name}.jpg").write_bytes(data)
    names = sorted(path.name for path in folder.iterdir())
    document = {
        "images": [
            {"id": at, "file_name": name, "width": 100, "height": 60} for at, name in enumerate(names)
        ],
        "annotations": [
            {"id": at, "image_id": at, "category_id": 1, "bbox": [60, 10, 35, 20]} for at in range(len(names))
        ],
        "categories": [{"id": 1, "name": "building"}],
    }
    boxes = tmp_path / "boxes.coco.json"
    boxes.write_bytes(orjson.dumps(document))

    params = IngestDatasetParams(name="photos", title="Photos", chips=str(folder), labels=str(boxes))
    made = ingest.prepare(params, tmp_path / "made")

    assert made.repairs["turned"] == 4
    chip = chips.find(folder)[0]
    assert (chip.height, chip.width) == (60, 100)
    known = labels.read(made.labels, ["building"], labels.CLASS_PROPERTY)
    mask = labels.rasterise(
        known, chip.transform, chip.height, chip.width, chip.crs, ["background", "building"]
    )
    bright = chips.read(chip)[0] > 150
    assert (mask.astype(bool) & bright).sum() >= 0.98 * bright.sum()
