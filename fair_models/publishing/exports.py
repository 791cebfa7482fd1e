"""Datasets of the catalogue as files for other tools. Nothing is changed here."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from pystac import Item

from fair_models.catalog.items import assets, versions
from fair_models.catalog.items.dataset import MAPPED_AREA, DatasetItem
from fair_models.catalog.protocol import Catalog
from fair_models.data.exports import formats
from fair_models.data.exports.formats import Export, ExportFormat, Source
from fair_models.data.images import chips
from fair_models.data.splits import Split
from fair_models.data.vectors import labels
from fair_models.errors import Conflict, Invalid
from fair_models.publishing.dataset_facts import mapped_areas
from fair_models.publishing.workspace import work_folder
from fair_models.store import atomic
from fair_models.store.archive import unpack
from fair_models.store.atomic import translate_os_errors
from fair_models.store.protocol import Store
from fair_models.types import DATASETS

ABOUT = "README.md"
"""The file that says what was exported, and under which terms."""


@dataclass(frozen=True)
class ExportedDataset:
    """A dataset that was exported.

    item: Its exact id.
    folder: Where it lies.
    export: What was written.
    """

    item: str
    folder: Path
    export: Export

    @property
    def ingest(self) -> str:
        """The command that reads it back, to be run in the folder; empty where none can."""
        return _command(self.item, self.export)


def export_dataset(
    reference: str, folder: Path, form: str, catalog: Catalog, store: Store
) -> ExportedDataset:
    """Write a dataset for other tools. The folder appears whole or not at all.

    Args:
        reference: A dataset: a name (its current version) or an exact id.
        folder: Where it goes, new or empty.
        form: What it is written as, of `formats.FORMATS`.
        catalog: Where the dataset is published.
        store: Where its files lie.

    Raises:
        NotFound: There is no such dataset.
        Conflict: The folder is not empty.
        Invalid: There is no such format, or the dataset has captions instead of polygons.
        Unavailable: The folder cannot be written.
    """
    known = next((each for each in formats.FORMATS if each == form), None)
    if known is None:
        raise Invalid(f"There is no format {form}; there are {', '.join(formats.FORMATS)}")
    folder = folder.expanduser().resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} is not empty. Name a folder that is new or empty")
    item = versions.resolve(catalog, DATASETS, reference)
    data = DatasetItem(item)
    if not data.has_polygons:
        raise Invalid(
            f"{item.id} has no polygons on a map, which an export needs: name one of chips and labels"
        )
    with work_folder("export") as work, translate_os_errors(f"write {folder}"):
        source = _source(data, store, work / "chips")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as name:
            made = Path(name) / "export"
            made.mkdir()
            export = _with_areas(formats.write(source, made, known), data, store, made)
            (made / ABOUT).write_text(_about(item, known, export), encoding="utf-8")
            if folder.exists():
                folder.rmdir()
            os.rename(made, folder)
    return ExportedDataset(item.id, folder, export)


def _source(data: DatasetItem, store: Store, folder: Path) -> Source:
    unpack(store.fetch(*data.file(assets.CHIPS)), folder)
    labels_file = store.fetch(*data.file(assets.LABELS))
    split = Split.read(store.fetch(*data.file(assets.SPLIT)))
    found = chips.find(folder, rules=data.imagery_rules)
    if data.slice_of is not None:  # its archive holds the chips of the whole
        own = {*split.train, *split.held_out}
        found = [chip for chip in found if chip.name in own]
    return Source(found, labels.read_stored(labels_file, data.classes), labels_file, split, data.classes)


def _with_areas(export: Export, data: DatasetItem, store: Store, folder: Path) -> Export:
    """What was written, with the file of the areas that were looked at, where the item says them."""
    if any(assets.has_role(asset.roles or (), assets.AREAS) for asset in data.item.assets.values()):
        shutil.copyfile(store.fetch(*data.file(assets.AREAS)), folder / mapped_areas.FILE)
    elif MAPPED_AREA in data.properties:
        atomic.write_json(folder / mapped_areas.FILE, data.properties[MAPPED_AREA])
    else:
        return export
    return replace(export, ingest=[*export.ingest, "--area", mapped_areas.FILE] if export.ingest else ())


def _about(item: Item, form: ExportFormat, export: Export) -> str:
    said = item.properties
    makers = ", ".join(str(each.get("name")) for each in said.get("providers", [])) or "not said"
    counts = ", ".join(f"{count} {name}" for name, count in export.labels.items())
    lines = [
        f"# {said.get('title', item.id)}",
        "",
        f"Dataset {item.id} as {form}: {export.chips} chips, {counts}.",
        "",
        f"- Licence: {said.get('license', 'not said')}",
        f"- By: {makers}",
    ]
    for name, words in (
        ("fair:attribution", "Imagery"),
        ("fair:imagery_license", "Licence of the imagery"),
        ("fair:labels_datetime", "Labels of"),
    ):
        lines += [f"- {words}: {said[name]}"] if name in said else []
    lines += [f"- {note}" for note in export.notes]
    if command := _command(item.id, export):
        lines += ["", f"Read it back, in this folder: `{command}`"]
    return "\n".join([*lines, ""])


def _command(item_id: str, export: Export) -> str:
    name, _ = versions.split_id(item_id)
    return shlex.join(["fair-models", "ingest", name, *export.ingest]) if export.ingest else ""
