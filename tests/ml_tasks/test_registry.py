import numpy as np
import pytest
import shapely

from fair_models.data.images.grid import Grid
from fair_models.data.vectors.labels import Labels
from fair_models.errors import NotFound
from fair_models.ml_tasks.registry import targets_for

GRID = Grid("EPSG:4326", (0.1, 0.0, 85.0, 0.0, -0.1, 28.0), 10, 10)
EVERYWHERE = np.ones((10, 10), dtype=bool)


@pytest.mark.parametrize("task", ["semantic-segmentation", "instance-segmentation"])
def test_segmentation_learns_the_class_of_each_pixel(task):
    outlines = np.array([shapely.box(85.0, 27.5, 85.5, 28.0)], dtype=object)
    labels = Labels(outlines, ["building"], [{}])

    mask = targets_for(task)(labels, GRID, ["background", "building"], EVERYWHERE)

    assert mask.dtype == np.uint8
    assert mask[:5, :5].all()
    assert mask.sum() == 25


def test_a_task_that_nobody_trains_is_named_with_those_that_are():
    with pytest.raises(NotFound, match=r"'captioning'.*semantic-segmentation"):
        targets_for("captioning")
