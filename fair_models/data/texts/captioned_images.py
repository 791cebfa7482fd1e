"""Images with their captions: which of them can be used, and reading them as a network takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from PIL import Image

from fair_models.data.images import antimeridian, bands, chips, file_kinds, footprint, orientation
from fair_models.data.images.chips import BANDS, Chip
from fair_models.data.progress import ChipProgress, ignore_progress, reported
from fair_models.data.texts import captioned
from fair_models.data.vectors import geojson
from fair_models.errors import InvalidImagery, InvalidLabels
from fair_models.imagery_rules import CURRENT, ImageryRules
from fair_models.store.digests import checksum_file
from fair_models.types import Array, Json

MAX_CAPTIONS = 16
"""Captions of one image that count; the first ones."""

CLASS = "caption"
"""What labels of this kind are counted as."""

REPAIRS = {
    "missing_images": "images that captions name and that are not there, left out",
    "without_captions": "images without a caption, left out",
    "broken_images": "images that cannot be read, left out",
    "empty_captions": "captions without a word, left out",
    "duplicate_captions": "captions that an image has twice, counted once",
    "further_captions": f"captions beyond the first {MAX_CAPTIONS} of an image, left out",
    "duplicate_images": "images that are another one byte for byte, left out; it has their captions too",
    "grey_images": "images in grey, kept; red, green and blue are equal",
}
"""What is counted of captioned images."""


@dataclass(frozen=True)
class CaptionedImage:
    """One image and what is said of it.

    name: File name without its ending, unique in its dataset.
    chip: Where it lies on the Earth; None where it has no place.
    """

    path: Path
    name: str
    captions: Sequence[str]
    chip: Chip | None


def find(
    folder: Path, file: Path, rules: ImageryRules = CURRENT, progress: ChipProgress = ignore_progress
) -> tuple[list[CaptionedImage], dict[str, int]]:
    """The images of a folder that can be used with their captions, by name, and what was left out.

    Args:
        folder: Folder with the images.
        file: Their captions, see `captioned.read`.
        rules: By which rules the images are read.
        progress: Called after each image with captions, also after one that cannot be read.

    Raises:
        InvalidLabels: The captions cannot be read, or no image of theirs is there.
        InvalidImagery: None of the images can be read, or two share a name.
    """
    counts = dict.fromkeys(REPAIRS, 0)
    said = captioned.read(file)
    there = _images(folder)
    counts["missing_images"] = len(set(said) - set(there))
    counts["without_captions"] = len(set(there) - set(said))
    by_digest: dict[str, tuple[Path, list[str]]] = {}
    broken: list[str] = []
    for name in reported(sorted(set(said) & set(there)), progress):
        kept = _kept(said[name], counts)
        if not kept:
            counts["without_captions"] += 1
            continue
        try:
            grey = read_rgb(there[name], rules)[1]
        except OSError as error:
            broken.append(f"{name}: {error}")
            continue
        digest = checksum_file(there[name])
        if digest in by_digest:
            counts["duplicate_images"] += 1
            first = by_digest[digest][1]
            first += [caption for caption in kept if caption not in first]
            continue
        counts["grey_images"] += grey
        by_digest[digest] = there[name], kept
    counts["broken_images"] = len(broken)
    if not by_digest:
        raise _nothing_left(folder, file, broken, said, there)
    images = [
        CaptionedImage(path, path.stem, captions, _placed(path, rules))
        for path, captions in by_digest.values()
    ]
    return images, {name: count for name, count in counts.items() if count}


def read_rgb(path: Path, rules: ImageryRules = CURRENT) -> tuple[Array, bool]:
    """Decode an image: uint8, shape (3, height, width), and whether it was grey.

    Raises:
        OSError: It cannot be read, or has no 8-bit bands.
    """
    if rules.bands == "position":
        return _read_by_position(path)
    with file_kinds.opened(path) as dataset:
        layout, wrong = bands.find(dataset, rules)
        if wrong:
            raise OSError("; ".join(wrong))
        pixels, _ = bands.read(dataset, layout)
        turned = orientation.of_file(path, dataset.driver)
    return orientation.upright(pixels, turned), layout.kind == "grey"


def _read_by_position(path: Path) -> tuple[Array, bool]:
    with file_kinds.opened(path) as dataset:
        if set(dataset.dtypes) != {"uint8"}:
            raise OSError(f"its pixels are {dataset.dtypes[0]}, uint8 is needed; convert it")
        grey = dataset.count < BANDS
        pixels: Array = dataset.read([1] * BANDS if grey else [1, 2, 3])
    return pixels, grey


def read_whole(path: Path, size_px: int, resampling: str, rules: ImageryRules = CURRENT) -> Array:
    """All of an image as a square of `size_px`: a caption speaks of the whole. uint8, shape (3, size, size).

    Args:
        path: The image.
        size_px: Height and width.
        resampling: "average" (area average down), "bilinear" or "nearest".
        rules: By which rules it is read.

    Raises:
        InvalidImagery: It cannot be read.
    """
    try:
        pixels, _ = read_rgb(path, rules)
    except OSError as error:
        raise InvalidImagery(str(path), [str(error)]) from error
    if pixels.shape[1:] == (size_px, size_px):
        return pixels
    ways = {"average": Image.Resampling.BOX, "nearest": Image.Resampling.NEAREST}
    way = ways.get(resampling, Image.Resampling.BILINEAR)
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    return np.ascontiguousarray(np.asarray(picture.resize((size_px, size_px), way)).transpose(2, 0, 1))


def write(images: Iterable[CaptionedImage], path: Path) -> None:
    """Write captions as GeoJSON: one feature each, with the image's outline, or without a place.

    Its properties are `image` (the image's name), `caption` and `class`, which is "caption".
    """
    features: list[Json] = []
    for image in images:
        outline = None if image.chip is None else image.chip.grid.footprint
        geometry = None
        if outline is not None:
            geometry = footprint.geometry(outline)
        features += [
            {
                "type": "Feature",
                "properties": {"image": image.name, "caption": caption, "class": CLASS},
                "geometry": geometry,
            }
            for caption in image.captions
        ]
    lines = b",\n".join(orjson.dumps(feature) for feature in features)
    path.write_bytes(b'{"type": "FeatureCollection", "features": [\n' + lines + b"\n]}\n")


def read_written(path: Path) -> tuple[dict[str, list[str]], dict[str, tuple[float, float]]]:
    """What `write` wrote: captions by image, and longitude and latitude of the middle of those with a place.

    Raises:
        InvalidLabels: The file cannot be read, or is no such file.
    """
    said: dict[str, list[str]] = {}
    middles: dict[str, tuple[float, float]] = {}
    for feature in geojson.features(path):
        properties = feature["properties"]
        name, caption = properties.get("image"), properties.get("caption")
        if not (isinstance(name, str) and isinstance(caption, str)):
            raise InvalidLabels(str(path), ["a feature has no image and caption; ingest the dataset again"])
        said.setdefault(name, []).append(caption)
        outline, _ = geojson.polygon(feature.get("geometry"))
        if outline is not None and name not in middles:
            middle = antimeridian.cut(antimeridian.together([outline])[0].centroid)
            middles[name] = float(middle.x), float(middle.y)
    return said, middles


def _images(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InvalidImagery(str(folder), ["there is no such folder; give the path as the worker sees it"])
    paths = sorted(path for path in folder.iterdir() if file_kinds.is_meant_as_image(path))
    if not paths:
        raise InvalidImagery(str(folder), ["it holds no image; put JPEG, PNG, WebP or GeoTIFF into it"])
    if shared := chips.shared_names(paths):
        raise InvalidImagery(str(folder), chips.shortened(shared))
    return {path.name: path for path in paths}


def _kept(captions: Sequence[str], counts: dict[str, int]) -> list[str]:
    tidy = [captioned.tidied(caption) for caption in captions]
    worded = [caption for caption in tidy if any(letter.isalnum() for letter in caption)]
    once = list(dict.fromkeys(worded))
    counts["empty_captions"] += len(tidy) - len(worded)
    counts["duplicate_captions"] += len(worded) - len(once)
    counts["further_captions"] += max(0, len(once) - MAX_CAPTIONS)
    return once[:MAX_CAPTIONS]


def _placed(path: Path, rules: ImageryRules) -> Chip | None:
    try:
        return chips.describe(path, rules)
    except InvalidImagery:
        return None


def _nothing_left(
    folder: Path, file: Path, broken: Sequence[str], said: Mapping[str, object], there: Mapping[str, object]
) -> InvalidImagery | InvalidLabels:
    if broken:
        return InvalidImagery(str(folder), chips.shortened(broken))
    both = len(set(said) & set(there))
    why = (
        f"all captions of its {both} images are empty; write some"
        if both
        else f"none of the {len(said)} images that it names is among the {len(there)} of {folder}; "
        "name images by their file, as in boats.jpg"
    )
    return InvalidLabels(str(file), [why])
