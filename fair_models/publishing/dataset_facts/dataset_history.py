"""What is new in the next version of a dataset: what its item says of it, and the file that lists it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import shapely
from pystac import Item

from fair_models.catalog.items import assets, versions
from fair_models.catalog.items.dataset import CHANGES, DatasetItem
from fair_models.catalog.protocol import Catalog
from fair_models.data import dataset_changes
from fair_models.data.dataset_changes import Content
from fair_models.data.images import chips
from fair_models.data.images.chips import Chip
from fair_models.data.splits import Split
from fair_models.data.texts import captioned_images
from fair_models.data.vectors import labels
from fair_models.errors import Corrupted, Invalid, NotFound
from fair_models.imagery_rules import ImageryRules
from fair_models.reports.version_changes import sentences
from fair_models.store import atomic
from fair_models.store.archive import checks, unpack
from fair_models.store.digests import checksum_file
from fair_models.store.protocol import Store, StoredFile
from fair_models.types import DATASETS, Json

KEY = "changes"
"""Key of the asset that lists each label and chip that changed."""


@dataclass(frozen=True)
class History:
    """What is new in a version.

    fields: What its item says, by property.
    files: Its file by asset key; none where nothing changed.
    notes: The same in sentences.
    """

    fields: Json = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class DatasetFiles:
    """A version that is about to be published.

    files: Its files by the keys "chips", "labels" and "split".
    classes: Classes of its labels.
    rules: By which rules its chips are read.
    geometry: What its chips cover, as GeoJSON. None: they have no place.
    """

    files: Mapping[str, Path]
    classes: Sequence[str]
    rules: ImageryRules
    geometry: Json | None


def before(catalog: Catalog, name: str, current: Item | None) -> Item | None:
    """The version that the next one is compared with: the current one, else the newest, if there is one."""
    if current is not None:
        return current
    return max(catalog.search(DATASETS, name=name), key=versions.number_of, default=None)


def carried(current: Item) -> tuple[Json, dict[str, StoredFile]]:
    """What the current version says of its own history: its properties, and its file by asset key.

    The same request again gives the same version, with this history.
    """
    fields = {CHANGES: current.properties[CHANGES]} if CHANGES in current.properties else {}
    asset = current.assets.get(KEY)
    if asset is None:
        return fields, {}
    said = asset.extra_fields
    return fields, {KEY: StoredFile(assets.address(asset), said["file:checksum"], said["file:size"])}


def since(former: Item | None, made: DatasetFiles, store: Store, folder: Path) -> History:
    """What is new in a version since a former one.

    Args:
        former: The former one; None where there is none.
        made: The version.
        store: Where the files of the former one lie.
        folder: A folder to work in.

    Returns:
        A note alone where a file of the former one is gone or broken.
    """
    if former is None:
        return History()
    try:
        found = dataset_changes.changes(*_contents(DatasetItem(former), made, store, folder))
    except (NotFound, Corrupted, Invalid) as error:
        return History(notes=[f"What is new since {former.id} cannot be told: {error}"])
    record = {"since": former.id, **found.counts()}
    files = {}
    if found.is_any:
        files[KEY] = folder / "changes.json"
        atomic.write_json(files[KEY], {"since": former.id, **found.details()})
    return History({CHANGES: record}, files, sentences(record))


def _contents(former: DatasetItem, made: DatasetFiles, store: Store, folder: Path) -> tuple[Content, Content]:
    """What both versions hold, with the chips whose files differ."""
    place, checksum = former.file(assets.CHIPS)
    then = _content(
        store.fetch(*former.file(assets.LABELS)),
        store.fetch(*former.file(assets.SPLIT)),
        former.classes,
        former.item.geometry,
    )
    now = _content(made.files["labels"], made.files["split"], made.classes, made.geometry)
    is_same = former.imagery_rules == made.rules
    if is_same and checksum == checksum_file(made.files["chips"]) and set(then.names) == set(now.names):
        return then, now
    archives = store.fetch(place, checksum), made.files["chips"]
    files, files_now = (
        _files(archive, each.names) for archive, each in zip(archives, (then, now), strict=True)
    )
    if now.captions is not None:  # images that may have no place, and are read as they are
        return replace(then, files=files), replace(now, files=files_now)
    equal = {name for name in files if is_same and files[name] == files_now.get(name)}
    return (
        replace(then, chips=_chips(archives[0], folder / "then", former.imagery_rules, files, equal)),
        replace(now, chips=_chips(archives[1], folder / "now", made.rules, files_now, equal)),
    )


def _content(labels_file: Path, split_file: Path, classes: Sequence[str], geometry: Json | None) -> Content:
    split = Split.read(split_file)
    if list(classes) == [captioned_images.CLASS]:
        return Content(split, captions=captioned_images.read_written(labels_file)[0])
    ground = None if geometry is None else shapely.geometry.shape(geometry)
    return Content(split, labels=labels.read_stored(labels_file, classes), ground=ground)


def _files(archive: Path, names: Sequence[str]) -> dict[str, dict[str, tuple[int, int]]]:
    """The files of each chip of an archive, those beside its image too, with sizes and check sums."""
    wanted = set(names)
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for file, check in checks(archive).items():
        chip = file
        while chip not in wanted and "." in chip:
            chip = chip.rpartition(".")[0]
        if chip in wanted:
            found.setdefault(chip, {})[file] = check
    return found


def _chips(
    archive: Path,
    folder: Path,
    rules: ImageryRules,
    files: Mapping[str, Mapping[str, tuple[int, int]]],
    equal: Collection[str],
) -> dict[str, Chip]:
    """The chips of an archive but for those that are equal in both versions."""
    wanted = [file for name, own in files.items() if name not in equal for file in own]
    if not wanted:
        return {}
    unpack(archive, folder, only=wanted)
    return {chip.name: chip for chip in chips.find(folder, rules=rules)}
