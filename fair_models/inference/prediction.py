"""One prediction, from imagery to files: read, run, join, outline, write."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import rasterio

from fair_models import imagery_rules
from fair_models.data.images import antimeridian
from fair_models.data.vectors import polygons
from fair_models.errors import InvalidImagery
from fair_models.imagery_rules import OLD
from fair_models.inference import emptiness, existing_features
from fair_models.inference.emptiness import Watch
from fair_models.inference.imagery.failures import Failure, Failures, check
from fair_models.inference.imagery.reading import REMARKS, Imagery
from fair_models.inference.imagery.sources.opening import open_source
from fair_models.inference.outlines import near_shapes
from fair_models.inference.outlines.exclusion import Exclusion
from fair_models.inference.repeating import ITEM, Original
from fair_models.inference.request import PredictionRequest, check_request, with_zoom
from fair_models.inference.streaming import Crew, all_windows, give_back, outlined
from fair_models.inference.windowing.plan import PredictionPlan, plan_windows
from fair_models.inference.windowing.window_steps import WindowResult
from fair_models.inference.writing import sidecar
from fair_models.inference.writing.outputs import PREVIEW, Outputs, Tally
from fair_models.inference.writing.sidecar import OutputFile
from fair_models.store.atomic import atomic_folder, write_bytes, write_json
from fair_models.store.digests import checksum_file
from fair_models.types import Json

CONFIG = "predict.yaml"

_MAX_TOLD = 50
"""Failures that the item names; it counts all."""

BLOCK_CACHE_BYTES = 32 * 2**20
"""Decoded pixels that GDAL keeps: a row of tiles, 20,000 px wide. Its own limit is a share of all memory."""

__all__ = [
    "ITEM",
    "PREVIEW",
    "PredictionRequest",
    "PredictionResult",
    "PredictionStep",
    "Progress",
    "predict",
]


@dataclass(frozen=True)
class PredictionStep:
    """How far a prediction is.

    doing: What is being done, in words, e.g. "predicting".
    done: Steps done.
    total: Steps in all.
    """

    doing: str
    done: int
    total: int


Progress = Callable[[PredictionStep], None]
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
    failed: Chips and windows that could not be predicted.
    notes: What else is to be said of it, each a sentence without a full stop.
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
    failed: Sequence[Failure] = ()
    same: bool | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Prepared:
    """A prediction whose imagery is open.

    request: What is predicted.
    imagery: Over what.
    plan: All windows.
    failures: Notes what fails.
    started: When it began, by the monotonic clock.
    """

    request: PredictionRequest
    imagery: Imagery
    plan: PredictionPlan
    failures: Failures
    started: float

    def check(self, failures: Iterable[Failure]) -> None:
        """Stop where more failed than may. Raises InvalidImagery, which names the first ones."""
        chip_count = self.imagery.image_count + len(self.failures.at_opening)
        max_share, subject = self.failures.max_share, str(self.request.imagery)
        check([*self.failures.at_opening, *failures], max_share, len(self.plan.jobs), chip_count, subject)


@contextmanager
def prepared(request: PredictionRequest) -> Iterator[Prepared]:
    """Check a request, open its imagery, and plan the windows.

    Raises:
        Conflict: The output folder holds something.
        Invalid: Parameters, imagery or model do not fit; every reason is named.
        NotFound: There is no such imagery.
    """
    started = time.monotonic()
    check_request(request)
    if request.original:
        request.original.check(request.session.path, request.exclude)
    failures = Failures(request.most_failed)
    with (
        rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES),
        open_source(
            request.imagery,
            request.input,
            request.area,
            request.zoom,
            failures=failures,
            rules=request.rules,
        ) as imagery,
    ):
        _check_size(imagery, request)
        request = with_zoom(request, imagery.zoom)
        made = Prepared(request, imagery, plan_windows(imagery, request), failures, started)
        made.check([])
        yield made


def predict(request: PredictionRequest, progress: Progress = lambda step: None) -> PredictionResult:
    """Predict over imagery and write the results.

    The output folder appears when all of it is there; an error or a crash leaves nothing.

    Args:
        request: What is predicted.
        progress: Called after each batch and stage.

    Raises:
        Conflict: The output folder holds something.
        Invalid: Parameters, imagery or model do not fit; every reason is named.
        NothingLookedAt: No pixel of the imagery counted; says why.
        NotFound: There is no such imagery.
    """
    with prepared(request) as work, Crew(request.session.at_once) as crew:
        plan, failures = work.plan, work.failures

        def advance(done: int, total: int) -> None:
            work.check(failures.noted())
            progress(PredictionStep("predicting", done, total))

        windows = all_windows(plan, crew, request.as_raster, failures, advance)
        return write(work, windows, lambda: failures.among(plan.jobs), progress)


def write(
    work: Prepared,
    windows: Iterator[WindowResult],
    failed: Callable[[], Sequence[Failure]],
    progress: Progress = lambda step: None,
) -> PredictionResult:
    """Put together what all windows say, and write the results.

    The output folder appears when all of it is there; an error or a crash leaves nothing.

    Args:
        work: The prediction.
        windows: What its windows say, in their order.
        failed: Asked when they have all come: which of them failed, and which of their chips.
        progress: Called after each stage.

    Raises:
        InvalidImagery: More failed than may.
        NothingLookedAt: No pixel of all windows counted; says why.
        Unavailable: A file cannot be written.
    """
    request, imagery = work.request, work.imagery
    watched = Watch(windows)
    remarks: Counter[str] = Counter()
    with atomic_folder(request.output) as folder:
        bounds = antimeridian.bbox([sidecar.footprint(imagery.blocks)])
        request = existing_features.with_file(request, bounds, folder)
        exclusion = existing_features.exclusion(request, bounds)
        plain_ids = request.original is None or request.original.plain_ids
        with Outputs(
            folder, request.formats, request.classes, imagery.blocks, plain_ids=plain_ids
        ) as outputs:
            for features in outlined(work.plan, iter(watched), request, outputs.rasters, remarks):
                outputs.write(exclusion.new(features) if exclusion else features)
            failures = sorted({*work.failures.at_opening, *failed()})
            work.check(failures)
            if not watched.pixels:
                raise emptiness.refuse(request.imagery, imagery, failures)
            give_back()
            files = _finish(folder, outputs, imagery, request, progress)
        left_out = exclusion.left_out if exclusion else 0
        counts = {"pixels": watched.pixels, "excluded": left_out}
        counts |= {"existing": len(exclusion)} if exclusion else {}
        counts |= remarks
        repairs = _repairs(request, exclusion)
        facts = _facts(replace(work, request=request), outputs.tally, counts, failures, repairs)
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
        failed=failures,
        same=_same(files, request.original),
        notes=[
            *_notes(request, imagery, remarks),
            *_told(repairs),
            *existing_features.notes(request, exclusion),
            *imagery.warnings(),
        ],
    )


def _finish(
    folder: Path, outputs: Outputs, imagery: Imagery, request: PredictionRequest, progress: Progress
) -> list[OutputFile]:
    caption = f"{request.model_id} · {imagery.name}"
    files = outputs.finish(caption, lambda doing: progress(PredictionStep(doing, 0, 1)))
    config = sidecar.config_yaml(
        request.model_id, str(request.imagery), request.params, request.formats, _options(request)
    )
    write_bytes(folder / CONFIG, config.encode())
    files.append(sidecar.output_file(folder, CONFIG, "config", "What was asked for", "metadata"))
    files += existing_features.files(request, folder)
    progress(PredictionStep("done", 1, 1))
    return files


def _facts(
    work: Prepared,
    tally: Tally,
    counted: Mapping[str, int],
    failures: Sequence[Failure],
    repairs: Mapping[str, Mapping[str, int]],
) -> sidecar.PredictionFacts:
    request, imagery = work.request, work.imagery
    counts = {
        "images": imagery.image_count,
        "blocks": len(imagery.blocks),
        "windows": len(work.plan.jobs),
        "failed_chips": sum(failure.kind == "chip" for failure in failures),
        "failed_windows": sum(failure.kind == "window" for failure in failures),
        "features": sum(tally.counts.values()),
        **counted,
        **imagery.remarks(),
    }
    said = [f"{failure.name}: {failure.reason}" for failure in failures[:_MAX_TOLD]]
    warnings = list(imagery.warnings())
    return sidecar.PredictionFacts(
        model_id=request.model_id,
        model_href=request.model_href,
        session=request.session,
        imagery=str(request.imagery),
        parameters=request.params,
        counts=counts,
        class_counts=tally.counts,
        area_m2=tally.area_m2,
        seconds=time.monotonic() - work.started,
        options=request.options,
        imagery_name=imagery.name,
        rules=request.rules,
        imagery_facts={
            **imagery.facts(),
            **({"fair:failed": said} if said else {}),
            **({"fair:warnings": warnings} if warnings else {}),
            **({"fair:repairs": repairs} if repairs else {}),
        },
        exclude_checksum=checksum_file(request.exclude) if request.exclude else None,
        datetime=request.original.datetime if request.original else None,
    )


def _options(request: PredictionRequest) -> dict[str, Any]:
    """What else was asked for, as config and item keep it.

    Without rules a config means those of before there were any: it is then byte for byte the one of before.
    """
    rules = {} if request.rules == OLD else {"imagery_rules": request.rules.model_dump()}
    return {**request.options, **rules}


def _notes(request: PredictionRequest, imagery: Imagery, outlines: Mapping[str, int]) -> list[str]:
    """What people should know of the result beside its counts."""
    remedy = "register or train a new version of the model and predict with that"
    note = imagery_rules.note(request.rules, request.model_id, remedy)
    counted = [f"{count:,} {REMARKS[name]}" for name, count in imagery.remarks().items()]
    counted += [f"{count:,} {near_shapes.REMARKS[name]}" for name, count in outlines.items()]
    return [note, *counted] if note else counted


def _repairs(request: PredictionRequest, exclusion: Exclusion | None) -> dict[str, dict[str, int]]:
    """What was mended or left out of files of polygons on reading, by what they are; only what happened."""
    read = {
        "area": request.area.mended if request.area else {},
        "exclude": exclusion.mended if exclusion else {},
    }
    found = {name: {key: count for key, count in counts.items() if count} for name, counts in read.items()}
    return {name: counts for name, counts in found.items() if counts}


def _told(repairs: Mapping[str, Mapping[str, int]]) -> list[str]:
    names = {"area": "Area", "exclude": "Existing features"}
    return [
        f"{names[name]}: {', '.join(polygons.repair_sentences(counts))}" for name, counts in repairs.items()
    ]


def _same(files: Sequence[OutputFile], original: Original | None) -> bool | None:
    return {file.name: file.checksum for file in files} == original.files if original else None


def _check_size(imagery: Imagery, request: PredictionRequest) -> None:
    pixels = sum(block.grid.height * block.grid.width for block in imagery.blocks)
    if pixels > request.max_pixels:
        raise InvalidImagery(
            str(request.imagery),
            [
                f"it covers {pixels:,} pixels at the model's {request.input.gsd_m:g} m, and at most "
                f"{request.max_pixels:,} are predicted at once; predict parts of it"
            ],
        )
