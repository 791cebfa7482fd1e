"""Captions that are written from labels: they say what the labels say."""

import numpy as np
import shapely

from fair_models.data.images.grid import LONLAT, Grid
from fair_models.data.texts import captions
from fair_models.data.vectors.labels import Labels

GRID = Grid(LONLAT, (0.01, 0.0, 0.0, 0.0, -0.01, 1.0), 100, 100)
"""One degree wide, north at the top: x grows to the east, y to the north."""

CLASSES = ["building", "road"]


def labels(*known: tuple[str, tuple[float, float, float, float], dict[str, str]]) -> Labels:
    outlines = np.array([shapely.box(*box) for _, box, _ in known], dtype=object)
    return Labels(outlines, [name for name, _, _ in known], [tags for _, _, tags in known])


def roof(
    west: float, south: float, **tags: str
) -> tuple[str, tuple[float, float, float, float], dict[str, str]]:
    return (
        "building",
        (west, south, west + 0.1, south + 0.1),
        {f"roof:{key}": value for key, value in tags.items()},
    )


def test_captions_count_and_say_where() -> None:
    first, *_ = captions.describe(labels(roof(0.1, 0.8), roof(0.8, 0.1)), GRID, ["building"])
    assert first == "Two buildings in the north-west and south-east."


def test_north_is_up_and_west_is_left() -> None:
    seen = captions.look(labels(roof(0.05, 0.85)), GRID, "building")
    assert seen is not None
    assert seen.parts == ["north-west"]
    assert seen.largest == "north-west"


def test_roads_run_from_side_to_side() -> None:
    road = ("road", (0.45, -1.0, 0.55, 2.0), {})
    first, *_ = captions.describe(labels(road), GRID, CLASSES)
    assert first == "A road runs from north to south through the north, centre and south. No buildings."


def test_materials_are_said_where_labels_tell_them() -> None:
    known = labels(roof(0.1, 0.1, material="roof_tiles"), roof(0.8, 0.8, material="metal"), roof(0.5, 0.5))
    assert any(
        "one of metal and one of roof tiles" in each for each in captions.describe(known, GRID, CLASSES)
    )
    plain = captions.describe(labels(roof(0.1, 0.1)), GRID, CLASSES)
    assert not any("metal" in each or "mostly of" in each for each in plain)


def test_a_neighbour_s_eaves_are_no_house_of_this_chip() -> None:
    eaves = ("building", (0.99, 0.4, 1.4, 0.6), {})
    assert captions.look(labels(eaves), GRID, "building") is None


def test_an_empty_chip_says_so_in_one_caption() -> None:
    assert captions.describe(labels(roof(5, 5)), GRID, CLASSES) == [
        "Nothing is mapped here: no buildings and no roads."
    ]


def test_equal_grounds_have_equal_captions() -> None:
    moved = Grid(LONLAT, (0.01, 0.0, 7.0, 0.0, -0.01, 1.0), 100, 100)
    here = captions.describe(labels(roof(0.1, 0.8)), GRID, CLASSES)
    assert here == captions.describe(labels(roof(7.1, 0.8)), moved, CLASSES)


def test_nobody_is_named() -> None:
    tagged = ("building", (0.1, 0.1, 0.2, 0.2), {"name": "House of A. Person", "addr:street": "Main"})
    said = " ".join(captions.describe(labels(tagged), GRID, CLASSES))
    assert "Person" not in said
    assert "Main" not in said


def test_what_cannot_be_counted_is_not_counted() -> None:
    water = ("water", (0.0, 0.0, 0.3, 0.3), {})
    assert captions.describe(labels(water), GRID, ["water"])[0] == "Water in the south-west."
