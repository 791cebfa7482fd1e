"""One prediction, from imagery to files: read, run, join, outline, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import rasterio

from fair_models.errors import InvalidImagery
from fair_models.inference import sidecar
from fair_models.inference.excluding import Exclusion
from fair_models.inference.features import Features
from fair_models.inference.imagery import Imagery
from fair_models.inference.repeating import ITEM, Original
from fair_models.inference.request import PredictionRequest, check_request
from fair_models.inference.sidecar import OutputFile
from fair_models.inference.sources.opening import open_source
from fair_models.inference.streaming import stream
from fair_models.inference.writing.outputs import PREVIEW, Outputs, Tally
from fair_models.store.atomic import atomic_folder, write_bytes, write_json
from fair_models.store.digests import checksum_file
from fair_models.types import Json

CONFIG = "predict.yaml"

BLOCK_CACHE_BYTES = 64 * 2**20
"""Decoded pixels that GDAL keeps. Its own limit is a share of the machine's memory."""

__all__ = [
    "ITEM",
    "PREVIEW",
    "PredictionRequest",
    "PredictionResult",
    "Progress",
    "Step",
    "predict",
]


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
    excluded: Features that were left out because existing ones cover them.
    same: Whether the files are byte for byte those of the prediction that was repeated; None where none was.
    """

    folder: Path
    files: Sequence[OutputFile]
    counts: Mapping[str, int]
    area_m2: float
    image_count: int
    seconds: float
    item: Json
    excluded: int = 0
    same: bool | None = None


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
    if request.original:
        request.original.check(request.session.path, request.exclude)
    with (
        rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES),
        open_source(request.imagery, request.input, request.area, request.zoom) as imagery,
    ):
        _check_size(imagery, request)
        exclusion = _exclusion(request, imagery)
        with atomic_folder(request.output) as folder:
            with Outputs(folder, request.formats, request.classes, imagery.blocks) as outputs:
                for features in _found(imagery, request, outputs, progress):
                    outputs.write(exclusion.new(features) if exclusion else features)
                files = _finish(folder, outputs, imagery, request, progress)
            left_out = exclusion.left_out if exclusion else 0
            facts = _facts(request, imagery, outputs.tally, left_out, time.monotonic() - started)
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
            excluded=left_out,
            same=_same(files, request.original),
        )


def _found(
    imagery: Imagery, request: PredictionRequest, outputs: Outputs, progress: Progress
) -> Iterator[Features]:
    """Everything that the model finds; strips go to the outputs themselves."""

    def advance(done: int, total: int) -> None:
        progress(Step("predicting", done, total))

    return stream(imagery, request, advance, outputs.rasters)


def _finish(
    folder: Path, outputs: Outputs, imagery: Imagery, request: PredictionRequest, progress: Progress
) -> list[OutputFile]:
    caption = f"{request.model_id} · {imagery.name}"
    files = outputs.finish(caption, lambda doing: progress(Step(doing, 0, 1)))
    config = sidecar.config_yaml(
        request.model_id, str(request.imagery), request.params, request.formats, request.options
    )
    write_bytes(folder / CONFIG, config.encode())
    files.append(sidecar.output_file(folder, CONFIG, "config", "What was asked for", "metadata"))
    progress(Step("done", 1, 1))
    return files


def _facts(
    request: PredictionRequest, imagery: Imagery, tally: Tally, excluded: int, seconds: float
) -> sidecar.Facts:
    counts = {"images": imagery.image_count, "blocks": len(imagery.blocks)}
    counts["features"] = sum(tally.counts.values())
    counts["excluded"] = excluded
    return sidecar.Facts(
        model_id=request.model_id,
        model_href=request.model_href,
        session=request.session,
        imagery=str(request.imagery),
        parameters=request.params,
        counts=counts,
        class_counts=tally.counts,
        area_m2=tally.area_m2,
        seconds=seconds,
        options=request.options,
        imagery_name=imagery.name,
        imagery_facts=imagery.facts(),
        exclude_checksum=checksum_file(request.exclude) if request.exclude else None,
        datetime=request.original.datetime if request.original else None,
    )


def _exclusion(request: PredictionRequest, imagery: Imagery) -> Exclusion | None:
    if request.exclude is None:
        return None
    return Exclusion(request.exclude, request.exclude_overlap, sidecar.footprint(imagery.blocks).bounds)


def _same(files: Sequence[OutputFile], original: Original | None) -> bool | None:
    return {file.name: file.checksum for file in files} == original.files if original else None


def _check_size(imagery: Imagery, request: PredictionRequest) -> None:
    pixels = sum(block.grid.height * block.grid.width for block in imagery.blocks)
    if pixels > request.most_pixels:
        raise InvalidImagery(
            str(request.imagery),
            [
                f"it covers {pixels:,} pixels at the model's {request.input.gsd_m:g} m, and at most "
                f"{request.most_pixels:,} are predicted at once; predict parts of it"
            ],
        )
