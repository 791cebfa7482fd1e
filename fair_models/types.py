"""Words that every package uses: names, references, boxes, collections."""

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import StringConstraints

from fair_models.text import Title as Title

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    """A numpy array; the docstring that uses it says shape, unit and range."""

    Mask = NDArray[np.uint8]
    """Class index of each pixel, shape (height, width)."""

Json = dict[str, Any]
"""A JSON object."""

BBox = tuple[float, float, float, float]
"""West, south, east, north in EPSG:4326 degrees, e.g. (85.5189, 27.6299, 85.5231, 27.6343)."""

Affine6 = tuple[float, float, float, float, float, float]
"""Pixel to map: x = a * column + b * row + c, y = d * column + e * row + f (order a, b, c, d, e, f)."""

BASE_MODELS: Final = "base-models"
LOCAL_MODELS: Final = "local-models"
DATASETS: Final = "datasets"
CollectionId = Literal["base-models", "local-models", "datasets"]

NAME_PATTERN = r"^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$"
"""Names of models and datasets: a letter, then lower-case letters, digits and single hyphens."""

VERSION_SUFFIX = r"-v[1-9][0-9]*$"
"""How an exact item id ends. A name itself must not end so."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, min_length=3, max_length=63)]
"""A model or dataset, e.g. "banepa-roofs". Its items are "banepa-roofs-v1", "banepa-roofs-v2"."""

Reference = Annotated[
    str,
    StringConstraints(
        pattern=r"^(?:(?:base-models|local-models|datasets)/)?[a-z][a-z0-9]*(?:-[a-z0-9]+)*$",
        min_length=3,
        max_length=88,
    ),
]
"""A bare name (its current version) or an exact item id ("banepa-roofs-v2"), after its collection or without:
"local-models/banepa-roofs"."""


def __getattr__(name: str) -> Any:
    """`Array` and `Mask`, made when they are first used: most importers need no numpy."""
    if name not in {"Array", "Mask"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import numpy as np
    from numpy.typing import NDArray

    globals().update(Array=NDArray[Any], Mask=NDArray[np.uint8])
    return globals()[name]
