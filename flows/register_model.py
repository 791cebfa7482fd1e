"""Register a base model."""

from __future__ import annotations

from fair_models.outcomes import PublishedItem
from fair_models.params import RegisterModelParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.tasks.registry import register_base_model


@flow(run_name="register {params.source}")
def register_model(params: RegisterModelParams) -> PublishedItem:
    """Publish a contribution, or a finished item, as the next version of a base model."""
    return write_result(register_base_model(params))
