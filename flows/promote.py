"""Publish a version of a fine-tuned model."""

from __future__ import annotations

from fair_models.outcomes import PromotedVersion
from fair_models.params import PromoteParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.tasks.registry import publish_version


@flow(run_name="promote {params.model}")
def promote(params: PromoteParams) -> PromotedVersion:
    """Publish a version that completed and is good enough, in place of the current one."""
    return write_result(publish_version(params))
