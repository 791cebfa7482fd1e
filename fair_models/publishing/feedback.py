"""Publish what people say of a prediction as the next version of a dataset."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import shapely
from pystac import Item

from fair_models import imagery_rules
from fair_models.catalog.items import versions
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.protocol import Catalog
from fair_models.data import feedback
from fair_models.data.feedback import Feedback
from fair_models.data.folders import locate
from fair_models.data.images import chips
from fair_models.data.images.chips import Chip
from fair_models.data.lost_ids import Predicted
from fair_models.data.vectors import polygons
from fair_models.data.vectors.labels import CLASS_PROPERTY
from fair_models.errors import InvalidFeedback, InvalidItem, NotFound
from fair_models.imagery_rules import CURRENT, OLD, Fill
from fair_models.inference.repeating import ITEM, model_href
from fair_models.inference.writing.geoparquet import GEOMETRY, batches
from fair_models.params import CollectFeedbackParams, IngestDatasetParams
from fair_models.publishing.commit import NoteListener, PlanListener, ignore_note, ignore_plan
from fair_models.publishing.datasets import Origin, ingest
from fair_models.publishing.workspace import work_folder
from fair_models.store import documents, locations
from fair_models.store.digests import checksum_file, verify
from fair_models.store.protocol import Store
from fair_models.types import DATASETS, CollectionId, Json

logger = logging.getLogger(__name__)

FIELD = "fair:feedback"
"""Property of a dataset that was made of feedback."""


@dataclass(frozen=True)
class _Prediction:
    """A prediction that was judged.

    id: Of its item.
    checksum: Digest of the file with its polygons.
    imagery: Its imagery, as it was asked for.
    fill: What white or black fill was to it; as by default where it is older than such rules.
    """

    id: str
    checksum: str
    imagery: str
    fill: Fill
    model: Item
    collection: CollectionId
    predicted: Mapping[str, Predicted]


def collect(
    params: CollectFeedbackParams,
    catalog: Catalog,
    store: Store,
    tell: PlanListener = ignore_plan,
    note: NoteListener = ignore_note,
) -> Item:
    """Publish the chips that people have judged, with what they say is there, as a version of a dataset.

    Labels are what was accepted, corrected and added; what was rejected is background. Chips on which nothing
    was judged, or a polygon is left without a verdict, are left out. The same feedback again makes no new
    version.

    Args:
        params: Prediction, feedback, and what the dataset is called.
        catalog: Where the model is published, and the dataset will be.
        store: Where its bytes go.
        tell: Takes the plan before anything is changed.
        note: Takes what is to be known beside what the item counts; the log has it too.

    Returns:
        The dataset's item. Its links `derived_from` lead to the model and to the version before.

    Raises:
        NotFound: There is no such prediction, or its model is no more.
        Corrupted: Its polygons are not those that its item names.
        InvalidFeedback: The feedback does not fit the prediction, or leaves no chip; lists every reason.
        Invalid: Chips or labels cannot be ingested: see `datasets.ingest`.
        Conflict: Somebody else published a version of this name meanwhile.
    """
    prediction = _read(params, catalog)
    path = locations.local_path(params.feedback)
    said = {"fair:prediction": prediction.id, "fair:checksum": prediction.checksum}
    found = feedback.read(path, said, prediction.predicted, ModelItem(prediction.model).foreground)
    for sentence in polygons.repair_sentences(found.mended, feedback.REPAIRS):
        logger.warning("Feedback %s: %s", path.name, sentence)
    mended = {name: count for name, count in found.mended.items() if count}
    with work_folder("feedback") as folder:
        used, how_many = _chips(params, prediction, found)
        for each in (file for chip in used for file in chips.files(chip)):
            shutil.copyfile(each, folder / each.name)
        labels = folder / "labels.geojson"
        feedback.write_labels(found, labels)
        record = {
            "prediction": prediction.id,
            "prediction_checksum": prediction.checksum,
            "checksum": checksum_file(path),
            "model": prediction.model.id,
            "verdicts": dict(sorted(found.verdicts.items())),
        }
        asked = _asked(params, prediction, folder, record)
        item = ingest(
            asked,
            catalog,
            store,
            tell,
            lambda current: _origin(catalog, prediction, record, current, mended),
            note=note,
            is_own=True,
        )
    if how_many:
        note(how_many)
    return item


def _read(params: CollectFeedbackParams, catalog: Catalog) -> _Prediction:
    path = locations.local_path(params.prediction)
    path = path / ITEM if path.is_dir() else path
    if not path.is_file():
        raise NotFound(f"There is no prediction at {path}. Name its folder, or the {ITEM} in it")
    item = documents.read_json(path)
    try:
        properties, assets = item["properties"], item["assets"]
        model_id, imagery, item_id = properties["fair:model_id"], properties["fair:imagery"], item["id"]
        key = next((key for key in ("geoparquet", "geojson") if key in assets), None)
        if key is None:
            raise InvalidItem(path.name, ["it has no polygons; predict again with the format geoparquet"])
        file, checksum = locations.local_path(assets[key]["href"], path.parent), assets[key]["file:checksum"]
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidItem(path.name, [f"it lacks {error}; name the item of a prediction"]) from error
    if not file.is_file():
        raise NotFound(f"{file} is missing, the polygons of {path}. Copy it beside it")
    verify(file, checksum)
    ran = str(properties.get("fair:model_checksum", ""))
    model, collection = _model(catalog, model_id, model_href(item), ran, item_id)
    predicted = _from_parquet(file) if key == "geoparquet" else _from_geojson(file)
    rules = imagery_rules.of(properties, item_id)
    fill = (CURRENT if rules == OLD else rules).fill
    return _Prediction(item_id, checksum, imagery, fill, model, collection, predicted)


def _model(
    catalog: Catalog, model_id: str, href: str, checksum: str, prediction: str
) -> tuple[Item, CollectionId]:
    try:
        model = versions.of_prediction(catalog, model_id, href, checksum)
    except NotFound as error:
        raise NotFound(
            f"{model_id}, which made {prediction}, is published no more, so nothing can derive from it: "
            "predict with a current model and judge that"
        ) from error
    return model, cast(CollectionId, model.collection_id)


def _from_parquet(path: Path) -> dict[str, Predicted]:
    return {
        str(number): Predicted(outline, name)
        for batch in batches(path, ["id", GEOMETRY, "class"])
        for number, outline, name in zip(
            batch.column("id").to_pylist(),
            shapely.from_wkb(batch.column(GEOMETRY).to_pylist()),
            batch.column("class").to_pylist(),
            strict=True,
        )
    }


def _from_geojson(path: Path) -> dict[str, Predicted]:
    return {
        each.id: Predicted(each.outline, each.properties["class"])
        for each in polygons.read(path)
        if each.outline is not None
    }


def _chips(params: CollectFeedbackParams, prediction: _Prediction, found: Feedback) -> tuple[list[Chip], str]:
    """The chips of which everything was said, and how many that are where it was not said of all."""
    wrong = _not_polygons(prediction)
    imagery = params.imagery or prediction.imagery
    if not wrong and ("://" in imagery or not locations.local_path(imagery).is_dir()):
        wrong = (
            f"the imagery of {prediction.id}, {locations.shown(imagery)}, is no folder of chips; "
            "name a folder with chips of the same area (imagery)"
        )
    if wrong:
        raise InvalidFeedback(params.feedback, [wrong])
    known = chips.find(locations.local_folder(locate(str(locations.local_path(imagery)), None).chips))
    used = feedback.reviewed(known, found)
    if not found.labels:
        wrong = (
            "everything was rejected, and a dataset needs labels: draw what is there, with the verdict "
            "added, or judge a prediction that goes beyond, over chips that do hold what is mapped"
        )
    elif not used:
        wrong = (
            f"of {len(known)} chips in {imagery} none was judged as a whole: {len(found.open)} polygons have "
            "no verdict; give a verdict to all polygons of some chips"
        )
    if wrong:
        raise InvalidFeedback(params.feedback, [wrong])
    if len(used) == len(known):
        return used, ""
    sentence = f"{len(used)} of {len(known)} chips were judged as a whole and are used"
    logger.info(sentence)
    return used, sentence


def _not_polygons(prediction: _Prediction) -> str:
    kinds = {each.outline.geom_type for each in prediction.predicted.values()}
    odd = sorted(kinds - {"Polygon", "MultiPolygon"})
    return f"{prediction.id} has {', '.join(odd)}; labels are made of polygons alone" if odd else ""


def _asked(
    params: CollectFeedbackParams, prediction: _Prediction, folder: Path, record: Json
) -> IngestDatasetParams:
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in record["verdicts"].items())
    said = f"Feedback on {prediction.id} of {prediction.model.id}: {verdicts}."
    model = ModelItem(prediction.model)
    return IngestDatasetParams(
        name=params.dataset,
        title=params.title or f"Feedback on {prediction.model.id}",
        description=params.description or said,
        chips=str(folder),
        labels=str(folder / "labels.geojson"),
        classes=model.foreground,
        class_property=CLASS_PROPERTY,
        keywords=model.keywords,
        license=params.license,
        provider=params.provider,
        held_out_ratio=params.held_out_ratio,
        buffer_m=params.buffer_m,
        seed=params.seed,
        fill=prediction.fill,
        dry_run=params.dry_run,
    )


def _origin(
    catalog: Catalog, prediction: _Prediction, record: Json, current: Item | None, mended: Mapping[str, int]
) -> Origin:
    """What the version derives from: the model, and the version before where there is one.

    Where the current version was made of the same feedback, it is what it was made from.
    """
    model, place = prediction.model.id, prediction.collection
    derived = [(place, model)]
    if current is not None:
        before = current.id
        if current.properties.get(FIELD) == record:
            links = [link.href for link in current.get_links("derived_from")]
            known = (item.id for item in catalog.search(DATASETS, name=versions.split_id(before)[0]))
            before = next((each for each in known if catalog.href(DATASETS, each) in links), "")
        derived += [(DATASETS, before)] if before else []
    return Origin(derived, {FIELD: record}, mended)
