"""What is new in the next version of a dataset: what its item says of it, and the file that lists it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

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
from fair_models.store.archive import unpack
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
    """

    files: Mapping[str, Path]
    classes: Sequence[str]
    rules: ImageryRules


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
    """What both versions hold, with the chips where they may differ."""
    archive = former.file(assets.CHIPS)
    then = _content(
        store.fetch(*former.file(assets.LABELS)), store.fetch(*former.file(assets.SPLIT)), former.classes
    )
    now = _content(made.files["labels"], made.files["split"], made.classes)
    is_same_archive = archive[1] == checksum_file(made.files["chips"])
    if is_same_archive and former.imagery_rules == made.rules and set(then.names) == set(now.names):
        return then, now
    if now.captions is not None:  # images that need no place are told apart by their names alone
        return then, now
    chips_now = _chips(made.files["chips"], folder / "chips-now", made.rules, now.names)
    if is_same_archive and former.imagery_rules == made.rules:
        chips_then = _chips(made.files["chips"], folder / "chips-now", made.rules, then.names)
    else:
        chips_then = _chips(store.fetch(*archive), folder / "chips-then", former.imagery_rules, then.names)
    return replace(then, chips=chips_then), replace(now, chips=chips_now)


def _content(labels_file: Path, split_file: Path, classes: Sequence[str]) -> Content:
    split = Split.read(split_file)
    if list(classes) == [captioned_images.CLASS]:
        return Content(split, captions=captioned_images.read_written(labels_file)[0])
    return Content(split, labels=labels.read_stored(labels_file, classes))


def _chips(archive: Path, folder: Path, rules: ImageryRules, names: Sequence[str]) -> dict[str, Chip]:
    if not folder.is_dir():
        unpack(archive, folder)
    wanted = set(names)
    return {chip.name: chip for chip in chips.find(folder, rules=rules) if chip.name in wanted}
