"""One prediction, from imagery to files: read, run, join, outline, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fair_models.errors import InvalidImagery
from fair_models.inference import preview, sidecar, vectorise
from fair_models.inference.features import Features, concatenate
from fair_models.inference.imagery import Block, Imagery, open_imagery
from fair_models.inference.joining import Join
from fair_models.inference.request import PredictionRequest, check_request
from fair_models.inference.running import Model, batches, run, views_of, views_of_sources
from fair_models.inference.sidecar import OutputFile
from fair_models.inference.windows import Padding
from fair_models.inference.writers import write_geojson
from fair_models.store.atomic import atomic_folder, write_bytes, write_json
from fair_models.types import Json

VECTORS = "predictions.geojson"
PREVIEW = "preview.png"
CONFIG = "predict.yaml"
ITEM = "prediction.json"

__all__ = ["PredictionRequest", "PredictionResult", "Progress", "Step", "find_features", "predict"]


@dataclass(frozen=True)
class Step:
    """How far a prediction is.

    doing: What is being done, in words, e.g. "predicting".
    done: Steps done.
    total: Steps in all.
    """

    doing: str
    done: int
    total: int


Progress = Callable[[Step], None]
"""Called as the work goes on. What it raises ends the prediction and leaves nothing behind."""


@dataclass(frozen=True)
class PredictionResult:
    """What came out.

    folder: Where the files lie.
    files: The files with their digests; `prediction.json` describes them and is not among them.
    counts: Features by class.
    area_m2: Area of all polygons that are not background, in m².
    image_count: Chips or images that were read.
    seconds: Wall time.
    item: The prediction's STAC item.
    """

    folder: Path
    files: Sequence[OutputFile]
    counts: Mapping[str, int]
    area_m2: float
    image_count: int
    seconds: float
    item: Json


def predict(request: PredictionRequest, progress: Progress = lambda step: None) -> PredictionResult:
    """Predict over imagery and write the results.

    The output folder appears when all of it is there; an error or a crash leaves nothing.

    Args:
        request: What is predicted.
        progress: Called after each batch and stage.

    Raises:
        Conflict: The output folder holds something.
        Invalid: Parameters, imagery or model do not fit; every reason is named.
        NotFound: There is no such imagery.
    """
    started = time.monotonic()
    check_request(request)
    with open_imagery(request.imagery, request.input) as imagery:
        _check_size(imagery, request)
        with atomic_folder(request.output) as folder:
            features = find_features(imagery, request, progress)
            files = _write(folder, imagery, features, request, progress)
            facts = _facts(request, imagery, features, time.monotonic() - started)
            document = sidecar.item(facts, imagery.blocks, files)
            write_json(folder / ITEM, document)
        return PredictionResult(
            folder=request.output,
            files=files,
            counts=facts.class_counts,
            area_m2=facts.area_m2,
            image_count=imagery.image_count,
            seconds=facts.seconds,
            item=document,
        )


def find_features(imagery: Imagery, request: PredictionRequest, progress: Progress) -> Features:
    """Everything that the model finds, block by block, without writing anything."""
    whole, cell_px = request.judges_whole_images, request.input.size_px
    padding: Padding = "black" if whole else "reflect"
    model = Model(request.session, request.processing, request.params, request.multiple_px, padding)
    plans = [
        (block, views_of_sources(block, model, cell_px) if whole else views_of(block, model))
        for block in imagery.blocks
    ]
    total, done = sum(len(views) for _, views in plans), 0
    found = []
    for block, views in plans:
        join = Join(block.grid.height, block.grid.width, request.classes, request.threshold)
        for batch in batches(block, views, model):
            run(batch, model, join)
            done += len(batch.views)
            progress(Step("predicting", done, total))
        found.append(_features(join, block, request))
    return concatenate(found)


def _features(join: Join, block: Block, request: PredictionRequest) -> Features:
    found = []
    if join.mask is not None:
        found.append(vectorise.polygons(join.mask, block.grid, block.names_at, request.outline))
    found += [
        vectorise.boxes_and_points(part, block.grid, block.names_at, request.outline) for part in join.found
    ]
    scores = join.scores()
    if scores:
        areas = block.sources(request.input.size_px)
        found.append(vectorise.scored(scores, areas, block.grid, request.classes, join.threshold))
    return concatenate(found)


def _write(
    folder: Path, imagery: Imagery, features: Features, request: PredictionRequest, progress: Progress
) -> list[OutputFile]:
    files = []
    if "geojson" in request.formats:
        progress(Step("writing vectors", 0, 1))
        write_geojson(features, request.classes, folder / VECTORS)
        files.append(sidecar.output_file(folder, VECTORS, "vectors", "Features (GeoJSON)", "data"))
    if "preview" in request.formats:
        progress(Step("drawing the preview", 0, 1))
        caption = f"{request.model_id} · {imagery.name}"
        preview.draw(imagery.blocks, features, request.classes, caption, folder / PREVIEW)
        files.append(sidecar.output_file(folder, PREVIEW, "preview", "Features over the imagery", "overview"))
    config = sidecar.config_yaml(request.model_id, str(request.imagery), request.params, request.formats)
    write_bytes(folder / CONFIG, config.encode())
    files.append(sidecar.output_file(folder, CONFIG, "config", "What was asked for", "metadata"))
    progress(Step("done", 1, 1))
    return files


def _facts(request: PredictionRequest, imagery: Imagery, features: Features, seconds: float) -> sidecar.Facts:
    return sidecar.Facts(
        model_id=request.model_id,
        model_href=request.model_href,
        session=request.session,
        imagery=str(request.imagery),
        parameters=request.params,
        counts={"images": imagery.image_count, "blocks": len(imagery.blocks), "features": len(features)},
        class_counts=features.counts(request.classes),
        area_m2=float(features.area_m2[features.classes > 0].sum()),
        seconds=seconds,
    )


def _check_size(imagery: Imagery, request: PredictionRequest) -> None:
    for block in imagery.blocks:
        pixels = block.grid.height * block.grid.width
        if pixels > request.most_pixels:
            raise InvalidImagery(
                str(request.imagery),
                [
                    f"around {block.name} it covers {block.grid.width:,} x {block.grid.height:,} pixels at "
                    f"the model's {request.input.gsd_m:g} m, {pixels:,} in all, and at most "
                    f"{request.most_pixels:,} are held at once; cut it into parts (`gdal_translate -srcwin`, "
                    "or folders of neighbouring chips) and predict each"
                ],
            )
