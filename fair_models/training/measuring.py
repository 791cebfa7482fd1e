"""Measures a published model on a dataset that it may never have met, without training. Needs torch."""

from __future__ import annotations

from pathlib import Path

from pystac import Item

from fair_models.catalog.versions import split_id
from fair_models.errors import FairModelsError, Invalid, TrainingFailed
from fair_models.ml_tasks.results import Evaluation
from fair_models.params import FinetuneParams
from fair_models.store.protocol import Store
from fair_models.training import decoding, evaluating, model_code
from fair_models.training.plan import plan_run
from fair_models.training.run_config import RunConfig


def measure(model: Item, dataset: Item, store: Store, cache: Path) -> Evaluation:
    """Measure a model on the held-out chips of a dataset: its weights, by its own code, as it sees imagery.

    Args:
        model: The exact item of a base or local model, with absolute hrefs. What it says of sample size,
            resolution, resampling and classes is how the chips are read.
        dataset: The exact item of a dataset, with absolute hrefs.
        store: Where both have their files.
        cache: Folder for decoded samples.

    Raises:
        IncompatibleDataset: The model does not fit the dataset; lists every reason.
        Invalid: The model has no `evaluate` that could be called, or its code cannot be used here.
        NotFound, Corrupted: A file is gone, or not the one that was registered.
        TrainingFailed: The evaluation raised, or gave what is no measurement.
    """
    config = _config(model, dataset)
    if ":" in config.code.entrypoint:
        raise Invalid(
            f"{model.id} has a ZenML pipeline of its own ({config.code.entrypoint}), which offers no "
            "evaluate to call"
        )
    code = model_code.load(config, store)
    held_out = decoding.load(config, store, cache).held_out
    state = store.fetch(config.weights.href, config.weights.checksum).read_bytes()
    try:
        return evaluating.evaluate(config, code, state, held_out)
    except FairModelsError:
        raise
    except Exception as error:  # a contribution's code may raise anything
        raise TrainingFailed(
            f"Measuring {model.id} on {dataset.id} failed: {type(error).__name__}: {error}"
        ) from error


def _config(model: Item, dataset: Item) -> RunConfig:
    """What a training that goes on from the model would be: its evaluation is the one that is wanted."""
    name, _ = split_id(model.id)
    return plan_run(model, dataset, FinetuneParams(base_model=model.id, dataset=dataset.id, model_name=name))
