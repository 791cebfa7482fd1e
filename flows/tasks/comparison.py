"""The tasks of evaluation: versions side by side, and slices of datasets to evaluate on.

The library's packages are imported inside, so that importing a flow stays light.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fair_models import settings
from fair_models.outcomes import Comparison, PublishedItem
from fair_models.params import CompareParams, SliceDatasetParams
from flows.runtime import artifacts
from flows.runtime.places import open_catalog, open_store
from flows.runtime.policy import task
from flows.tasks import results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fair_models.publishing.comparison.compare import Ground


@task
def compare_versions(params: CompareParams) -> Comparison:
    """Measure versions on the same held-out chips, and show where they differ."""
    from fair_models.publishing.comparison import compare
    from fair_models.publishing.comparison import report as comparison_report
    from fair_models.publishing.comparison import tables as comparison_tables
    from fair_models.training.ledger import open_ledger

    current = settings.current()
    bar = artifacts.ProgressBar("comparison", f"Comparing {params.summary}")
    grounds = compare.compare(params, open_catalog(), open_store(), open_ledger(current), bar.show)
    for key, rows, told in (
        ("versions", comparison_tables.sides(grounds), "Versions and datasets"),
        ("figures", comparison_tables.numbers(grounds), "Each metric with its 95 % interval"),
        ("side-by-side", _for_people(grounds), "value [95 % interval]"),
    ):
        artifacts.write_table(key, rows, told)
    artifacts.write_card(
        "report", comparison_report.markdown(grounds, comparison_report.within), "Versions side by side"
    )
    folder = current.comparisons_folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    return _compared(grounds, comparison_report.write(grounds, folder))


@task
def cut_slice(params: SliceDatasetParams) -> PublishedItem:
    """Find the chips and labels of a slice, and publish it."""
    from fair_models.publishing import slices

    item = slices.publish_slice(params, open_catalog(), open_store(), artifacts.write_changes)
    artifacts.write_card("dataset-card", results.dataset_card(item), f"What {item.id} holds")
    return results.published(item, dry_run=params.dry_run)


def _for_people(grounds: Sequence[Ground]) -> list[dict[str, str]]:
    """One table of all datasets: a version that could not be measured on one of them has dashes there."""
    from fair_models.publishing.comparison import tables as comparison_tables

    tables = [
        (ground.dataset.id, comparison_tables.side_by_side(ground, is_first=ground is grounds[0]))
        for ground in grounds
    ]
    columns = dict.fromkeys(key for _, rows in tables for row in rows for key in row)
    ordered = [key for key in columns if key != "simplest guess"] + ["simplest guess"]
    return [
        {"dataset": name, **{key: str(row.get(key, "–")) for key in ordered}}
        for name, rows in tables
        for row in rows
    ]


def _compared(grounds: Sequence[Ground], report: Path) -> Comparison:
    from fair_models.publishing.comparison.compare import value_of

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
        report=str(report),
    )


def _unmeasured(grounds: Sequence[Ground]) -> Iterator[str]:
    """Versions that could not be measured on a dataset and why, each reason once."""
    for ground in grounds:
        problems = dict.fromkeys(side.problem for side in ground.sides if side.problem)
        for problem in problems:
            names = ", ".join(side.contender.id for side in ground.sides if side.problem == problem)
            yield f"{names} on {ground.dataset.id}: {problem}"
