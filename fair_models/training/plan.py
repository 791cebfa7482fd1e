"""Turns a wish to fine-tune into a run config, or says what stands against it. Without torch and ZenML."""

from __future__ import annotations

from pystac import Item

from fair_models import imagery_rules
from fair_models.catalog import compatibility, names
from fair_models.catalog.items import (
    assets,
    class_change,
    hyperparameters,
    model_classes,
    model_input,
    processing,
    versions,
)
from fair_models.catalog.protocol import Catalog
from fair_models.errors import InvalidItem
from fair_models.params import FinetuneParams, SearchParams
from fair_models.training import references
from fair_models.training.references import OpenLedger
from fair_models.training.run_config import Bounds, CodeRef, DataRef, FileRef, InputSpec, RunConfig
from fair_models.types import DATASETS, LOCAL_MODELS

TITLE_LENGTH = 120


def find_items(
    catalog: Catalog, params: FinetuneParams | SearchParams, ledger: OpenLedger | None = None
) -> tuple[Item, Item]:
    """The exact items that a training starts from and learns from.

    Args:
        catalog: Where both are published.
        params: What was asked for.
        ledger: Where models are that were trained and are not published. None: they are not asked for.

    Raises:
        NotFound: One is not there; names the nearest.
        Conflict: A reference means two models, or the name of the model that comes out is a base model's.
    """
    base = references.resolve(catalog, names.MODELS, params.base_model, ledger)
    dataset = versions.resolve(catalog, DATASETS, params.dataset)
    names.require_free(catalog, LOCAL_MODELS, params.model_name)
    return base, dataset


def plan_run(base: Item, dataset: Item, params: FinetuneParams, *, is_trained: bool = True) -> RunConfig:
    """Describe one training whole: what is learnt from what, with which values, by which code.

    Args:
        base: The exact item of the base model, or of the local model to train further, with absolute hrefs.
        dataset: The dataset's exact item, with absolute hrefs.
        params: What was asked for. Its references are taken as resolved: the ids come from the items.
        is_trained: False where the model is only measured on the dataset's held-out chips.

    Returns:
        The config. The same items and parameters give the same config.

    Raises:
        IncompatibleDataset: The dataset cannot train the model; lists every reason.
        InvalidHyperparameters: Overrides that the model does not allow; lists every reason.
        InvalidItem: An item lacks what a training needs.
    """
    compatibility.check(base, dataset, is_trained=is_trained)
    values = hyperparameters.resolve(base, params.overrides)
    classes = compatibility.trained_classes(base, dataset)
    return RunConfig(
        model_name=params.model_name,
        title=params.title or _title(base, dataset, params),
        description=params.description,
        base_model=base.properties.get("fair:base_model_id", base.id),
        parent_model=base.id if base.collection_id == LOCAL_MODELS else None,
        dataset=dataset.id,
        task=_task(base),
        code=_code(base),
        weights=_file(base, assets.WEIGHTS),
        data=DataRef(
            chips=_file(dataset, assets.CHIPS),
            labels=_file(dataset, assets.LABELS),
            split=_file(dataset, assets.SPLIT),
            class_counts=dict(dataset.properties.get("fair:class_counts", {})),
        ),
        input=_input(base, dataset),
        classes=classes,
        new_layers=[] if classes == model_classes.read(base) else class_change.layers(base),
        hyperparameters=values,
        calibrated=_calibrated(base, params),
        seed=params.seed,
    )


def _title(base: Item, dataset: Item, params: FinetuneParams) -> str:
    return f"{params.model_name}: {base.id} fine-tuned on {dataset.id}"[:TITLE_LENGTH].rstrip()


def _calibrated(base: Item, params: FinetuneParams) -> dict[str, Bounds]:
    """What a training may set: inference hyperparameters with bounds that nobody asked for."""
    return {
        entry["key"]: Bounds(least=float(entry["min"]), most=float(entry["max"]))
        for entry in base.properties.get("fair:hyperparameters_spec", [])
        if entry["key"].startswith(f"{hyperparameters.INFERENCE}.")
        and entry["type"] == "float"
        and {"min", "max"} <= entry.keys()
        and entry["key"] not in params.overrides
    }


def _input(base: Item, dataset: Item) -> InputSpec:
    """What the network takes. Chips are read by the rules that they were ingested by, as labels fit those."""
    facts = model_input.read(base)
    return InputSpec(
        bands=facts.bands,
        band_names=list(facts.band_names),
        size_px=facts.size_px,
        gsd_m=facts.gsd_m,
        resampling=facts.resampling,
        rules=imagery_rules.of(dataset.properties, dataset.id),
    )


def _task(base: Item) -> str:
    tasks = base.properties.get("mlm:tasks") or []
    if not tasks:
        raise InvalidItem(base.id, ["mlm:tasks is empty; register a version that names its task"])
    return str(tasks[0])


def _code(base: Item) -> CodeRef:
    entrypoint = assets.by_role(base, assets.SOURCE_CODE).extra_fields.get("mlm:entrypoint")
    if not entrypoint:
        raise InvalidItem(
            base.id,
            ["its source-code asset has no mlm:entrypoint; register a version that names its pipeline"],
        )
    preprocess, postprocess = processing.expressions(base)
    return CodeRef(
        archive=_file(base, assets.SOURCE_CODE),
        entrypoint=entrypoint,
        preprocess=preprocess,
        postprocess=postprocess,
    )


def _file(item: Item, role: str) -> FileRef:
    href, checksum = assets.file_ref(item, role)
    return FileRef(href=href, checksum=checksum)
