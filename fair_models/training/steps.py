"""The five steps of a training, as ZenML sees them. Each is thin: the work is done by plain functions.

Arrays do not travel between steps. `samples` is the key under which they were decoded; each step maps them
from the cache, or decodes them again where the cache is gone.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import logging
from typing import Annotated, Any

from zenml import step

from fair_models.contract.files import extras
from fair_models.settings import current
from fair_models.store.opening import open_store
from fair_models.training.config.run_config import RunConfig
from fair_models.training.phases import calibration, export, fit, model_code, sample_cache
from fair_models.training.phases.agreement import Quick
from fair_models.training.phases.evaluation import evaluate
from fair_models.training.phases.preparation import Preparation, prepare
from fair_models.training.process.environment import LOGGER_NAME
from fair_models.training.tracking import evaluation_details, tracked

logger = logging.getLogger(LOGGER_NAME)


@step
def load_data(config: RunConfig) -> tuple[Annotated[RunConfig, "run_config"], Annotated[str, "samples"]]:
    """Fetch, check and decode the dataset. What goes on is the key of the decoded arrays, not their bytes."""
    settings = current()
    with tracked(config):
        samples = sample_cache.load(config, open_store(settings), settings.cache_folder)
        logger.info(
            "%d samples to train on, %d held out, %d px at %g m, %s",
            len(samples.train),
            len(samples.held_out),
            config.input.size_px,
            config.input.gsd_m,
            "neighbouring chips put together"
            if config.input.rules.chips == "together"
            else "each chip on its own, as the rules of its dataset say",
        )
        return config, sample_cache.key(config)


@step
def preprocess_data(config: RunConfig, samples: str) -> Annotated[Preparation, "preparation"]:
    """Check that the model takes these samples; note the split and the balance of classes."""
    settings = current()
    store = open_store(settings)
    with tracked(config) as run:
        loaded = sample_cache.load(config, store, settings.cache_folder)
        processing = model_code.load(config, store).processing
        prepared = prepare(config, loaded, processing)
        counts = {"train": len(prepared.train), "held_out": len(prepared.held_out)}
        run.note({"split": counts, "class_shares": prepared.class_shares})
        run.notes(prepared.notes)
        return prepared


@step(enable_artifact_visualization=False)  # ZenML would show bytes as Markdown
def train_model(
    config: RunConfig, samples: str, preparation: Preparation
) -> tuple[
    Annotated[bytes, "weights"],
    Annotated[list[dict[str, float]], "curves"],
    Annotated[dict[str, float], "calibrated"],
]:
    """Build the network, load the initial weights, train on the training side of the split.

    What is chosen after the training, as a threshold, is chosen on that side too.
    """
    settings = current()
    store = open_store(settings)
    with tracked(config) as run:
        code = model_code.load(config, store)
        train = sample_cache.load(config, store, settings.cache_folder).train
        fitted = fit.fit(config, code, store, train, run.epoch)
        run.fitted(fitted.seconds, fit.thread_count(config))
        calibrated = calibration.calibrate(config, code, fitted.weights, train)
        run.calibrated(calibrated)
        return fitted.weights, fitted.curves, calibrated


@step
def evaluate_model(
    config: RunConfig, samples: str, weights: bytes, calibrated: dict[str, float]
) -> Annotated[dict[str, Any], "evaluation"]:
    """Measure the network on the held-out side of the split."""
    settings = current()
    store = open_store(settings)
    with tracked(config) as run:
        code = model_code.load(config, store)
        held_out = sample_cache.load(config, store, settings.cache_folder).held_out
        evaluation = evaluate(config, code, weights, held_out, calibrated)
        run.evaluation(evaluation)
        return evaluation_details(evaluation)


@step(enable_artifact_visualization=False)
def export_onnx(
    config: RunConfig,
    weights: bytes,
    evaluation: dict[str, Any],
    calibrated: dict[str, float] | None = None,
) -> tuple[Annotated[bytes, "onnx"], Annotated[bytes, "onnx_int8"], Annotated[bytes, "extras"]]:
    """Write the network as ONNX and compare it with torch; quantise it and measure that. Ends MLflow's run.

    The second output is empty where the network in 8 bits does not agree well enough with the first. The
    third is an archive of what the contribution makes besides; empty where it makes nothing.
    """
    settings = current()
    store = open_store(settings)
    with tracked(config) as run:
        code = model_code.load(config, store)
        onnx = export.export(config, code, weights)
        samples = sample_cache.load(config, store, settings.cache_folder)
        quick = export.quicken(config, code, onnx, samples, calibrated) if config.quicken else Quick()
        run.agreement(quick.agreement)
        further = export.extra_assets(config, code, weights, samples)
        run.extras(list(further))
        run.mlflow.end("FINISHED")
        return onnx, quick.int8 or b"", extras.packed(further)
