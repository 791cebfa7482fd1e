"""The contribution's registered code, ready to be called for one run."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from fair_models.catalog.items import hyperparameters
from fair_models.contract.code import loader
from fair_models.contract.protocol import Pipeline
from fair_models.errors import InvalidHyperparameters
from fair_models.inference.parts import Processing
from fair_models.store.protocol import Store
from fair_models.training.config.run_config import RunConfig


@dataclass(frozen=True)
class ModelCode:
    """A contribution's functions and the hyperparameters of this run.

    params: An instance of the pipeline's own `Params`.
    """

    pipeline: Pipeline
    processing: Processing
    params: BaseModel


def load(config: RunConfig, store: Store) -> ModelCode:
    """Import the code that the config names, from its archive in the store.

    Raises:
        NotFound: The archive is gone.
        Corrupted: The archive is not the one that was registered.
        InvalidHyperparameters: The values do not fit the code's `Params`; lists every reason.
    """
    code = config.code
    archive = store.fetch(code.archive.href, code.archive.checksum)
    pipeline = loader.load_pipeline(archive, code.archive.checksum, code.entrypoint)
    processing = loader.load_processing(
        archive, code.archive.checksum, code.preprocess, code.postprocess, config.classes
    )
    return ModelCode(pipeline, processing, _params(pipeline, config))


def _params(pipeline: Pipeline, config: RunConfig) -> BaseModel:
    values = hyperparameters.with_prefix(config.hyperparameters, "training")
    try:
        return pipeline.Params.model_validate(values)
    except ValidationError as error:
        reasons = [
            f"training.{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        ]
        raise InvalidHyperparameters(config.base_model, reasons) from error
