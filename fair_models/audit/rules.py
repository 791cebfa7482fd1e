"""The rules of an audit, by name. A new rule is a function and one line in this table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from fair_models.audit import asset_rules, item_rules, ledger_rules, link_rules, version_rules
from fair_models.audit.findings import Severity
from fair_models.audit.problem import Problem
from fair_models.audit.scope import Entry, Scope
from fair_models.errors import Invalid
from fair_models.types import Json


@dataclass(frozen=True)
class Rule:
    """One promise of the registry that an audit checks.

    name: How people name it, e.g. in `fair-models audit --rule links`.
    severity: How bad a breach is.
    sentence: What is so when nothing is wrong.
    each: Looks at one item: its entry and its JSON, with absolute hrefs.
    whole: Looks at all entries, after every item was seen.
    needs: What the rule cannot run without.
    """

    name: str
    severity: Severity
    sentence: str
    each: Callable[[Entry, Json, Scope], Iterable[Problem]] | None = None
    whole: Callable[[Scope], Iterable[Problem]] | None = None
    needs: Literal["ledger", "digests"] | None = None


RULES: tuple[Rule, ...] = (
    Rule(
        "profile",
        "error",
        "Each item keeps the profile of its collection and the official schemas of its extensions.",
        each=item_rules.profile,
    ),
    Rule(
        "links",
        "error",
        "Links between items lead to items that exist, and a local model links the items that it names.",
        each=link_rules.lineage,
        whole=link_rules.dangling,
    ),
    Rule(
        "version-links",
        "error",
        "Predecessor and successor name each other, and latest-version names the active version.",
        whole=link_rules.both_ways,
    ),
    Rule(
        "version-numbers",
        "error",
        "An item's id, name and version agree, and no name has one number twice.",
        each=version_rules.agreement,
        whole=version_rules.unique_numbers,
    ),
    Rule(
        "two-active-versions",
        "error",
        "No name has more than one active version.",
        whole=version_rules.two_active,
    ),
    Rule(
        "no-active-version",
        "warning",
        "Each name has an active version, unless somebody archived or deleted it.",
        whole=version_rules.none_active,
    ),
    Rule(
        "assets",
        "error",
        "Each asset that the registry holds is there, with the size that its item says.",
        each=asset_rules.present,
    ),
    Rule(
        "digests",
        "error",
        "The bytes of each asset that is there are those of its digest.",
        each=asset_rules.digests,
        needs="digests",
    ),
    Rule(
        "runs",
        "error",
        "Each published version comes from a run that exists and completed.",
        whole=ledger_rules.runs,
        needs="ledger",
    ),
    Rule(
        "stages",
        "error",
        "ZenML's stages follow the catalogue: production where active, archived where deprecated.",
        whole=ledger_rules.stages,
        needs="ledger",
    ),
)


def select(names: Sequence[str]) -> list[Rule]:
    """The rules of these names in the table's order; all where none is named.

    Raises:
        Invalid: A name is not in the table; the message lists those that are.
    """
    known = {rule.name for rule in RULES}
    unknown = sorted(set(names) - known)
    if unknown:
        raise Invalid(
            f"No audit rule is called {', '.join(unknown)}. Choose among: {', '.join(sorted(known))}."
        )
    return [rule for rule in RULES if not names or rule.name in names]
