"""A comparison for people: tables, curves, and the chips on which versions differ most, as Markdown."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.items.item import RegistryItem
from fair_models.numbers import shown
from fair_models.reports import comparison_tables as tables
from fair_models.reports import curves as curve_drawing
from fair_models.reports import markdown as marked
from fair_models.reports.comparison import Ground, Sample, Side
from fair_models.store.atomic import write_bytes
from fair_models.types import Array

REPORT = "comparison.md"

Link = Callable[[str, bytes], str]
"""Takes a picture's file name and its bytes, gives the address to show it by."""

_WIDEST_PX = 600
_KINDS = {".svg": "image/svg+xml", ".jpg": "image/jpeg"}
_AXES = {"precision_recall": ("recall", "precision")}


def markdown(grounds: Sequence[Ground], link: Link) -> str:
    """The report.

    Args:
        grounds: The comparison on the dataset, then on each slice.
        link: Where its pictures are.
    """
    versions = list(dict.fromkeys(side.contender.id for ground in grounds for side in ground.sides))
    return "\n\n".join(
        [
            f"# {' · '.join(versions)}",
            *_areas(grounds),
            *(part for each in grounds for part in _ground(each, link, is_first=each is grounds[0])),
        ]
    )


def _areas(grounds: Sequence[Ground]) -> Iterator[str]:
    """The main metric on each area, where areas were asked for."""
    if rows := tables.by_area(grounds):
        yield "## By area"
        yield (
            f"`{grounds[0].key}` on each area, in brackets its 95 % bootstrap interval. Where no version has "
            "learnt from an area, all of its chips count, else the held-out ones. A version that has learnt "
            "from an area is favoured there; it is marked."
        )
        yield marked.table(rows)


def write(grounds: Sequence[Ground], folder: Path) -> Path:
    """Write the report and its pictures into a folder. Returns the report's file.

    Raises:
        Unavailable: The disk is full, read-only or not ours to write.
    """

    def beside(name: str, content: bytes) -> str:
        write_bytes(folder / name, content)
        return name

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / REPORT
    write_bytes(path, markdown(grounds, beside).encode())
    return path


def within(name: str, content: bytes) -> str:
    """A picture as an address of its own, for a page that has no files beside it."""
    return f"data:{_KINDS[Path(name).suffix]};base64,{base64.b64encode(content).decode()}"


def _ground(ground: Ground, link: Link, *, is_first: bool) -> Iterator[str]:
    best, title = ground.best, RegistryItem(ground.dataset).title
    yield f"## On {ground.dataset.id}: {title}"
    if not ground.measured:
        yield from _warnings(ground)
        return
    yield _told(ground, best)
    yield marked.table(tables.side_by_side(ground, is_first=is_first))
    yield from _warnings(ground)
    yield from _curves(ground, link)
    if ground.samples:
        yield f"### {'Chips on which they differ most' if len(ground.measured) > 1 else 'The worst chips'}"
        yield "Each: the chip, its labels, what the version finds."
        for number, sample in enumerate(ground.samples):
            yield from _sample(sample, f"{ground.dataset.id}-{number + 1}", link)


def _told(ground: Ground, best: Side | None) -> str:
    counts = sorted({side.evaluation.sample_count for side in ground.measured if side.evaluation})
    held_out = " or ".join(map(str, counts))
    leading = f"Best by `{ground.key}`: **{best.contender.id}**. " if best is not None else ""
    return (
        f"{leading}Measured now, on {held_out} held-out samples{_labelled(ground)}. In brackets: 95 % "
        "bootstrap intervals over these samples. Where the interval of a difference holds 0, these samples "
        "do not tell the versions apart."
    )


def _labelled(ground: Ground) -> str:
    """How many labels of each class they have, where the dataset says so."""
    counts = DatasetItem(ground.dataset).class_counts.get("held_out", {})
    return (
        f" with labels of {', '.join(f'{name} ({count})' for name, count in counts.items())}"
        if counts
        else ""
    )


def _warnings(ground: Ground) -> Iterator[str]:
    for version, doubt in ground.doubts.items():
        yield f"**{version} is no better than guessing**: {doubt}"
    for side in ground.sides:
        if side.problem:
            yield f"**{side.contender.id} could not be measured**: {side.problem}"
        if side.seen:
            yield (
                f"**{side.contender.id} learnt from {side.seen} of these held-out chips**, which favours it."
            )


def _curves(ground: Ground, link: Link) -> Iterator[str]:
    names = dict.fromkeys(
        name for side in ground.measured if side.evaluation for name in side.evaluation.curves
    )
    pictures = []
    for name in names:
        kind, _, of = name.partition(":")
        across, up = _AXES.get(kind, ("x", "y"))
        curves = {
            side.contender.id: side.evaluation.curves[name]
            for side in ground.measured
            if side.evaluation and side.evaluation.curves.get(name)
        }
        if curves:
            title = f"{kind.replace('_', ' and ')}: {of}" if of else kind
            drawn = curve_drawing.draw(title, curves, across, up).encode()
            pictures.append(f"![{title}]({link(f'{ground.dataset.id}-{_file_name(name)}.svg', drawn)})")
    if pictures:
        yield "### Curves"
        yield "\n".join(pictures)


def _sample(sample: Sample, stem: str, link: Link) -> Iterator[str]:
    yield f"**{sample.name}**"
    for version, value in sample.values.items():
        told = f"{version}: {shown(value)}"
        picture = sample.pictures.get(version)
        if picture is None:
            yield told
        else:
            yield f"{told}\n\n![{told}]({link(f'{stem}-{version}.jpg', _jpeg(picture))})"


def _jpeg(picture: Array) -> bytes:
    image = Image.fromarray(picture)
    image.thumbnail((_WIDEST_PX, _WIDEST_PX))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
