"""Run the rules over the whole catalogue."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fair_models.audit.findings import Finding, Report
from fair_models.audit.problem import Problem
from fair_models.audit.rules import Rule, select
from fair_models.audit.scope import Scope
from fair_models.catalog.protocol import Catalog
from fair_models.params import AuditParams
from fair_models.store.protocol import Store
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId

if TYPE_CHECKING:
    from fair_models.training.ledger import Ledger

COLLECTIONS: tuple[CollectionId, ...] = (BASE_MODELS, DATASETS, LOCAL_MODELS)


def audit(catalog: Catalog, store: Store, ledger: Ledger | None, params: AuditParams) -> Report:
    """Check what the catalogue promises; change nothing.

    Items are read once, one after the other; what rules over many items need of each is kept small.

    Args:
        catalog: The items.
        store: The bytes that they name.
        ledger: Runs and stages. None leaves out the rules that need it; the report says so.
        params: Which rules, and whether to read the bytes.

    Raises:
        Invalid: A rule is named that does not exist.
        Unavailable: Catalogue, store or ledger does not answer.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    chosen = select(params.rules)
    skipped = {rule.name: reason for rule in chosen if (reason := _reason_to_skip(rule, ledger, params))}
    rules = [rule for rule in chosen if rule.name not in skipped]
    scope = Scope(catalog, store, ledger)
    checked: dict[str, int] = {}
    findings: list[Finding] = []
    for collection in COLLECTIONS:
        before = len(scope.entries)
        findings += _over_items(collection, rules, scope)
        checked[collection] = len(scope.entries) - before
    findings += _over_all(rules, scope)
    return Report(
        findings=sorted(findings, key=lambda f: (f.severity, f.item, f.rule, f.message)),
        rules=[rule.name for rule in rules],
        skipped=skipped,
        checked=checked,
        unchecked=sorted(scope.unchecked),
        started=started,
        seconds=time.perf_counter() - clock,
    )


def _reason_to_skip(rule: Rule, ledger: Ledger | None, params: AuditParams) -> str | None:
    if rule.needs == "ledger" and ledger is None:
        return "no ledger was given"
    if rule.needs == "digests" and not params.digests:
        return "reading the bytes was switched off"
    return None


def _over_items(collection: CollectionId, rules: Sequence[Rule], scope: Scope) -> Iterator[Finding]:
    for item in scope.catalog.search(collection):
        entry, document = scope.add(collection, item)
        for rule in rules:
            if rule.each:
                yield from (_finding(rule, problem) for problem in rule.each(entry, document, scope))


def _over_all(rules: Sequence[Rule], scope: Scope) -> Iterator[Finding]:
    for rule in rules:
        if rule.whole:
            yield from (_finding(rule, problem) for problem in rule.whole(scope))


def _finding(rule: Rule, problem: Problem) -> Finding:
    return Finding(problem.item, rule.name, rule.severity, problem.message, problem.next_step)
