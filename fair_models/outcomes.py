"""What a run hands back: the one row of its artifact `result`. docs/tutorials/backend.md reads them.

The flows write these rows, the client and the command line read them. All values are plain, so that the row
is a table for people too.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from fair_models.types import CollectionId, Json


class Outcome(BaseModel):
    """Base of all. `files` names the columns that hold the address of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    files: ClassVar[tuple[str, ...]] = ()

    def row(self) -> Json:
        """Its columns: what was found first, files and links last."""
        values = self.model_dump(mode="json")
        last = (*self.files, "folder", "href")
        return {name: values[name] for name in sorted(values, key=lambda name: name in last)}


class PublishedItem(Outcome):
    """Result of `register-model`, `ingest-dataset`, `slice-dataset` and `collect-feedback`.

    It is the item that is current now. The artifact `changes` has one row for each thing that was changed.
    """

    files: ClassVar[tuple[str, ...]] = ("href",)

    collection: CollectionId = Field(description="Collection of the item.")
    item: str = Field(description="Exact id, for example banepa-buildings-v2.")
    name: str = Field(description="Its name, without the version.")
    version: int = Field(description="Its version.")
    title: str = Field(description="Its title.")
    href: str = Field(description="Where the item lies.")
    notes: str = Field(
        "",
        description="What of a dataset's chips and labels was mended, left out or counted, how much of it "
        "belongs to a slice, and what else is to be known, in sentences.",
    )
    dry_run: bool = Field(description="Whether this is only what would be, and nothing was changed.")


class Score(Outcome):
    """How a version does on held-out imagery, by the first entry of `fair:metrics_spec`."""

    metric: str | None = Field(description="Key of the main metric, for example fair:building_iou.")
    value: float | None = Field(description="Its held-out value. Empty where nothing was measured.")
    low: float | None = Field(None, description="Lower end of the value's 95 % interval.")
    high: float | None = Field(None, description="Upper end.")
    baseline: float | None = Field(description="The same for the simplest guess.")
    baseline_name: str = Field(description="What that guess is.")
    held_out_count: int = Field(description="Number of held-out samples.")
    warning: str | None = Field(
        None,
        description="What speaks against the version: its main metric is no better than the simplest guess, "
        "or was not measured. Empty where nothing does.",
    )


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
    notes: str = Field("", description="What else is to be known of it, in sentences; mostly empty.")


class PromotedVersion(Score, PublishedItem):
    """Result of `promote`: the local model that is current now.

    The artifact `metrics` has all metrics, `changes` one row for each thing that was changed.
    """

    replaced: str | None = Field(description="Id of the item that it took the place of.")


class Comparison(Outcome):
    """Result of `compare`: who is best on the held-out chips of a dataset.

    The artifact `metrics` has a row for each dataset, version and metric, `versions` one for each version and
    what stands against it, `side-by-side` what people read, `report` all of it with curves and pictures.
    Where areas were asked for, `by-area` has a row for each, and the first two tables have rows of them too.
    """

    files: ClassVar[tuple[str, ...]] = ("report",)

    versions: str = Field(description="Exact ids of the versions, the first one first.")
    dataset: str = Field(description="Exact id of the dataset.")
    slices: str = Field(description="Exact ids of the further datasets.")
    metric: str = Field(description="Key of the metric that they are compared by.")
    best: str | None = Field(description="The best by it. Empty where none has a value.")
    value: float | None = Field(description="Its value.")
    low: float | None = Field(description="Lower end of the value's 95 % interval.")
    high: float | None = Field(description="Upper end.")
    held_out_count: int = Field(description="Number of held-out samples.")
    unmeasured: str = Field(description="Versions that could not be measured, and why.")
    warning: str | None = Field(
        None, description="Versions that are no better than the simplest guess, and on what. Mostly empty."
    )
    report: str = Field(description="The report, Markdown with pictures beside it, on the worker's machine.")


class FoundHyperparameters(Outcome):
    """Result of `search`: the best trial, chosen on chips of the training side.

    The artifact `trials` has a row for each trial.
    """

    model: str = Field(description="Name of the model; each trial is a version of it.")
    search: str = Field(description="Id of the search; its versions have the tag search:<id>.")
    metric: str = Field(description="Key of the metric that it is chosen by.")
    best_trial: int | None = Field(description="Number of the best trial. Empty where none has a value.")
    best_version: int | None = Field(description="Its version. It cannot be published; see version.")
    value: float | None = Field(description="Its metric, on validation chips from the training side.")
    overrides: str = Field(description="Its hyperparameters as JSON, to fine-tune with.")
    version: int | None = Field(
        description="Version that was trained with them on the whole training side. Empty without finish."
    )
    held_out_value: float | None = Field(description="The metric of that version on the held-out chips.")
    trials: int = Field(description="Number of trials.")
    found: int = Field(description="How many of them had been made before.")
    failed: int = Field(description="How many failed.")
    cancelled: int = Field(0, description="How many somebody cancelled.")
    stopped: int = Field(description="How many were ended early.")
    ended: str = Field(description="Why the search ended.")
    seconds: float = Field(description="Wall time, in seconds.")


class RetiredVersions(Outcome):
    """Result of `retire`. The artifact `changes` has one row for each thing that was changed."""

    collection: CollectionId = Field(description="Collection of the items.")
    name: str = Field(description="Their name, without a version.")
    action: str = Field(description="archive or delete.")
    items: str = Field(description="Exact ids of the versions that are archived or deleted now.")
    changes: int = Field(description="Number of things that were changed; 0 where all was so already.")
    dry_run: bool = Field(description="Whether this is only what would be, and nothing was changed.")


class PinnedVersion(Outcome):
    """Result of `pin`."""

    item: str = Field(description="Exact id of the version.")
    pinned: bool = Field(description="Whether it is pinned now.")
    reason: str | None = Field(description="Why it is.")
    by: str | None = Field(description="Who said so.")
    at: str | None = Field(description="Since when.")
    published: bool = Field(description="Whether the pin is in its STAC item; else it is in ZenML.")
    changed: bool = Field(description="Whether this run changed anything.")


class CleanedRuns(Outcome):
    """Result of `clean-runs`. The artifact `versions` has one row for each version that is old enough."""

    models: int = Field(description="Number of models that were looked at.")
    looked_at: int = Field(description="Number of their versions.")
    deleted: int = Field(description="Number of versions that were deleted, or would be in a dry run.")
    kept: str = Field(description="How many stay, and why.")
    dry_run: bool = Field(description="Whether this is only what would be, and nothing was deleted.")


class Prediction(Outcome):
    """Result of `predict` and `repeat-prediction`: what was found, and where the files lie."""

    files: ClassVar[tuple[str, ...]] = (
        "geoparquet",
        "vectors",
        "flatgeobuf",
        "pmtiles",
        "classes",
        "confidence",
        "instances",
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
    instances: str | None = Field(description="COG with the id of each pixel's polygon; likewise.")
    preview: str | None = Field(description="Picture of it over the imagery.")
    item: str = Field(description="STAC item with the digests of the files, the model and the parameters.")
    engine: str = Field(
        description="What ran the model and at which precision; with fast, how well it agrees with exact, or "
        "why exact was run."
    )
    features: int = Field(description="Number of polygons, lines or points.")
    by_class: str = Field(description="Their number by class, e.g. `building 30, background 18`.")
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
    notes: str = Field("", description="What else is to be known of it, in sentences; mostly empty.")
    seconds: float = Field(description="Wall time, in seconds.")


class BlocksCut(Outcome):
    """Result of `cut-chips`."""

    digest: str = Field(description="What the cut's blocks are called by in the store.")
    first: int = Field(description="Number of the first block that was asked for.")
    last: int = Field(description="Number of the last one.")
    made: int = Field(description="How many this run cut; the others were there.")


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
    catalog: str = Field(
        "", description="The catalogue that was read: a folder, or a database without login."
    )
    report: str = Field(description="File with the report, on the worker's machine.")
    seconds: float = Field(description="Wall time, in seconds.")


OUTCOMES: dict[str, type[Outcome]] = {
    "register-model": PublishedItem,
    "ingest-dataset": PublishedItem,
    "finetune": TrainedVersion,
    "train": TrainedVersion,
    "promote": PromotedVersion,
    "retire": RetiredVersions,
    "slice-dataset": PublishedItem,
    "compare": Comparison,
    "search": FoundHyperparameters,
    "collect-feedback": PublishedItem,
    "pin": PinnedVersion,
    "clean-runs": CleanedRuns,
    "predict": Prediction,
    "repeat-prediction": Prediction,
    "predict-shards": ShardsMade,
    "cut-chips": BlocksCut,
    "audit": AuditSummary,
}
"""The row of each flow's `result`."""
