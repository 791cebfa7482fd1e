"""Fine-tune a base model on a dataset."""

from __future__ import annotations

from fair_models.outcomes import TrainedVersion
from fair_models.params import FinetuneParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.runtime.hooks import cancel_children
from flows.tasks.registry import fetch_items, plan_run, train_in_runtime


@flow(run_name="fine-tune {params.model_name}", ended_early=cancel_children)
def finetune(params: FinetuneParams) -> TrainedVersion:
    """Train the next version of a model on one dataset, in the runtime that the base model names."""
    base, dataset = fetch_items(params)
    config = plan_run(base, dataset, params)
    return write_result(train_in_runtime(base, config))
