"""The ZenML pipeline that every contribution trains with.

    zenml pipeline run fair_models.training.pipeline.training_pipeline -c run.yaml

repeats a run from its config, with FAIR_HOME and ZENML_CONFIG_PATH as the run had them.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from zenml import pipeline

from fair_models.training.config.run_config import RunConfig
from fair_models.training.steps import evaluate_model, export_onnx, load_data, preprocess_data, train_model


@pipeline(
    enable_cache=False,
    # The first error ends the run, and the caller gets that error rather than a list of failed steps.
    execution_mode="fail_fast",
)
def training_pipeline(config: RunConfig) -> None:
    """Train one version of a model on one dataset."""
    _, samples = load_data(config)
    preparation = preprocess_data(config, samples)
    weights, _, calibrated = train_model(config, samples, preparation)
    evaluation = evaluate_model(config, samples, weights, calibrated)
    export_onnx(config, weights, evaluation, calibrated)
