"""Publish a slice of a dataset: a dataset of its own with the same file of chips, fewer of which count."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pystac import Item

from fair_models import ownership
from fair_models.catalog.changes.edits import VERSION_LINKS
from fair_models.catalog.items import assets, building, pins, tombstones, versions
from fair_models.catalog.items.dataset import (
    AREAS,
    CHANGES,
    LABEL_REPORT,
    LEFT_OUT,
    REGISTRATION,
    SLICE,
    DatasetItem,
)
from fair_models.catalog.items.lineage import DERIVED_FROM
from fair_models.catalog.protocol import Catalog
from fair_models.data import dataset_slice
from fair_models.data.dataset_slice import Slice, SliceCriteria
from fair_models.data.images import chips, footprint
from fair_models.data.label_quality import exclusion
from fair_models.data.splits import Split
from fair_models.data.vectors import labels, polygons
from fair_models.data.vectors.labels import Labels
from fair_models.errors import Conflict, Invalid
from fair_models.inference.imagery import areas
from fair_models.params import SliceDatasetParams
from fair_models.publishing.commit import (
    NewVersion,
    NoteListener,
    PlanListener,
    as_stored,
    ignore_note,
    ignore_plan,
    publish,
)
from fair_models.publishing.dataset_facts import dataset_history
from fair_models.publishing.dataset_facts.dataset_history import DatasetFiles
from fair_models.publishing.workspace import work_folder
from fair_models.store.archive import unpack
from fair_models.store.protocol import Store, StoredFile
from fair_models.types import DATASETS, Json

logger = logging.getLogger(__name__)

_SHOWN = 8
"""How many values or tags a message names."""

_OF_THE_WHOLE = frozenset(
    {
        "fair:chip_counts",
        "updated",
        pins.FIELD,
        tombstones.ARCHIVED,
        AREAS,
        CHANGES,
        LABEL_REPORT,
        LEFT_OUT,
        REGISTRATION,
    }
)
"""Properties that say nothing of a part. The whole has its own report on labels."""

_FILES_OF_THE_WHOLE = frozenset({assets.LABEL_REPORT, assets.LABEL_PICTURE, dataset_history.KEY})


def publish_slice(
    params: SliceDatasetParams,
    catalog: Catalog,
    store: Store,
    tell: PlanListener = ignore_plan,
    note: NoteListener = ignore_note,
) -> Item:
    """Publish the part of a dataset that lies in an area, or has labels of a class or with a tag.

    Chips stay on their side of the split, so that what was held out of a training is held out here too. The
    chips are the dataset's file: no bytes are copied. The same slice again makes no new version.

    Args:
        params: Which part of which dataset.
        catalog: Where the dataset is, and the slice will be.
        store: Where their files lie.
        tell: Takes the plan before anything is changed.
        note: Takes how much of the dataset belongs to the slice, and what of its area was left out.

    Returns:
        The item as the catalogue has it; in a dry run as it would be. It derives from the exact dataset.

    Raises:
        NotFound: There is no such dataset.
        Invalid: Nothing is said of what belongs to it, the dataset has no such class, its labels are no
            polygons, it is a slice itself, or no held-out chip is left.
        Conflict: The name is that of a dataset which is no slice, or somebody else published a version of it
            meanwhile.
    """
    whole = versions.resolve(catalog, DATASETS, params.dataset)
    _require_sliceable(whole, params)
    if params.area is not None:  # the area itself is kept, not the name of a file
        area = areas.read(params.area)
        for sentence in polygons.repair_sentences(area.mended):
            note(f"Area: {sentence}")
        params = params.model_copy(update={"area": area.text})
    with work_folder("slice") as folder, catalog.exclusive(DATASETS, params.name):
        current = versions.current(catalog, DATASETS, params.name)
        _require_own_name(catalog, params)
        cut = _cut(whole, params, store, folder, note)
        files = _written(cut, folder)
        made = _Made(whole, params, cut, catalog.href(DATASETS, whole.id))
        if current is not None:
            fields, further = dataset_history.carried(current)
            same = made.item(versions.number_of(current), {**as_stored(files), **further}, fields)
            if versions.same(current, same):
                logger.info("%s is this very slice already; no new version", current.id)
                return current
        former = dataset_history.before(catalog, params.name, current)
        history = dataset_history.since(former, _held(whole, cut, files, store), store, folder)
        for sentence in history.notes:
            note(sentence)
        number = versions.next_number(catalog, DATASETS, params.name)
        new = NewVersion(
            DATASETS,
            params.name,
            number,
            {**files, **history.files},
            lambda stored: made.item(number, stored, history.fields),
            needs=[(DATASETS, whole.id)],
        )
        return publish(new, catalog, store, tell=tell, dry_run=params.dry_run)


@dataclass(frozen=True)
class _Made:
    """A slice that was cut; its item says what the whole dataset's does, but for what is its own."""

    whole: Item
    params: SliceDatasetParams
    cut: Slice
    href: str

    def item(self, number: int, files: Mapping[str, StoredFile], further: Json) -> Item:
        """The item of a version, with further properties."""
        document = self.whole.to_dict(include_self_link=False, transform_hrefs=False)
        area = footprint.of(self.cut.chips)
        document |= {
            "id": versions.item_id(self.params.name, number),
            "geometry": footprint.geometry(area),
            "bbox": list(footprint.bbox(area)),
            "properties": {**_general(document["properties"]), **self._properties(number), **further},
            "links": self._links(document["links"]),
        }
        document["assets"] = {
            **{key: each for key, each in document["assets"].items() if key not in _FILES_OF_THE_WHOLE},
            **{key: building.file_asset(key, file) for key, file in files.items()},
        }
        return Item.from_dict(document, migrate=False)

    def _properties(self, number: int) -> Json:
        cut, params, whole = self.cut, self.params, DatasetItem(self.whole)
        names = list(cut.labels.names)
        counts = [{"name": name, "count": names.count(name)} for name in whole.classes]
        criteria = _criteria(params)
        overview = whole.properties["label:overviews"][0]
        return {
            "title": params.title or f"{whole.title}: {criteria}"[:120],
            "description": params.description or f"The part of {self.whole.id} with {criteria}.",
            "version": str(number),
            "deprecated": False,
            "created": building.timestamp(datetime.now(UTC)),
            "label:description": f"{len(cut.labels)} labels on {len(cut.chips)} chips",
            "label:overviews": [{**overview, "counts": counts}],
            "fair:chip_count": len(cut.chips),
            "fair:class_counts": {side: dict(each) for side, each in cut.class_counts.items()},
            "fair:split_spec": cut.split.spec(),
            "fair:repairs": {},
            **({AREAS: cut.split.area_counts()} if cut.split.areas else {}),
            **self._left_out(),
            SLICE: {"of": self.whole.id, **_wished(params)},
        }

    def _left_out(self) -> Json:
        """Those of the chips that the whole leaves out that belong to the slice, where it lists them."""
        listed = (DatasetItem(self.whole).left_out or {}).get("chips", {})
        own = {name: listed[name] for name in self.cut.split.left_out if name in listed}
        return {LEFT_OUT: exclusion.facts(own)} if own else {}

    def _links(self, before: list[Json]) -> list[Json]:
        own = {"self", "root", "parent", DERIVED_FROM, *VERSION_LINKS}
        kept = [link for link in before if link["rel"] not in own]
        to_collection = [
            {**link, "href": "../collection.json"} if link["rel"] == "collection" else link for link in kept
        ]
        return [*to_collection, building.link(DERIVED_FROM, self.href, f"Dataset {self.whole.id}")]


def _general(properties: Json) -> Json:
    """What holds for a part too."""
    return {name: value for name, value in properties.items() if name not in _OF_THE_WHOLE}


def _require_sliceable(whole: Item, params: SliceDatasetParams) -> None:
    if not _wished(params):
        raise Invalid(
            f"What of {whole.id} belongs to {params.name}? Give an area, classes or tags "
            "(--area, --class, --tag)"
        )
    data = DatasetItem(whole)
    if data.slice_of is not None:
        raise Invalid(f"{whole.id} is a slice itself. Slice {data.slice_of}, with all that belongs to it")
    if not data.has_polygons:
        raise Invalid(f"{whole.id} has no polygons on a map to slice it by: slice one of chips and labels")
    unknown = [name for name in params.classes if name not in data.classes]
    if unknown:
        raise Invalid(f"{whole.id} has no class {', '.join(unknown)}; it has {', '.join(data.classes)}")


def _require_own_name(catalog: Catalog, params: SliceDatasetParams) -> None:
    """A slice never becomes the next version of a whole dataset, which would be deprecated by a part."""
    wholes = [item for item in catalog.search(DATASETS, name=params.name) if SLICE not in item.properties]
    if wholes:
        ownership.require_own(wholes[-1].properties)
        raise Conflict(
            f"{params.name} is the name of a dataset that is no slice ({wholes[-1].id}), which the slice "
            f"would replace. Give the slice a name of its own, for example {params.name}-part"
        )


def _cut(whole: Item, params: SliceDatasetParams, store: Store, folder: Path, note: NoteListener) -> Slice:
    data = DatasetItem(whole)
    unpack(store.fetch(*data.file(assets.CHIPS)), folder / "chips")
    known = labels.read_stored(store.fetch(*data.file(assets.LABELS)), data.classes)
    split = Split.read(store.fetch(*data.file(assets.SPLIT)))
    area = None if params.area is None else areas.read(params.area).outline
    criteria = SliceCriteria(area, params.classes, params.tags)
    found = chips.find(folder / "chips", rules=data.imagery_rules)
    cut = dataset_slice.cut(found, known, split, data.classes, criteria)
    if not cut.split.held_out or not len(cut.labels):
        raise Invalid(
            f"Of the {len(split.held_out)} held-out chips of {whole.id}, {len(cut.split.held_out)} belong to "
            f"{params.name} ({_criteria(params)}), with {len(cut.labels)} labels: nothing could be measured "
            f"on it. Slice it more widely{_hint(params, whole, known)}"
        )
    note(_share(cut, len(found), len(known), whole.id))
    return cut


def _held(whole: Item, cut: Slice, files: Mapping[str, Path], store: Store) -> DatasetFiles:
    """A slice that was cut, with the chips of the whole."""
    data = DatasetItem(whole)
    archive = store.fetch(*data.file(assets.CHIPS))
    geometry = footprint.geometry(footprint.of(cut.chips))
    return DatasetFiles({**files, "chips": archive}, data.classes, data.imagery_rules, geometry)


def _share(cut: Slice, chip_count: int, label_count: int, whole: str) -> str:
    """How much of a dataset belongs to a slice."""
    edge = (
        f"; {cut.at_edge} chips that the area covers in part, but not in their middle, are left out"
        if cut.at_edge
        else ""
    )
    return (
        f"{len(cut.chips)} of {chip_count} chips of {whole} belong to the slice, with {len(cut.labels)} of "
        f"{label_count} labels{edge}"
    )


def _hint(params: SliceDatasetParams, whole: Item, known: Labels) -> str:
    """Where the chips of a dataset lie and which tags its labels have, for those who missed them."""
    hints = []
    if params.area is not None and whole.bbox is not None:
        hints.append(f"its chips lie in {','.join(f'{value:.5f}' for value in whole.bbox)}")
    for name in params.tags:
        counts = Counter(str(each[name]) for each in known.properties if each.get(name) is not None)
        if counts:
            found = ", ".join(f"{value} ({count})" for value, count in counts.most_common(_SHOWN))
            hints.append(f"most of its labels with {name} have {found}")
            continue
        tags = Counter(key for each in known.properties for key in each)
        others = ", ".join(key for key, _ in tags.most_common(_SHOWN))
        hints.append(f"no label has the tag {name}" + (f", they have {others}" if others else ""))
    return "".join(f"; {hint}" for hint in hints)


def _written(cut: Slice, folder: Path) -> dict[str, Path]:
    files = {"labels": folder / "labels.geojson", "split": folder / "split.json"}
    labels.write(cut.labels, files["labels"])
    cut.split.write(files["split"])
    return files


def _wished(params: SliceDatasetParams) -> Json:
    wished = params.model_dump(mode="json", include={"area", "classes", "tags"})
    return {name: value for name, value in wished.items() if value}


def _criteria(params: SliceDatasetParams) -> str:
    """What belongs to a slice, in words."""
    parts = [f"labels of {' or '.join(params.classes)}"] if params.classes else []
    parts += [f"{name} {' or '.join(values)}" for name, values in params.tags.items()]
    if params.area is not None:
        parts.append("chips in an area")
    return ", ".join(parts)
