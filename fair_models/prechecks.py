"""Checks a request before a run is created, with the code that its flow runs first.

The command line uses it, and so can a program that sees the registry. What only the work itself shows is left
to the flow. Nothing here loads torch. ZenML is loaded only for a model that is not published, and only if
something was trained on this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fair_models.catalog import names
from fair_models.catalog.items import versions
from fair_models.catalog.protocol import Catalog
from fair_models.errors import NotFound
from fair_models.params import (
    AuditParams,
    CleanRunsParams,
    CollectFeedbackParams,
    CompareParams,
    FinetuneParams,
    IngestDatasetParams,
    Params,
    PinParams,
    PredictParams,
    PromoteParams,
    RegisterModelParams,
    RepeatParams,
    RetireParams,
    SearchParams,
    SliceDatasetParams,
)
from fair_models.store import locations
from fair_models.types import DATASETS, LOCAL_MODELS

if TYPE_CHECKING:
    from fair_models.catalog.items.model import ModelItem
    from fair_models.inference.imagery.areas import Area


def check(params: Params, catalog: Catalog, *, files: bool = True) -> None:
    """Check a request as its flow will.

    Args:
        params: The request, e.g. `FinetuneParams`. Kinds without a check pass.
        catalog: The registry's catalogue.
        files: Whether paths mean the same here as where the flow runs.

    Raises:
        FairModelsError: The error that the flow would end with.
    """
    look = _CHECKS.get(type(params))
    if look is not None:
        look(params, catalog, files)


def _finetune(params: FinetuneParams, catalog: Catalog, files: bool) -> None:
    from fair_models.training import finetune_plan, references

    finetune_plan.plan_run(*finetune_plan.find_items(catalog, params, references.ledger_here), params)


def _search(params: SearchParams, catalog: Catalog, files: bool) -> None:
    from fair_models.training import finetune_plan, references
    from fair_models.training.config import overrides
    from fair_models.training.search.space import candidates

    base, dataset = finetune_plan.find_items(catalog, params, references.ledger_here)
    candidates(base, params.vary, params.method, params.seed)
    overrides.refuse_both(base, params)
    wish = FinetuneParams(
        base_model=base.id,
        dataset=dataset.id,
        model_name=params.model_name,
        overrides=params.overrides,
        seed=params.seed,
    )
    finetune_plan.plan_run(base, dataset, wish)


def _predict(params: PredictParams, catalog: Catalog, files: bool) -> None:
    from fair_models.catalog.items.model import ModelItem
    from fair_models.training import references

    model = ModelItem(references.resolve(catalog, names.MODELS, params.model, references.ledger_here))
    _settle_prediction(model, params, files)


def _settle_prediction(model: ModelItem, params: PredictParams, files: bool) -> None:
    from fair_models.contract.plans import (
        prediction_request as prediction_wish,  # loads numpy, which a model that is not there needs not
    )

    prediction_wish.settle(model, params)
    if files:
        prediction_wish.look_at_files(model, params, prediction_wish.area_of(params))


def _repeat(params: RepeatParams, catalog: Catalog, files: bool) -> None:
    from fair_models.inference import repeating

    if files:
        _, original = repeating.settle(params)
        versions.of_prediction(catalog, original.model_id, original.model_href, original.model_checksum)


def _ingest(params: IngestDatasetParams, catalog: Catalog, files: bool) -> None:
    from fair_models.inference.imagery import areas
    from fair_models.ingestion import first_look
    from fair_models.publishing import dataset_items, datasets
    from fair_models.publishing.dataset_facts import mapped_areas

    is_item = params.chips is not None and dataset_items.names_item(params.chips)
    if not is_item:  # whose own keywords count
        datasets.with_keywords(params)
        if params.check_with is not None:
            from fair_models.publishing import model_sight

            model_sight.find(params, catalog)
    area = _area_of(params, files)
    if params.imagery is not None:
        first_look.look(params, area, has_area=params.area is not None, files=files)
    if area is not None or (params.area is None and not is_item):
        mapped_areas.require(params, area)
    if not files:
        return
    if params.imagery is not None:
        datasets.look_at_labels(params, area)
        return
    if is_item and locations.is_web(params.chips_folder):
        return
    chips = locations.local_path(params.chips_folder)
    if not chips.exists():
        raise NotFound(f"There is no folder {chips}. Name the folder with the image chips")
    if is_item and (said := dataset_items.look(params)) is not None:
        mapped_areas.require(params, areas.read(said) if said else None)
    datasets.look_at_labels(params, area)


def _area_of(params: IngestDatasetParams, files: bool) -> Area | None:
    """The area of a request, where it can be read here. Nothing is asked of other machines."""
    from fair_models import place_fields
    from fair_models.inference.imagery import areas

    if params.area is None or not (files or place_fields.is_inline(params.area)):
        return None
    return areas.read(params.area)


def _register(params: RegisterModelParams, catalog: Catalog, files: bool) -> None:
    if files and not locations.is_web(params.source) and not locations.local_path(params.source).exists():
        raise NotFound(f"There is no model at {params.source}. Name its folder or its STAC item")


def _promote(params: PromoteParams, catalog: Catalog, files: bool) -> None:
    if next(iter(catalog.search(LOCAL_MODELS, name=params.model, limit=1)), None) is None:
        names.require_free(catalog, LOCAL_MODELS, params.model)


def _retire(params: RetireParams, catalog: Catalog, files: bool) -> None:
    from fair_models.publishing import pins, retire
    from fair_models.training import references

    chosen, *_ = retire.settle(params, catalog, references.ledger_here)
    if params.action == "delete":
        pins.refuse(chosen, ())


def _pin(params: PinParams, catalog: Catalog, files: bool) -> None:
    from fair_models.publishing import pins

    pins.require_published(params, catalog)


def _clean_runs(params: CleanRunsParams, catalog: Catalog, files: bool) -> None:
    from fair_models.publishing import cleanup
    from fair_models.training import references

    if params.models and files:
        cleanup.require_models(params, references.ledger_here())


def _compare(params: CompareParams, catalog: Catalog, files: bool) -> None:
    found = [
        versions.resolve(catalog, DATASETS, reference)
        for reference in (params.dataset, *params.slices)
        if reference is not None
    ]
    if params.by == "area" and params.dataset is not None:
        from fair_models.publishing.dataset_facts import mapped_areas

        mapped_areas.require_recorded(found)


def _slice(params: SliceDatasetParams, catalog: Catalog, files: bool) -> None:
    versions.resolve(catalog, DATASETS, params.dataset)


def _feedback(params: CollectFeedbackParams, catalog: Catalog, files: bool) -> None:
    for path in (params.prediction, params.feedback) if files else ():
        if not locations.local_path(path).exists():
            raise NotFound(f"There is no {path}. Name the prediction's folder, and the file with verdicts")


def _audit(params: AuditParams, catalog: Catalog, files: bool) -> None:
    from fair_models.audit import report_file, rules

    rules.select(params.rules)
    if files:
        report_file.check(params.report)


_CHECKS: Mapping[type[Params], Callable[[Any, Catalog, bool], None]] = {
    FinetuneParams: _finetune,
    SearchParams: _search,
    PredictParams: _predict,
    RepeatParams: _repeat,
    IngestDatasetParams: _ingest,
    RegisterModelParams: _register,
    PromoteParams: _promote,
    RetireParams: _retire,
    PinParams: _pin,
    CleanRunsParams: _clean_runs,
    CompareParams: _compare,
    SliceDatasetParams: _slice,
    CollectFeedbackParams: _feedback,
    AuditParams: _audit,
}
