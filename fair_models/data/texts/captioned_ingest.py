"""Images with captions, given or made from labels, checked, split by image, and packed as a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from fair_models.data import dataset_check, splits
from fair_models.data.dataset_check import PreparedDataset
from fair_models.data.images import acquisition, chips, footprint, zooms
from fair_models.data.progress import ChipProgress, ignore_progress
from fair_models.data.splits import Split
from fair_models.data.texts import captioned, captioned_images, captions
from fair_models.data.texts.captioned_images import CLASS, CaptionedImage
from fair_models.data.vectors.mapped_area import Outline
from fair_models.errors import Invalid
from fair_models.params import IngestDatasetParams
from fair_models.store.archive import pack

TASK = "similarity-search"
RATIO = 0.2
"""Share of the images that is held out, and share for validation, where nobody asks for another."""


def prepare(
    params: IngestDatasetParams,
    work_folder: Path,
    progress: ChipProgress = ignore_progress,
    area: Outline | None = None,
) -> PreparedDataset:
    """Check a dataset of captions, split it 60/20/20 by image, write its three files.

    Args:
        params: Where images and captions (or labels) lie, and how to split.
        work_folder: Where chips.zip, labels.geojson and split.json are written.
        progress: Called after each chip or image that was read.
        area: What was looked at, where captions are made from labels. Default: all chips.

    Raises:
        Invalid: Something cannot be used (InvalidImagery, InvalidLabels where it is one of them), or the
            keywords name another task; the message lists everything that was found.
    """
    words = _keywords(params)
    made = _made(params, progress, area) if params.captions == "from-labels" else _given(params, progress)
    images = made.images
    ratio = params.held_out_ratio if "held_out_ratio" in params.model_fields_set else RATIO
    split = splits.by_image([image.name for image in images], ratio, params.seed)
    placed = [image.chip for image in images if image.chip is not None]
    covered = footprint.of(placed) if len(placed) == len(images) else None
    work_folder.mkdir(parents=True, exist_ok=True)
    paths = work_folder / "chips.zip", work_folder / "labels.geojson", work_folder / "split.json"
    pack({path.name: path for image in images for path in _files(image)}, paths[0])
    captioned_images.write(images, paths[1])
    split.write(paths[2])
    return PreparedDataset(
        chips=paths[0],
        labels=paths[1],
        split=paths[2],
        split_spec=split.spec(),
        chip_count=len(images),
        gsd_m=round(float(np.median([chip.gsd_m for chip in placed])), 4) if covered else None,
        zooms=zooms.counts(placed),
        bands=dataset_check.BANDS,
        rules=dataset_check.rules_of(params),
        bbox=footprint.bbox(covered) if covered else None,
        geometry=footprint.geometry(covered) if covered else None,
        created=acquisition.together(chip.taken for chip in placed),
        label_counts={CLASS: sum(len(image.captions) for image in images)},
        class_counts=_counts(images, split),
        chip_counts={},
        repairs=made.repairs,
        classes=(CLASS,),
        keywords=words,
        from_osm=made.from_osm,
        labels_time=made.labels_time,
    )


def _keywords(params: IngestDatasetParams) -> list[str]:
    if "keywords" not in params.model_fields_set:
        return [TASK] if params.captions == "given" else ["building", TASK]
    if TASK not in params.keywords:
        raise Invalid(
            f"Dataset {params.name} has captions, which train {TASK}; its keywords are "
            f"{', '.join(params.keywords)}: name {TASK} among them, or leave captions out"
        )
    return list(params.keywords)


@dataclass(frozen=True)
class _Captioned:
    """Images with captions, what was left out, and what `PreparedDataset` says of labels they come from."""

    images: list[CaptionedImage]
    repairs: dict[str, int]
    from_osm: str = ""
    labels_time: datetime | None = None


def _given(params: IngestDatasetParams, progress: ChipProgress) -> _Captioned:
    named = None if params.labels is None else Path(params.labels).expanduser()
    folder, file = captioned.locate(Path(params.chips_folder).expanduser(), named)
    return _Captioned(*captioned_images.find(folder, file, dataset_check.rules_of(params), progress))


def _made(params: IngestDatasetParams, progress: ChipProgress, area: Outline | None) -> _Captioned:
    """Captions of map chips, each from the labels that lie on it."""
    checked = dataset_check.check(params, progress, area)
    images = [
        CaptionedImage(
            chip.path, chip.name, captions.describe(checked.labels, chip.grid, params.class_names), chip
        )
        for chip in checked.chips
    ]
    names = tuple(image.name for image in images)
    whole = Split("image", RATIO, 0.0, params.seed, "", names, (), ())
    repairs = dataset_check.repairs_of(checked, whole, footprint.of(checked.chips))
    return _Captioned(images, repairs, checked.from_osm, checked.labels_time)


def _files(image: CaptionedImage) -> list[Path]:
    return [image.path] if image.chip is None else chips.files(image.chip)


def _counts(images: Sequence[CaptionedImage], split: Split) -> dict[str, dict[str, int]]:
    number = {image.name: len(image.captions) for image in images}
    sides = {"train": split.train, "held_out": split.held_out}
    return {side: {CLASS: sum(number[name] for name in names)} for side, names in sides.items()}
