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

Format = Literal[
    "geoparquet", "geojson", "flatgeobuf", "pmtiles", "classes", "confidence", "instances", "preview"
]
"""A kind of file that a prediction writes."""


class PredictParams(Params):
    """Predict over imagery with a registered model."""

    model: Reference = Field(
        description="A local or base model: a name (its current version) or an exact id. If both "
        "collections have it, write local-models/NAME."
    )
    imagery: Location = Field(
        description="Folder of chips, georeferenced image (GeoTIFF or COG; also https:// and s3://), STAC "
        "item of imagery, metadata of OpenAerialMap, or service of tiles: an address with {z}, {x} and {y} "
        "(or {-y}) as JOSM, the "
        "Tasking Manager, iD or QGIS copy it (tms[1,22]:..., type=xyz&url=...), a TileJSON, a WMS with "
        "service=WMS&layers=..., a WMTS with service=WMTS&layer=... Paths are as the worker sees them.",
    )
    area: AreaText | None = Field(
        None,
        description="Area to predict: west,south,east,north in degrees (WGS 84), GeoJSON, or the path or "
        "https address of a file of polygons. Results are cut at its edge. A service of tiles needs one. "
        "Default: all of the imagery.",
    )
    zoom: int | None = Field(
        None,
        ge=14,
        le=22,
        description="Zoom of the tiles of a service, or of the chips of a folder, 14 to 22. Other imagery "
        "has none. Default: the zoom whose ground resolution is nearest to the model's; of a service, "
        "within the range that its address names; of a folder, only if chips of several zooms overlap.",
    )
    engine: Literal["exact", "fast"] = Field(
        "exact",
        description="exact (default): compute in float32. fast: compute in 8 or 16 bits, about 2 to 4 "
        "times as fast, if the model's item says that the masks agree with the exact ones (IoU of at least "
        "0.995 on held-out chips, and an F1 of at least 0.98 where objects are told apart); if not, exact "
        "is used and the result says why.",
    )
    output: Destination | None = Field(
        None,
        description="Folder for the results, new or empty, as the worker sees it. Default: one under "
        "FAIR_HOME; if the registry's store is a bucket, the results go to the bucket, under predictions/.",
    )
    parameters: Hyperparameters = Field(
        default={},
        description="Inference parameters that differ from the model's, for example "
        '{"inference.confidence_threshold": 0.6}.',
    )
    formats: list[Format] = Field(
        default=["geoparquet", "geojson", "preview"],
        min_length=1,
        description="Files to write. Polygons: geoparquet, geojson, flatgeobuf, pmtiles (tiles for web "
        "maps). Rasters, as Cloud Optimized GeoTIFF: classes, confidence, instances (the id of each pixel's "
        "polygon). A picture: preview. Default: geoparquet, geojson, preview.",
    )
    holes: bool = Field(
        True, description="Keep holes in polygons, such as courtyards. false fills them. Default: true."
    )
    regularise: bool = Field(
        False,
        description="Make corners of outlines right angles, as most roofs have them. Outlines that this "
        "would change much are kept as they are. Default: false.",
    )
    merge: bool = Field(
        False,
        description="Write connected pixels of a class as one polygon, even if the model tells objects "
        "apart. Other models always do so. Default: false.",
    )
    exclude: Location | None = Field(
        None,
        description="File of existing polygons (GeoJSON, GeoParquet, GeoPackage, Shapefile, FlatGeobuf, or "
        "OpenStreetMap data: .osm, .osm.pbf, Overpass JSON, of which those with the tags of the model's "
        "classes count), as the worker sees it. Or the https address of an Overpass service "
        "(.../api/interpreter) or of HOT's raw-data-api (.../v1), which is asked for those. Results that "
        "they cover are left out, so that only what is not mapped yet remains. Default: none.",
    )
    exclude_overlap: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="With exclude: a result is left out if existing polygons cover more than this share of "
        "its area, 0 to below 1. Default: 0.5.",
    )
    most_failed: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Maximum share of the chips, and of the windows, that may fail (an unreadable file, an "
        "error of the model's code), 0 to 1. They are left out and listed; if more fail, the prediction "
        "fails. Above 0, one chip of several may always fail. Default: 0.01.",
    )
    fill: Fill | None = Field(
        None,
        description="What exactly white or black areas at the border of an image are, if no mask, alpha or "
        "nodata value says it. border-is-no-data: no data, where nothing is found, if the area is at least "
        "1 % of the image and lies along its border for at least a quarter of a side. kept: imagery. "
        "Default: what the model was trained with.",
    )
    imagery_rules: ImageryRules | None = Field(
        None,
        description="Rules for reading imagery, as the config of a prediction keeps them. Default: the "
        "rules of the model's item, which it was trained with.",
    )
    sub_runs: int = SUB_RUNS


class RepeatParams(Params):
    """Repeat a prediction."""

    prediction: Location = Field(
        description="The prediction to repeat, as the worker sees it: its folder, or its prediction.json. "
        "Model, imagery and parameters are those of that prediction.",
    )
    output: Destination | None = Field(
        None, description="Folder for the results, new or empty. Default: one under FAIR_HOME."
    )
    sub_runs: int = SUB_RUNS


class PredictShardsParams(Params):
    """Work on some shards of a prediction. `predict` starts it."""

    prediction: PredictParams = Field(description="What is predicted, with the exact id of the model.")
    digest: str = Field(
        pattern=r"^[0-9a-f]{32}$",
        description="Digest of the prediction, under which its shards lie in the store.",
    )
    first: int = Field(ge=0, lt=1000, description="Number of the first shard, from 0.")
    last: int = Field(ge=0, lt=1000, description="Number of the last shard, 0 to 999.")
