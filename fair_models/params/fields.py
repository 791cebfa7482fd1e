"""What several parameter models share: their base, and types and fields that they have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from fair_models import place_fields

HyperparameterValue = bool | int | float | str
"""One value; its type, bounds and choices are the model's `fair:hyperparameters_spec`."""

Hyperparameters = dict[Annotated[str, Field(max_length=100)], HyperparameterValue]
"""Values by name."""

Location = Annotated[
    str, Field(min_length=1, max_length=2000, json_schema_extra={place_fields.KEYWORD: place_fields.READ})
]
"""A file, folder or address that is read."""

Destination = Annotated[
    str, Field(min_length=1, max_length=2000, json_schema_extra={place_fields.KEYWORD: place_fields.WRITTEN})
]
"""A file or folder that is written."""

AreaText = Annotated[
    str,
    Field(
        min_length=1, max_length=250_000, json_schema_extra={place_fields.KEYWORD: place_fields.READ_OR_TEXT}
    ),
]
"""A box or GeoJSON as text, or the file that holds it."""

DRY_RUN: bool = Field(False, description="Only say what would change, and change nothing. Default: false.")

SUB_RUNS: int = Field(
    1,
    ge=1,
    le=100,
    description="Runs of predict-shards that share the work, 1 to 100, so that several workers or pods "
    "work on one prediction. All of them must reach the imagery and the registry's store. Default: 1, "
    "no other run.",
)


class Params(BaseModel):
    """Base of all: unknown fields, booleans as numbers, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)
