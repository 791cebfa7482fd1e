"""Captions as people keep them: a JSON or CSV file beside the images, or the layout of Flickr8k."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fair_models.data.images import file_kinds
from fair_models.errors import InvalidDocument, InvalidLabels
from fair_models.store import documents

MAX_BYTES = 256 * 2**20
MAX_CAPTIONS = 2_000_000
LONGEST = 2000
"""Characters of a caption; the rest is left out."""

FILES = ("captions.json", "captions.csv", "captions.txt", "Flickr8k.token.txt", "Flickr30k.token.txt")
"""How a file with captions may be called where none is named."""

FOLDERS = ("Images", "images", "Flicker8k_Dataset", "Flickr8k_Dataset", "flickr30k_images", "chips", "input")
"""Where images may lie below the folder that is named."""

_IMAGE_KEYS = ("image", "file_name", "filename", "file", "name", "image_name")
_CAPTION_KEYS = ("caption", "captions", "text", "comment", "sentences")
_NUMBERED = re.compile(r"^(?P<image>.+)#\d+\t(?P<caption>.*)$")


def locate(folder: Path, captions: Path | None) -> tuple[Path, Path]:
    """The folder with the images and the file with their captions.

    Args:
        folder: The folder itself, or one above that of the images.
        captions: The file, where it is named. Default: the first of `FILES` beside or above the images.

    Raises:
        InvalidLabels: None is named and none found.
    """
    images = folder
    if folder.is_dir() and not any(file_kinds.is_meant_as_image(path) for path in folder.iterdir()):
        images = next((folder / name for name in FOLDERS if (folder / name).is_dir()), folder)
    if captions is not None:
        return images, captions
    for place in (images, folder, folder.parent):
        for name in FILES:
            if (place / name).is_file():
                return images, place / name
    raise InvalidLabels(
        str(folder),
        [f"there are no captions; name their file, or put {' or '.join(FILES[:3])} into the folder"],
    )


def read(path: Path) -> dict[str, list[str]]:
    """Captions by the name of the image's file, in the order of the file; empty ones too.

    Understood are JSON ({"a.jpg": ["…"]}, a list of {"image": …, "caption": …}, COCO), CSV with a column
    `image` and a column `caption`, and Flickr8k's own text (a.jpg#0, tab, caption).

    Raises:
        InvalidLabels: The file is not there, too large, or none of these; says what it is.
    """
    if not path.is_file():
        raise InvalidLabels(str(path), ["there is no such file; give the path as the worker sees it"])
    if path.stat().st_size > MAX_BYTES:
        raise InvalidLabels(str(path), [f"it has more than {MAX_BYTES:,} bytes; split the dataset"])
    found: dict[str, list[str]] = defaultdict(list)
    for number, (image, caption) in enumerate(_pairs(path)):
        if number == MAX_CAPTIONS:
            raise InvalidLabels(str(path), [f"it has more than {MAX_CAPTIONS:,} captions; split the dataset"])
        found[Path(image.strip()).name].append(caption)
    if not found:
        raise InvalidLabels(str(path), ["it has no caption; write one line or entry for each"])
    return dict(found)


def tidied(caption: str) -> str:
    """A caption in one line, without what cannot be printed; at most `LONGEST` characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in caption)
    return " ".join(printable.split())[:LONGEST]


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    if path.suffix.lower() == ".json":
        return _from_json(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidLabels(str(path), ["it is no UTF-8; save it as UTF-8"]) from error
    lines = text.splitlines()
    if lines and _NUMBERED.match(lines[0]):
        return _from_flickr(path, lines)
    return _from_csv(path, text)


def _from_flickr(path: Path, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, start=1):
        found = _NUMBERED.match(line)
        if found:
            yield found["image"], found["caption"]
        elif line.strip():
            raise InvalidLabels(
                str(path), [f"line {number} is not image#number, tab, caption; correct it or take it out"]
            )


def _from_csv(path: Path, text: str) -> Iterator[tuple[str, str]]:
    try:
        dialect: Any = csv.Sniffer().sniff(text.partition("\n")[0], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    rows = csv.DictReader(io.StringIO(text), dialect=dialect)
    columns = [name.strip() for name in rows.fieldnames or []]
    rows.fieldnames = columns
    image, caption = _named(columns, _IMAGE_KEYS), _named(columns, _CAPTION_KEYS)
    if image is None or caption is None:
        there = ", ".join(columns[:8]) or "none"
        raise InvalidLabels(
            str(path), [f"its columns are {there}; it needs one called image and one called caption"]
        )
    try:
        for row in rows:
            # A comma in an unquoted caption cuts it into further columns: Flickr8k's captions.txt has many.
            rest = row.get(None) or []
            parts = [row[caption] or "", *rest] if caption == columns[-1] else [row[caption] or ""]
            yield row[image] or "", ",".join(parts)
    except csv.Error as error:
        raise InvalidLabels(
            str(path), [f"it cannot be read as CSV ({error}); save it as CSV again"]
        ) from error


def _named(columns: Iterable[str], words: Iterable[str]) -> str | None:
    by_word = {name.lower(): name for name in columns}
    return next((by_word[word] for word in words if word in by_word), None)


def _from_json(path: Path) -> Iterator[tuple[str, str]]:
    try:
        document = documents.read_json(path, documents.Limits(MAX_BYTES, 16))
    except InvalidDocument as error:
        raise InvalidLabels(str(path), error.reasons) from error
    if isinstance(document, dict) and "annotations" in document:
        entries = _of_coco(document)
    elif isinstance(document, dict) and isinstance(document.get("images"), list):
        entries = document["images"]
    elif isinstance(document, dict):
        entries = [{"image": name, "captions": said} for name, said in document.items()]
    else:
        entries = document
    if not isinstance(entries, list):
        raise InvalidLabels(str(path), ['it holds no captions; write {"image.jpg": ["a caption", …]}'])
    for number, entry in enumerate(entries):
        pairs = _of_entry(entry) if isinstance(entry, dict) else None
        if pairs is None:
            raise InvalidLabels(
                str(path),
                [f'entry {number} is not {{"image": …, "captions": […]}}; correct it or take it out'],
            )
        yield from pairs


def _of_coco(document: Mapping[str, Any]) -> list[Any]:
    images, said = document.get("images"), document["annotations"]
    if not isinstance(images, list) or not isinstance(said, list):
        return []
    names = {each.get("id"): each.get("file_name") for each in images if isinstance(each, dict)}
    return [
        {"image": names.get(each.get("image_id")), "caption": each.get("caption")}
        for each in said
        if isinstance(each, dict)
    ]


def _of_entry(entry: Mapping[str, Any]) -> list[tuple[str, str]] | None:
    image = next((entry[key] for key in _IMAGE_KEYS if isinstance(entry.get(key), str)), None)
    said = next((entry[key] for key in _CAPTION_KEYS if key in entry), None)
    captions = [said] if isinstance(said, str) or said is None else said
    if image is None or not isinstance(captions, list):
        return None
    texts = [each.get("raw") if isinstance(each, dict) else each for each in captions]
    return [(image, text or "") for text in texts if text is None or isinstance(text, str)]
