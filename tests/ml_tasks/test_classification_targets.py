import numpy as np
import pytest
import shapely

from fair_models.data.images.grid import Grid
from fair_models.data.vectors.labels import Labels
from fair_models.ml_tasks.registry import targets_for

GRID = Grid("EPSG:4326", (0.1, 0.0, 85.0, 0.0, -0.1, 28.0), 20, 20)
EVERYWHERE = np.ones((20, 20), dtype=bool)
CLASSES = ["background", "building", "water"]


def labels(*boxes: tuple[float, float, float, float], names: list[str] | None = None) -> Labels:
    outlines = np.array([shapely.box(*box) for box in boxes], dtype=object)
    return Labels(outlines, names or ["building"] * len(boxes), [{}] * len(boxes))


@pytest.mark.parametrize("task", ["scene-classification", "classification"])
def test_a_sample_is_of_the_class_that_covers_enough_of_it(task):
    target = targets_for(task)(labels((85.0, 27.8, 85.2, 28.0)), GRID, CLASSES, EVERYWHERE)

    assert target.dtype == np.uint8
    assert target.shape == ()
    assert target == 1


def test_an_edge_of_a_roof_makes_no_building():
    """One pixel of 400 is 0.25 %, two are the least share."""
    make = targets_for("scene-classification")

    assert make(labels((85.0, 27.9, 85.1, 28.0)), GRID, CLASSES, EVERYWHERE) == 0
    assert make(labels((85.0, 27.9, 85.2, 28.0)), GRID, CLASSES, EVERYWHERE) == 1


def test_of_several_classes_the_largest_counts():
    both = labels((85.0, 27.8, 85.2, 28.0), (86.0, 26.0, 86.5, 27.0), names=["building", "water"])

    assert targets_for("scene-classification")(both, GRID, CLASSES, EVERYWHERE) == 2


def test_labels_beyond_the_imagery_do_not_count():
    """A small chip is filled up to the size of a sample; its neighbour's buildings lie there."""
    imagery = np.zeros((20, 20), dtype=bool)
    imagery[:10, :10] = True

    assert targets_for("scene-classification")(labels((86.2, 26.2, 86.9, 26.9)), GRID, CLASSES, imagery) == 0
    assert targets_for("scene-classification")(labels((85.0, 27.9, 85.1, 28.0)), GRID, CLASSES, imagery) == 1


def test_nothing_mapped_is_background():
    assert targets_for("scene-classification")(labels((10, 10, 11, 11)), GRID, CLASSES, EVERYWHERE) == 0


def test_a_sample_with_labels_of_an_unknown_class_alone_is_left_out():
    unknown = labels((86.0, 26.0, 86.5, 27.0))
    make = targets_for("scene-classification")

    assert make(labels((85.0, 27.8, 85.2, 28.0)).ignoring(unknown), GRID, CLASSES, EVERYWHERE) == 1
    assert make(labels((80.0, 20.0, 80.2, 20.2)).ignoring(unknown), GRID, CLASSES, EVERYWHERE) == 255


def test_a_segmentation_ignores_the_pixels_of_an_unknown_class():
    known = labels((85.0, 27.8, 85.2, 28.0)).ignoring(labels((85.0, 27.0, 86.0, 28.0)))

    mask = targets_for("semantic-segmentation")(known, GRID, CLASSES, EVERYWHERE)

    assert [int((mask == value).sum()) for value in (0, 1, 255)] == [300, 4, 96]
