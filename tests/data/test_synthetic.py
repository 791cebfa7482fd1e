import hashlib
from pathlib import Path

import numpy as np
import orjson
import pytest
import rasterio
import shapely

from fair_models.data.images import chips
from fair_models.data.synthetic import make_settlement
from fair_models.data.vectors import labels
from fair_models.errors import Invalid


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path: Path) -> None:
    small = {"columns": 2, "rows": 1, "size_px": 64, "prediction_columns": 0}

    first = make_settlement(tmp_path / "first", seed=1, **small)
    again = make_settlement(tmp_path / "again", seed=1, **small)
    other = make_settlement(tmp_path / "other", seed=2, **small)

    assert digests(first) == digests(again)
    assert digests(first).keys() == digests(other).keys()
    assert not set(digests(first).values()) & set(digests(other).values())


def test_the_folder_has_the_layout_of_fair(settlement: Path) -> None:
    trained, predicted = chips.find(settlement / "input"), chips.find(settlement / "prediction" / "input")

    assert len(trained) == 12
    assert len(predicted) == 3
    assert {chip.tile.x for chip in predicted if chip.tile} == {
        max(chip.tile.x for chip in trained if chip.tile) + 1
    }
    assert all(chip.crs == "EPSG:4326" and not chip.placed_by_name for chip in trained)


def test_chips_lie_where_their_names_say(settlement: Path) -> None:
    for chip in chips.find(settlement / "input"):
        assert chip.tile is not None
        by_name = chips.Grid(
            "EPSG:3857", chip.tile.transform(chip.width, chip.height), chip.height, chip.width
        )
        assert np.allclose(by_name.footprint.bounds, chip.grid.footprint.bounds, atol=1e-9)


def test_labels_are_valid_polygons_and_some_cross_the_edges_of_chips(settlement: Path) -> None:
    known = labels.read(settlement / "input" / "labels.geojson", ["building"])
    chip = chips.find(settlement / "input")[5]

    inside = known.outlines[known.touching(chip.grid)]

    assert not any(known.mended.values())
    assert len(known) > 30
    assert (~shapely.within(inside, chip.grid.footprint)).any()


def test_roofs_differ_from_the_ground_exactly_where_the_labels_are(settlement: Path) -> None:
    """Metal roofs in blue occur nowhere else: the label that they belong to must cover them to the pixel."""
    document = orjson.loads((settlement / "input" / "labels.geojson").read_bytes())
    assert {feature["properties"]["building"] for feature in document["features"]} == {"yes"}
    known = labels.read(settlement / "input" / "labels.geojson", ["building"])
    agreements = []
    for chip in chips.find(settlement / "input"):
        grid = chip.grid
        mask = labels.rasterise(
            known, grid.transform, grid.height, grid.width, grid.crs, ["background", "building"]
        )
        with rasterio.open(chip.path) as file:
            red, _, blue = file.read().astype(int)
        agreements.append(mask[(blue - red) > 55] == 1)
    blue_roofs = np.concatenate(agreements)

    assert len(blue_roofs) > 100
    assert blue_roofs.mean() > 0.8


def test_numbers_out_of_range_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"columns is 0, use 1 to 64; zoom is 3, use 17 to 21"):
        make_settlement(tmp_path, seed=0, columns=0, zoom=3)

    assert not list(tmp_path.iterdir())


def test_a_place_that_is_built_in_part_has_chips_without_buildings(tmp_path: Path) -> None:
    small = {"seed": 4, "size_px": 64, "prediction_columns": 0}
    folders = [
        make_settlement(tmp_path / str(share), built_share=share, **small) / "input"
        for share in (0.1, 0.3, 1.0)
    ]

    empty = []
    for folder in folders:
        known = labels.read(folder / "labels.geojson", ["building"])
        empty.append(sum(not len(known.touching(chip.grid)) for chip in chips.find(folder)))

    assert empty[0] > empty[1] > empty[2] == 0
    assert empty[0] < 40


def test_several_classes_can_be_labelled_and_are_told_apart(tmp_path: Path) -> None:
    small = {"seed": 3, "columns": 4, "rows": 2, "size_px": 64, "prediction_columns": 0}
    one = make_settlement(tmp_path / "one", **small) / "input" / "labels.geojson"
    three = make_settlement(tmp_path / "three", **small, classes=("building", "road", "tree"))

    known = labels.read(three / "input" / "labels.geojson", ["building", "road", "tree"], "class")

    assert not any(known.mended.values())
    assert known.names.count("building") == len(labels.read(one, ["building"]))  # type: ignore[attr-defined]
    assert min(known.names.count(name) for name in ("road", "tree")) > 3  # type: ignore[attr-defined]
    with pytest.raises(Invalid, match=r"river.*it has building, road, tree"):
        make_settlement(tmp_path / "no", **small, classes=("river",))
