import shutil
from pathlib import Path

import numpy as np
import orjson
import pyogrio
import pytest
import shapely
from PIL import Image

from fair_models.data.dataset_check import REPAIRS, PreparedDataset
from fair_models.data.images import chips
from fair_models.data.ingest import prepare
from fair_models.data.splits import Split
from fair_models.data.synthetic import make_settlement
from fair_models.data.vectors import instances, label_pixels, labels
from fair_models.errors import Invalid, InvalidImagery, InvalidLabels
from fair_models.params import IngestDatasetParams
from fair_models.store.archive import unpack
from tests.data.messy import (
    TILE,
    jpeg_named_png,
    jpeg_named_tif,
    placed,
    png_without_place,
    rgba,
    square,
    write_features,
)


def params(folder: Path, **more: object) -> IngestDatasetParams:
    return IngestDatasetParams.model_validate(
        {"name": "roofs", "title": "Roofs", "chips": str(folder), **more}
    )


def ingest(folder: Path, work: Path, **more: object) -> PreparedDataset:
    return prepare(params(folder, **more), work)


def around(x: int, y: int, size: float = 0.0002, z: int = 19) -> dict[str, object]:
    """A label in the middle of a tile."""
    middle = placed(x, y, z).grid.footprint.centroid
    return square(middle.x - size / 2, middle.y - size / 2, size)


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """3 x 2 chips of zoom 19 in several forms, one of zoom 20, and labels that need mending."""
    folder = tmp_path / "input"
    folder.mkdir()
    forms = [jpeg_named_tif, png_without_place, jpeg_named_png, rgba, jpeg_named_tif, png_without_place]
    tiles = [type(TILE)(TILE.x + i % 3, TILE.y + i // 3, 19) for i in range(6)]
    for form, tile in zip(forms, tiles, strict=True):
        form(folder, tile)
    png_without_place(folder, type(TILE)(2 * TILE.x, 2 * TILE.y, 20))
    (folder / ".DS_Store").write_bytes(b"x")
    bow_tie = around(TILE.x + 1, TILE.y)
    ring = bow_tie["geometry"]["coordinates"][0]  # type: ignore[index]
    ring[1], ring[2] = ring[2], ring[1]
    features = [around(tile.x, tile.y) for tile in tiles[:5]]
    features += [
        bow_tie,
        around(TILE.x + 2, TILE.y, 0.0012),
        around(TILE.x + 50, TILE.y),
        {"type": "Feature", "properties": {}, "geometry": None},
        {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [85.5, 27.6]}},
    ]
    write_features(folder / "labels.geojson", list(features))
    return folder


def test_a_folder_in_the_layout_of_fair_is_ingested(settlement: Path, tmp_path: Path) -> None:
    prepared = ingest(settlement, tmp_path)

    unpack(prepared.chips, tmp_path / "chips")
    known = labels.read(prepared.labels, ["building"], labels.CLASS_PROPERTY)
    assert len(chips.find(tmp_path / "chips")) == prepared.chip_count == 12
    assert len(known) == prepared.label_counts["building"]
    assert Split.read(prepared.split).spec() == prepared.split_spec
    assert prepared.gsd_m == pytest.approx(0.528, abs=0.001)
    assert prepared.zooms == {19: 12}
    assert set(prepared.repairs) == {"over_edge"}
    assert prepared.class_counts["train"]["building"] > prepared.class_counts["held_out"]["building"] > 0


def test_each_chip_that_was_read_is_told(settlement: Path, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    prepared = prepare(params(settlement), tmp_path, lambda *told: heard.append(told))
    assert heard == [(number, prepared.chip_count) for number in range(1, prepared.chip_count + 1)]


def test_chips_and_labels_are_taken_where_they_lie(settlement: Path, tmp_path: Path) -> None:
    shutil.copytree(settlement / "input", tmp_path / "chips")
    shutil.move(tmp_path / "chips" / "labels.geojson", tmp_path / "labels.geojson")
    shutil.copy(tmp_path / "labels.geojson", tmp_path / "osm.geojson")

    beside = ingest(tmp_path, tmp_path / "one")
    named = ingest(tmp_path / "chips", tmp_path / "two", labels=str(tmp_path / "osm.geojson"))

    assert beside.chips.read_bytes() == named.chips.read_bytes()
    assert beside.labels.read_bytes() == named.labels.read_bytes()
    assert beside.split.read_bytes() == named.split.read_bytes()


def test_the_geometry_is_the_area_of_the_chips(settlement: Path, tmp_path: Path) -> None:
    prepared = ingest(settlement, tmp_path)

    area = shapely.from_geojson(orjson.dumps(prepared.geometry))
    expected = shapely.union_all([chip.grid.footprint for chip in chips.find(settlement / "input")])
    assert area.is_valid
    assert shapely.get_num_coordinates(area) == 5
    assert area.exterior.is_ccw
    assert area.bounds == pytest.approx(prepared.bbox)
    assert area.symmetric_difference(expected).area < 1e-4 * expected.area


def test_what_was_mended_or_left_out_is_counted(messy: Path, tmp_path: Path) -> None:
    prepared = ingest(messy, tmp_path / "work", buffer_m=5.0)

    assert prepared.repairs == {
        "repaired": 1,
        "null_geometry": 1,
        "other_geometry": 1,
        "touching_no_chip": 1,
        "overlapping": 5,
        "over_edge": 1,
        "other_zoom": 1,
        "placed_by_name": 4,
        "with_transparency": 1,
        "buffer": prepared.split_spec["left_out"],
    }
    assert set(prepared.repairs) <= set(REPAIRS)
    assert prepared.chip_count == 6
    assert prepared.label_counts == {"building": 7}


def test_the_archive_holds_what_the_chips_need_and_nothing_else(messy: Path, tmp_path: Path) -> None:
    prepared = ingest(messy, tmp_path / "work")
    unpack(prepared.chips, tmp_path / "chips")

    names = sorted(path.name for path in (tmp_path / "chips").iterdir())
    assert len(names) == 8
    assert sum(name.endswith(".aux.xml") for name in names) == 2
    for chip in chips.find(tmp_path / "chips"):
        original = chips.describe(messy / chip.path.name)
        assert (chip.crs, chip.transform) == (original.crs, original.transform)


@pytest.mark.parametrize(("zoom", "count"), [("most-frequent", 6), ("resample", 7), (19, 6)])
def test_the_zoom_is_chosen_by_parameter(messy: Path, tmp_path: Path, zoom: object, count: int) -> None:
    prepared = ingest(messy, tmp_path / "work", zoom=zoom)

    assert prepared.chip_count == count
    assert sum(prepared.zooms.values()) == count


def test_the_zoom_nearest_to_the_model_is_taken_by_default_and_said(messy: Path, tmp_path: Path) -> None:
    usual = ingest(messy, tmp_path / "work")

    assert usual.zooms == {19: 6}
    assert usual.repairs["other_zoom"] == 1
    assert usual.zoom_choice == (
        "Zoom 19 was taken of 19 (6 chips), 20 (1 chips), because its pixels are nearest in size to 0.3 m "
        "(gsd_m)"
    )
    with pytest.raises(Invalid, match="1 chips are too few"):
        ingest(messy, tmp_path / "fine", gsd_m=0.13)
    frequent = ingest(messy, tmp_path / "frequent", zoom="most-frequent")
    assert frequent.zoom_choice.endswith("because most chips have it")


def test_a_zoom_that_no_chip_has_is_refused_with_those_there_are(messy: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidImagery, match=r"no chip of zoom 17, only of 19 \(6 chips\), 20 \(1 chips\)"):
        ingest(messy, tmp_path / "work", zoom=17)


def test_the_same_folder_gives_the_same_files(messy: Path, tmp_path: Path) -> None:
    one, other = ingest(messy, tmp_path / "one"), ingest(messy, tmp_path / "other")

    assert one.chips.read_bytes() == other.chips.read_bytes()
    assert one.labels.read_bytes() == other.labels.read_bytes()
    assert one.split.read_bytes() == other.split.read_bytes()


def test_labels_are_counted_by_class_and_side(messy: Path, tmp_path: Path) -> None:
    document = orjson.loads((messy / "labels.geojson").read_bytes())
    for number, feature in enumerate(document["features"]):
        feature["properties"]["roof"] = "tin" if number % 2 else "tile"
    (messy / "labels.geojson").write_bytes(orjson.dumps(document))

    prepared = ingest(messy, tmp_path / "work", classes=["tin", "tile"], class_property="roof")

    assert prepared.label_counts == {"tin": 3, "tile": 4}
    for name in ("tin", "tile"):
        on_sides = [prepared.class_counts[side][name] for side in ("train", "held_out")]
        assert max(on_sides) <= prepared.label_counts[name] <= sum(on_sides)


def test_chips_are_counted_by_what_they_are_as_wholes(tmp_path: Path) -> None:
    folder = make_settlement(tmp_path / "hamlets", seed=4, size_px=64, prediction_columns=0, built_share=0.1)

    counts = ingest(folder, tmp_path / "work").chip_counts

    assert {side: sum(those.values()) for side, those in counts.items()} == {"train": 36, "held_out": 12}
    assert all(min(those["background"], those["building"]) > 0 for those in counts.values())


def test_what_is_wrong_with_chips_and_labels_is_told_together(messy: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(messy / "nowhere.png")
    (messy / "empty.tif").write_bytes(b"")
    write_features(messy / "labels.geojson", [])

    with pytest.raises(Invalid) as error:
        ingest(messy, tmp_path / "work")

    for part in ("nowhere.png: it has neither", "empty.tif: it is no image", "it holds no features", "roofs"):
        assert part in str(error.value)
    assert not (tmp_path / "work").exists()


def test_chips_that_cannot_be_decoded_are_all_named(messy: Path, tmp_path: Path) -> None:
    for path in sorted(messy.glob("*.tif")):
        path.write_bytes(path.read_bytes()[:6000])

    with pytest.raises(InvalidImagery) as error:
        ingest(messy, tmp_path / "work")

    assert len(error.value.reasons) == 2
    assert all("cannot be decoded" in reason for reason in error.value.reasons)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("missing", ["chips", "labels"])
def test_missing_chips_or_labels_are_refused(messy: Path, tmp_path: Path, missing: str) -> None:
    with pytest.raises(Invalid, match=r"nowhere.*there is no such f"):
        ingest(messy, tmp_path / "work", **{missing: str(tmp_path / "nowhere")})


def test_labels_that_touch_no_chip_are_refused_with_both_areas(messy: Path, tmp_path: Path) -> None:
    write_features(messy / "labels.geojson", [square(10, 20, 0.001)])

    with pytest.raises(InvalidLabels, match=r"none of its 1 polygons touches a chip: .*85\.51895.*10\.00000"):
        ingest(messy, tmp_path / "work")


def test_swapped_coordinates_are_recognised(messy: Path, tmp_path: Path) -> None:
    document = orjson.loads((messy / "labels.geojson").read_bytes())
    swapped = document["features"][:5]
    for feature in swapped:
        (ring,) = feature["geometry"]["coordinates"]
        feature["geometry"]["coordinates"] = [[[y, x] for x, y in ring]]
    write_features(messy / "labels.geojson", swapped)

    with pytest.raises(InvalidLabels, match="longitude and latitude are swapped"):
        ingest(messy, tmp_path / "work")


def test_too_few_chips_are_refused(tmp_path: Path) -> None:
    jpeg_named_tif(tmp_path)
    write_features(tmp_path / "labels.geojson", [around(TILE.x, TILE.y)])

    with pytest.raises(Invalid, match="1 chips are too few"):
        ingest(tmp_path, tmp_path / "work")


def test_chips_that_are_wholly_transparent_are_refused(tmp_path: Path) -> None:
    for i in range(4):
        Image.new("RGBA", (64, 64)).save(tmp_path / f"OAM-{TILE.x + i}-{TILE.y}-19.png")
    write_features(tmp_path / "labels.geojson", [around(TILE.x, TILE.y)])

    with pytest.raises(InvalidImagery, match="wholly transparent"):
        ingest(tmp_path, tmp_path / "work")


@pytest.mark.shared
def test_banepa_is_ingested(shared_data: Path, tmp_path: Path) -> None:
    prepared = ingest(shared_data, tmp_path, buffer_m=30.0)

    assert prepared.chip_count == 48
    assert prepared.label_counts == {"building": 1466}
    assert prepared.chip_counts == {
        "train": {"background": 0, "building": 30},
        "held_out": {"background": 0, "building": 12},
    }
    assert prepared.bbox == pytest.approx((85.51895, 27.62940, 85.52307, 27.63427), abs=1e-5)
    assert prepared.repairs == {"overlapping": 9, "over_edge": 95, "buffer": 6}
    assert prepared.split_spec | {"cut": "south"} == {
        "method": "area",
        "held_out_ratio": 0.25,
        "buffer_m": 30.0,
        "seed": 0,
        "cut": "south",
        "train": 30,
        "held_out": 12,
        "left_out": 6,
    }


def folder_of(path: Path, features: list[object], tiles: int = 4) -> Path:
    """2 x 2 chips without a georeference, and labels."""
    path.mkdir()
    for index in range(tiles):
        png_without_place(path, type(TILE)(TILE.x + index % 2, TILE.y + index // 2, 19))
    write_features(path / "labels.geojson", features)
    return path


def everywhere(size: float, **properties: object) -> list[object]:
    """A label in the middle of each of the 2 x 2 chips."""
    made = [around(TILE.x + index % 2, TILE.y + index // 2, size) for index in range(4)]
    return [{**each, "properties": properties} for each in made]


def test_labels_smaller_than_a_pixel_are_counted_and_refused_where_nothing_is_left(tmp_path: Path) -> None:
    tiny = everywhere(1e-6)
    some = ingest(folder_of(tmp_path / "some", [*everywhere(0.0002), *tiny]), tmp_path / "work")

    assert some.repairs["smaller_than_a_pixel"] == 4
    with pytest.raises(InvalidLabels, match="none of the 4 labels on chips covers the middle of a pixel"):
        ingest(folder_of(tmp_path / "none", tiny), tmp_path / "work2")


def test_progress_is_told_after_each_chip_was_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path / "chips", everywhere(0.0002))
    happened: list[object] = []
    decode = chips.decode

    def noted(chip: chips.Chip) -> chips.Decoded:
        happened.append("decoded")
        return decode(chip)

    monkeypatch.setattr(chips, "decode", noted)
    params = IngestDatasetParams(name="town", title="Town", chips=str(folder))
    prepare(params, tmp_path / "work", lambda done, total: happened.append((done, total)))

    assert happened == [each for done in range(1, 5) for each in ("decoded", (done, 4))]


def test_a_class_whose_labels_draw_nothing_is_refused_by_name(tmp_path: Path) -> None:
    roads = everywhere(1e-6, kind="road")
    far = square(10, 20, 0.001, kind="tree")
    folder = folder_of(tmp_path / "chips", [*everywhere(0.0002, kind="building"), *roads, far])

    with pytest.raises(InvalidLabels) as error:
        ingest(folder, tmp_path / "w", classes=["building", "road", "tree"], class_property="kind")

    assert "none of the 4 labels of road covers the middle of a pixel" in str(error.value)
    assert "none of the 1 labels of tree touches a chip" in str(error.value)


def test_chips_named_from_the_south_are_told_with_the_names_to_give_them(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "chips", everywhere(0.0002))
    for path in list(folder.glob("*.png")):
        x, y, z = path.stem.split("-")[1:]
        path.rename(path.with_name(f"OAM-{x}-{2**19 - 1 - int(y)}-{z}.png"))
    wrong, right = (f"OAM-{TILE.x}-{y}-19.png" for y in (2**19 - 1 - TILE.y - 1, TILE.y + 1))

    said = rf"counted from the south \(TMS.*example {wrong} to {right}, .*gdal2tiles --xyz"
    with pytest.raises(InvalidLabels, match=said):
        ingest(folder, tmp_path / "work")


def test_other_labels_are_kept_as_ground_that_counts_neither_way(tmp_path: Path) -> None:
    features = [*everywhere(0.0001, kind="building"), *everywhere(0.0003, kind="road")]
    folder = folder_of(tmp_path / "chips", [*features, square(10, 20, 0.001, kind="road")])

    prepared = ingest(folder, tmp_path / "work", classes=["building"], class_property="kind")
    stored = labels.read_stored(prepared.labels, ["building"])

    assert prepared.repairs["other_class"] == 5
    assert prepared.label_counts == {"building": 4}
    assert stored.ignored is not None
    assert len(stored.ignored) == 4


def test_a_chip_with_nothing_but_other_labels_is_of_no_class(tmp_path: Path) -> None:
    roads = everywhere(0.0003, kind="road")[3:]
    folder = folder_of(tmp_path / "chips", [*everywhere(0.0002, kind="building")[:3], *roads])

    prepared = ingest(folder, tmp_path / "work", classes=["building"], class_property="kind")

    counts = [sum(prepared.chip_counts[side].values()) for side in ("train", "held_out")]
    assert sum(counts) == 3


@pytest.mark.parametrize(("size", "is_told"), [(0.0005, True), (0.0001, False)])
def test_much_ground_of_other_labels_is_told_with_the_spelling_that_makes_it_background(
    tmp_path: Path, size: float, is_told: bool
) -> None:
    features = [*everywhere(0.0001, kind="building"), *everywhere(size, kind="landuse")]
    folder = folder_of(tmp_path / "chips", features)

    asked = {"class_property": "kind", "classes": ["building"]}
    note = ingest(folder, tmp_path / "work", **asked).ignored_note
    mapped = ingest(folder, tmp_path / "again", **{**asked, "classes": ["building", "background=landuse"]})

    assert ("most of them landuse (4)" in note and "--class background=landuse" in note) == is_told
    assert not mapped.ignored_note


def test_labels_that_overlap_by_more_than_a_pixel_are_counted(tmp_path: Path) -> None:
    large, small = everywhere(0.0002), everywhere(0.0001)
    corner = large[0]["geometry"]["coordinates"][0][0]  # type: ignore[index]
    beside = square(corner[0] - 0.0001, corner[1], 0.0001)
    just_over = square(corner[0] - 0.0001, corner[1] + 0.0001, 0.0001 + 1e-9)

    prepared = ingest(folder_of(tmp_path / "chips", [*large, *small, beside, just_over]), tmp_path / "work")

    assert prepared.repairs["overlapping"] == 4


def test_overlaps_are_not_counted_for_ever() -> None:
    alike = shapely.box(np.zeros(500), 0, 1e-4, 1e-4)

    assert label_pixels.overlapping(alike, 0.1) == 100_000
    assert label_pixels.overlapping(alike[:100], 0.1) == 100 * 99 / 2


def test_labels_that_are_one_block_on_each_chip_are_told(tmp_path: Path) -> None:
    block, houses = everywhere(0.0006), everywhere(0.0001)

    blocks = ingest(folder_of(tmp_path / "blocks", block), tmp_path / "work")
    apart = ingest(folder_of(tmp_path / "houses", houses), tmp_path / "work2")
    boxes = ingest(tmp_path / "blocks", tmp_path / "work3", keywords=["building", "object-detection"])

    assert "labels of building do not tell objects apart: in 4 of the 4 pictures" in blocks.objects_note
    assert "a polygon of its own" in blocks.objects_note
    assert not apart.objects_note
    assert not boxes.objects_note


def test_a_chip_with_more_labels_than_can_be_told_apart_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [around(TILE.x, TILE.y, 0.0002 + number * 1e-6) for number in range(30)]
    west, south, _, _ = placed(TILE.x + 1, TILE.y).grid.footprint.bounds
    row = west + 2e-5 * np.arange(1, 31)
    parts = shapely.MultiPolygon(list(shapely.box(row, south + 2e-5, row + 1e-5, south + 3e-5)))
    folder = folder_of(tmp_path / "chips", [*everywhere(0.0001), *many])
    write_features(
        folder / "parts.geojson",
        [*everywhere(0.0001), {**many[0], "geometry": shapely.geometry.mapping(parts)}],
    )
    monkeypatch.setattr(instances, "MAX_OBJECTS", 30)

    with pytest.raises(InvalidLabels, match=rf"{TILE.name}.png has 31 labels, at most 30 .* cut it into"):
        ingest(folder, tmp_path / "work")
    with pytest.raises(InvalidLabels, match="has 31 labels, at most 30 can be told apart"):
        ingest(folder, tmp_path / "work", labels=str(folder / "parts.geojson"))
    assert not (tmp_path / "work").exists()


def test_background_alone_is_refused_in_each_form_with_what_to_do_with_the_chips(tmp_path: Path) -> None:
    nothing = folder_of(tmp_path / "nothing", [])
    fields = folder_of(tmp_path / "fields", everywhere(0.0002, kind="field"))
    layer = tmp_path / "empty.gpkg"
    pyogrio.raw.write(
        layer, np.array([], object), [], [], geometry_type="Polygon", crs="EPSG:4326", driver="GPKG"
    )
    mapped = {"classes": ["building", "background=field"], "class_property": "kind"}
    way = "into one folder with chips that have labels.*chips without a label count as background"

    with pytest.raises(InvalidLabels, match=f"it holds no features.*{way}"):
        ingest(nothing, tmp_path / "work")
    with pytest.raises(InvalidLabels, match=f"it holds no features.*{way}"):
        ingest(nothing, tmp_path / "work", labels=str(layer))
    with pytest.raises(InvalidLabels, match=f"all its 4 features mean background.*{way}"):
        ingest(fields, tmp_path / "work", **mapped)


def test_chips_of_background_beside_chips_with_labels_count_as_background(tmp_path: Path) -> None:
    both = folder_of(tmp_path / "both", everywhere(0.0002))
    for index in range(2, 4):  # beside them, without a label
        png_without_place(both, type(TILE)(TILE.x + index, TILE.y, 19))

    prepared = ingest(both, tmp_path / "work")

    assert prepared.repairs["without_labels"] == 2
    assert prepared.chip_count == 6
