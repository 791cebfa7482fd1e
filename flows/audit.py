"""Check the whole catalogue."""

from __future__ import annotations

from fair_models.outcomes import AuditSummary
from fair_models.params import AuditParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.tasks.registry import audit_catalog


@flow(run_name="audit")
def audit(params: AuditParams) -> AuditSummary:
    """Check items, links, files, versions and ZenML; report what is wrong, repair what is safe if asked."""
    return write_result(audit_catalog(params))
