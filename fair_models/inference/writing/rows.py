"""Features as rows of a table: the columns and values that all vector files share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fair_models.inference.outlines.features import Features
from fair_models.types import Array

if TYPE_CHECKING:
    import pyarrow as pa

GEOMETRY = "geometry"
BOX = "bbox"
SIDES = ("xmin", "ymin", "xmax", "ymax")
_CONFIDENCE_DECIMALS = 4
_AREA_DECIMALS = 2


def schema() -> pa.Schema:
    """The columns of a feature.

    `id`, `class`, `confidence` (0 to 1, four decimals), `area_m2` (two decimals), `source`, `geometry` (WKB
    in longitude and latitude) and `bbox`.
    """
    import pyarrow as pa

    sides = [pa.field(side, pa.float64(), nullable=False) for side in SIDES]
    return pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False),
            pa.field("class", pa.string(), nullable=False),
            pa.field("confidence", pa.float64(), nullable=False),
            pa.field("area_m2", pa.float64(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field(GEOMETRY, pa.binary(), nullable=False),
            pa.field(BOX, pa.struct(sides), nullable=False),
        ]
    )


def table(features: Features, classes: Sequence[str], first_id: int) -> pa.Table:
    """Features as rows.

    Args:
        features: What was found.
        classes: Class names; the position is the index.
        first_id: Id of the first feature; the others follow.
    """
    import pyarrow as pa
    import shapely

    columns = schema()
    sides = shapely.bounds(features.geometry).reshape(-1, 4)
    names = np.array(classes, dtype=object)
    values = [
        pa.array(np.arange(first_id, first_id + len(features))),
        pa.array(names[features.classes], pa.string()),
        pa.array(features.confidence.round(_CONFIDENCE_DECIMALS)),
        pa.array(features.area_m2.round(_AREA_DECIMALS)),
        pa.array(features.source, pa.string()),
        pa.array(shapely.to_wkb(features.geometry), pa.binary()),
        pa.StructArray.from_arrays(
            [pa.array(np.ascontiguousarray(side)) for side in sides.T], fields=list(columns.field(BOX).type)
        ),
    ]
    return pa.Table.from_arrays(values, schema=columns)


def features_of(batch: pa.RecordBatch, classes: Sequence[str]) -> Features:
    """Rows as features again, confidence and area rounded as they are written."""
    import shapely

    index = {name: at for at, name in enumerate(classes)}
    return Features(
        np.asarray(shapely.from_wkb(_objects(batch, GEOMETRY))),
        np.array([index[name] for name in batch.column("class").to_pylist()], dtype=np.int64),
        batch.column("confidence").to_numpy(),
        batch.column("area_m2").to_numpy(),
        _objects(batch, "source"),
    )


def _objects(batch: pa.RecordBatch, name: str) -> Array:
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), dtype=object)
