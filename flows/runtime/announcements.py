"""Events that operators can attach automations to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from prefect.events import emit_event

if TYPE_CHECKING:
    from fair_models.audit.findings import Report

AUDIT_FINISHED = "fair-models.audit.finished"
"""An audit found no error; there may be warnings."""

AUDIT_FAILED = "fair-models.audit.failed"
"""An audit found errors."""

AUDIT_RESOURCE = "fair-models.audit"
"""`prefect.resource.id` of both events."""


def announce_audit(report: Report, path: Path) -> None:
    """Emit the event of an audit: docs/guides/monitoring.md has the payload."""
    emit_event(
        event=AUDIT_FINISHED if report.ok else AUDIT_FAILED,
        resource={"prefect.resource.id": AUDIT_RESOURCE, "prefect.resource.name": "Audit of the catalogue"},
        payload={
            "errors": report.counts["error"],
            "warnings": report.counts["warning"],
            "repairs": len(report.repairs),
            "items": sum(report.checked.values()),
            "rules": dict(Counter(finding.rule for finding in report.findings)),
            "report": str(path),
        },
    )
