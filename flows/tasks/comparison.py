"""The tasks of evaluation: versions side by side, and slices of datasets to evaluate on.

The library's packages are imported inside, so that importing a flow stays light.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fair_models import settings
from fair_models.outcomes import Comparison, PublishedItem
from fair_models.params import CompareParams, SliceDatasetParams
from fair_models.reports.artifacts import Card
from flows.runtime import artifacts
from flows.runtime.places import open_catalog, open_store
from flows.runtime.task_policy import task
from flows.tasks import results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fair_models.reports.comparison import Ground


@task
def compare_versions(params: CompareParams) -> Comparison:
    """Measure versions on the same held-out chips, and show where they differ."""
    from fair_models.publishing.comparison import compare
    from fair_models.reports import comparison_report, comparison_tables
    from fair_models.training.ledger import open_ledger

    current = settings.current()
    bar = artifacts.ProgressBar("comparison", f"Comparing {params.summary}")
    grounds = compare.compare(params, open_catalog(), open_store(), open_ledger(current), bar.show)
    text = comparison_report.markdown(grounds, comparison_report.within)
    artifacts.write([*comparison_tables.tables(grounds), Card("report", text, "Versions side by side")])
    folder = current.comparisons_folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    return _compared(grounds, comparison_report.write(grounds, folder))


@task
def cut_slice(params: SliceDatasetParams) -> PublishedItem:
    """Find the chips and labels of a slice, and publish it."""
    from fair_models.publishing import slices
    from fair_models.reports import cards

    notes: list[str] = []
    item = slices.publish_slice(params, open_catalog(), open_store(), artifacts.write_changes, notes.append)
    artifacts.write([cards.of_dataset(item)])
    return results.published(item, dry_run=params.dry_run, notes=notes)


def _compared(grounds: Sequence[Ground], report: Path) -> Comparison:
    from fair_models.reports.comparison import value_of

    first, *others = grounds
    best = first.best
    evaluation = (best or first.measured[0]).evaluation
    low, high = (evaluation.intervals.get(first.key) if evaluation and best else None) or (None, None)
    return Comparison(
        versions=", ".join(side.contender.id for side in first.sides),
        dataset=first.dataset.id,
        slices=", ".join(each.dataset.id for each in others),
        metric=first.key,
        best=best.contender.id if best else None,
        value=value_of(best, first.key) if best else None,
        low=low,
        high=high,
        held_out_count=evaluation.sample_count if evaluation else 0,
        unmeasured="; ".join(_unmeasured(grounds)),
        warning="; ".join(_no_better_than_guessing(grounds)) or None,
        report=str(report),
    )


def _no_better_than_guessing(grounds: Sequence[Ground]) -> Iterator[str]:
    for ground in grounds:
        for version, doubt in ground.doubts.items():
            yield f"{version} on {ground.dataset.id}: {doubt}"


def _unmeasured(grounds: Sequence[Ground]) -> Iterator[str]:
    """Versions that could not be measured on a dataset and why, each reason once."""
    for ground in grounds:
        problems = dict.fromkeys(side.problem for side in ground.sides if side.problem)
        for problem in problems:
            names = ", ".join(side.contender.id for side in ground.sides if side.problem == problem)
            yield f"{names} on {ground.dataset.id}: {problem}"
