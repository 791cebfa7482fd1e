"""Makes a prediction request from a model's item and `PredictParams`."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pystac import Item

from fair_models.catalog.items import assets, hyperparameters
from fair_models.catalog.items.model import ModelItem
from fair_models.contract.code import loader
from fair_models.contract.plans import prediction_request
from fair_models.data.vectors.osm import label_services
from fair_models.inference.imagery.areas import Area
from fair_models.inference.network import engines
from fair_models.inference.prediction import PredictionRequest
from fair_models.inference.repeating import Original
from fair_models.params import PredictParams
from fair_models.store import locations
from fair_models.store.protocol import Store

_NAMED_BY_ITSELF = {
    "model",
    "imagery",
    "parameters",
    "formats",
    "output",
    "sub_runs",
    "fill",
    "imagery_rules",
}


def plan_prediction(
    item: Item, params: PredictParams, store: Store, folder: Path, original: Original | None = None
) -> PredictionRequest:
    """Get the model's ONNX and code, and settle the parameters.

    Args:
        item: The model's exact item, with absolute hrefs.
        params: What was asked for. Its reference is taken as resolved: the id comes from the item.
        store: Where the item's files are fetched from.
        folder: Where a folder for the results is made if none was named.
        original: The prediction that is repeated, as `repeating.settle` found it with the parameters.

    Raises:
        Invalid: Imagery or output lie where the settings do not allow it.
        InvalidHyperparameters: Parameters that the model does not allow, or that are not of inference.
        InvalidItem: The item lacks what a prediction needs.
        NotFound: A file of the item is missing.
        Corrupted: A file of the item is not what its digest says. Nothing of it was used.
        InvalidContribution: The item's code cannot be used here.
    """
    model = ModelItem(item)
    values = prediction_request.settle(model, params)
    href, checksum = model.file(assets.SOURCE_CODE)
    archive = store.fetch(href, checksum)
    functions = loader.load_processing(archive, checksum, *model.processing, model.classes)
    exclude, address = _existing(params, original)
    area = prediction_request.area_of(params)
    return PredictionRequest(
        imagery=prediction_request.imagery_of(params),
        output=_output(model, params, folder),
        session=engines.open_for(item, store, params.engine, original.chosen if original else None),
        processing=functions,
        input=model.input,
        classes=model.classes,
        params=hyperparameters.with_prefix(values, hyperparameters.INFERENCE),
        formats=params.formats,
        holes=params.holes,
        regularise=params.regularise,
        merge=params.merge,
        exclude=exclude,
        exclude_address=address,
        exclude_overlap=params.exclude_overlap,
        area=area,
        zoom=params.zoom,
        options=_options(params, address or exclude, area),
        original=original,
        most_failed=params.most_failed,
        rules=prediction_request.rules_of(model, params),
        code_checksum=checksum,
        model_id=model.id,
        model_href=model.href,
        task=model.task,
        thing_classes=model.thing_classes,
    )


def _existing(params: PredictParams, original: Original | None) -> tuple[Path | None, str]:
    """File of the existing features, and the service that gives them; each where there is one."""
    if params.exclude is None:
        return None, ""
    if locations.is_web(params.exclude):
        label_services.require(params.exclude)
        return (original.existing if original else None), params.exclude
    return locations.local_path(params.exclude), ""


def _options(params: PredictParams, exclude: Path | str | None, area: Area | None) -> dict[str, Any]:
    """What differs from the defaults, beside what the config names by itself."""
    options = params.model_dump(mode="json", exclude_defaults=True, exclude=_NAMED_BY_ITSELF)
    if exclude is not None:
        options["exclude"] = str(exclude)
    if area is not None:
        options["area"] = area.text  # not the file: it may change
    return options


def _output(model: ModelItem, params: PredictParams, folder: Path) -> Path:
    if params.output is not None:
        return locations.output_path(params.output)
    return folder / f"{model.id}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
