"""Parameters of predictions."""

from typing import Literal

from pydantic import Field

from fair_models.imagery_rules import Fill, ImageryRules
from fair_models.params.fields import (
    SUB_RUNS,
    AreaText,
    Destination,
    Hyperparameters,
    Location,
    Params,
)
from fair_models.types import Reference

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
    parameters: Hyperparameters = Field(
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
