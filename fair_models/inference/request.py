"""What is asked of a prediction, and what can be wrong with that."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fair_models.errors import Conflict, Invalid, InvalidHyperparameters
from fair_models.imagery_rules import CURRENT, ImageryRules
from fair_models.inference.imagery.areas import Area
from fair_models.inference.imagery.reading import ModelInput
from fair_models.inference.imagery.sources.source import ImagerySource
from fair_models.inference.network.session import Session
from fair_models.inference.parts import MARKER_THRESHOLD, REACH_M, Processing
from fair_models.inference.repeating import Original
from fair_models.inference.windows import DEFAULT_MULTIPLE_PX
from fair_models.params import PredictParams

logger = logging.getLogger(__name__)

RASTERS = ("classes", "confidence", "instances")
"""Formats that say something of each pixel."""

FORMATS = ("geoparquet", "geojson", "flatgeobuf", "pmtiles", *RASTERS, "preview")
"""All formats. Their files are assets of the item under the same keys."""

DEFAULT_FORMATS = ("geoparquet", "geojson", "preview")

MAX_PIXELS = 50_000_000_000
"""Most pixels at the model's resolution: a square of 58 km at 0.26 m, a week's work for two cores."""

_MAX_CLASSES = 255
BOX_TASKS = frozenset({"object-detection"})
WHOLE_IMAGE_TASKS = frozenset({"classification", "scene-classification", "regression"})


@dataclass(frozen=True)
class _Bounds:
    minimum: float
    maximum: float
    default: float


_BOUNDS = {
    "confidence_threshold": _Bounds(0, 1, 0.5),
    "min_area_m2": _Bounds(0, 1e9, 0),
    "simplify_m": _Bounds(0, 1000, 0),
    "nms_iou": _Bounds(0, 1, 0.5),
    "marker_threshold": _Bounds(0, 1, MARKER_THRESHOLD),
    "marker_reach_m": _Bounds(0, 50, REACH_M),
}
"""Inference parameters that the library itself reads."""


@dataclass(frozen=True)
class OutlineParams:
    """What is done to outlines.

    min_area_m2: Smaller features are left out.
    simplify_m: Tolerance of simplification (Douglas-Peucker that keeps topology), in metres. 0 keeps the
        pixels' edges. What objects share that a model tells apart is simplified once.
    holes: Whether holes are kept. Filled ones count to the area. Where a model tells objects apart, holes
        that hold one of the same class stay.
    regularise: Whether outlines get right angles where their shape has them. Those that share an edge with
        another one do not.
    """

    min_area_m2: float = 0.0
    simplify_m: float = 0.0
    holes: bool = True
    regularise: bool = False


@dataclass(frozen=True)
class PredictionRequest:
    """What is predicted, with what, and where to.

    imagery: Folder of chips, image, item or service of tiles, as `sources.source.parse_source` found it.
    output: Folder for the results, new or empty.
    session: The network.
    processing: The model's `preprocess` and `postprocess`.
    input: Bands, sample size, ground sample distance and resampling of the model.
    classes: Class names; the position is the index, 0 the background.
    thing_classes: Those whose objects are told apart where the model says where interiors are. Empty: all but
        the background.
    params: Inference parameters without their prefix. The library reads `confidence_threshold` (0 to 1; 0.5),
        `min_area_m2` (0), `simplify_m` (0), `nms_iou` (0 to 1; 0.5), `output` ("point" makes points of
        boxes), and of models that tell objects apart `marker_threshold` (0 to 1; 0.5) and `marker_reach_m`
        (0 to 50; 3); `postprocess` gets all.
    formats: Which files, of `FORMATS`.
    holes: Whether holes of polygons are kept, or filled.
    regularise: Whether outlines get right angles where their shape has them.
    merge: Whether connected pixels of a class are one polygon, even if the model tells objects apart.
    exclude: File of existing features; what they cover is left out.
    exclude_address: Service of OpenStreetMap's data that gives them; its answer is kept beside the results.
        Where `exclude` is given too, that is its answer of before.
    exclude_overlap: Features of which existing ones cover more than this part are left out, 0 to 1.
    area: What counts of the imagery. Default: all.
    zoom: Zoom of the tiles of a service.
    options: What else was asked for, as the config and the item keep it.
    original: The prediction that this one repeats.
    most_failed: Share of the chips, and of the windows, that may fail and be left out, 0 to 1. One may
        always, unless it is all there is; with 0, the default, none may.
    rules: By which rules imagery is read.
    code_checksum: Digest of the code that `processing` comes from.
    model_id: Exact id of the model's item.
    model_href: Where that item lies.
    task: The model's first ML task, as in `mlm:tasks`. Classification and regression score whole chips.
    multiple_px: What height and width of a window must divide by.
    max_pixels: Most pixels at the model's resolution that are tried, of all blocks together.
    """

    imagery: ImagerySource
    output: Path
    session: Session
    processing: Processing
    input: ModelInput
    classes: Sequence[str]
    params: Mapping[str, Any]
    formats: Sequence[str] = DEFAULT_FORMATS
    holes: bool = True
    regularise: bool = False
    merge: bool = False
    exclude: Path | None = None
    exclude_address: str = ""
    exclude_overlap: float = 0.5
    area: Area | None = None
    zoom: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    original: Original | None = None
    most_failed: float = 0
    rules: ImageryRules = CURRENT
    code_checksum: str = ""
    model_id: str = "unregistered-v1"
    model_href: str = "unregistered"
    task: str = "semantic-segmentation"
    thing_classes: Sequence[str] = ()
    multiple_px: int = DEFAULT_MULTIPLE_PX
    max_pixels: int = MAX_PIXELS

    @property
    def threshold(self) -> float:
        """Least probability or score of a feature."""
        return self._number("confidence_threshold")

    @property
    def as_raster(self) -> bool:
        """Whether a raster is among the formats."""
        return not set(RASTERS).isdisjoint(self.formats)

    @property
    def outline(self) -> OutlineParams:
        """What is done to outlines."""
        return OutlineParams(
            self._number("min_area_m2"), self._number("simplify_m"), self.holes, self.regularise
        )

    @property
    def overlap(self) -> float:
        """Least IoU of two boxes of one object."""
        return self._number("nms_iou")

    @property
    def marker_threshold(self) -> float:
        """Least probability of a pixel of an object's interior."""
        return self._number("marker_threshold")

    @property
    def things(self) -> list[int] | None:
        """Indices of the classes whose objects are told apart. None: all but the background."""
        if not self.thing_classes:
            return None
        return [index for index, name in enumerate(self.classes) if index and name in self.thing_classes]

    @property
    def marker_reach_m(self) -> float:
        """How far interiors grow into their class, in metres along its pixels."""
        return self._number("marker_reach_m")

    @property
    def as_points(self) -> bool:
        """Whether boxes become points: their middles."""
        return self.params.get("output") == "point"

    @property
    def scores_whole_images(self) -> bool:
        """Whether the model says one thing of a chip as a whole."""
        return self.task in WHOLE_IMAGE_TASKS

    def _number(self, key: str) -> float:
        return float(self.params.get(key, _BOUNDS[key].default))


def check_request(request: PredictionRequest) -> None:
    """Find what is wrong with a request before anything is read.

    Raises:
        Conflict: The output folder holds something, or is no folder.
        InvalidHyperparameters: Inference parameters that the library reads are out of their range.
        Invalid: Formats, classes or bands do not fit.
    """
    output = request.output
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise Conflict(f"{output} exists already and is not an empty folder: choose another one or empty it")
    wrong = [reason for key, bounds in _BOUNDS.items() for reason in _out_of_range(request, key, bounds)]
    if wrong:
        raise InvalidHyperparameters(request.model_id, wrong)
    problems = [
        f"the format {name!r} is not known, use {', '.join(FORMATS)}"
        for name in request.formats
        if name not in FORMATS
    ]
    rasters = [name for name in RASTERS if name in request.formats]
    if rasters and request.scores_whole_images:
        problems.append(
            f"it scores images as wholes and says nothing of pixels: leave out {', '.join(rasters)}"
        )
    if "instances" in request.formats and request.task in BOX_TASKS:
        problems.append("it finds boxes or points and says nothing of pixels: leave out instances")
    if not 2 <= len(request.classes) <= _MAX_CLASSES:
        problems.append(
            f"it has {len(request.classes)} classes, 2 to {_MAX_CLASSES} with the background are possible"
        )
    if request.session.bands not in (None, request.input.bands):
        problems.append(
            f"{request.session.path.name} takes {request.session.bands} bands, "
            f"and the item says {request.input.bands}"
        )
    if problems:
        raise Invalid(f"{request.model_id} cannot predict: {'; '.join(problems)}")


def with_zoom(request: PredictionRequest, zoom: int | None) -> PredictionRequest:
    """The request with the zoom that was taken where none was asked for, so that config and item say it."""
    if zoom is None or request.zoom is not None:
        return request
    named = {**request.options, "zoom": zoom}
    known = list(PredictParams.model_fields)
    options = {name: named[name] for name in sorted(named, key=lambda name: _position(name, known))}
    logger.info("No zoom was given: %d is nearest to the model's %g m a pixel", zoom, request.input.gsd_m)
    return replace(request, zoom=zoom, options=options)


def _position(name: str, known: Sequence[str]) -> int:
    """Where a parameter stands, so that a config is the same whether its zoom was given or taken."""
    return known.index(name) if name in known else len(known)


def _out_of_range(request: PredictionRequest, key: str, bounds: _Bounds) -> Iterator[str]:
    value = request.params.get(key, bounds.default)
    numeric = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not numeric or not bounds.minimum <= value <= bounds.maximum:
        yield f"{key} is {value!r}, use a number from {bounds.minimum:g} to {bounds.maximum:g}"
