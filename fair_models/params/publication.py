"""Parameters of flows that change what is published, and what is kept of trainings."""

from typing import Annotated, Literal

from pydantic import Field

from fair_models.params.fields import (
    DRY_RUN,
    Location,
    Params,
)
from fair_models.text import Line, Sentence
from fair_models.types import CollectionId, Name

COLLECTION: CollectionId = Field(
    "local-models", description="Where it is published: local-models (default), base-models or datasets."
)


class RegisterModelParams(Params):
    """Register a base model."""

    source: Location = Field(
        description="Folder of the contribution (models/<name> in a checkout), or path or https address of "
        "a finished STAC item with its files. Paths are as the worker sees them. The model's code is run: "
        "register only code that you trust."
    )
    random_start: bool = Field(
        False,
        description="Start from random weights instead of the published weights that the contribution "
        "names, for example without network. Training then needs more chips and time. Default: false.",
    )
    dry_run: bool = DRY_RUN


class Gate(Params):
    """What a version must reach to be published."""

    minimum: dict[str, float] = Field(
        default={},
        description='Minimum of a metric on held-out chips, for example {"fair:building_iou": 0.5}.',
    )
    not_worse_by: float | None = Field(
        None,
        ge=0,
        le=1,
        description="How much worse than the current version the main metric may be on the same held-out "
        "chips, 0 to 1. Default: not compared.",
    )
    override_reason: Annotated[Sentence, Field(min_length=10, max_length=500)] | None = Field(
        None,
        description="Why to publish a version that does not reach the gate: one line of 10 to 500 "
        "characters, which the item keeps. Default: such a version is not published.",
    )


class PromoteParams(Params):
    """Publish a version of a fine-tuned model."""

    model: Name = Field(description="Name of the fine-tuned model.")
    version: int | None = Field(
        None, ge=1, description="Version to publish, 1 or more. Default: the newest completed one."
    )
    gate: Gate = Field(
        default=Gate(), description="What the version must reach. Default: only a completed run."
    )
    dry_run: bool = DRY_RUN


class RetireParams(Params):
    """Archive or delete what is published."""

    name: Name = Field(description="Name of the model or dataset, without a version.")
    version: int | None = Field(
        None,
        ge=1,
        description="Version to retire, 1 or more. Default: all versions. Deleting all also deletes the "
        "model in ZenML.",
    )
    action: Literal["archive", "delete"] = Field(
        "archive",
        description="archive (default): mark as deprecated and keep everything; promote it again to bring "
        "it back. delete: delete for good; only a tombstone is left.",
    )
    collection: CollectionId = COLLECTION
    reason: Line = Field(
        "",
        max_length=500,
        description="Why, up to 500 characters. The tombstone keeps it. Default: no reason.",
    )
    force: bool = Field(
        False,
        description="Delete even if active items derive from it. The tombstone keeps their lineage "
        "readable. Default: false, such a request is refused with their names.",
    )
    dry_run: bool = DRY_RUN


class PinParams(Params):
    """Pin a version, so that nothing deletes it, or remove its pin."""

    name: Name = Field(description="Name of the model or dataset, without a version.")
    version: int = Field(ge=1, description="Version, 1 or more, published or not.")
    collection: CollectionId = COLLECTION
    reason: Annotated[Sentence, Field(min_length=3, max_length=500)] = Field(
        description="Why it is pinned or unpinned: one line of 3 to 500 characters."
    )
    by: Annotated[Line, Field(min_length=1, max_length=120)] = Field(
        description="Who pins or unpins it: a name or an address, up to 120 characters."
    )
    pinned: bool = Field(True, description="false removes the pin. Default: true.")


class CleanRunsParams(Params):
    """Delete old training runs that are neither published nor pinned."""

    older_than_days: int = Field(
        30,
        ge=0,
        le=10_000,
        description="Age in days, 0 to 10000. Younger runs are kept; 0 keeps none for its age. Default: 30.",
    )
    keep_last: int = Field(
        3,
        ge=0,
        le=10_000,
        description="Number of newest versions of each model to keep, 0 to 10000. Default: 3.",
    )
    models: list[Name] = Field(default=[], max_length=1000, description="Models to clean. Default: all.")
    dry_run: bool = Field(
        True, description="Only say what would be deleted, and delete nothing. Default: true; false deletes."
    )
