"""What an audit says: findings, and the report that holds them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal

from fair_models.types import Json

Severity = Literal["error", "warning"]
"""An error breaks a promise of the registry; a warning may be right, but somebody should look."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    item: Where, e.g. "local-models/roofs-v2"; a model's name where no item is concerned.
    rule: Name of the rule that found it.
    severity: How bad it is.
    message: What is wrong, with the values.
    next_step: What a person should do about it.
    """

    item: str
    rule: str
    severity: Severity
    message: str
    next_step: str


@dataclass(frozen=True)
class Report:
    """The result of one audit.

    findings: Errors first, then by item and rule.
    rules: Names of the rules that ran.
    skipped: Rules that did not run, and why.
    checked: Number of items looked at, by collection.
    unchecked: Official schemas that could not be checked, because neither cached nor reachable.
    started: When the audit began, UTC.
    seconds: How long it took.
    """

    findings: Sequence[Finding]
    rules: Sequence[str]
    skipped: Mapping[str, str]
    checked: Mapping[str, int]
    unchecked: Sequence[str]
    started: datetime
    seconds: float
    counts: Mapping[Severity, int] = field(init=False)

    def __post_init__(self) -> None:
        counted = Counter(finding.severity for finding in self.findings)
        object.__setattr__(self, "counts", {"error": counted["error"], "warning": counted["warning"]})

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings are allowed."""
        return self.counts["error"] == 0

    def to_json(self) -> Json:
        """The report as a JSON object, for programs."""
        return {
            "ok": self.ok,
            "started": self.started.isoformat(),
            "seconds": round(self.seconds, 3),
            "counts": dict(self.counts),
            "checked": dict(self.checked),
            "rules": list(self.rules),
            "skipped": dict(self.skipped),
            "unchecked": list(self.unchecked),
            "findings": [asdict(finding) for finding in self.findings],
        }

    def to_markdown(self) -> str:
        """The report as Markdown, for people."""
        parts = [f"# Audit\n\n{self._summary()}"]
        if self.findings:
            parts.append(_table(self.findings))
        if self.skipped:
            parts.append(
                "Rules that did not run:\n\n"
                + "\n".join(f"- `{name}`: {reason}" for name, reason in self.skipped.items())
            )
        if self.unchecked:
            parts.append(
                "Official schemas that were not checked (neither cached nor reachable):\n\n"
                + "\n".join(f"- {uri}" for uri in self.unchecked)
            )
        return "\n\n".join(parts) + "\n"

    def _summary(self) -> str:
        items = ", ".join(f"{count} in {collection}" for collection, count in self.checked.items())
        return (
            f"{_count(self.counts['error'], 'error').capitalize()}, "
            f"{_count(self.counts['warning'], 'warning')}. "
            f"Items checked: {items}. Rules: {', '.join(self.rules)}. "
            f"Started {self.started:%Y-%m-%d %H:%M:%S} UTC, took {self.seconds:.1f} s."
        )


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _table(findings: Sequence[Finding]) -> str:
    header = "| Severity | Item | Rule | What is wrong | Next step |\n|---|---|---|---|---|\n"
    rows = ((f.severity, f.item, f.rule, f.message, f.next_step) for f in findings)
    return header + "\n".join(f"| {' | '.join(_cell(value) for value in row)} |" for row in rows)


def _cell(text: str) -> str:
    """Text that cannot break out of its table cell."""
    return " ".join(text.split()).replace("|", "\\|")
