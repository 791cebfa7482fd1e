"""Makes a run config from a request to fine-tune, or says why there can be none. Without torch and ZenML."""

from __future__ import annotations

from pystac import Item

from fair_models.catalog import compatibility, names
from fair_models.catalog.items import assets, hyperparameters, versions
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.items.item import RegistryItem
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.protocol import Catalog
from fair_models.errors import InvalidItem
from fair_models.params import FinetuneParams, SearchParams
from fair_models.training import references
from fair_models.training.config.run_config import Bounds, CodeRef, DataRef, FileRef, InputSpec, RunConfig
from fair_models.training.references import OpenLedger
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
    model, data = ModelItem(base), DatasetItem(dataset)
    compatibility.check(model, data, is_trained=is_trained)
    classes = compatibility.trained_classes(model, data)
    return RunConfig(
        model_name=params.model_name,
        title=params.title or _title(model, data, params),
        description=params.description,
        base_model=model.base_model_id,
        parent_model=model.id if model.is_local else None,
        dataset=data.id,
        task=model.task,
        code=_code(model),
        weights=_file(model, assets.WEIGHTS),
        data=DataRef(
            chips=_file(data, assets.CHIPS),
            labels=_file(data, assets.LABELS),
            split=_file(data, assets.SPLIT),
            class_counts=dict(data.class_counts),
            connected=data.has_connected_objects,
        ),
        input=_input(model, data),
        classes=classes,
        thing_classes=compatibility.trained_things(model, classes),
        new_layers=[] if classes == model.classes else model.class_layers,
        hyperparameters=hyperparameters.resolve(base, params.overrides),
        calibrated=_calibrated(model, params),
        seed=params.seed,
    )


def _title(base: ModelItem, dataset: DatasetItem, params: FinetuneParams) -> str:
    return f"{params.model_name}: {base.id} fine-tuned on {dataset.id}"[:TITLE_LENGTH].rstrip()


def _calibrated(base: ModelItem, params: FinetuneParams) -> dict[str, Bounds]:
    """What a training may set: inference hyperparameters with bounds that nobody asked for."""
    return {
        entry["key"]: Bounds(least=float(entry["min"]), most=float(entry["max"]))
        for entry in base.hyperparameter_spec.values()
        if entry["key"].startswith(f"{hyperparameters.INFERENCE}.")
        and entry["type"] == "float"
        and {"min", "max"} <= entry.keys()
        and entry["key"] not in params.overrides
    }


def _input(base: ModelItem, dataset: DatasetItem) -> InputSpec:
    """What the network takes. Chips are read by the rules that they were ingested by, as labels fit those."""
    taken = base.input
    return InputSpec(
        bands=taken.bands,
        band_names=list(taken.band_names),
        size_px=taken.size_px,
        gsd_m=taken.gsd_m,
        resampling=taken.resampling,
        rules=dataset.imagery_rules,
    )


def _code(base: ModelItem) -> CodeRef:
    if not base.entrypoint:
        raise InvalidItem(
            base.id,
            ["its source-code asset has no mlm:entrypoint; register a version that names its pipeline"],
        )
    preprocess, postprocess = base.processing
    return CodeRef(
        archive=_file(base, assets.SOURCE_CODE),
        entrypoint=base.entrypoint,
        preprocess=preprocess,
        postprocess=postprocess,
    )


def _file(item: RegistryItem, role: str) -> FileRef:
    href, checksum = item.file(role)
    return FileRef(href=href, checksum=checksum)
