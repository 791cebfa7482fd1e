"""What the library hands back, as the row of each flow's result."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fair_models import imagery_rules
from fair_models.outcomes import (
    AuditSummary,
    Prediction,
    PromotedVersion,
    PublishedItem,
    RetiredVersions,
    TrainedVersion,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pystac import Item

    from fair_models.audit.findings import Report
    from fair_models.inference.prediction import PredictionResult
    from fair_models.params import RetireParams
    from fair_models.publishing.retire import Retired
    from fair_models.store.protocol import Store
    from fair_models.training.config.run_config import RunConfig
    from fair_models.training.ledger import ModelVersion


def published(item: Item, *, dry_run: bool, notes: Sequence[str] = ()) -> PublishedItem:
    """The row of an item, with what its item says was mended or left out, and with further notes."""
    from fair_models.catalog.items.dataset import DatasetItem

    said = [item.properties.get("fair:zoom_choice"), *repair_sentences(DatasetItem(item).repairs), *notes]
    told = "; ".join(each for each in said if each)
    return PublishedItem.model_validate({**_item_columns(item), "notes": told, "dry_run": dry_run})


def repair_sentences(counts: Mapping[str, int]) -> list[str]:
    """What was mended, left out or counted on ingestion, e.g. "35 chips of another zoom, left out"."""
    if not counts:
        return []
    from fair_models.data import dataset_check, feedback
    from fair_models.data.texts import captioned_images

    known = {**captioned_images.REPAIRS, **feedback.REPAIRS, **dataset_check.REPAIRS}
    return [f"{count} {known.get(name, name)}" for name, count in counts.items() if count]


def trained(version: ModelVersion, config: RunConfig, warning: str | None = None) -> TrainedVersion:
    """The row of a version that completed."""
    from fair_models.reports import metrics

    rules = imagery_rules.note(config.input.rules, config.dataset, "ingest it again and train on that")
    return TrainedVersion(
        model=version.model,
        version=version.number,
        base_model=config.base_model,
        dataset=config.dataset,
        seconds=version.seconds,
        zenml_run=version.run_id,
        mlflow_run=version.mlflow_run_id,
        notes=". ".join(note for note in (rules, *version.notes) if note),
        warning=warning,
        **metrics.of_version(version).score,
    )


def promoted(item: Item, before: Item | None, *, dry_run: bool) -> PromotedVersion:
    """The row of a local model that was published, and of the item that was current before."""
    from fair_models.catalog.items import guesses
    from fair_models.catalog.items.model import ModelItem
    from fair_models.reports import metrics

    replaced = before.id if before is not None and before.id != item.id else None
    columns = {**_item_columns(item), **metrics.of_item(ModelItem(item)).score, "replaced": replaced}
    columns["warning"] = guesses.doubt_of_item(item.properties)
    return PromotedVersion.model_validate({**columns, "dry_run": dry_run})


def retired(params: RetireParams, done: Retired) -> RetiredVersions:
    """The row of versions that were archived or deleted."""
    return RetiredVersions(
        collection=params.collection,
        name=params.name,
        action=params.action,
        items=", ".join(done.items),
        changes=len(done.effects),
        dry_run=params.dry_run,
    )


def predicted(found: PredictionResult, model: str) -> Prediction:
    """The row of a prediction."""
    from fair_models.inference.prediction import ITEM

    files = {file.key: str(found.folder / file.name) for file in found.files}
    return Prediction(
        model=model,
        folder=str(found.folder),
        geoparquet=files.get("geoparquet"),
        vectors=files.get("geojson"),
        flatgeobuf=files.get("flatgeobuf"),
        pmtiles=files.get("pmtiles"),
        classes=_raster(found, "classes"),
        confidence=_raster(found, "confidence"),
        instances=_raster(found, "instances"),
        preview=files.get("preview"),
        item=str(found.folder / ITEM),
        engine=_engine(found.item["properties"]["fair:engine"]),
        features=sum(found.counts.values()),
        by_class=", ".join(f"{name} {count}" for name, count in found.counts.items()),
        excluded=found.excluded,
        same=found.same,
        area_m2=round(found.area_m2, 1),
        images=found.image_count,
        failed=len(found.failed),
        notes=". ".join(found.notes),
        seconds=round(found.seconds, 3),
    )


def where_all_see_it(row: Prediction, found: PredictionResult, store: Store) -> Prediction:
    """Put a prediction's files into the store where that is no folder of this machine, the item last.

    They lie under predictions/<name of the folder>/, and the folder goes. Hrefs in the item are relative and
    hold there too.
    """
    from fair_models.inference.prediction import ITEM
    from fair_models.store.local import LocalStore

    if isinstance(store, LocalStore):
        return row
    paths = [found.folder / name for name in (*(file.name for file in found.files), ITEM)]
    under = f"predictions/{found.folder.name}"
    put = {str(path): store.put(f"{under}/{path.name}", path).href for path in paths}
    folder = put[row.item].removesuffix(f"/{ITEM}")
    shutil.rmtree(found.folder)
    told = row.model_dump()
    moved = {column: put.get(told[column] or "", told[column]) for column in row.files}
    moved = {column: folder if href == row.folder else href for column, href in moved.items()}
    return row.model_copy(update={**moved, "folder": folder})


def _engine(ran: Mapping[str, Any]) -> str:
    """What ran the model, e.g. "OpenVINO int8: mask IoU 0.9961 against exact on held-out chips"."""
    from fair_models.inference.network.engines import Way

    way = str(Way(ran["name"], ran["precision"]))
    return f"{way}: {ran['note']}" if "note" in ran else way


def _raster(found: PredictionResult, kind: str) -> str | None:
    """The path of a raster; the folder where there are several, one for each area."""
    names = [file.name for file in found.files if file.key.split("-")[0] == kind]
    if len(names) > 1:
        return str(found.folder)
    return str(found.folder / names[0]) if names else None


def audited(report: Report, path: Path) -> AuditSummary:
    """The row of an audit, and where its report lies."""
    return AuditSummary(
        ok=report.ok,
        errors=report.counts["error"],
        warnings=report.counts["warning"],
        repairs=len(report.repairs),
        unrepaired="; ".join(f"{rule}: {reason}" for rule, reason in report.unrepaired.items()),
        items=sum(report.checked.values()),
        rules=len(report.rules),
        skipped="; ".join(f"{rule}: {reason}" for rule, reason in report.skipped.items()),
        unchecked_schemas=len(report.unchecked),
        catalog=report.catalog,
        report=str(path),
        seconds=round(report.seconds, 3),
    )


def _item_columns(item: Item) -> dict[str, Any]:
    from fair_models.catalog.items.item import RegistryItem

    said = RegistryItem(item)
    return {
        "collection": item.collection_id,
        "item": said.id,
        "name": said.name,
        "version": said.number,
        "title": said.title,
        "href": item.get_self_href() or "",
    }
