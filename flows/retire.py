"""Archive or delete what is published."""

from __future__ import annotations

from fair_models.outcomes import RetiredVersions
from fair_models.params import RetireParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.tasks.registry import retire_versions


@flow(run_name="{params.action} {params.name}")
def retire(params: RetireParams) -> RetiredVersions:
    """Archive a version (it can come back) or delete it for good, in the catalogue and in ZenML alike."""
    return write_result(retire_versions(params))
