"""What rules yield, what an audit makes of it, and the report that holds it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from fair_models.reports import markdown
from fair_models.types import Json

Severity = Literal["error", "warning"]
"""An error breaks a promise of the registry; a warning may be right, but somebody should look."""


class Problem(NamedTuple):
    """Something wrong, before the rule's name and severity are added.

    item: Where, e.g. "local-models/roofs-v2".
    message: What is wrong, with the values.
    next_step: What a person should do about it.
    """

    item: str
    message: str
    next_step: str


class Repaired(NamedTuple):
    """Something that a repair did, before the rule's name is added.

    item: Where, as in the finding.
    done: What was done, e.g. "its stage in ZenML is archived now".
    """

    item: str
    done: str


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
class Repair:
    """One thing that was put right.

    rule: Name of the rule that had found it.
    item: Where, as in the finding.
    done: What was done.
    """

    rule: str
    item: str
    done: str


@dataclass(frozen=True)
class Report:
    """The result of one audit.

    findings: Errors first, then by item and rule. After repairs, what is left.
    rules: Names of the rules that ran.
    skipped: Rules that did not run, and why.
    checked: Number of items looked at, by collection.
    unchecked: Official schemas that could not be checked, because neither cached nor reachable.
    started: When the audit began, UTC.
    seconds: How long it took.
    repairs: What was put right, in order.
    unrepaired: Rules whose repair failed, and why.
    sample: Part of the assets whose bytes were read, 0 to 1.
    catalog: Which catalogue was read: a folder, or host, port and name of a database.
    """

    findings: Sequence[Finding]
    rules: Sequence[str]
    skipped: Mapping[str, str]
    checked: Mapping[str, int]
    unchecked: Sequence[str]
    started: datetime
    seconds: float
    repairs: Sequence[Repair] = ()
    unrepaired: Mapping[str, str] = field(default_factory=dict)
    sample: float = 1.0
    catalog: str = ""
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
            "catalog": self.catalog,
            "started": self.started.isoformat(),
            "seconds": round(self.seconds, 3),
            "counts": dict(self.counts),
            "checked": dict(self.checked),
            "rules": list(self.rules),
            "skipped": dict(self.skipped),
            "unchecked": list(self.unchecked),
            "sample": self.sample,
            "repairs": [asdict(repair) for repair in self.repairs],
            "unrepaired": dict(self.unrepaired),
            "findings": [asdict(finding) for finding in self.findings],
        }

    def to_markdown(self) -> str:
        """The report as Markdown, for people."""
        parts = [f"# Audit\n\n{self._summary()}"]
        if self.findings:
            rows = [
                {
                    "Severity": each.severity,
                    "Item": each.item,
                    "Rule": each.rule,
                    "What is wrong": each.message,
                    "Next step": each.next_step,
                }
                for each in self.findings
            ]
            parts.append(markdown.table(rows))
        if self.repairs:
            done = [
                {"Rule": each.rule, "Item": each.item, "What was done": each.done} for each in self.repairs
            ]
            parts.append("Repaired:\n\n" + markdown.table(done))
        if self.unrepaired:
            parts.append(f"Repairs that failed:\n\n{_list(self.unrepaired)}")
        if self.skipped:
            parts.append(f"Rules that did not run:\n\n{_list(self.skipped)}")
        if self.unchecked:
            parts.append(
                "Official schemas that were not checked (neither cached nor reachable):\n\n"
                + "\n".join(f"- {uri}" for uri in self.unchecked)
            )
        return "\n\n".join(parts) + "\n"

    def _summary(self) -> str:
        items = ", ".join(f"{count} in {collection}" for collection, count in self.checked.items())
        where = f"Catalogue: {self.catalog}. " if self.catalog else ""
        return (
            f"{_count(self.counts['error'], 'error').capitalize()}, "
            f"{_count(self.counts['warning'], 'warning')}. "
            f"{where}Items checked: {items}. Bytes read: {_share(self.sample)}. "
            f"Rules: {', '.join(self.rules)}. "
            f"Started {self.started:%Y-%m-%d %H:%M:%S} UTC, took {self.seconds:.1f} s."
        )


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _share(sample: float) -> str:
    if sample in (0, 1):
        return "all assets" if sample else "none"
    return f"{sample:.3g} of the assets, others every day"


def _list(reasons: Mapping[str, str]) -> str:
    return "\n".join(f"- `{name}`: {' '.join(reason.split())}" for name, reason in reasons.items())
