"""Parameters of flows that make datasets."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fair_models import class_names
from fair_models.class_names import ClassName
from fair_models.errors import Invalid
from fair_models.imagery_rules import Fill
from fair_models.licences import License
from fair_models.params.fields import (
    DRY_RUN,
    AreaText,
    Location,
    Params,
)
from fair_models.text import Line, Prose, Sentence
from fair_models.types import Name, Reference, Title

BUFFER_M: float = Field(
    0.0,
    ge=0,
    le=1000,
    description="Distance in metres, 0 to 1000. Training chips that are nearer to a held-out chip are "
    "left out. Default: 0, no chip is left out.",
)
SPLIT_SEED: int = Field(0, ge=0, le=2**31 - 1, description="Seed of the split, 0 to 2147483647. Default: 0.")


class IngestDatasetParams(Params):
    """Ingest chips and labels as a dataset."""

    name: Name = Field(
        description="Name of the dataset: 3 to 63 lower-case letters, digits and single hyphens, for "
        "example banepa-buildings. An existing name gets its next version."
    )
    title: Title = Field(description="Title for people, one line of up to 120 characters.")
    description: Prose = Field(
        "", max_length=4000, description="What the area is and how it was mapped, up to 4000 characters."
    )
    chips: Location | None = Field(
        None,
        description="Folder with image chips, or a folder in the fAIr layout (input/ with chips and "
        "labels.geojson). Or the STAC item of a dataset, its file or https address: its chips, labels, "
        "classes, keywords, licence and providers are used where you give none. Paths are as the worker "
        "sees them. Or give imagery, from which chips are cut.",
    )
    imagery: Location | None = Field(
        None,
        description="Imagery to cut chips from, in place of chips: georeferenced image (GeoTIFF or COG; also "
        "https:// and s3://), folder of images, STAC item of imagery, metadata of OpenAerialMap "
        "(https://api.openaerialmap.org/meta/...), or service of tiles: an address with "
        "{z}, {x} and {y} (or {-y}) as JOSM, the Tasking Manager, iD or QGIS copy it (tms[1,22]:..., "
        "type=xyz&url=...), a TileJSON, a WMS with service=WMS&layers=..., a WMTS with "
        "service=WMTS&layer=... Paths are as the worker sees them. It needs labels.",
    )
    area: AreaText | None = Field(
        None,
        description="Area that was mapped: west,south,east,north in degrees (WGS 84), GeoJSON, or the path "
        "or https address of a file of polygons. Chips and labels outside are left out; on chips that reach "
        "beyond it, what lies outside counts neither in training nor in evaluation. A service of tiles "
        "needs one. Default: all of the chips or imagery.",
    )
    grid: Literal["web-map", "metric"] = Field(
        "web-map",
        description="With imagery: the grid that chips lie on. web-map (default): each chip is one tile of "
        "the web map. metric: squares of metres whose pixels are exactly gsd_m wide, in the imagery's own "
        "reference system if that is one in metres, else in the UTM zone that has most of the area.",
    )
    chip_size_px: Literal[256, 512, 1024] = Field(
        256,
        description="With imagery: width and height of a chip in pixels, 256, 512 or 1024. Default: 256.",
    )
    labels: Location | None = Field(
        None,
        description="File with the labels: GeoJSON, GeoPackage, Shapefile, FlatGeobuf, GeoParquet or "
        "OpenStreetMap data (.osm, .osm.pbf, Overpass JSON), also as .gz or .zip; or COCO with outlines or "
        "boxes. Or a folder with a mask for each chip, of its name. Or the https address of an Overpass "
        "service (.../api/interpreter) or of HOT's raw-data-api (.../v1), which is asked for the tags of the "
        "classes around the chips. For "
        "captioned images: the JSON, CSV or text file with the captions. Default: labels.geojson, or "
        "captions.json, .csv or .txt, beside the chips.",
    )
    captions: Literal["none", "given", "from-labels"] = Field(
        "none",
        description="Whether a model learns sentences instead of outlines from it. given: each image has "
        "captions, as in Flickr8k, and needs no place on the map. from-labels: captions are written from "
        "the labels of each chip. The images are split at random into training, validation and held-out. "
        "Default: none.",
    )
    classes: list[ClassName] = Field(
        default=["building"],
        min_length=1,
        max_length=50,
        description="Classes of the labels, without the background: lower-case words. With one class, "
        "every label is of it. Values of the data that differ are mapped: building=Building, "
        "building=yes,house, building=1. background=VALUES names values that mean none of the classes, "
        "background=* means all others. The ground of labels with any other value is ignored. Without "
        "class_property they are OpenStreetMap tags: building=*, building=yes,house, "
        "road=highway=primary,secondary; what has none of the tags is left out. Default: building.",
    )
    class_property: Line | None = Field(
        None,
        max_length=100,
        description="Property of a label that names its class. Required with more than one class, unless "
        "tags tell them.",
    )
    keywords: list[Annotated[str, Field(pattern=r"^[a-z][a-z-]*$", max_length=40)]] = Field(
        default=["building", "semantic-segmentation", "polygon"],
        min_length=1,
        max_length=10,
        description="Words of the vocabulary: at least one feature (building, road, tree, ...), one task "
        "and one geometry. Default: the classes as features, semantic-segmentation, polygon.",
    )
    align: bool = Field(
        False,
        description="Move labels that lie beside the imagery onto it, by neighbourhoods; those stay where it "
        "is not certain how far. Outlines alone: masks and captions are refused. Default: false, the result "
        "says how far they lie beside it.",
    )
    license: License = Field(
        "CC-BY-4.0",
        description="Licence of the data: an SPDX identifier (ODbL-1.0, CC0-1.0, ...), LicenseRef-<name>, "
        "or other. Default: CC-BY-4.0; ODbL-1.0 where labels come from OpenStreetMap.",
    )
    provider: Line = Field(
        "",
        max_length=120,
        description="Who made the labels, up to 120 characters. Default: nobody; OpenStreetMap contributors "
        "where labels come from there.",
    )
    source_imagery: Line | None = Field(
        None, max_length=2000, description="Where the imagery comes from: an address or a name."
    )
    held_out_ratio: float = Field(
        0.25,
        ge=0.05,
        le=0.5,
        description="Share of the area that is held out for evaluation, 0.05 to 0.5. Default: 0.25. With "
        "captions: share of the images, and the same share for validation. Default then: 0.2.",
    )
    split: Literal["block", "whole-areas"] | None = Field(
        None,
        description="How chips are held out. block: one contiguous block of chips. whole-areas: all chips of "
        "some of the polygons of the area, so that a model is measured in a place that it has not learnt "
        "from: those that come nearest to held_out_ratio (the seed decides among equal ones), or those that "
        "held_out_areas names. "
        "Default: whole-areas where held_out_areas names some, else block.",
    )
    held_out_areas: list[Annotated[Sentence, Field(max_length=120)]] = Field(
        default=[],
        max_length=100,
        description="Names of the areas to hold out, up to 100: the property name, else id, of a polygon of "
        "the area, else area-1, area-2, ... in the order of the file. Default: those nearest to "
        "held_out_ratio.",
    )
    buffer_m: float = BUFFER_M
    seed: int = SPLIT_SEED
    zoom: Literal["nearest", "most-frequent", "resample"] | Annotated[int, Field(ge=14, le=23)] = Field(
        "nearest",
        description="What to do with a folder of chips of several zooms. nearest (default): keep the zoom "
        "whose ground resolution is nearest to gsd_m. most-frequent: keep the zoom with most chips. "
        "resample: bring all chips to one ground resolution. A number, 14 to 23: keep that zoom. With "
        "imagery: the zoom of the tiles that chips are, a number or nearest.",
    )
    gsd_m: float = Field(
        0.3,
        gt=0,
        le=100,
        description="Ground resolution of the model that will learn from the dataset, in metres per pixel, "
        "above 0 to 100. It decides which zoom is nearest; on a metric grid it is the width of a pixel. "
        "Default: 0.3, that of the models of buildings.",
    )
    fill: Fill = Field(
        "border-is-no-data",
        description="What exactly white or black areas at the border of a chip are, if no mask, alpha or "
        "nodata value says it. border-is-no-data (default): no data, which is neither learnt from nor "
        "measured on, if the area is at least 1 % of the chip and lies along its border for at least a "
        "quarter of a side. kept: imagery.",
    )
    check_with: Reference | None = Field(
        None,
        description="Model that tells where labels are missing, or lie where nothing is: the name or exact "
        "id of a published model that segments a class of the labels. Default: what objects look like is "
        "learnt from the labels themselves.",
    )
    leave_out: list[Annotated[Sentence, Field(max_length=200)]] = Field(
        default=[],
        max_length=10_000,
        description="Chips that neither train nor evaluate: doubtful leaves out all whose labels are in "
        "doubt by the report on labels, a name (its file without the ending) that chip. Default: none.",
    )
    sub_runs: int = Field(
        1,
        ge=1,
        le=100,
        description="With imagery: runs of cut-chips that share the cutting, 1 to 100, so that several "
        "workers or pods work on one ingest. Each cuts at least FAIR_MIN_CHIPS_PER_SUB_RUN chips (500), so "
        "a small ingest has no other run; of a service of tiles there are at most FAIR_REQUESTS_AT_ONCE "
        "(4). All of them must reach the imagery and the registry's store. Default: 1, no other run.",
    )
    dry_run: bool = DRY_RUN

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Rules that JSON Schema has no plain words for."""
        if self.captions != "none" and (self.check_with is not None or self.leave_out):
            raise ValueError(
                "check_with, leave_out: labels of captioned images are not reported on; leave both out"
            )
        if (self.chips is None) == (self.imagery is None):
            given = "neither is given" if self.chips is None else "both are given"
            raise ValueError(
                f"chips or imagery: {given}; name a folder with chips, or imagery to cut chips from"
            )
        if self.captions == "given" and (self.imagery is not None or self.area is not None):
            raise ValueError(
                "captions: images with captions of their own are taken as they are; leave imagery and area "
                "out"
            )
        if self.imagery is not None and self.labels is None:
            raise ValueError("labels: no file lies beside imagery; name the file with the labels")
        if self.held_out_areas and self.split == "block":
            raise ValueError(
                "held_out_areas: areas are held out whole, not as a block; leave split out, or say "
                "whole-areas"
            )
        if self.align and self.captions != "none":
            raise ValueError("align: captions have no place that could be moved; leave align out")
        if self.by_whole_areas and self.captions != "none":
            raise ValueError(
                "split: captions are split by image, at random; leave split and held_out_areas out"
            )
        if self.imagery is None and self.grid == "metric":
            raise ValueError("grid: only chips that are cut from imagery have one to choose; leave it out")
        if self.grid == "metric" and self.zoom != "nearest":
            raise ValueError("zoom: chips on a metric grid have none; say gsd_m, and leave zoom out")
        if self.imagery is None and self.sub_runs > 1:
            raise ValueError("sub_runs: only chips that are cut from imagery are shared out; leave it out")
        if self.imagery is not None and self.zoom in ("most-frequent", "resample"):
            raise ValueError(f"zoom: {self.zoom} chooses among chips; give imagery a number, or leave it out")
        return self

    @property
    def by_whole_areas(self) -> bool:
        """Whether whole areas are held out."""
        return self.split == "whole-areas" or bool(self.held_out_areas)

    @property
    def chips_folder(self) -> str:
        """Where chips lie; of a request with imagery once they are cut.

        Raises:
            Invalid: They are not cut yet.
        """
        if self.chips is None:
            raise Invalid(f"The chips of {self.name} are not cut yet from {self.imagery}; cut them first")
        return self.chips

    @property
    def class_names(self) -> list[str]:
        """The classes without the values that mean them."""
        return class_names.names(self.classes)

    @property
    def class_values(self) -> dict[str, list[str]]:
        """The values of `class_property` that mean each class, "background" among them."""
        return class_names.values(self.classes)


class CutChipsParams(Params):
    """Cut some blocks of chips. `ingest-dataset` starts it."""

    ingest: IngestDatasetParams = Field(
        description="The ingest that the chips are cut for; it names imagery."
    )
    digest: str = Field(
        pattern=r"^[0-9a-f]{32}$",
        description="Digest of the cut, under which its blocks lie in the store.",
    )
    first: int = Field(ge=0, lt=1_000_000, description="Number of the first block, from 0.")
    last: int = Field(ge=0, lt=1_000_000, description="Number of the last block, 0 to 999999.")
    shared_by: int = Field(
        1,
        ge=1,
        le=100,
        description="Runs that cut at the same time and share the limits of requests, 1 to 100. Default: 1.",
    )


class CollectFeedbackParams(Params):
    """Make a dataset of feedback on a prediction."""

    prediction: Location = Field(
        description="The prediction, as the worker sees it: its folder or its prediction.json."
    )
    feedback: Location = Field(
        description="File of polygons (GeoJSON, GeoPackage, Shapefile, ...). The property id is the "
        "prediction's, the property verdict is accepted, rejected, corrected (the polygon has the right "
        "outline or class), or added (the model did not find it)."
    )
    dataset: Name = Field(
        description="Name of the dataset: 3 to 63 lower-case letters, digits and single hyphens. An "
        "existing name gets its next version."
    )
    imagery: Location | None = Field(
        None,
        description="Folder with image chips of the area, as the worker sees it. Default: the prediction's "
        "imagery, if that is a folder of chips.",
    )
    title: Title | None = Field(None, description="Title for people. Default: made from the model's id.")
    description: Prose = Field(
        "", max_length=4000, description="What was reviewed and how, up to 4000 characters."
    )
    license: License = Field(
        "CC-BY-4.0", description="Licence of the data: an SPDX identifier, or other. Default: CC-BY-4.0."
    )
    provider: Line = Field(
        "",
        max_length=120,
        description="Who gave the feedback, up to 120 characters, for example the mappers of Banepa.",
    )
    held_out_ratio: float = Field(
        0.25,
        ge=0.05,
        le=0.5,
        description="Share of the area that is held out for evaluation, 0.05 to 0.5. Default: 0.25.",
    )
    buffer_m: float = BUFFER_M
    seed: int = SPLIT_SEED
    dry_run: bool = DRY_RUN


class SliceDatasetParams(Params):
    """Publish a part of a dataset as a dataset to evaluate on."""

    dataset: Reference = Field(
        description="Dataset to take a part of: a name (its current version) or an exact id."
    )
    name: Name = Field(
        description="Name of the slice: 3 to 63 lower-case letters, digits and single hyphens. An existing "
        "name gets its next version."
    )
    title: Title | None = Field(
        None, description="Title for people. Default: made from area, classes and tags."
    )
    description: Prose = Field("", max_length=4000, description="What it is for, up to 4000 characters.")
    area: AreaText | None = Field(
        None,
        description="Area of the slice, which holds the chips whose centre lies in it: "
        "west,south,east,north in degrees (WGS 84), GeoJSON, or the path or https address of a file of "
        "polygons. Default: the whole dataset.",
    )
    classes: list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)]] = Field(
        default=[],
        max_length=50,
        description="Only chips with a label of one of these classes. Default: all chips.",
    )
    tags: dict[
        Annotated[str, Field(min_length=1, max_length=100)],
        Annotated[list[Annotated[str, Field(max_length=200)]], Field(min_length=1, max_length=100)],
    ] = Field(
        default={},
        max_length=20,
        description="Only chips with a label that has one of these values in its properties, for example "
        '{"building": ["school", "hospital"]}. Default: all chips.',
    )
    dry_run: bool = DRY_RUN
