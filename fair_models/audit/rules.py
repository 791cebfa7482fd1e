"""The rules of an audit, by name. A new rule is a function and one entry in this table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from fair_models.audit import (
    asset_rules,
    code_rules,
    file_rules,
    ledger_rules,
    link_rules,
    performance_rules,
    repairs,
    run_config_rules,
    split_rules,
    version_rules,
)
from fair_models.audit import profile_rules as item_rules
from fair_models.audit.findings import Problem, Repaired, Severity
from fair_models.audit.scope import Entry, Scope
from fair_models.errors import Invalid
from fair_models.types import Json

Need = Literal["ledger", "bytes", "folder", "thresholds", "readable", "linked"]
"""A ledger, bytes to be read, a catalogue that is a folder, thresholds, no file that is broken, and none that
nothing links to."""


@dataclass(frozen=True)
class RuleRepair:
    """What is safe to do about the findings of a rule.

    sentence: What is done, for people.
    run: Does it, and says what it did. It never takes away what somebody could still need.
    """

    sentence: str
    run: Callable[[Scope], Iterable[Repaired]]


@dataclass(frozen=True)
class Rule:
    """One promise of the registry that an audit checks.

    name: How people name it, e.g. in `fair-models audit --rule links`.
    severity: How bad a breach is.
    sentence: What is so when nothing is wrong.
    each: Looks at one item: its entry and its JSON, with absolute hrefs.
    whole: Looks at all entries, after every item was seen.
    needs: What the rule cannot run without.
    repair: What is safe to do about its findings.
    """

    name: str
    severity: Severity
    sentence: str
    each: Callable[[Entry, Json, Scope], Iterable[Problem]] | None = None
    whole: Callable[[Scope], Iterable[Problem]] | None = None
    needs: tuple[Need, ...] = ()
    repair: RuleRepair | None = None


_FOLLOW = RuleRepair("ZenML is made to follow the catalogue.", ledger_rules.follow)
_RELINK = RuleRepair(
    "The version links of the name are written again: neighbours by number, and the active version.",
    repairs.version_links,
)

RULES: tuple[Rule, ...] = (
    Rule(
        "readable",
        "error",
        "Each file of the catalogue is there and is STAC.",
        whole=file_rules.readable,
    ),
    Rule(
        "profile",
        "error",
        "Each item keeps the profile of its collection and the official schemas of its extensions.",
        each=item_rules.profile,
    ),
    Rule(
        "keywords",
        "error",
        "Keywords are words of the vocabulary that go together, and name the task of the model.",
        each=item_rules.vocabulary,
    ),
    Rule(
        "licences",
        "error",
        "Each item names a licence: an SPDX identifier or expression, and one that is allowed.",
        each=item_rules.licences,
    ),
    Rule(
        "images",
        "warning",
        "Runtimes name their image by its digest, so that it cannot become another one.",
        each=item_rules.images,
    ),
    Rule(
        "metrics",
        "error",
        "Each local model has a value or null for each metric that it specifies; for the main one a value.",
        each=item_rules.measured,
    ),
    Rule(
        "thresholds",
        "error",
        "Metrics of active local models lie between the thresholds that were given.",
        whole=performance_rules.thresholds,
        needs=("thresholds",),
    ),
    Rule(
        "guessing",
        "warning",
        "Each active local model is better than the simplest guess, or says why it was published.",
        each=performance_rules.better_than_guessing,
    ),
    Rule(
        "index",
        "warning",
        "The index of a catalogue in a folder says the same as the files.",
        whole=file_rules.index,
        needs=("folder", "readable"),
        repair=RuleRepair("The index is made again from the files.", repairs.index),
    ),
    Rule(
        "structural-links",
        "error",
        "In a folder, links to root, parent, collection and self are relative, so that it can be moved.",
        whole=link_rules.structural,
        needs=("folder",),
        repair=RuleRepair("The files are written again with relative links.", repairs.structural_links),
    ),
    Rule(
        "collections",
        "error",
        "Extent, summaries and links of a collection are those of its items.",
        whole=file_rules.behind,
        needs=("folder", "readable"),
        repair=RuleRepair("The collection is written again from what its items say.", repairs.collections),
    ),
    Rule(
        "tombstones",
        "error",
        "What has a tombstone was deleted, and is no item.",
        whole=version_rules.buried_alive,
        repair=RuleRepair(
            "The link to the tombstone is taken out of the collection where a whole item lies there.",
            repairs.collections,
        ),
    ),
    Rule(
        "unlinked-items",
        "error",
        "Each item file is linked by its collection.",
        whole=file_rules.unlinked,
        needs=("folder",),
    ),
    Rule(
        "absolute-links",
        "error",
        "Addresses of links and files are absolute wherever a catalogue does not make them so itself.",
        each=link_rules.relative,
    ),
    Rule(
        "links",
        "error",
        "Links between items lead to items that exist or left a tombstone, and a local model links the items "
        "that it names.",
        each=link_rules.lineage,
        whole=link_rules.dangling,
    ),
    Rule(
        "two-active-versions",
        "error",
        "No name has more than one active version.",
        whole=version_rules.two_active,
        repair=RuleRepair(
            "The newest stays active, where latest-version links and ZenML agree that it is the current one.",
            repairs.active_versions,
        ),
    ),
    Rule(
        "no-active-version",
        "error",
        "Each name has an active version, unless the last thing done was to archive or delete it.",
        whole=version_rules.none_active,
    ),
    Rule(
        "version-numbers",
        "error",
        "An item's id, name and version agree, and no name has one number twice.",
        each=version_rules.agreement,
        whole=version_rules.unique_numbers,
    ),
    Rule(
        "shared-names",
        "error",
        "No local model has the name of a base model.",
        whole=version_rules.shared_names,
    ),
    Rule(
        "version-links",
        "error",
        "Predecessor and successor name each other, and latest-version names the active version.",
        whole=link_rules.both_ways,
        repair=_RELINK,
    ),
    Rule(
        "version-cycles",
        "error",
        "No chain of predecessors or successors leads back to where it began.",
        whole=link_rules.cycles,
        repair=_RELINK,
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
        needs=("bytes",),
    ),
    Rule(
        "entrypoints",
        "error",
        "The archive of code has the modules and functions that its item names. It is read, not executed.",
        each=code_rules.entrypoints,
        needs=("bytes",),
    ),
    Rule(
        "run-configs",
        "error",
        "A local model's run used the code that its item names, and began with registered weights.",
        each=run_config_rules.registered,
        needs=("bytes",),
    ),
    Rule(
        "leakage",
        "error",
        "No held-out chip shares ground with a chip to train on.",
        each=split_rules.leakage,
        needs=("bytes",),
    ),
    Rule(
        "runs",
        "error",
        "Each published version comes from a run that exists and completed.",
        whole=ledger_rules.runs,
        needs=("ledger",),
    ),
    Rule(
        "stages",
        "error",
        "ZenML's stages follow the catalogue: production where active, archived where deprecated.",
        whole=ledger_rules.stages,
        needs=("ledger",),
        repair=_FOLLOW,
    ),
    Rule(
        "unpublished-production",
        "error",
        "What is in production in ZenML is published.",
        whole=ledger_rules.unpublished,
        needs=("ledger",),
        repair=_FOLLOW,
    ),
    Rule(
        "interrupted-deletions",
        "error",
        "A version that was deleted from the catalogue is gone in ZenML too.",
        whole=ledger_rules.interrupted,
        needs=("ledger",),
        repair=_FOLLOW,
    ),
    Rule(
        "unreferenced-files",
        "warning",
        "Each file of the store is named by an item, or was put a short while ago.",
        whole=asset_rules.unreferenced,
        needs=("linked",),
        repair=RuleRepair(
            "Files that no item names are taken away after the time of grace.", asset_rules.collect
        ),
    ),
    Rule(
        "leftovers",
        "warning",
        "No crash has left a change or work half done.",
        whole=file_rules.leftovers,
        repair=RuleRepair(
            "Folders and unfinished files of interrupted work are taken away after the time of grace.",
            file_rules.clear,
        ),
    ),
)
"""All rules, in the order in which they run and are repaired: files, items, versions, bytes, ZenML."""


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
