"""What the library hands back, as rows and cards for people and programs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
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
    from fair_models.training.ledger import ModelVersion
    from fair_models.training.run_config import RunConfig

Values = Mapping[str, float | None]


def published(item: Item, *, dry_run: bool) -> PublishedItem:
    """The row of an item."""
    said = [
        item.properties.get("fair:zoom_choice"),
        *repair_sentences(item.properties.get("fair:repairs", {})),
    ]
    notes = "; ".join(each for each in said if each)
    return PublishedItem.model_validate({**_item_columns(item), "notes": notes, "dry_run": dry_run})


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
    return TrainedVersion(
        model=version.model,
        version=version.number,
        base_model=config.base_model,
        dataset=config.dataset,
        seconds=version.seconds,
        zenml_run=version.run_id,
        mlflow_run=version.mlflow_run_id,
        notes=imagery_rules.note(config.input.rules, config.dataset, "ingest it again and train on that"),
        warning=warning,
        **_score_columns(version.metrics, version.baseline, version.baseline_name, version.held_out_count),
    )


def promoted(item: Item, before: Item | None, *, dry_run: bool) -> PromotedVersion:
    """The row of a local model that was published, and of the item that was current before."""
    from fair_models.catalog.items import guesses

    replaced = before.id if before is not None and before.id != item.id else None
    columns = {**_item_columns(item), **_score_columns(*measured(item)), "replaced": replaced}
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


def measured(item: Item) -> tuple[Values, Values, str, int]:
    """Metrics, baseline, the baseline's name and the number of samples, as a local model's item has them."""
    properties = item.properties
    keys = [entry["key"] for entry in properties.get("fair:metrics_spec", [])]
    baseline = dict(properties.get("fair:baseline", {}))
    name = str(baseline.pop("name", ""))
    values = {key: properties.get(key) for key in keys}
    return values, baseline, name, int(properties.get("fair:held_out_count", 0))


def metric_rows(version: ModelVersion, base: Item) -> list[dict[str, Any]]:
    """A row for each metric of a run, as `figures.metrics` gives them of an item.

    Args:
        version: The run's version.
        base: The base model, with the metrics of the classes that it was trained on.
    """
    from fair_models.catalog.items import guesses

    spec = {entry["key"]: entry for entry in base.properties.get("fair:metrics_spec", [])}
    names = version.baseline_names
    rows = []
    for key, value in version.metrics.items():
        low, high = version.intervals.get(key) or (None, None)
        guessed = version.baseline.get(key)
        guess = None if guessed is None else names.get(key, version.baseline_name)
        rows.append(
            {
                "metric": key,
                "value": value,
                "low": low,
                "high": high,
                "baseline": guessed,
                "guess": guess,
                "better": guesses.is_better_or_beyond(spec.get(key, {}), value, guessed),
            }
        )
    return rows


def model_card(item: Item, store: Store) -> str:
    """The item's own card where it has one, else one made of its fields."""
    from fair_models.catalog.items import assets, figures

    card = item.assets.get("readme")
    if card is not None:
        checksum = card.extra_fields.get("file:checksum")
        return store.fetch(assets.address(card), checksum).read_text(encoding="utf-8")
    _, _, name, count = measured(item)
    properties = item.properties
    rows = [
        [
            f"`{row['metric']}`",
            figures.with_interval(row["value"], row["low"], row["high"]),
            figures.beside_guess(row, name),
        ]
        for row in figures.metrics(properties)
    ]
    return "\n\n".join(
        [
            _heading(item),
            f"Base model `{properties.get('fair:base_model_id')}`, "
            f"dataset `{properties.get('fair:dataset_id')}`.",
            f"Measured on {count} held-out samples; baseline: {name}. In brackets: 95 % bootstrap intervals "
            "over these samples.",
            *_doubt(properties),
            *_gate(properties),
            *_agreement(properties),
            _table(["Metric", "Value", "Baseline"], rows),
            *_classes(properties),
            _fields(properties.get("mlm:hyperparameters", {}), "Hyperparameter"),
        ]
    )


def _classes(properties: Mapping[str, Any]) -> list[str]:
    """Each class: labels on either side, figures, and what it was taken for."""
    from fair_models.catalog.items import figures

    tables = (
        figures.classes(properties.get("fair:class_metrics", [])),
        figures.confusion(properties.get("fair:confusion", {})),
    )
    return [_table(list(rows[0]), [list(row.values()) for row in rows]) for rows in tables if rows]


def _doubt(properties: Mapping[str, Any]) -> list[str]:
    """What a reader has to know before all figures."""
    from fair_models.catalog.items import guesses

    told = guesses.doubt_of_item(dict(properties))
    return [f"**No better than guessing.** {told}."] if told else []


def _gate(properties: Mapping[str, Any]) -> list[str]:
    from fair_models.publishing.gate import sentence

    return [f"Gate {sentence(properties['fair:gate'])}."] if "fair:gate" in properties else []


def _agreement(properties: Mapping[str, Any]) -> list[str]:
    from fair_models.catalog.items import agreement

    if agreement.FIELD not in properties:
        return []
    return [f"Quicker engines against the exact one: {agreement.read(properties).sentence}."]


def dataset_card(item: Item) -> str:
    """What a dataset holds, what was repaired and what was left out."""
    names = (
        "fair:chip_count",
        "gsd",
        "license",
        "label:classes",
        "fair:class_counts",
        "fair:split_spec",
        "fair:repairs",
    )
    shown = {name: item.properties.get(name) for name in names}
    return "\n\n".join([_heading(item), _fields(shown, "Field")])


def _item_columns(item: Item) -> dict[str, Any]:
    from fair_models.catalog.items import versions

    name, number = versions.split_id(item.id)
    return {
        "collection": item.collection_id,
        "item": item.id,
        "name": name,
        "version": number,
        "title": str(item.properties.get("title", "")),
        "href": item.get_self_href() or "",
    }


def _score_columns(metrics: Values, baseline: Values, name: str, count: int) -> dict[str, Any]:
    main = next(iter(metrics), None)
    return {
        "metric": main,
        "value": metrics[main] if main else None,
        "baseline": baseline.get(main) if main else None,
        "baseline_name": name,
        "held_out_count": count,
    }


def _heading(item: Item) -> str:
    title, description = (item.properties.get(name, "") for name in ("title", "description"))
    return f"# {title or item.id}\n\n`{item.id}`\n\n{description}"


def _fields(values: Mapping[str, Any], heading: str) -> str:
    return _table([heading, "Value"], [[f"`{name}`", _figure(value)] for name, value in values.items()])


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|").replace("\n", " ")
