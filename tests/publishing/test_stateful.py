"""Random operations on a registry, compared with what the table of operations makes of it, after each."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fair_models.audit.audit_run import audit
from fair_models.catalog.changes import edits, transitions
from fair_models.catalog.items.versions import split_id
from fair_models.catalog.local import database
from fair_models.errors import FairModelsError
from fair_models.params import AuditParams
from fair_models.publishing import cleanup
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId
from tests.publishing import world as worlds
from tests.publishing.expected import Expected, Family, Refused
from tests.publishing.file_ledger import FileLedger
from tests.publishing.world import BASE, DATASET, MODEL, World, broken

pytestmark = pytest.mark.proof

EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "30"))
STEPS = 25
NAMES: dict[CollectionId, str] = {BASE_MODELS: BASE, DATASETS: DATASET, LOCAL_MODELS: MODEL}
RULES = [
    *worlds.RULES,
    "readable",
    "index",
    "collections",
    "structural-links",
    "tombstones",
    "unlinked-items",
    "absolute-links",
    "no-active-version",
    "version-cycles",
    "unpublished-production",
    "interrupted-deletions",
    "leftovers",
]
"""Rules of the audit that are about operations, not about the content of items."""

which = st.integers(0, 4)
"""A version: one of those that there are or were, or the next."""

interrupted = st.none() | st.tuples(st.integers(1, 30), st.booleans())
"""Not at all; or at which call, and whether after it."""

counts = {"steps": 0, "refused": 0, "interrupted": 0}


class Interrupted(BaseException):
    """A process that ends in the middle of an operation."""


class Interrupting:
    """A catalogue, a store or a ledger that ends the process at one of its calls.

    Args:
        of: What does the work.
        calls: Calls to go, shared by all that count together.
        after: Whether the call is made before the process ends.
    """

    def __init__(self, of: Any, calls: list[int], after: bool) -> None:
        self._of, self._calls, self._after = of, calls, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        return (lambda *args, **options: self._call(found, *args, **options)) if callable(found) else found

    def _call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        self._calls[0] -= 1
        if self._calls[0] == 0 and not self._after:
            raise Interrupted
        answer = function(*args, **options)
        if self._calls[0] == 0:
            raise Interrupted
        return answer


class Registry(RuleBasedStateMachine):
    """A registry on disk, and what is expected of it."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="registry-"))
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("FAIR_HOME", str(self.root / "home"))
        self.patch.setattr(transitions, "now", self.now)
        self.began = datetime.now(UTC) + timedelta(minutes=1)
        self.expected = Expected()
        self.world = World.at(self.root)

    def teardown(self) -> None:
        self.patch.undo()
        shutil.rmtree(self.root)

    def now(self) -> datetime:
        """A clock that counts operations, so that their order shows in whole seconds."""
        return self.began + timedelta(seconds=self.expected.clock)

    # Operations

    @initialize(trained=st.integers(1, 5), published=st.integers(0, 4))
    def two_parents_and_some_versions(self, trained: int, published: int) -> None:
        self.register(BASE_MODELS, 0, None)
        self.register(DATASETS, 0, None)
        for _ in range(trained):
            self.train("completed")
        for number in range(1, min(trained, published) + 1):
            self.do(
                lambda expected, number=number: expected.promote(number),
                lambda world, number=number: world.promote(number),
                None,
            )

    @rule(status=st.sampled_from(["completed", "completed", "completed", "failed", "running"]))
    @precondition(lambda self: self.expected.bases.current and self.expected.datasets.current)
    def train(self, status: str) -> None:
        expected, ledger = self.expected, self.ledger
        expected.clock += 1
        number = expected.train(status)
        ledger.reserve(MODEL, number - 1)
        made = ledger.add(
            MODEL,
            status=status,
            created=self.now().isoformat(),
            base=expected.ledger[number].base,
            dataset=expected.ledger[number].dataset,
        )
        assert made.number == number

    @rule(
        collection=st.sampled_from([BASE_MODELS, BASE_MODELS, DATASETS]), pick=which, interrupted=interrupted
    )
    def register(self, collection: CollectionId, pick: int, interrupted: tuple[int, bool] | None) -> None:
        family = self.family(collection)
        number = self.picked(family, pick)
        publish = World.register if collection == BASE_MODELS else World.ingest
        self.do(
            lambda expected: expected.publish(self.family(collection), number),
            lambda world: publish(world, number),
            interrupted,
        )

    @rule(pick=which, interrupted=interrupted)
    def promote(self, pick: int, interrupted: tuple[int, bool] | None) -> None:
        number = self.picked(self.expected.models, pick)
        self.do(lambda expected: expected.promote(number), lambda world: world.promote(number), interrupted)

    @rule(interrupted=interrupted)
    def promote_the_newest(self, interrupted: tuple[int, bool] | None) -> None:
        self.do(lambda expected: expected.promote(None), lambda world: world.promote(), interrupted)

    @rule(
        collection=st.sampled_from([LOCAL_MODELS, LOCAL_MODELS, BASE_MODELS, DATASETS]),
        pick=st.sampled_from([None, *range(5), *range(5)]),
        interrupted=interrupted,
    )
    def archive(
        self, collection: CollectionId, pick: int | None, interrupted: tuple[int, bool] | None
    ) -> None:
        number = None if pick is None else self.picked(self.family(collection), pick)
        self.do(
            lambda expected: expected.archive(self.family(collection), number),
            lambda world: world.retire("archive", number, NAMES[collection], collection=collection),
            interrupted,
        )

    @rule(
        collection=st.sampled_from([LOCAL_MODELS, LOCAL_MODELS, BASE_MODELS, DATASETS]),
        pick=st.sampled_from([None, *range(5), *range(5)]),
        force=st.booleans(),
        interrupted=interrupted,
    )
    def delete(
        self, collection: CollectionId, pick: int | None, force: bool, interrupted: tuple[int, bool] | None
    ) -> None:
        number = None if pick is None else self.picked(self.family(collection), pick)
        options = {"collection": collection, "force": force, "reason": "why not"}
        self.do(
            lambda expected: expected.delete(self.family(collection), number, force),
            lambda world: world.retire("delete", number, NAMES[collection], **options),
            interrupted,
        )

    # What others do meanwhile

    @rule(pick=which, stage=st.sampled_from(["none", "production", "archived"]))
    @precondition(lambda self: self.expected.ledger)
    def somebody_sets_a_stage(self, pick: int, stage: str) -> None:
        known = sorted(self.expected.ledger)
        number = known[pick % len(known)]
        if stage == "production" and self.expected.ledger[number].status != "completed":
            return
        self.ledger.set_stage(MODEL, number, stage)  # type: ignore[arg-type]
        self.expected.set_stage(number, stage)

    @rule(pick=which)
    @precondition(lambda self: self.expected.ledger)
    def somebody_deletes_a_version_in_zenml(self, pick: int) -> None:
        known = sorted(self.expected.ledger)
        number = known[pick % len(known)]
        self.ledger.delete(MODEL, number)
        del self.expected.ledger[number]

    @rule(how=st.sampled_from(["delete", "damage", "empty"]))
    def somebody_harms_the_index(self, how: str) -> None:
        folder = self.root / "catalog" / database.FOLDER
        if how == "delete":
            shutil.rmtree(folder, ignore_errors=True)
        for path in folder.glob("*"):
            path.write_bytes(b"damaged" * 1000 if how == "damage" else b"")

    @rule()
    def open_it_anew(self) -> None:
        self.world = World.at(self.root)

    # What is compared

    @invariant()
    def nothing_is_broken(self) -> None:
        counts["steps"] += 1
        assert broken(self.world) == []

    @invariant()
    def all_is_as_expected(self) -> None:
        for collection, name in NAMES.items():
            self.check_family(collection, name, self.family(collection))
        stages = {number: version.stage for number, version in self.expected.ledger.items()}
        assert self.world.stages() == stages

    @invariant()
    def bytes_are_those_that_items_name(self) -> None:
        stored = {Path(href).relative_to(self.root / "store") for href in self.world.store.hrefs()}
        named = {Path(href) for href in cleanup.referenced(self.world.catalog) if href.startswith("/")}
        assert stored == {path.relative_to(self.root / "store") for path in named}
        for collection, name in NAMES.items():
            for number in self.family(collection).deleted:
                left = {path.name for path in stored if path.is_relative_to(f"{collection}/{name}/v{number}")}
                assert not [file for file in left if not file.startswith(("source-code", "readme"))], left

    @invariant()
    def the_audit_reports_what_others_did_and_nothing_else(self) -> None:
        report = audit(
            self.world.catalog, self.world.store, self.world.ledger, AuditParams(rules=RULES, digests=True)
        )
        found = {(finding.rule, finding.item) for finding in report.findings}
        name = f"{LOCAL_MODELS}/{MODEL}"
        wanted = self.expected.findings(lambda number: f"{name}-v{number}", name)
        assert found == wanted, [finding.message for finding in report.findings]

    def check_family(self, collection: CollectionId, name: str, family: Family) -> None:
        items = list(self.world.catalog.search(collection, name=name, order="version"))
        found = {split_id(item.id)[1]: not item.properties["deprecated"] for item in items}
        assert found == family.active
        links = [
            (link.rel, split_id(item.id)[1], split_id(Path(link.href).stem)[1])
            for item in items
            for link in item.links
            if link.rel in edits.VERSION_LINKS
        ]
        chain = list(pairwise(sorted(family.active)))
        assert [pair for rel, *pair in links if rel == edits.SUCCESSOR] == [[*each] for each in chain]
        assert [[to, of] for rel, of, to in links if rel == edits.PREDECESSOR] == [[*each] for each in chain]
        latest = {of: to for rel, of, to in links if rel == edits.LATEST}
        assert set(latest.values()) == ({family.latest} - {None}), latest
        assert family.latest is None or family.latest in latest
        buried = self.world.catalog.tombstones(collection, name)
        assert {split_id(each.id)[1] for each in buried} == set(family.deleted)

    # How it is done

    @property
    def ledger(self) -> FileLedger:
        assert isinstance(self.world.ledger, FileLedger)
        return self.world.ledger

    def family(self, collection: CollectionId) -> Family:
        expected = self.expected
        return {BASE_MODELS: expected.bases, DATASETS: expected.datasets}.get(collection, expected.models)

    def picked(self, family: Family, pick: int) -> int:
        known = {*family.active, *family.deleted}
        if family is self.expected.models:
            known |= set(self.expected.ledger)
        choice = [1 + max([0, *known]), *sorted(known, reverse=True)]
        return choice[pick % len(choice)]

    def do(
        self,
        expect: Callable[[Expected], Refused],
        operation: Callable[[World], object],
        interrupted: tuple[int, bool] | None,
    ) -> None:
        """One operation; where it is interrupted, the same one again."""
        self.expected.clock += 1
        refused = expect(self.expected)
        counts["refused"] += refused is not None
        if interrupted is not None:
            calls, after = [interrupted[0]], interrupted[1]
            try:
                self.check(operation, self.world.wrapped(lambda of: Interrupting(of, calls, after)), refused)
            except Interrupted:
                counts["interrupted"] += 1
                assert broken(World.at(self.root)) == []
        self.check(operation, self.world, refused)

    def check(self, operation: Callable[[World], object], world: World, refused: Refused) -> None:
        if refused is None:
            operation(world)
            return
        with pytest.raises(FairModelsError) as raised:
            operation(world)
        assert raised.type is refused, raised.value


def test_random_operations_do_what_the_table_says(record_property: Callable[[str, object], None]) -> None:
    for name in counts:
        counts[name] = 0
    run_state_machine_as_test(
        Registry,
        settings=settings(
            derandomize=True,
            deadline=None,
            database=None,
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            suppress_health_check=list(HealthCheck),
        ),
    )
    for name, count in counts.items():
        record_property(name, count)
    assert counts["steps"] >= EXAMPLES * STEPS / 2
    assert 0 < counts["refused"] < counts["steps"] / 2
    assert counts["interrupted"] > 0
