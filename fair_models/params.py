"""What may be asked of fair-models: one typed model for each flow.

The flows take these as their only parameter, the CLI and the client build them. Rules that JSON Schema
can say are said there, so that a wrong request is refused before a run is created.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fair_models.types import Name, Reference, Title

HyperparameterValue = bool | int | float | str
"""One value; its type, bounds and choices are the model's `fair:hyperparameters_spec`."""

Location = Annotated[str, Field(min_length=1, max_length=2000)]


class Params(BaseModel):
    """Base of all: unknown fields, booleans as numbers, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class RegisterModelParams(Params):
    """Register a base model."""

    source: Location = Field(
        description="Folder of the contribution (models/<name> in a checkout, as the worker sees it), "
        "or the href of a finished STAC item."
    )


class IngestDatasetParams(Params):
    """Ingest chips and labels as a dataset."""

    name: Name = Field(
        description="Name of the dataset: 3 to 63 lower-case letters, digits and single hyphens, "
        "for example banepa-buildings. An existing name gets its next version."
    )
    title: Title = Field(description="Title for people, one line of up to 120 characters.")
    description: str = Field(
        "", max_length=4000, description="What the area is and how it was mapped, up to 4000 characters."
    )
    chips: Location = Field(
        description="Folder with image chips, or a folder in the fAIr layout "
        "(input/ with chips and labels.geojson), as the worker sees it."
    )
    labels: Location | None = Field(
        None, description="GeoJSON file with the labels. Default: labels.geojson among the chips."
    )
    classes: list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)]] = Field(
        default=["building"],
        min_length=1,
        max_length=50,
        description="Classes that the labels mean, without the background: lower-case words. "
        "With one class (default: building), every label is of it.",
    )
    class_property: str | None = Field(
        None,
        max_length=100,
        description="Property of a label that names its class. Needed where there is more than one class.",
    )
    keywords: list[str] = Field(
        default=["building", "semantic-segmentation", "polygon"],
        min_length=1,
        max_length=10,
        description="Words of the vocabulary: at least one feature (building, road, tree, ...), a task, "
        "a geometry. Default: building, semantic-segmentation, polygon.",
    )
    license: str = Field(
        "CC-BY-4.0", max_length=60, description="SPDX identifier of the data's licence. Default: CC-BY-4.0."
    )
    provider: str = Field(
        "", max_length=120, description="Who made the labels, for example OpenStreetMap contributors."
    )
    source_imagery: str | None = Field(
        None, max_length=2000, description="Where the imagery comes from: an href or a name."
    )
    held_out_ratio: float = Field(
        0.25,
        ge=0.05,
        le=0.5,
        description="Share of the area kept for evaluation, 0.05 to 0.5. Default: 0.25.",
    )
    buffer_m: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="Training chips nearer than this to a held-out chip are left out, in metres, 0 to 1000. "
        "Default: 0, none is.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of the split, 0 to 2147483647. Default: 0.")
    zoom: Literal["most-frequent", "resample"] | Annotated[int, Field(ge=14, le=23)] = Field(
        "most-frequent",
        description="Where chips of several zooms lie in one folder: keep the most frequent zoom (default), "
        "resample all to one ground resolution, or keep the zoom given (14 to 23).",
    )


class FinetuneParams(Params):
    """Fine-tune a base model on a dataset."""

    base_model: Reference = Field(description="Base model: a name (its current version) or an exact id.")
    dataset: Reference = Field(description="Dataset: a name (its current version) or an exact id.")
    model_name: Name = Field(
        description="Name of the model that comes out: 3 to 63 lower-case letters, digits, single hyphens. "
        "An existing name gets its next version."
    )
    title: Title | None = Field(None, description="Title for people. Default: made from the names.")
    description: str = Field(
        "", max_length=4000, description="What this model is for, up to 4000 characters."
    )
    overrides: dict[Annotated[str, Field(max_length=100)], HyperparameterValue] = Field(
        default={},
        description="Hyperparameters that differ from the base model's, for example "
        '{"training.epochs": 20}. Names and bounds are in the base model\'s item.',
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of the training, 0 to 2147483647. Default: 0.")


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


class PromoteParams(Params):
    """Publish a version of a fine-tuned model."""

    model: Name = Field(description="Name of the fine-tuned model.")
    version: int | None = Field(
        None, ge=1, description="Version to publish. 1 or more. Default: the newest completed one."
    )
    gate: Gate = Field(
        default=Gate(), description="What the version must reach. Default: nothing but a completed run."
    )


class PredictParams(Params):
    """Predict over imagery with a registered model."""

    model: Reference = Field(
        description="A local or base model: a name (its current version) or an exact id."
    )
    imagery: Location = Field(description="Folder of chips, or a georeferenced image, as the worker sees it.")
    output: Location | None = Field(
        None, description="Folder for the results. It must be new or empty. Default: one under FAIR_HOME."
    )
    parameters: dict[Annotated[str, Field(max_length=100)], HyperparameterValue] = Field(
        default={},
        description="Inference parameters that differ from the model's, for example "
        '{"inference.confidence_threshold": 0.6}.',
    )
    formats: list[Literal["geojson", "preview"]] = Field(
        default=["geojson", "preview"],
        min_length=1,
        description="Which files to write: geojson (what was found), preview (a picture). Default: both.",
    )


class AuditParams(Params):
    """Check the whole catalogue."""

    rules: list[str] = Field(default=[], description="Names of the rules to run. Default: all.")
    digests: bool = Field(True, description="Read every asset and compare its digest. Default: yes.")
