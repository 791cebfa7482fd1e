"""Parameters of flows that train."""

from typing import Annotated, Literal

from pydantic import Field

from fair_models.params.fields import (
    Hyperparameters,
    HyperparameterValue,
    Params,
)
from fair_models.text import Prose
from fair_models.types import Name, Reference, Title


class FinetuneParams(Params):
    """Fine-tune a base model on a dataset."""

    base_model: Reference = Field(
        description="Where to start: a base model, or a local model to train further. A name (its current "
        "version) or an exact id, after its collection where both have it: base-models/NAME."
    )
    dataset: Reference = Field(description="Dataset: a name (its current version) or an exact id.")
    model_name: Name = Field(
        description="Name of the model that comes out: 3 to 63 lower-case letters, digits, single hyphens. "
        "An existing name gets its next version."
    )
    title: Title | None = Field(None, description="Title for people. Default: made from the names.")
    description: Prose = Field(
        "", max_length=4000, description="What this model is for, up to 4000 characters."
    )
    overrides: Hyperparameters = Field(
        default={},
        description="Hyperparameters that differ from the base model's, for example "
        '{"training.epochs": 20}. Names and bounds are in the base model\'s item.',
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of the training, 0 to 2147483647. Default: 0.")


SearchMethod = Literal["random", "grid"]
"""How values are chosen."""


class SearchRange(Params):
    """Which values of one hyperparameter are tried; what is not said is as the model's item declares it."""

    least: float | None = Field(None, description="Least value. Default: the least that the model allows.")
    most: float | None = Field(None, description="Largest value. Default: the largest that it allows.")
    values: list[HyperparameterValue] = Field(
        default=[], max_length=100, description="The values to try, in place of a range. Default: a range."
    )
    points: int = Field(
        3, ge=2, le=100, description="How many values of a range a grid has, 2 to 100. Default: 3."
    )
    log: bool = Field(
        False, description="Whether steps multiply (0.001, 0.01, 0.1) in place of adding. Default: they add."
    )


class SearchParams(Params):
    """Search for good hyperparameters."""

    base_model: Reference = Field(description="Base model: a name (its current version) or an exact id.")
    dataset: Reference = Field(description="Dataset: a name (its current version) or an exact id.")
    model_name: Name = Field(
        description="Name of the model that comes out: 3 to 63 lower-case letters, digits, single hyphens. "
        "Each trial is a version of it."
    )
    title: Title | None = Field(None, description="Title for people. Default: made from the names.")
    vary: dict[Annotated[str, Field(max_length=100)], SearchRange] = Field(
        min_length=1,
        max_length=20,
        description="Hyperparameters to vary, with their ranges; {} is all that the model allows. Example: "
        '{"training.learning_rate": {"least": 0.0001, "most": 0.01, "log": true}}.',
    )
    overrides: Hyperparameters = Field(
        default={}, description='Hyperparameters of all trials, for example {"training.epochs": 20}.'
    )
    method: SearchMethod = Field(
        "random",
        description="random (default): drawn from the ranges. grid: all combinations, in an order by chance.",
    )
    most_trials: int = Field(20, ge=1, le=1000, description="Most trials, 1 to 1000. Default: 20.")
    most_minutes: float | None = Field(
        None,
        gt=0,
        le=100_000,
        description="After so many minutes no further trial begins, above 0 to 100000. Default: no limit.",
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="After so many trials without a better one the search ends, 1 to 1000. Default: never.",
    )
    stop_after_epoch: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="A trial ends after this epoch, 1 to 100000, where its loss is above the median of those "
        "before, of which there must be 3. For trials whose losses are alike. Default: all are trained to "
        "their end.",
    )
    finish: bool = Field(
        True,
        description="Train the best once more on the whole training side, as a version that can be "
        "published. Default: true.",
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        description="Seed of the search and of each training, 0 to 2147483647. Default: 0.",
    )
