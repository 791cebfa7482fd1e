"""What a run hands back: the one row of its artifact `result`. docs/backend.md shows them.

The flows write these rows, the client and the command line read them. All values are plain, so that the row
is a table for people too.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from fair_models.types import CollectionId


class Outcome(BaseModel):
    """Base of all. `files` names the columns that hold the address of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    files: ClassVar[tuple[str, ...]] = ()


class PublishedItem(Outcome):
    """Result of `register-model` and `ingest-dataset`: the item that is current now.

    The artifact `changes` has one row for each thing that was changed.
    """

    files: ClassVar[tuple[str, ...]] = ("href",)

    collection: CollectionId = Field(description="Collection of the item.")
    item: str = Field(description="Exact id, for example banepa-buildings-v2.")
    name: str = Field(description="Its name, without the version.")
    version: int = Field(description="Its version.")
    title: str = Field(description="Its title.")
    href: str = Field(description="Where the item lies.")
    dry_run: bool = Field(description="Whether this is only what would be, and nothing was changed.")


class Score(Outcome):
    """How a version does on held-out imagery, by the first entry of `fair:metrics_spec`."""

    metric: str | None = Field(description="Key of the main metric, for example fair:building_iou.")
    value: float | None = Field(description="Its held-out value. Empty where nothing was measured.")
    baseline: float | None = Field(description="The same for the simplest guess.")
    baseline_name: str = Field(description="What that guess is.")
    held_out_count: int = Field(description="Number of held-out samples.")


class Version(Outcome):
    """A version of a fine-tuned model, and what it was made of."""

    model: str = Field(description="Name of the model.")
    version: int = Field(description="Number of the version.")
    base_model: str = Field(description="Exact id of the base model.")
    dataset: str = Field(description="Exact id of the dataset.")


class TrainedVersion(Score, Version):
    """Result of `finetune` and `train`: a version that can be promoted.

    The artifact `metrics` has all metrics.
    """

    seconds: float | None = Field(description="Wall time of the training itself, in seconds.")
    zenml_run: str | None = Field(description="Id of ZenML's run.")
    mlflow_run: str | None = Field(description="Id of MLflow's run.")


class PromotedVersion(Score, PublishedItem):
    """Result of `promote`: the local model that is current now.

    The artifact `metrics` has all metrics, `changes` one row for each thing that was changed.
    """

    replaced: str | None = Field(description="Id of the item that it took the place of.")


class RetiredVersions(Outcome):
    """Result of `retire`. The artifact `changes` has one row for each thing that was changed."""

    collection: CollectionId = Field(description="Collection of the items.")
    name: str = Field(description="Their name, without a version.")
    action: str = Field(description="archive or delete.")
    items: str = Field(description="Exact ids of the versions that are archived or deleted now.")
    changes: int = Field(description="Number of things that were changed; 0 where all was so already.")
    dry_run: bool = Field(description="Whether this is only what would be, and nothing was changed.")


class Prediction(Outcome):
    """Result of `predict` and `repeat-prediction`: what was found, and where the files lie."""

    files: ClassVar[tuple[str, ...]] = (
        "geoparquet",
        "vectors",
        "flatgeobuf",
        "pmtiles",
        "classes",
        "confidence",
        "preview",
        "item",
    )

    model: str = Field(description="Exact id of the model.")
    folder: str = Field(description="Folder with all files.")
    geoparquet: str | None = Field(description="GeoParquet with what was found.")
    vectors: str | None = Field(description="The same as GeoJSON.")
    flatgeobuf: str | None = Field(description="The same as FlatGeobuf.")
    pmtiles: str | None = Field(
        description="The same as vector tiles (PMTiles). Empty where nothing was found too."
    )
    classes: str | None = Field(
        description="COG with the class of each pixel; the folder where there are several, one for each area."
    )
    confidence: str | None = Field(description="COG with the confidence of each pixel in per cent; likewise.")
    preview: str | None = Field(description="Picture of it over the imagery.")
    item: str = Field(description="STAC item with the digests of the files, the model and the parameters.")
    engine: str = Field(
        description="What ran the model and at which precision; with fast, how well it agrees with exact, or "
        "why exact was run."
    )
    features: int = Field(description="Number of polygons, lines or points.")
    excluded: int = Field(description="Number of features left out because existing ones cover them.")
    same: bool | None = Field(
        description="Whether all files are byte for byte those of the prediction that was repeated. Empty "
        "where none was."
    )
    area_m2: float = Field(description="Area of all polygons, in square metres.")
    images: int = Field(description="Number of chips or images that were read.")
    failed: int = Field(
        description="Number of chips and windows that failed and were left out; the artifact `failed` lists "
        "them."
    )
    seconds: float = Field(description="Wall time, in seconds.")


class ShardsMade(Outcome):
    """Result of `predict-shards`."""

    digest: str = Field(description="What the prediction's shards are called by in the store.")
    first: int = Field(description="Number of the first shard that was asked for.")
    last: int = Field(description="Number of the last one.")
    made: int = Field(description="How many this run made; the others were there.")


class AuditSummary(Outcome):
    """Result of `audit`. The artifacts `findings` and `repairs` have one row for each."""

    files: ClassVar[tuple[str, ...]] = ("report",)

    ok: bool = Field(description="Whether there is no error; warnings are allowed.")
    errors: int = Field(description="Promises of the registry that are broken.")
    warnings: int = Field(description="Things that somebody should look at.")
    repairs: int = Field(description="Things that were put right; findings are what is left.")
    unrepaired: str = Field(description="Rules whose repair failed, and why.")
    items: int = Field(description="Number of items checked.")
    rules: int = Field(description="Number of rules that ran.")
    skipped: str = Field(description="Rules that did not run, and why.")
    unchecked_schemas: int = Field(description="Official schemas that were neither cached nor reachable.")
    report: str = Field(description="File with the report, on the worker's machine.")
    seconds: float = Field(description="Wall time, in seconds.")


OUTCOMES: dict[str, type[Outcome]] = {
    "register-model": PublishedItem,
    "ingest-dataset": PublishedItem,
    "finetune": TrainedVersion,
    "train": TrainedVersion,
    "promote": PromotedVersion,
    "retire": RetiredVersions,
    "predict": Prediction,
    "repeat-prediction": Prediction,
    "predict-shards": ShardsMade,
    "audit": AuditSummary,
}
"""The row of each flow's `result`."""
