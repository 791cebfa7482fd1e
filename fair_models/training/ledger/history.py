"""Training runs by conditions, in order, page by page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress

from fair_models.choices import Choice, Key, Page, first_page
from fair_models.conditions import METRIC, OF_RUNS, Facts
from fair_models.errors import Invalid, NotFound
from fair_models.training.ledger.protocol import Ledger, ModelVersion


def page(ledger: Ledger, choice: Choice) -> Page[ModelVersion]:
    """One page of the runs that a choice finds. New runs move nothing to another page.

    All versions are looked at, those of one model at a time. `trained` are runs that completed.

    Raises:
        Invalid: A condition on what runs do not have, such as keywords; or the cursor is none of ours.
    """
    asked = {name for condition in choice.conditions for name in condition.names}
    if lacking := sorted(name for name in asked if name not in OF_RUNS and not re.fullmatch(METRIC, name)):
        raise Invalid(
            f"Runs have no {', '.join(lacking)}, published models have: fair-models list local-models "
            f"--where {shlex.quote(choice.where[0])}"
        )
    with_tasks = "tasks" in asked
    return first_page(choice, _entries(ledger, choice, with_tasks), is_sorted=False)


def _entries(ledger: Ledger, choice: Choice, with_tasks: bool) -> Iterator[tuple[Key, Facts, ModelVersion]]:
    for model in ledger.models():
        with suppress(NotFound):  # its last version went meanwhile
            for version in ledger.versions(model):
                facts = _facts(version, _tasks(ledger, version) if with_tasks else ())
                key = choice.key(facts)
                yield (0, *key) if choice.is_by_name else key, facts, version


def _tasks(ledger: Ledger, version: ModelVersion) -> Sequence[str]:
    try:
        return (ledger.config(version.model, version.number).task,)
    except NotFound:
        return ()


def _facts(version: ModelVersion, tasks: Sequence[str]) -> Facts:
    return Facts(
        id=version.id,
        name=version.model,
        number=version.number,
        tasks=tasks,
        trained=version.status == "completed",
        pinned=version.pin is not None,
        created=version.created.timestamp(),
        values=version.metrics,
    )
