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
        description="Folder of the contribution (models/<name> in a checkout), or path or https address of a "
        "finished STAC item with its files. Paths are as the worker sees them. The model's code is run: "
        "register only what you trust."
    )
    random_start: bool = Field(
        False,
        description="A contribution that starts from published weights starts from random ones instead, for "
        "example where they cannot be reached. It then needs more chips and time to train. Default: false.",
    )
    dry_run: bool = DRY_RUN


class Gate(Params):
    """What a run must reach to be published."""

    minimum: dict[str, float] = Field(
        default={}, description='Least value of a held-out metric, for example {"fair:building_iou": 0.5}.'
    )
    not_worse_by: float | None = Field(
        None,
        ge=0,
        le=1,
        description="How much worse the main metric may be than the current version's, 0 to 1, "
        "on the same held-out chips. Default: not compared.",
    )
    override_reason: Annotated[Sentence, Field(min_length=10, max_length=500)] | None = Field(
        None,
        description="Why a version that falls short is published all the same, one line of 10 to 500 "
        "characters; it is kept in the item. Default: it is not published.",
    )


class PromoteParams(Params):
    """Publish a version of a fine-tuned model."""

    model: Name = Field(description="Name of the fine-tuned model.")
    version: int | None = Field(
        None, ge=1, description="Version to publish. 1 or more. Default: the newest completed one."
    )
    gate: Gate = Field(
        default=Gate(), description="What the version must reach. Default: nothing but a completed run."
    )
    dry_run: bool = DRY_RUN


class RetireParams(Params):
    """Archive or delete what is published."""

    name: Name = Field(description="Name of the model or dataset, without a version.")
    version: int | None = Field(
        None,
        ge=1,
        description="Version to retire, 1 or more. Default: all versions; ZenML's model goes with them "
        "where they are deleted.",
    )
    action: Literal["archive", "delete"] = Field(
        "archive",
        description="archive (default): deprecated, everything kept, promoting it again brings it back. "
        "delete: gone for good but for a tombstone.",
    )
    collection: CollectionId = COLLECTION
    reason: Line = Field(
        "", max_length=500, description="Why, up to 500 characters; kept in the tombstone. Default: none."
    )
    force: bool = Field(
        False,
        description="Delete although active items derive from it. Their lineage stays readable through the "
        "tombstone. Default: refused, with their names.",
    )
    dry_run: bool = DRY_RUN


class PinParams(Params):
    """Pin a version, so that nothing deletes it, or take its pin off."""

    name: Name = Field(description="Name of the model or dataset, without a version.")
    version: int = Field(ge=1, description="Version, 1 or more, published or not.")
    collection: CollectionId = COLLECTION
    reason: Annotated[Sentence, Field(min_length=3, max_length=500)] = Field(
        description="Why it is pinned, or is pinned no more: one line of 3 to 500 characters."
    )
    by: Annotated[Line, Field(min_length=1, max_length=120)] = Field(
        description="Who says so: a name or an address, up to 120 characters."
    )
    pinned: bool = Field(True, description="false takes the pin off. Default: true.")


class CleanRunsParams(Params):
    """Delete old training runs that are neither published nor pinned."""

    older_than_days: int = Field(
        30,
        ge=0,
        le=10_000,
        description="Younger runs stay, in days, 0 to 10000; 0 lets runs of today go too. Default: 30.",
    )
    keep_last: int = Field(
        3,
        ge=0,
        le=10_000,
        description="So many of the newest versions of each model stay, 0 to 10000. Default: 3.",
    )
    models: list[Name] = Field(default=[], max_length=1000, description="Models to clean. Default: all.")
    dry_run: bool = Field(
        True, description="Only say what would be deleted, and delete nothing. Default: true; false deletes."
    )
