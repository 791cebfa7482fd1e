"""What may be asked of fair-models: one typed model for each flow.

The flows take these as their only parameter, the CLI and the client build them. Rules that JSON Schema
can say are said there, so that a wrong request is refused before a run is created.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fair_models import class_names, places
from fair_models.class_names import ClassName
from fair_models.imagery_rules import Fill, ImageryRules
from fair_models.licences import License
from fair_models.text import Line, Prose, Sentence
from fair_models.types import CollectionId, Name, Reference, Title

HyperparameterValue = bool | int | float | str
"""One value; its type, bounds and choices are the model's `fair:hyperparameters_spec`."""

Location = Annotated[
    str, Field(min_length=1, max_length=2000, json_schema_extra={places.KEYWORD: places.READ})
]
"""A file, folder or address that is read."""

Destination = Annotated[
    str, Field(min_length=1, max_length=2000, json_schema_extra={places.KEYWORD: places.WRITTEN})
]
"""A file or folder that is written."""

AreaText = Annotated[
    str, Field(min_length=1, max_length=250_000, json_schema_extra={places.KEYWORD: places.READ_OR_TEXT})
]
"""A box or GeoJSON as text, or the file that holds it."""


DRY_RUN: bool = Field(
    False, description="Only say what would change, and change nothing. Default: it is done."
)


SUB_RUNS: int = Field(
    1,
    ge=1,
    le=100,
    description="Runs of predict-shards that share the work, 1 to 100, so that many workers or pods work on "
    "one prediction. All have to see the imagery and the registry's store. Default: 1, this run alone.",
)


class Params(BaseModel):
    """Base of all: unknown fields, booleans as numbers, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


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


class IngestDatasetParams(Params):
    """Ingest chips and labels as a dataset."""

    name: Name = Field(
        description="Name of the dataset: 3 to 63 lower-case letters, digits and single hyphens, "
        "for example banepa-buildings. An existing name gets its next version."
    )
    title: Title = Field(description="Title for people, one line of up to 120 characters.")
    description: Prose = Field(
        "", max_length=4000, description="What the area is and how it was mapped, up to 4000 characters."
    )
    chips: Location = Field(
        description="Folder with image chips, or a folder in the fAIr layout "
        "(input/ with chips and labels.geojson), as the worker sees it; or the STAC item of a dataset (its "
        "file or https address): its chips, labels, classes, keywords, licence and providers are taken where "
        "they are not given."
    )
    labels: Location | None = Field(
        None,
        description="File with the labels: GeoJSON, GeoPackage, Shapefile, FlatGeobuf, GeoParquet (or one of "
        "them as .gz or .zip), or COCO with boxes; of captioned images the JSON, "
        "CSV or text file with the captions. Default: labels.geojson, or captions.json, .csv or .txt, among "
        "the chips.",
    )
    captions: Literal["none", "given", "from-labels"] = Field(
        "none",
        description="Whether sentences are learnt instead of outlines. given: each image has captions, as in "
        "Flickr8k, and needs no place on the map. from-labels: captions are written from the labels of each "
        "chip. The images are split by chance into training, validation and held-out. Default: none.",
    )
    classes: list[ClassName] = Field(
        default=["building"],
        min_length=1,
        max_length=50,
        description="Classes that the labels mean, without the background: lower-case words. "
        "With one class (default: building), every label is of it. Where the data has other values, they are "
        "mapped: building=Building, building=yes,house, building=1. background=VALUES names values that mean "
        "none of the classes, background=* all others; the ground of other labels counts neither way.",
    )
    class_property: Line | None = Field(
        None,
        max_length=100,
        description="Property of a label that names its class. Needed where there is more than one class.",
    )
    keywords: list[Annotated[str, Field(pattern=r"^[a-z][a-z-]*$", max_length=40)]] = Field(
        default=["building", "semantic-segmentation", "polygon"],
        min_length=1,
        max_length=10,
        description="Words of the vocabulary: at least one feature (building, road, tree, ...), a task, "
        "a geometry. Default: the classes as features, semantic-segmentation, polygon.",
    )
    license: License = Field(
        "CC-BY-4.0",
        description="Licence of the data: an SPDX identifier (ODbL-1.0, CC0-1.0, ...), LicenseRef-<name>, "
        "or other. Labels of OpenStreetMap are under ODbL-1.0. Default: CC-BY-4.0.",
    )
    provider: Line = Field(
        "", max_length=120, description="Who made the labels, for example OpenStreetMap contributors."
    )
    source_imagery: Line | None = Field(
        None, max_length=2000, description="Where the imagery comes from: an href or a name."
    )
    held_out_ratio: float = Field(
        0.25,
        ge=0.05,
        le=0.5,
        description="Share of the area kept for evaluation, 0.05 to 0.5. Default: 0.25. With captions: share "
        "of the images, and as many for validation; 0.2 where it is not given.",
    )
    buffer_m: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="Training chips nearer than this to a held-out chip are left out, in metres, 0 to 1000. "
        "Default: 0, none is.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of the split, 0 to 2147483647. Default: 0.")
    zoom: Literal["nearest", "most-frequent", "resample"] | Annotated[int, Field(ge=14, le=23)] = Field(
        "nearest",
        description="Where chips of several zooms lie in one folder: keep the zoom whose pixels are nearest "
        "in size to gsd_m (default), keep the most frequent one, resample all to one ground resolution, or "
        "keep the zoom given (14 to 23).",
    )
    gsd_m: float = Field(
        0.3,
        gt=0,
        le=100,
        description="Ground resolution of the model that will learn from the dataset, in metres per pixel, "
        "above 0 to 100: it chooses among zooms. Default: 0.3, that of the models of buildings.",
    )
    fill: Fill = Field(
        "border-is-no-data",
        description="What wholly white or black areas are that touch the border of a chip, where no mask, "
        "alpha or nodata value says so. border-is-no-data (default): from 1 % of the chip on they are fill, "
        "which is neither learnt from nor measured on. kept: they are imagery.",
    )
    dry_run: bool = DRY_RUN

    @property
    def class_names(self) -> list[str]:
        """The classes without the values that mean them."""
        return class_names.names(self.classes)

    @property
    def class_values(self) -> dict[str, list[str]]:
        """The values of `class_property` that mean each class, "background" among them."""
        return class_names.values(self.classes)


class CollectFeedbackParams(Params):
    """Make a dataset of what people say of a prediction."""

    prediction: Location = Field(
        description="The prediction that was judged, as the worker sees it: its folder or prediction.json."
    )
    feedback: Location = Field(
        description="File of polygons (GeoJSON, GeoPackage, Shapefile, ...) with the prediction's ids, the "
        "property id, each with the property verdict: "
        "accepted, rejected, corrected (with the right outline or class), or added for what the "
        "model did not find."
    )
    dataset: Name = Field(
        description="Name of the dataset: 3 to 63 lower-case letters, digits and single hyphens. An existing "
        "name gets its next version."
    )
    imagery: Location | None = Field(
        None,
        description="Folder with image chips of the area, as the worker sees it. Default: the prediction's "
        "imagery, where that is a folder of chips.",
    )
    title: Title | None = Field(None, description="Title for people. Default: made from the model's id.")
    description: Prose = Field(
        "", max_length=4000, description="What was judged and how, up to 4000 characters."
    )
    license: License = Field(
        "CC-BY-4.0", description="Licence of the data: an SPDX identifier, or other. Default: CC-BY-4.0."
    )
    provider: Line = Field("", max_length=120, description="Who judged, for example the mappers of Banepa.")
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
    dry_run: bool = DRY_RUN


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


class SliceDatasetParams(Params):
    """Publish a part of a dataset as a dataset to judge on."""

    dataset: Reference = Field(
        description="Dataset to take the part of: a name (its current version) or an exact id."
    )
    name: Name = Field(
        description="Name of the slice: 3 to 63 lower-case letters, digits and single hyphens. An existing "
        "name gets its next version."
    )
    title: Title | None = Field(None, description="Title for people. Default: made of what belongs to it.")
    description: Prose = Field("", max_length=4000, description="What it is for, up to 4000 characters.")
    area: AreaText | None = Field(
        None,
        description="Chips whose middle lies here belong to it: west,south,east,north in degrees (WGS 84), "
        "GeoJSON, or the path or https address of a file of polygons. Default: anywhere.",
    )
    classes: list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)]] = Field(
        default=[],
        max_length=50,
        description="Chips with a label of one of these classes belong to it. Default: of any.",
    )
    tags: dict[
        Annotated[str, Field(min_length=1, max_length=100)],
        Annotated[list[Annotated[str, Field(max_length=200)]], Field(min_length=1, max_length=100)],
    ] = Field(
        default={},
        max_length=20,
        description="Chips with a label whose properties have one of these values belong to it, for example "
        '{"building": ["school", "hospital"]}. Default: whatever they have.',
    )
    dry_run: bool = DRY_RUN


_TOLD = 4
"""How many versions the name of a comparison's run has."""


class CompareParams(Params):
    """Measure versions side by side."""

    versions: list[Reference] = Field(
        min_length=1,
        max_length=20,
        description="What is compared, 1 to 20: names (the current version of a local or base model) or "
        "exact ids, of versions that are not published too. Differences are told from the first.",
    )
    dataset: Reference | None = Field(
        None,
        description="Dataset whose held-out chips all are measured on: a name (its current version) or an "
        "exact id. Default: the one that the first of them was trained on.",
    )
    slices: list[Reference] = Field(
        default=[],
        max_length=20,
        description="Further datasets to measure all on, up to 20, as slices of the first. Default: none.",
    )
    pictures: int = Field(
        6,
        ge=0,
        le=24,
        description="How many held-out chips on which they differ most are shown, 0 to 24. Default: 6.",
    )

    @property
    def told(self) -> str:
        """Who is compared, for the name of a run."""
        more = len(self.versions) - _TOLD
        return ", ".join(self.versions[:_TOLD]) + (f" and {more} more" if more > 0 else "")


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
    overrides: dict[Annotated[str, Field(max_length=100)], HyperparameterValue] = Field(
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
    collection: CollectionId = Field(
        "local-models", description="Where it is published: local-models (default), base-models or datasets."
    )
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
    collection: CollectionId = Field(
        "local-models", description="Where it is published: local-models (default), base-models or datasets."
    )
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


Format = Literal["geoparquet", "geojson", "flatgeobuf", "pmtiles", "classes", "confidence", "preview"]
"""A kind of file that a prediction writes."""


class PredictParams(Params):
    """Predict over imagery with a registered model."""

    model: Reference = Field(
        description="A local or base model: a name (its current version) or an exact id, after its "
        "collection where both have it: local-models/NAME."
    )
    imagery: Location = Field(
        description="Folder of chips, georeferenced image (GeoTIFF or COG; also https:// and s3://), STAC "
        "item of imagery, or service of tiles: an address with {z}, {x} and {y} (or {-y}) as JOSM, the "
        "Tasking Manager, iD or QGIS copy it (tms[1,22]:..., type=xyz&url=...), a TileJSON, a WMS with "
        "service=WMS&layers=..., a WMTS with service=WMTS&layer=... Paths are as the worker sees them.",
    )
    area: AreaText | None = Field(
        None,
        description="What counts of the imagery: west,south,east,north in degrees (WGS 84), GeoJSON, or the "
        "path or https address of a file of polygons. Polygons end at its edge. Services of tiles need one. "
        "Default: all of the imagery.",
    )
    zoom: int | None = Field(
        None,
        ge=14,
        le=22,
        description="Zoom of the tiles of a service, or of the chips of a folder that are used, 14 to 22. "
        "Other imagery has none. Default: the zoom whose pixels are nearest in size to the model's, of a "
        "service within the range that the address names, of a folder where its chips overlap.",
    )
    engine: Literal["exact", "fast"] = Field(
        "exact",
        description="exact (default): in float32. fast: some 2 to 4 times as quick, in 8 or 16 bits, where "
        "the model's item says that such masks agree with the exact ones (mask IoU of at least 0.995 on "
        "held-out chips); where it does not, exact is run, and the result says why.",
    )
    output: Destination | None = Field(
        None,
        description="Folder for the results, new or empty, as the worker sees it. Default: one under "
        "FAIR_HOME; where the registry's store is a bucket, the results are put there, under predictions/.",
    )
    parameters: dict[Annotated[str, Field(max_length=100)], HyperparameterValue] = Field(
        default={},
        description="Inference parameters that differ from the model's, for example "
        '{"inference.confidence_threshold": 0.6}.',
    )
    formats: list[Format] = Field(
        default=["geoparquet", "geojson", "preview"],
        min_length=1,
        description="Which files to write. What was found: geoparquet, geojson, flatgeobuf, pmtiles (tiles "
        "for web maps). Pixel by pixel, as Cloud Optimized GeoTIFF: classes, confidence. A picture: preview. "
        "Default: geoparquet, geojson, preview.",
    )
    holes: bool = Field(
        True, description="Keep holes in polygons, such as courtyards. false fills them. Default: true."
    )
    regularise: bool = Field(
        False,
        description="Give outlines right angles where their shape has them, as most roofs do; what would "
        "change much stays as it is. Default: false.",
    )
    exclude: Location | None = Field(
        None,
        description="File of existing polygons (GeoJSON, GeoParquet, GeoPackage, Shapefile, FlatGeobuf), as "
        "the worker sees it: what is found where "
        "they are is left out, so that only what is not mapped yet remains. Default: none.",
    )
    exclude_overlap: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="With exclude: what existing features cover by more than this part of its area is left "
        "out, 0 to 1. Default: 0.5.",
    )

    most_failed: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of the chips, and of the windows, that may fail (a file that cannot be read, an "
        "error of the model's code), 0 to 1. They are left out and listed; with more the prediction fails. "
        "One may always, unless it is all there is; 0 allows none. Default: 0.01.",
    )
    fill: Fill | None = Field(
        None,
        description="What wholly white or black areas are that touch the border of an image, where no mask, "
        "alpha or nodata value says so. border-is-no-data: from 1 % of the image on they are fill, and "
        "nothing is found there. kept: they are imagery. Default: as the model learnt it.",
    )
    imagery_rules: ImageryRules | None = Field(
        None,
        description="By which rules imagery is read, as the config of a prediction keeps them. Default: the "
        "rules that the model's item names, by which it has learnt.",
    )
    sub_runs: int = SUB_RUNS


class RepeatParams(Params):
    """Make a prediction once more."""

    prediction: Location = Field(
        description="The prediction to repeat, as the worker sees it: its folder, or its prediction.json. "
        "Model, imagery and all else are the prediction's.",
    )
    output: Destination | None = Field(
        None, description="Folder for the results. It must be new or empty. Default: one under FAIR_HOME."
    )
    sub_runs: int = SUB_RUNS


class PredictShardsParams(Params):
    """Work on some shards of a prediction. `predict` starts it."""

    prediction: PredictParams = Field(description="What is predicted, with the exact id of the model.")
    digest: str = Field(
        pattern=r"^[0-9a-f]{32}$", description="What the prediction's shards are called by in the store."
    )
    first: int = Field(ge=0, lt=1000, description="Number of the first shard, from 0.")
    last: int = Field(ge=0, lt=1000, description="Number of the last shard, 0 to 999.")


class Threshold(Params):
    """Between what a metric of a published model should lie."""

    least: float | None = Field(None, description="Below this a model is too weak. Default: no bound.")
    most: float | None = Field(
        None,
        description="Above this a model is too good to be true, for example because held-out chips leaked "
        "into the training. Default: no bound.",
    )


MetricPattern = Annotated[str, Field(pattern=r"^fair:[A-Za-z*][A-Za-z0-9_*]*$", max_length=100)]
"""A metric, e.g. "fair:building_iou", or one of each class: "fair:*_iou"."""


class AuditParams(Params):
    """Check the whole catalogue."""

    rules: list[str] = Field(default=[], description="Names of the rules to run. Default: all.")
    digests: bool = Field(
        False,
        description="Read the bytes of every asset: digests, splits, code. Default: no, the sample alone.",
    )
    sample: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Part of the assets whose bytes are read, 0 to 1. It changes every day: with 0.05, the "
        "default, each is read every 20 days. 0 reads none.",
    )
    repair: bool = Field(
        False, description="Do what is safe about what is wrong, and say what was done. Default: no."
    )
    grace_hours: float = Field(
        24.0,
        ge=1,
        le=10_000,
        description="Files that nothing names, and what a crash left, count after this many hours, 1 to "
        "10000: a publish puts its files before its item. Default: 24.",
    )
    licences: list[Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        default=[],
        description="SPDX identifiers that an item's licence may be. Default: any, but there must be one.",
    )
    thresholds: dict[MetricPattern, Threshold] = Field(
        default={},
        description="Least and most value of held-out metrics of active local models, for example "
        '{"fair:building_iou": {"least": 0.5, "most": 0.999}}. A * stands for the class: its mean over the '
        "classes, weighted by held-out labels. What was not measured is not compared. Default: none.",
    )
    report: Destination | None = Field(
        None,
        description="File for the report, .json or .md, as the worker sees it: new, or an earlier report, "
        "which is replaced. Default: both, under FAIR_HOME/audits by time.",
    )
