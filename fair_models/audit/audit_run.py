"""Run the rules over the whole catalogue, and the repairs of what they find."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pystac import Item

from fair_models.audit.findings import Finding, Problem, Repair, Report
from fair_models.audit.rules import Need, Rule, select
from fair_models.audit.scope import Scope
from fair_models.catalog import opening, validation
from fair_models.catalog.items.collections import COLLECTIONS
from fair_models.catalog.protocol import Catalog
from fair_models.errors import FairModelsError
from fair_models.params import AuditParams
from fair_models.store.protocol import Store
from fair_models.types import CollectionId

if TYPE_CHECKING:
    from fair_models.training.ledger import Ledger


def audit(catalog: Catalog, store: Store, ledger: Ledger | None, params: AuditParams) -> Report:
    """Check what the catalogue promises. Changes nothing, unless repairs are asked for.

    Items are read once, one after the other; what rules over many items need of each is kept small. After
    repairs everything is looked at again: the report has what is left, and what was done.

    Args:
        catalog: The items.
        store: The bytes that they name.
        ledger: Runs and stages. None leaves out the rules that need it; the report says so.
        params: Which rules, how many of the bytes to read, whether to repair.

    Raises:
        Invalid: A rule is named that does not exist.
        Unavailable: Catalogue, store or ledger does not answer.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    rules = select(params.rules)
    scope = Scope(catalog, store, ledger, params, started)
    seen = look(rules, scope)
    repairs, unrepaired = _repair(seen, scope) if params.repair else ([], {})
    if repairs:
        scope = Scope(catalog, store, ledger, params, started, damage=scope.damage)
        seen = look(rules, scope)
    return Report(
        findings=sorted(seen.findings, key=lambda f: (f.severity, f.item, f.rule, f.message)),
        rules=[rule.name for rule in seen.rules],
        skipped=seen.skipped,
        checked=seen.checked,
        unchecked=sorted(scope.unchecked),
        started=started,
        seconds=time.perf_counter() - clock,
        repairs=repairs,
        unrepaired=unrepaired,
        sample=1.0 if params.digests else params.sample,
        catalog=opening.name_of(catalog),
    )


@dataclass(frozen=True)
class Look:
    """What one pass over everything found."""

    rules: list[Rule]
    skipped: dict[str, str]
    checked: dict[str, int]
    findings: list[Finding]


def look(chosen: Sequence[Rule], scope: Scope) -> Look:
    """Run rules over everything once. `scope` is filled and can be asked for more afterwards."""
    rules = [rule for rule in chosen if not _reason_to_skip(rule, scope)]
    findings: list[Finding] = []
    checked: dict[str, int] = {}
    for collection in COLLECTIONS:
        before = len(scope.entries)
        findings += _over_items(collection, rules, scope)
        checked[collection] = len(scope.entries) - before
    # Again: that an item cannot be read is only known now.
    skipped = {rule.name: reason for rule in chosen if (reason := _reason_to_skip(rule, scope))}
    rules = [rule for rule in chosen if rule.name not in skipped]
    for rule in rules:
        findings += [_finding(rule, problem) for problem in (rule.whole(scope) if rule.whole else ())]
    return Look(rules, skipped, checked, findings)


def _reason_to_skip(rule: Rule, scope: Scope) -> str | None:
    survey = scope.reading.survey
    broken, unlinked = bool(scope.unreadable or (survey and survey.broken)), bool(survey and survey.unlinked)
    lacking: dict[Need, tuple[bool, str]] = {
        "ledger": (scope.ledger is None, "no ledger was given"),
        "bytes": (
            not (scope.params.digests or scope.params.sample),
            "reading the bytes was switched off",
        ),
        "folder": (survey is None, "the catalogue is no folder"),
        "thresholds": (not scope.params.thresholds, "no thresholds were given"),
        "readable": (broken, "files of the catalogue cannot be read; put these right first"),
        "linked": (
            broken or unlinked,
            "files of the catalogue cannot be read or are not linked, and what they name is not known",
        ),
    }
    return next((reason for need in rule.needs for lacks, reason in [lacking[need]] if lacks), None)


def _over_items(collection: CollectionId, rules: Sequence[Rule], scope: Scope) -> Iterator[Finding]:
    for item, absolute in scope.reading.items(collection):
        yield from _over_item(collection, item, absolute, rules, scope)


def _over_item(
    collection: CollectionId, item: Item, absolute: tuple[str, ...], rules: Sequence[Rule], scope: Scope
) -> Iterator[Finding]:
    try:
        entry, document = scope.add(collection, item, absolute)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        scope.unreadable[f"{collection}/{item.id}"] = f"it is no STAC item ({error!r})"
        return
    for rule in rules:
        try:
            found = [
                _finding(rule, problem)
                for problem in (rule.each(entry, document, scope) if rule.each else ())
            ]
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            if not validation.problems(document):  # else the rule `profile` says why this one cannot read it
                raise
            continue
        yield from found


def _finding(rule: Rule, problem: Problem) -> Finding:
    return Finding(problem.item, rule.name, rule.severity, problem.message, problem.next_step)


def _repair(seen: Look, scope: Scope) -> tuple[list[Repair], dict[str, str]]:
    """Repair what can be. A repair that fails is named with its reason; the others go on."""
    broken = {finding.rule for finding in seen.findings}
    done: list[Repair] = []
    failed: dict[str, str] = {}
    ran = set()
    for rule in seen.rules:
        if rule.name not in broken or rule.repair is None or rule.repair.run in ran:
            continue
        ran.add(rule.repair.run)
        try:
            for item, what in rule.repair.run(scope):
                done.append(Repair(rule.name, item, what))
        except FairModelsError as error:
            failed[rule.name] = str(error)
    return done, failed
