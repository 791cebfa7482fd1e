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
        description="Model to start from: a base model, or a local model to train further. A name (its "
        "current version) or an exact id. If both collections have it, write base-models/NAME."
    )
    dataset: Reference = Field(description="Dataset: a name (its current version) or an exact id.")
    model_name: Name = Field(
        description="Name of the new model: 3 to 63 lower-case letters, digits and single hyphens. An "
        "existing name gets its next version."
    )
    title: Title | None = Field(None, description="Title for people. Default: made from the names.")
    description: Prose = Field(
        "", max_length=4000, description="What this model is for, up to 4000 characters."
    )
    overrides: Hyperparameters = Field(
        default={},
        description='Hyperparameters that differ from the base model\'s, for example {"training.epochs": '
        "20}. Names and bounds are in the base model's item.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of the training, 0 to 2147483647. Default: 0.")


SearchMethod = Literal["random", "grid"]
"""How values are chosen."""


class SearchRange(Params):
    """Values of one hyperparameter to try. The model's item declares what is not given here."""

    least: float | None = Field(None, description="Minimum. Default: the minimum that the model allows.")
    most: float | None = Field(None, description="Maximum. Default: the maximum that the model allows.")
    values: list[HyperparameterValue] = Field(
        default=[], max_length=100, description="The values to try, instead of a range. Default: a range."
    )
    points: int = Field(
        3,
        ge=2,
        le=100,
        description="Number of values that a grid takes from the range, 2 to 100. Default: 3.",
    )
    log: bool = Field(
        False, description="Logarithmic steps (0.001, 0.01, 0.1) instead of equal ones. Default: false."
    )


class SearchParams(Params):
    """Search for good hyperparameters."""

    base_model: Reference = Field(description="Base model: a name (its current version) or an exact id.")
    dataset: Reference = Field(description="Dataset: a name (its current version) or an exact id.")
    model_name: Name = Field(
        description="Name of the new model: 3 to 63 lower-case letters, digits and single hyphens. Each "
        "trial is a version of it."
    )
    title: Title | None = Field(None, description="Title for people. Default: made from the names.")
    vary: dict[Annotated[str, Field(max_length=100)], SearchRange] = Field(
        min_length=1,
        max_length=20,
        description="Hyperparameters to vary, with their ranges. {} is the range that the model allows. "
        'Example: {"training.learning_rate": {"least": 0.0001, "most": 0.01, "log": true}}.',
    )
    overrides: Hyperparameters = Field(
        default={}, description='Hyperparameters of all trials, for example {"training.epochs": 20}.'
    )
    method: SearchMethod = Field(
        "random",
        description="random (default): values drawn from the ranges. grid: all combinations, in random "
        "order.",
    )
    most_trials: int = Field(
        20, ge=1, le=1000, description="Maximum number of trials, 1 to 1000. Default: 20."
    )
    most_minutes: float | None = Field(
        None,
        gt=0,
        le=100_000,
        description="Minutes after which no further trial begins, above 0 to 100000. Default: no limit.",
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Trials without a better one after which the search ends, 1 to 1000. Default: no limit.",
    )
    stop_after_epoch: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="Epoch, 1 to 100000, after which a trial is stopped if its loss is above the median of "
        "the trials before, of which there must be 3. Use it only if the losses of all trials can be "
        "compared. Default: all trials are trained to the end.",
    )
    finish: bool = Field(
        True,
        description="Train the best trial again on all training chips, as a version that can be published. "
        "Default: true.",
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        description="Seed of the search and of each training, 0 to 2147483647. Default: 0.",
    )
