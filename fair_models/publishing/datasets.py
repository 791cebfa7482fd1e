"""Publish chips and labels as a version of a dataset."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pystac import Item

from fair_models.catalog.items import building, datasets, versions
from fair_models.catalog.items.dataset import (
    CONNECTED,
    LABEL_REPORT,
    LABELS_TIME,
    LEFT_OUT,
    OBJECTS,
    REGISTRATION,
)
from fair_models.catalog.items.datasets import DatasetFacts
from fair_models.catalog.protocol import Catalog, ItemKey
from fair_models.catalog.schemas import keywords
from fair_models.catalog.schemas.keywords import SEARCH
from fair_models.data.dataset_check import PreparedDataset
from fair_models.data.folders import DatasetFolder, locate
from fair_models.data.images import antimeridian
from fair_models.data.ingest import prepare
from fair_models.data.label_quality import alignment, exclusion
from fair_models.data.progress import ChipProgress, ignore_progress
from fair_models.data.texts import captioned
from fair_models.data.vectors import labels, polygons
from fair_models.data.vectors.osm import origin as osm
from fair_models.errors import NotFound
from fair_models.inference.imagery import areas
from fair_models.inference.imagery.areas import Area
from fair_models.params import IngestDatasetParams
from fair_models.publishing import cut_chips, dataset_items, model_sight, osm_labels
from fair_models.publishing.commit import (
    NewVersion,
    NoteListener,
    PlanListener,
    as_stored,
    ignore_note,
    ignore_plan,
    publish,
)
from fair_models.publishing.cut_chips import ChipsOfImagery, ShareOut
from fair_models.publishing.dataset_facts import dataset_history, mapped_areas
from fair_models.publishing.dataset_facts.dataset_history import DatasetFiles
from fair_models.publishing.workspace import work_folder
from fair_models.store import locations
from fair_models.store.protocol import Store, StoredFile
from fair_models.types import DATASETS, Json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Origin:
    """What a dataset was made from, where that is more than chips and labels of people.

    derived: Items that it derives from.
    fields: What its item says of that, by property.
    repairs: What was mended or left out before it became labels, as counts by name.
    """

    derived: Sequence[ItemKey] = ()
    fields: Json = field(default_factory=dict)
    repairs: Mapping[str, int] = field(default_factory=dict)


def ingest(
    params: IngestDatasetParams,
    catalog: Catalog,
    store: Store,
    tell: PlanListener = ignore_plan,
    origin: Callable[[Item | None], Origin] = lambda current: Origin(),
    *,
    progress: ChipProgress = ignore_progress,
    cutting: ChipProgress = ignore_progress,
    share_out: ShareOut | None = None,
    note: NoteListener = ignore_note,
    is_own: bool = False,
) -> Item:
    """Check, mend, split and store chips and labels, and publish them. Of imagery chips are cut first.

    The same chips and labels with the same facts again are no new version: the current item comes back.

    Args:
        params: What lies where, and what it means; `chips` may name the item of a dataset, `imagery` what
            chips are cut from.
        catalog: Where the dataset is published.
        store: Where its bytes go.
        tell: Takes the plan before anything is changed.
        origin: Says what it derives from, given the version that is current now.
        progress: Called after each chip that was read.
        cutting: Called after each tile of imagery that was cut.
        share_out: Has the chips of a large cut made by other runs, where the request asks for some.
        note: Takes what is to be known beside what the item counts; the log has it too.
        is_own: Whether the files are ours, and lie where the settings need not allow it.

    Returns:
        The item as the catalogue has it; in a dry run as it would be.

    Raises:
        Invalid: Chips or labels lie where the settings do not allow it.
        InvalidImagery: Chips or imagery that cannot be read or placed; lists every reason. Nothing was
            stored.
        InvalidLabels: Labels that cannot be used; lists every reason. Nothing was stored.
        NotFound: There is no model of the name to check labels with.
        InvalidItem: What was asked for makes no valid item, e.g. an unknown keyword. Nothing was stored.
        Conflict: Somebody else published a version of this name meanwhile.
    """
    area = None if params.area is None else areas.read(params.area)
    with work_folder("ingest") as folder, ExitStack() as stack:
        from_osm = osm_labels.AskedLabels() if is_own else osm_labels.asked(params)
        stack.enter_context(from_osm.named())
        if not is_own:
            look_at_labels(params, area)
        params = with_keywords(params if is_own else _settled(from_osm.without(params), folder))
        if area is None and params.area is not None:  # of the item of a dataset
            area = areas.read(params.area)
        mapped_areas.require(params, area)
        model = model_sight.find(params, catalog)
        sight = None if model is None else model_sight.open_sight(model, params.class_names, store)
        if area is not None:  # before chips are cut, which takes longer
            params = from_osm.settled(params, area, folder)
        made = cut_chips.NONE
        if params.imagery is not None:
            made = stack.enter_context(cut_chips.cut(params, area, store, cutting, share_out))
        params = made.settled(params)
        if area is None:
            params = from_osm.settled(params, None, folder)
        # Imagery may take hours to come: the name is not held meanwhile.
        stack.enter_context(catalog.exclusive(DATASETS, params.name))
        outline, parts = (None, ()) if area is None else (area.outline, area.parts)
        prepared = from_osm.known(prepare(params, folder, progress, outline, parts, sight))
        notes = [*mapped_areas.notes(area, prepared), *made.notes]
        notes += [prepared.ignored_note, prepared.objects_note]
        if prepared.registration is not None and not is_own:
            notes.append(prepared.registration.note(moved=params.align))
        notes += prepared.report.notes() if prepared.report else []
        notes.append(exclusion.note(prepared.left_out, prepared.chip_count))
        for sentence in [
            *notes,
            *([] if is_own else licence_notes(params, prepared, of_imagery=made.gives_licence)),
        ]:
            if sentence:
                logger.warning(sentence)
                note(sentence)
        if not is_own:
            params = with_terms(params, prepared, of_imagery=made.gives_licence)
        files = {
            "chips": prepared.chips,
            "labels": prepared.labels,
            "split": prepared.split,
            **prepared.report_files,
            **mapped_areas.files(area, folder),
        }
        found = as_stored(files)
        current = versions.current(catalog, DATASETS, params.name)
        source = origin(current)
        source = replace(source, fields={**source.fields, **mapped_areas.fields(area, prepared)})

        def built(number: int, stored: Mapping[str, StoredFile], further: Json) -> Item:
            links = [(catalog.href(*key), key[1]) for key in source.derived]
            told = replace(source, fields={**source.fields, **further})
            return _item(params, prepared, number, stored, (links, told, made))

        if current is not None:
            number = versions.split_id(current.id)[1] or 1
            fields, further = dataset_history.carried(current)
            if versions.same(current, built(number, {**found, **further}, fields)):
                logger.info("%s holds the same chips and labels already; no new version", current.id)
                return current
        former = dataset_history.before(catalog, params.name, current)
        held = DatasetFiles(files, prepared.classes or params.class_names, prepared.rules, prepared.geometry)
        history = dataset_history.since(former, held, store, folder)
        for sentence in history.notes:
            note(sentence)
        number = versions.next_number(catalog, DATASETS, params.name)
        new = NewVersion(
            DATASETS,
            params.name,
            number,
            {**files, **history.files},
            lambda stored: built(number, stored, history.fields),
            needs=source.derived,
        )
        return publish(new, catalog, store, tell=tell, dry_run=params.dry_run)


def look_at_labels(params: IngestDatasetParams, area: Area | None) -> None:
    """See that labels are there and of a kind that is read, before chips are cut or looked at.

    Args:
        params: The request. Nothing is asked of a service that it names.
        area: Its area.

    Raises:
        Invalid: They lie where the settings do not allow it.
        InvalidLabels: Their first bytes or their size show that they are not read; or they are to be moved,
            and cannot be.
        NotFound: There is no such file.
    """
    if params.labels is None or osm_labels.asked(params).address:
        return
    path = locations.local_path(params.labels)
    if not path.exists():
        raise NotFound(f"There is no file {params.labels} with labels. Name it, or put it among the chips")
    if params.align:
        alignment.require_movable(path)
    if path.is_file() and params.captions != "given":
        west, south, east, north = (0, 0, 0, 0) if area is None else antimeridian.bbox([area.outline])
        polygons.look(path, (west, south, east, north) if west < east else None)


def with_keywords(params: IngestDatasetParams) -> IngestDatasetParams:
    """The request with the keywords that belong to its classes, where it names classes and no keywords.

    Raises:
        Invalid: No class is a word of the vocabulary.
    """
    given = params.model_fields_set
    if "keywords" in given or "classes" not in given or params.captions == "given":
        return params
    tasks = [SEARCH] if params.captions == "from-labels" else params.keywords[1:]
    return params.model_copy(update={"keywords": keywords.of_classes(params.class_names, tasks)})


def licence_notes(
    params: IngestDatasetParams, prepared: PreparedDataset, *, of_imagery: bool = False
) -> list[str]:
    """What is to be said of a licence that nobody chose.

    Args:
        params: The request.
        prepared: What was made of it.
        of_imagery: Whether the licence is that of the imagery.
    """
    if "license" in params.model_fields_set and not of_imagery:
        return []
    if why := _why_osm(params, prepared):
        before = f" instead of {params.license}, which only the imagery is under" if of_imagery else ""
        return [
            f"The labels come from OpenStreetMap ({why}), whose data is under {osm.LICENSE}. No licence was "
            f"given, so {osm.LICENSE} and {params.provider or osm.PROVIDER} are written{before}; if that is "
            "wrong, say another one with --license and --provider"
        ]
    if of_imagery:
        return [
            f"No licence was given, so {params.license} is written, which the imagery is under as its source "
            "says"
        ]
    return [f"No licence was given, so {params.license} is written; say another one with --license"]


def with_terms(
    params: IngestDatasetParams, prepared: PreparedDataset, *, of_imagery: bool = False
) -> IngestDatasetParams:
    """The request with the terms of OpenStreetMap's data, where labels are such and it says none."""
    if not _why_osm(params, prepared):
        return params
    is_chosen = "license" in params.model_fields_set and not of_imagery
    said: Json = {} if is_chosen else {"license": osm.LICENSE}
    return params.model_copy(update=said if params.provider else {**said, "provider": osm.PROVIDER})


def _why_osm(params: IngestDatasetParams, prepared: PreparedDataset) -> str:
    return prepared.from_osm or ("its name" if "openstreetmap" in params.provider.lower() else "")


def _settled(params: IngestDatasetParams, folder: Path) -> IngestDatasetParams:
    """The request with paths that may be read; of the item of a dataset, with what that says."""
    if params.imagery is not None and params.labels is None:
        return params
    if params.imagery is not None:
        labels_file = locations.local_folder(str(params.labels))
        return params.model_copy(update={"labels": str(labels_file)})
    if not dataset_items.names_item(params.chips_folder):
        return _with_judged_paths(params)
    settled = dataset_items.settle(params, folder)
    if not Path(settled.chips_folder).is_relative_to(folder):  # what was downloaded is ours
        locations.local_folder(locate(settled.chips_folder, settled.labels).chips)
    return settled


def _with_judged_paths(params: IngestDatasetParams) -> IngestDatasetParams:
    """The request with absolute paths, all of which may be read; see `hrefs`."""
    chips = str(locations.local_path(params.chips_folder))
    labels = None if params.labels is None else str(locations.local_path(params.labels))
    if params.captions == "given":
        images, captions = captioned.locate(Path(chips), None if labels is None else Path(labels))
        found = DatasetFolder(images, captions)
    else:
        found = locate(chips, labels)
    locations.local_folder(found.chips)
    locations.local_folder(found.labels)
    return params.model_copy(update={"chips": chips, "labels": labels})


def _registration(params: IngestDatasetParams, prepared: PreparedDataset) -> Json:
    """How far labels lay beside the imagery, where that was looked at."""
    found = prepared.registration
    return {} if found is None else {REGISTRATION: found.facts(moved=params.align)}


def _item(
    params: IngestDatasetParams,
    prepared: PreparedDataset,
    number: int,
    files: Mapping[str, StoredFile],
    origin: tuple[Sequence[tuple[str, str]], Origin, ChipsOfImagery],
) -> Item:
    start, end = prepared.created or (None, None)
    return datasets.build(
        DatasetFacts(
            name=params.name,
            version=number,
            title=params.title,
            description=params.description,
            geometry=prepared.geometry or building.WORLD,
            bbox=prepared.bbox or building.WORLD_BBOX,
            files=files,
            keywords=prepared.keywords or params.keywords,
            classes=prepared.classes or params.class_names,
            class_counts=prepared.class_counts,
            chip_counts=prepared.chip_counts,
            label_counts=prepared.label_counts,
            chip_count=prepared.chip_count,
            gsd_m=prepared.gsd_m,
            split=prepared.split_spec,
            license=params.license,
            created=datetime.now(UTC),
            provider=params.provider,
            class_property=labels.CLASS_PROPERTY,
            start=start,
            end=end,
            source_imagery=params.source_imagery,
            repairs={**origin[2].repairs, **prepared.repairs, **origin[1].repairs},
            bands=prepared.bands,
            rules=prepared.rules,
            derived_from=origin[0],
            fields={
                **origin[1].fields,
                **origin[2].fields,
                **({"fair:zoom_choice": prepared.zoom_choice} if prepared.zoom_choice else {}),
                **({OBJECTS: CONNECTED} if prepared.are_masks else {}),
                **({LEFT_OUT: exclusion.facts(prepared.left_out)} if prepared.left_out else {}),
                **_registration(params, prepared),
                **({LABEL_REPORT: prepared.report.summary()} if prepared.report else {}),
                **({LABELS_TIME: building.timestamp(prepared.labels_time)} if prepared.labels_time else {}),
            },
        )
    )
