"""What the JSON API answers, typed: the names of these fields stay."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from fair_models.types import CollectionId

Kind = Literal["base-model", "local-model", "dataset"]

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-21T08:30:00Z"])]
"""RFC 3339 in UTC."""

_SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class Document(BaseModel):
    """A JSON object of an answer."""

    model_config = ConfigDict(frozen=True)


class Pin(Document):
    """Why a version is kept: nothing deletes it before the pin is off."""

    reason: str = Field(examples=["In use for the flood maps"])
    by: str = Field(description="Who pinned it.", examples=["ana"])
    at: str = Field(description="Since when.", examples=["2026-11-21T08:30:00Z"])


class File(Document):
    """One file of an item."""

    key: str = Field(description="Key of the asset in the STAC item.", examples=["model"])
    name: str = Field(description="Name of the file.", examples=["model-3f2a9c1b0d4e.onnx"])
    title: str | None = Field(description="What it is.", examples=["Network as ONNX"])
    type: str | None = Field(description="Media type.", examples=["application/octet-stream; framework=onnx"])
    roles: list[str] = Field(description="What it is for.", examples=[["mlm:model", "mlm:compiled"]])
    size: int | None = Field(description="Bytes; null where nobody said.", examples=[1048576])
    sha256: str | None = Field(
        description="Its digest, 64 hex digits; null where nobody said.", examples=[_SHA]
    )
    href: str | None = Field(
        description="Where it is downloaded; null for what is no file, such as a container image.",
        examples=[
            "https://models.example.org/api/collections/local-models/items/roofs-v2/assets/model/model.onnx"
        ],
    )
    stored: bool = Field(description="Whether the registry itself holds its bytes.", examples=[True])


class Metric(Document):
    """A metric on held-out samples. Null where nothing was measured."""

    metric: str = Field(description="Its key.", examples=["fair:building_iou"])
    name: str | None = Field(description="Its name.", examples=["Building IoU"])
    description: str | None = Field(examples=["Overlap of predicted and mapped buildings."])
    higher_is_better: bool = Field(examples=[True])
    value: float | None = Field(examples=[0.742])
    low: float | None = Field(description="Lower end of the 95 % interval.", examples=[0.701])
    high: float | None = Field(description="Upper end of the 95 % interval.", examples=[0.778])
    baseline: float | None = Field(description="The same of the simplest guess.", examples=[0.377])
    guess: str | None = Field(description="Which guess that is.", examples=["everything is a building"])
    better: bool | None = Field(description="Whether the value is better than the guess.", examples=[True])
    ceiling: float | None = Field(
        description="What a perfect mask reaches whose objects are told apart in the same way.",
        examples=[None],
    )


class Entry(Document):
    """What a list says of one version of a model or dataset."""

    id: str = Field(description="Exact id: name and version.", examples=["banepa-roofs-v2"])
    name: str = Field(description="The id without its version.", examples=["banepa-roofs"])
    version: int | None = Field(description="Number of the version.", examples=[2])
    collection: CollectionId = Field(description="Collection of the STAC API.", examples=["local-models"])
    kind: Kind = Field(description="base-model, local-model or dataset.", examples=["local-model"])
    title: str = Field(examples=["Roofs of Banepa"])
    description: str = Field(examples=["roofs-unet-v1 fine-tuned on banepa-buildings-v1."])
    keywords: list[str] = Field(examples=[["building", "semantic-segmentation", "polygon"]])
    tags: list[str] = Field(description="Free words of its owner.", examples=[["nepal"]])
    license: str | None = Field(examples=["ODbL-1.0"])
    owner: str | None = Field(description="Account that it belongs to.", examples=["ana"])
    visibility: Literal["public", "private"] = Field(examples=["public"])
    deprecated: bool = Field(
        description="Whether another version took its place, or it was archived.", examples=[False]
    )
    pinned: Pin | None = Field(description="Null where it is not pinned.")
    created: Time | None = Field(description="When the version was published.")
    updated: Time | None = Field(description="When its title, description, keywords or metadata changed.")
    size: int = Field(description="Bytes of all its files.", examples=[2097152])
    links: dict[str, str] = Field(
        description="Addresses: self (this version), stac, versions, files, lineage, card, archive; of "
        "models metrics too.",
        examples=[{"self": "https://models.example.org/api/models/banepa-roofs-v2"}],
    )


class ModelEntry(Entry):
    """What a list says of one version of a model."""

    tasks: list[str] = Field(examples=[["semantic-segmentation"]])
    framework: str | None = Field(examples=["PyTorch"])
    architecture: str | None = Field(examples=["U-Net"])
    trained: bool = Field(description="Whether its weights have learnt anything.", examples=[True])
    base_model: str | None = Field(
        description="Exact id of the base model that it comes from; null for a base model.",
        examples=["roofs-unet-v1"],
    )
    dataset: str | None = Field(
        description="Exact id of the dataset that it learnt from.", examples=["banepa-buildings-v1"]
    )
    metric: Metric | None = Field(description="Its main metric; null where it has none.")


class DatasetEntry(Entry):
    """What a list says of one version of a dataset."""

    tasks: list[str] = Field(description="What the labels are good for.", examples=[["segmentation"]])
    classes: list[str] = Field(description="Classes of the labels.", examples=[["building"]])
    chips: int | None = Field(description="Number of chips.", examples=[48])
    gsd_m: float | None = Field(description="Metres per pixel.", examples=[0.15])
    bbox: list[float] | None = Field(
        description="West, south, east, north in degrees.", examples=[[85.51, 27.62, 85.53, 27.64]]
    )


class ModelDocument(ModelEntry):
    """All that is said of one version of a model."""

    hyperparameters: dict[str, Any] = Field(
        description="Values by full key.", examples=[{"training.epochs": 40}]
    )
    classes: list[str] = Field(description="Classes of its output.", examples=[["background", "building"]])
    metrics: list[Metric] = Field(description="All metrics, the main one first.")
    gate: str | None = Field(
        description="What it had to reach to be published, in words.",
        examples=["passed: fair:building_iou 0.74 on 12 held-out samples of town-v2"],
    )
    doubt: str | None = Field(
        description="Why it is no better than guessing; null where it is better.", examples=[None]
    )
    metadata: dict[str, Any] = Field(
        description="Fields of its owner.", examples=[{"project": "Banepa 2026"}]
    )
    files: list[File]


class DatasetDocument(DatasetEntry):
    """All that is said of one version of a dataset."""

    class_counts: dict[str, dict[str, int]] = Field(
        description="Labels of each class by side of the split.",
        examples=[{"train": {"building": 900}, "held_out": {"building": 300}}],
    )
    split: dict[str, Any] | None = Field(description="How chips were parted into sides.")
    slice_of: str | None = Field(description="Exact id of the dataset that it is a part of.", examples=[None])
    metadata: dict[str, Any] = Field(
        description="Fields of its owner.", examples=[{"project": "Banepa 2026"}]
    )
    files: list[File]


class Page(Document):
    """One page of a list."""

    next: str | None = Field(
        description="`cursor` of the next page; null on the last one. The header Link has its whole address.",
        examples=[None],
    )


class ModelPage(Page):
    """One page of models."""

    found: list[ModelEntry]


class DatasetPage(Page):
    """One page of datasets."""

    found: list[DatasetEntry]


class ModelEntries(RootModel[list[ModelEntry]]):
    """All versions of a model."""


class DatasetEntries(RootModel[list[DatasetEntry]]):
    """All versions of a dataset."""


class Measure(Document):
    """A measure of one class. Null where nothing was measured."""

    value: float | None = Field(examples=[0.742])
    low: float | None = Field(description="Lower end of the 95 % interval.", examples=[0.701])
    high: float | None = Field(description="Upper end of the 95 % interval.", examples=[0.778])
    baseline: float | None = Field(description="The same of the simplest guess.", examples=[0.377])


class ClassMetrics(Document):
    """What was measured of one class."""

    label: str = Field(description="Name of the class.", examples=["building"])
    train: int | None = Field(description="Its labels in the training side.", examples=[900])
    held_out: int | None = Field(description="Its labels in the held-out side.", examples=[300])
    measures: dict[str, Measure] = Field(description="By name, such as iou.")


class MetricsDocument(Document):
    """All metrics of one version."""

    id: str = Field(examples=["banepa-roofs-v2"])
    held_out_count: int = Field(description="Samples that they were measured on.", examples=[10])
    dataset: str | None = Field(
        description="Exact id of the dataset of these samples.", examples=["banepa-buildings-v1"]
    )
    baseline: str | None = Field(
        description="The simplest guess that they are compared with.", examples=["everything is a building"]
    )
    metrics: list[Metric] = Field(description="The main one first.")
    classes: list[ClassMetrics]
    confusion: dict[str, dict[str, int]] = Field(
        description="Of each true class, how many were taken for each.",
        examples=[{"building": {"building": 290, "background": 10}}],
    )


class FilesDocument(Document):
    """All files of one version."""

    id: str = Field(examples=["banepa-roofs-v2"])
    size: int = Field(description="Bytes of all of them.", examples=[2097152])
    archive: str | None = Field(
        description="All of them in one zip.",
        examples=["https://models.example.org/api/models/banepa-roofs/versions/2/archive"],
    )
    files: list[File]


class Relative(Document):
    """An item that another one derives from, or that derives from it."""

    id: str = Field(
        description="Exact id; an address or a name where it is not of this registry.",
        examples=["roofs-unet-v1"],
    )
    collection: CollectionId | None = Field(
        description="Null where it is not of this registry.", examples=["base-models"]
    )
    title: str = Field(description="What it is called, or what became of it.", examples=["Roofs"])
    depth: int = Field(description="1 for the nearest, 2 for theirs, and so on.", ge=1, examples=[1])
    deprecated: bool | None = Field(examples=[False])
    href: str | None = Field(description="Its address in this API.")


class LineageDocument(Document):
    """What a version came from, and what came from it, as their items say."""

    id: str = Field(examples=["banepa-roofs-v2"])
    derived_from: list[Relative] = Field(description="Each followed by what that came from.")
    derivatives: list[Relative] = Field(description="What derives from it directly.")


class Compared(Document):
    """One side of a comparison."""

    id: str = Field(examples=["banepa-roofs-v2"])
    dataset: str | None = Field(description="What its metrics were measured on.")
    held_out_count: int
    metrics: dict[str, Metric] = Field(description="By key.")
    classes: list[ClassMetrics]


class ComparisonDocument(Document):
    """Recorded metrics of several versions, side by side."""

    metrics: list[str] = Field(
        description="Keys of all metrics, in the order of the first version that has them.",
        examples=[["fair:building_iou"]],
    )
    same_samples: bool = Field(
        description="Whether all were measured on the held-out samples of one dataset. Otherwise their "
        "values say little about which is better: start a comparison, which measures them anew.",
        examples=[True],
    )
    best: dict[str, str | None] = Field(
        description="By metric the id with the best value; null where none has one.",
        examples=[{"fair:building_iou": "banepa-roofs-v2"}],
    )
    sides: list[Compared]


class Statistics(Document):
    """What the registry holds, as far as who asks may see it."""

    models: int = Field(description="Names of models.", examples=[12])
    families: int = Field(description="Base models that these come from, by name.", examples=[3])
    datasets: int = Field(description="Names of datasets.", examples=[8])
    versions: dict[CollectionId, int] = Field(
        description="Versions of each collection.", examples=[{"local-models": 30}]
    )
    bytes: int = Field(description="Of all files, each counted once.", examples=[734003200])
    files: int = Field(description="Different files.", examples=[120])
    tasks: dict[str, int] = Field(
        description="Models that are current, by task.", examples=[{"semantic-segmentation": 10}]
    )
    frameworks: dict[str, int] = Field(
        description="Models that are current, by framework.", examples=[{"PyTorch": 12}]
    )


class FoundFile(File):
    """A file that was found by its digest, and where it belongs."""

    collection: CollectionId = Field(examples=["local-models"])
    item: str = Field(description="Exact id of the item.", examples=["banepa-roofs-v2"])


class FoundFiles(Document):
    """All files with a digest."""

    found: list[FoundFile]
