"""Whether held-out chips of a model lie on ground that it was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fair_models.audit.asset_rules import damage_of, held
from fair_models.audit.findings import Problem
from fair_models.audit.scope import Entry, Scope
from fair_models.catalog.items import assets
from fair_models.errors import Corrupted, Invalid, NotFound
from fair_models.publishing.workspace import work_folder
from fair_models.types import DATASETS, Json

if TYPE_CHECKING:
    from shapely import Polygon

INGEST = "Ingest the chips again; the split by area keeps the sides apart."
SHARED_AREA = 0.01
"""Part of a chip that may lie on one of the other side: neighbours touch, and their corners are rounded."""

_SHOWN = 3


def leakage(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Datasets of which a held-out chip shares ground with one to train on."""
    if entry.collection != DATASETS:
        return
    found = {
        role: asset
        for _, asset in held(document)
        for role in (assets.CHIPS, assets.SPLIT)
        if assets.has_role(asset.get("roles", ()), role)
    }
    if len(found) < 2 or not scope.chosen(found[assets.CHIPS]["href"]):
        return
    files = [(asset["href"], asset["file:checksum"]) for asset in found.values()]
    if any(scope.size(href) is None or damage_of(scope, href, checksum) for href, checksum in files):
        return  # the rules `assets` and `digests` report it
    by_image = document["properties"].get("fair:split_spec", {}).get("method") == "image"
    look = same_images if by_image else overlaps
    try:
        chips, split = (scope.store.fetch(found[role]["href"]) for role in (assets.CHIPS, assets.SPLIT))
        divided = divided_areas(split)
        pairs = look(chips, split)
    except (Invalid, NotFound, Corrupted) as error:
        yield Problem(entry.label, f"its split cannot be checked: {error}", INGEST)
        return
    if pairs:
        named = ", ".join(f"{one} on {other}" for one, other in pairs[:_SHOWN])
        more = f" and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
        yield Problem(entry.label, f"held-out chips lie on chips that train: {named}{more}", INGEST)
    if divided:
        named = ", ".join(divided[:_SHOWN])
        yield Problem(entry.label, f"areas that are held out whole have chips that train: {named}", INGEST)


def divided_areas(split: Path) -> list[str]:
    """Names of areas that a split holds out whole and that have chips on the other side all the same.

    Raises:
        Invalid: It is no split.
    """
    from fair_models.data.splits import Split

    sides = Split.read(split)
    train = set(sides.train)
    return [area for area in sides.held_out_areas if not train.isdisjoint(sides.areas.get(area, ()))]


def overlaps(chips: Path, split: Path) -> list[tuple[str, str]]:
    """Names of held-out chips and of chips to train on that share ground.

    Args:
        chips: Archive of the chips.
        split: The split.

    Raises:
        Invalid: A chip cannot be read or placed, a name is on both sides, or chips of the split are missing.
        Corrupted: The archive cannot be unpacked.
    """
    import shapely

    from fair_models.data.images import antimeridian
    from fair_models.data.images import chips as images
    from fair_models.data.splits import Split
    from fair_models.store.archive import unpack

    sides = Split.read(split)
    with work_folder("audit") as folder:
        unpack(chips, folder / "chips")
        outlines = {
            chip.name: antimeridian.cut(chip.grid.footprint) for chip in images.find(folder / "chips")
        }
    missing = [name for name in (*sides.train, *sides.held_out) if name not in outlines]
    if missing:
        raise Invalid(f"{len(missing)} chips of the split are not in the archive, the first is {missing[0]}")
    train = [outlines[name] for name in sides.train]
    held_out = [outlines[name] for name in sides.held_out]
    ours, theirs = shapely.STRtree(train).query(held_out, predicate="intersects")
    return [
        (sides.held_out[one], sides.train[other])
        for one, other in zip(ours, theirs, strict=True)
        if _shared(held_out[one], train[other]) > SHARED_AREA
    ]


def same_images(chips: Path, split: Path) -> list[tuple[str, str]]:
    """Names of held-out images and of images used in training that are the same, byte for byte.

    Args:
        chips: Archive of the images.
        split: The split.

    Raises:
        Invalid: A name is on several sides, or images of the split are missing.
        Corrupted: The archive cannot be unpacked.
    """
    from fair_models.data.images import file_kinds as imagery
    from fair_models.data.splits import Split
    from fair_models.store.archive import unpack
    from fair_models.store.digests import checksum_file

    sides = Split.read(split)
    with work_folder("audit") as folder:
        unpack(chips, folder / "chips")
        paths = [path for path in (folder / "chips").iterdir() if imagery.is_meant_as_image(path)]
        digests = {path.stem: checksum_file(path) for path in paths}
    learnt = (*sides.train, *sides.validation)
    missing = [name for name in (*learnt, *sides.held_out) if name not in digests]
    if missing:
        raise Invalid(f"{len(missing)} images of the split are not in the archive, the first is {missing[0]}")
    known = {digests[name]: name for name in learnt}
    return [(name, known[digests[name]]) for name in sides.held_out if digests[name] in known]


def _shared(one: Polygon, other: Polygon) -> float:
    """Area that two outlines share, as a part of the smaller one."""
    import shapely

    smaller = min(shapely.area(one), shapely.area(other))
    return float(shapely.area(shapely.intersection(one, other)) / smaller) if smaller else 0.0
