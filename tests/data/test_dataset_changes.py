"""What is new in the next version of a dataset, label by label and chip by chip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from fair_models.data import dataset_changes, label_matches
from fair_models.data.dataset_changes import Content, changes
from fair_models.data.images import chips
from fair_models.data.images.chips import Chip
from fair_models.data.splits import Split
from fair_models.data.vectors.labels import Labels
from fair_models.imagery_rules import CURRENT
from tests.data.messy import placed, write_geotiff

SIZE = 1e-4
"""Degrees: a house of about 11 m."""


def house(x: float, y: float = 0.0, size: float = 1.0, lon: float = 85.0) -> shapely.Polygon:
    """A house at a place in house widths."""
    west, south = lon + x * SIZE, 27.0 + y * SIZE
    return shapely.box(west, south, west + size * SIZE, south + size * SIZE)


def known(
    *outlines: shapely.Polygon,
    names: Sequence[str] | None = None,
    said: Sequence[dict[str, Any]] | None = None,
) -> Labels:
    shapes = np.empty(len(outlines), dtype=object)
    shapes[:] = outlines
    return Labels(shapes, names or ["building"] * len(outlines), said or [{} for _ in outlines])


def split(train: Sequence[str] = (), held_out: Sequence[str] = (), left_out: Sequence[str] = ()) -> Split:
    return Split("area", 0.25, 0.0, 0, "south", tuple(train), tuple(held_out), tuple(left_out))


def label_counts(before: Labels, after: Labels) -> dict[str, int]:
    found = changes(Content(split(), labels=before), Content(split(), labels=after)).labels.counts()
    return {name: count for name, count in found.items() if count}


def test_equal_labels_are_unchanged_in_whatever_order_and_from_whatever_corner_they_come() -> None:
    one, other = house(0), house(5)
    turned = shapely.Polygon([*one.exterior.coords[2:-1], *one.exterior.coords[:2]][::-1])

    assert label_counts(known(one, other), known(other, turned)) == {"unchanged": 2}


def test_numbers_that_were_rounded_are_no_move() -> None:
    rounded = shapely.transform(house(0), lambda places: np.round(places + 1e-9, 8))

    assert label_counts(known(house(0)), known(rounded)) == {"unchanged": 1}


def test_a_label_that_came_and_one_that_went_are_told() -> None:
    found = changes(
        Content(split(), labels=known(house(0), house(5), said=[{}, {"osm_id": 7, "osm_type": "way"}])),
        Content(split(), labels=known(house(0), house(9), said=[{}, {"id": "new"}])),
    ).labels

    assert [detail["id"] for detail in found.added] == ["new"]
    assert [detail["id"] for detail in found.removed] == ["w7"]
    assert found.added[0]["at"] == pytest.approx([85.0 + 9.5 * SIZE, 27.0 + 0.5 * SIZE], abs=1e-6)
    assert (found.unchanged, len(found.moved)) == (1, 0)


def test_without_ids_an_object_that_was_drawn_a_bit_further_is_moved() -> None:
    assert label_counts(known(house(0)), known(house(0.25, 0.25))) == {"moved": 1}


def test_without_ids_an_object_elsewhere_is_another_one() -> None:
    assert label_counts(known(house(0)), known(house(0.9))) == {"added": 1, "removed": 1}


@pytest.mark.parametrize(
    "said", [{"osm_id": 5, "osm_type": "way"}, {"@id": "way/5"}, {"id": "way/5"}, {"osm_way_id": "5"}]
)
def test_an_id_of_openstreetmap_names_the_object_wherever_it_is_now(said: dict[str, Any]) -> None:
    before, after = known(house(0), said=[said]), known(house(40), said=[said])

    assert label_counts(before, after) == {"moved": 1}


def test_a_way_and_a_relation_of_one_number_are_two_objects() -> None:
    before = known(house(0), said=[{"osm_id": 5, "osm_type": "way"}])
    after = known(house(40), said=[{"osm_id": 5, "osm_type": "relation"}])

    assert label_counts(before, after) == {"added": 1, "removed": 1}


def test_ids_that_are_kept_name_objects() -> None:
    places, far = range(0, 12, 3), 60
    before = known(*(house(x) for x in places), said=[{"id": x} for x in places])
    after = known(*(house(x + 0.2) for x in places[:-1]), house(far), said=[{"id": x} for x in places])

    assert label_counts(before, after) == {"moved": 4}


def test_numbers_of_rows_are_no_ids() -> None:
    """The same file in another order, numbered anew."""
    places = range(0, 12, 3)
    before = known(*(house(x) for x in places), said=[{"id": number} for number in range(4)])
    after = known(*(house(x + 0.2) for x in reversed(places)), said=[{"id": number} for number in range(4)])

    found = label_matches.match(before, after)

    assert found.moved == [(0, 3), (1, 2), (2, 1), (3, 0)]


def test_an_id_that_two_labels_have_names_neither() -> None:
    said = {"osm_id": 5, "osm_type": "way"}
    before = known(house(0), house(5), said=[said, said])
    after = known(house(5.1), house(80), said=[said, said])

    assert label_counts(before, after) == {"moved": 1, "added": 1, "removed": 1}


def test_of_objects_that_overlap_each_is_matched_with_what_it_overlaps_most() -> None:
    before = known(house(0), house(0.6))
    after = known(house(0.5), house(0.1))

    assert label_matches.match(before, after).moved == [(0, 1), (1, 0)]


def test_another_class_is_told_with_the_class_before() -> None:
    before = known(house(0), house(3), names=["building", "building"])
    after = known(house(0), house(3.1), names=["shed", "shed"])

    found = changes(Content(split(), labels=before), Content(split(), labels=after)).labels

    assert [(detail["class"], detail["before"]) for detail in found.reclassified] == [
        ("shed", "building")
    ] * 2
    assert (len(found.moved), found.unchanged) == (1, 0)


def test_of_two_labels_with_one_outline_those_of_one_class_are_the_same() -> None:
    before = known(house(0), house(0), names=["a", "b"])
    after = known(house(0), house(0), names=["b", "a"])

    assert label_counts(before, after) == {"unchanged": 2}


def test_duplicates_are_counted() -> None:
    assert label_counts(known(house(0)), known(house(0), house(0))) == {"unchanged": 1, "added": 1}


def test_labels_over_the_antimeridian_are_the_same_in_any_form() -> None:
    whole = shapely.box(179.9999, 0, 180.0001, 0.0001)
    cut = shapely.union_all([shapely.box(179.9999, 0, 180, 0.0001), shapely.box(-180, 0, -179.9999, 0.0001)])
    further = shapely.union_all(
        [shapely.box(179.99995, 0, 180, 0.0001), shapely.box(-180, 0, -179.9999, 0.0001)]
    )

    assert label_counts(known(whole), known(cut)) == {"unchanged": 1}
    assert label_counts(known(cut), known(further)) == {"moved": 1}


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_each_label_is_told_once(data: st.DataObject) -> None:
    place = st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([0.5, 1.0]))
    sides = [
        known(
            *(house(x / 2, y / 2, size) for x, y, size in drawn),
            said=[{"id": data.draw(st.integers(0, 3))} for _ in drawn],
        )
        for drawn in (data.draw(st.lists(place, max_size=6)), data.draw(st.lists(place, max_size=6)))
    ]

    found = label_matches.match(*sides)

    pairs = [*found.same, *found.moved]
    assert sorted([*(one for one, _ in pairs), *found.removed]) == list(range(len(sides[0])))
    assert sorted([*(other for _, other in pairs), *found.added]) == list(range(len(sides[1])))
    back = label_matches.match(sides[1], sides[0])
    assert (len(back.same), len(back.added), len(back.removed)) == (
        len(found.same),
        len(found.removed),
        len(found.added),
    )


# Chips


def row(*columns: int) -> dict[str, Chip]:
    return {chip.name: chip for chip in (placed(386690 + x, 220241) for x in columns)}


def content(found: dict[str, Chip], **sides: Any) -> Content:
    return Content(split(**(sides or {"train": list(found)})), found, known())


def test_chips_that_came_and_went_are_named() -> None:
    before, after = row(0, 1, 2), row(1, 2, 3)

    found = changes(content(before), content(after)).chips

    assert (list(found.added), list(found.removed)) == ([max(after)], [min(before)])
    assert [len(each) for each in (found.changed, found.moved, found.renamed)] == [0, 0, 0]


def test_a_chip_with_another_name_in_its_place_is_the_same_chip() -> None:
    before = row(0, 1)
    after = {f"new-{name}": replace(chip, name=f"new-{name}") for name, chip in row(0, 1).items()}

    found = changes(content(before), content(after, held_out=list(after)), lambda one, other: True)

    assert [len(each) for each in (found.chips.renamed, found.chips.added, found.chips.removed)] == [2, 0, 0]
    assert list(found.split.train_to_held_out) == sorted(after)


def test_a_chip_of_one_name_in_another_place_is_moved() -> None:
    before, elsewhere = row(0), placed(386690 + 9, 220241)
    [name] = before

    found = changes(content(before), content({name: replace(elsewhere, name=name)}), lambda one, other: True)

    assert (list(found.chips.moved), list(found.chips.changed)) == ([name], [])


def test_chips_on_another_side_are_told_by_the_side_they_were_on() -> None:
    a, b, c, d = row(0, 1, 2, 3)
    before = content(row(0, 1, 2, 3), train=[a, b], held_out=[c], left_out=[d])
    after = content(row(0, 1, 2, 3), train=[c, d], held_out=[a], left_out=[b])

    found = changes(before, after).split

    assert (list(found.held_out_to_train), list(found.train_to_held_out)) == ([c], [a])


def test_labels_beyond_the_chips_of_the_other_version_are_counted_apart() -> None:
    one, two = (
        shapely.union_all([chip.grid.footprint for chip in row(*columns).values()])
        for columns in ((0,), (0, 1))
    )
    edge = row(1)[min(row(1))].grid.footprint
    west = edge.bounds[0]
    inside, beyond = row(0)[min(row(0))].grid.footprint.centroid, edge.centroid
    labels = known(
        inside.buffer(1e-5), beyond.buffer(1e-5), shapely.Point(west, beyond.y).buffer(1e-5), house(0)
    )
    before = Content(split(), labels=labels, ground=two)
    after = Content(split(), labels=known(house(0)), ground=one)

    counts = changes(before, after).labels.counts()

    assert (counts["removed"], counts["removed_with_chips"], counts["unchanged"]) == (3, 1, 1)
    counts = changes(after, before).labels.counts()
    assert (counts["added"], counts["added_with_chips"]) == (3, 1)


def test_images_without_a_place_are_compared_by_their_files() -> None:
    sides = split(train=["a", "b"])
    before = Content(sides, captions={}, files={"a": 1, "b": 1})
    after = Content(sides, captions={}, files={"a": 1, "b": 2})

    assert list(changes(before, after).chips.changed) == ["b"]


def tiff(path: Path, seed: int = 0, **more: Any) -> Chip:
    pixels = np.random.default_rng(seed).integers(1, 250, (32, 32, 3), dtype=np.uint8)
    write_geotiff(path, pixels, "EPSG:3857", Affine(1, 0, 100, 0, -1, 200), **more)
    return chips.describe(path)


def test_other_pixels_are_told_and_another_coding_of_the_same_is_not(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    plain = tiff(tmp_path / "a" / "chip.tif")
    packed = tiff(tmp_path / "b" / "chip.tif", compress="deflate")
    newer = tiff(tmp_path / "c" / "chip.tif", seed=1)

    assert dataset_changes.have_same_pixels(plain, packed)
    assert not dataset_changes.have_same_pixels(plain, newer)
    found = changes(content({"chip": plain}), content({"chip": newer})).chips
    assert list(found.changed) == ["chip"]


def test_what_is_no_data_now_is_another_pixel(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    pixels = np.zeros((32, 32, 3), dtype=np.uint8)
    pixels[8:] = 120
    of_all = [
        write_geotiff(tmp_path / name / "chip.tif", pixels, "EPSG:3857", Affine(1, 0, 100, 0, -1, 200))
        for name in ("a", "b")
    ]
    kept = chips.describe(of_all[1], CURRENT.model_copy(update={"fill": "kept"}))

    assert not dataset_changes.have_same_pixels(chips.describe(of_all[0]), kept)


def test_captions_are_compared_image_by_image() -> None:
    sides = split(train=["a", "b"])
    before = Content(sides, captions={"a": ["x", "y"], "b": ["z"]})
    after = Content(sides, captions={"a": ["y", "x"], "b": ["other"]})

    found = changes(before, after)

    assert list(found.chips.captions) == ["b"]
    assert found.is_any


def test_nothing_new_is_nothing() -> None:
    same = content(row(0, 1))

    found = changes(same, same)

    assert not found.is_any
    assert not any(count for part in found.counts().values() for name, count in part.items())
