"""The metrics of a model, read once from its item or its run: rows for programs, tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from fair_models.catalog.items import guesses
from fair_models.catalog.items.model import ModelItem
from fair_models.numbers import shown, with_interval
from fair_models.reports import markdown
from fair_models.reports.artifacts import Table
from fair_models.types import Json

if TYPE_CHECKING:
    from pystac import Item

    from fair_models.training.ledger import ModelVersion

_SUFFIXES = ("_low", "_high", "_baseline")


@dataclass(frozen=True)
class Metric:
    """A metric on held-out samples. None where nothing was measured.

    metric: Its key, e.g. "fair:building_iou".
    low, high: Ends of the 95 % interval of the value.
    baseline: The same of the simplest guess; `guess` says which guess that is.
    better: Whether the value is better than the baseline; None too where the guess is perfect.
    ceiling: What a perfect mask reaches whose objects are told apart in the same way.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    baseline: float | None
    guess: str | None
    better: bool | None
    ceiling: float | None = None

    @property
    def shown(self) -> str:
        """The value with its interval, e.g. "0.742 [0.701, 0.778]"."""
        return with_interval(self.value, self.low, self.high)


@dataclass(frozen=True)
class Metrics:
    """All metrics of a version.

    values: The main one first. Metrics that are measured but not specified are not among them.
    baseline_name: Which simplest guess they are compared with.
    held_out_count: Number of samples that they were measured on.
    classes: `fair:class_metrics`.
    confusion: `fair:confusion`.
    """

    values: Sequence[Metric]
    baseline_name: str
    held_out_count: int
    classes: Sequence[Mapping[str, Any]]
    confusion: Mapping[str, Mapping[str, int]]

    @property
    def told(self) -> str:
        """What they were measured on, in a sentence."""
        ceiling = (
            " Ceiling: a perfect mask, its objects told apart in the same way." if self._is_bounded else ""
        )
        return (
            f"Measured on {self.held_out_count} held-out samples, with 95 % intervals over these samples. "
            f"Baseline: {self.baseline_name}.{ceiling}"
        )

    @property
    def _is_bounded(self) -> bool:
        return any(each.ceiling is not None for each in self.values)

    @property
    def main(self) -> Metric | None:
        """The main metric; None where there is none."""
        return next(iter(self.values), None)

    @property
    def score(self) -> dict[str, Any]:
        """The main metric, as the columns of `outcomes.Score`."""
        main = self.main
        return {
            "metric": main.metric if main else None,
            "value": main.value if main else None,
            "low": main.low if main else None,
            "high": main.high if main else None,
            "baseline": main.baseline if main else None,
            "baseline_name": self.baseline_name,
            "held_out_count": self.held_out_count,
        }

    def rows(self) -> list[dict[str, Any]]:
        """A row for each metric, for programs: every digit, and None where nothing was measured."""
        return [asdict(each) for each in self.values]

    def table(self) -> list[dict[str, str]]:
        """A row for each metric, for people: `metric`, `value` with its interval, `baseline`.

        Where a metric has a ceiling, `ceiling` too.
        """
        return [
            {
                "metric": each.metric,
                "value": each.shown,
                "baseline": self._beside_guess(each),
                **({"ceiling": shown(each.ceiling)} if self._is_bounded else {}),
            }
            for each in self.values
        ]

    def markdown(self) -> str:
        """The same table in Markdown."""
        return markdown.table([{**row, "metric": f"`{row['metric']}`"} for row in self.table()])

    def tables(self) -> Iterator[tuple[str, list[dict[str, str]]]]:
        """What is told of the classes, each table with its title; none where nothing is."""
        for title, rows in (
            ("Labels and metrics of each class (baseline)", class_rows(self.classes)),
            ("Confusion", confusion_rows(self.confusion)),
        ):
            if rows:
                yield title, rows

    def artifacts(self) -> Iterator[Table]:
        """The tables `metrics`, and `classes` where there are some."""
        yield Table("metrics", self.rows(), f"{self.told}\n\n{self.markdown()}")
        if self.classes:
            told = "Labels on either side, and metrics: value [95 % interval] (simplest guess)"
            yield Table("classes", class_rows(self.classes), told)

    def _beside_guess(self, metric: Metric) -> str:
        """The baseline for people, e.g. "0.442 (everything is road), not surpassed"."""
        told = shown(metric.baseline)
        if metric.guess not in (None, self.baseline_name):
            told += f" ({metric.guess})"
        return f"{told}, not surpassed" if metric.better is False else told


def of_item(model: ModelItem) -> Metrics:
    """The metrics of a local model, as its item says them."""
    baseline, values = dict(model.baseline), model.metrics
    name = str(baseline.pop("name", ""))
    found = [
        _metric(
            entry,
            values[entry["key"]],
            entry.get("interval"),
            baseline.get(entry["key"]),
            model.baseline_name(entry["key"]),
            model.ceilings.get(entry["key"]),
        )
        for entry in model.metrics_spec
    ]
    return Metrics(found, name, model.held_out_count, model.class_metrics, model.confusion)


def of_version(version: ModelVersion, base: Item | None = None) -> Metrics:
    """The metrics of a version that was trained.

    Args:
        version: The version.
        base: The base model, with the metrics of the classes that it was trained on: it says where lower is
            better. Without it higher counts as better.
    """
    spec = {} if base is None else {entry["key"]: entry for entry in ModelItem(base).metrics_spec}
    values = [
        _metric(
            {**spec.get(key, {}), "key": key},
            value,
            version.intervals.get(key),
            version.baseline.get(key),
            version.baseline_names.get(key, version.baseline_name),
            version.ceiling.get(key),
        )
        for key, value in version.metrics.items()
    ]
    return Metrics(values, version.baseline_name, version.held_out_count, version.classes, version.confusion)


def _metric(
    entry: Json,
    value: float | None,
    interval: Sequence[float] | None,
    baseline: float | None,
    guess: str,
    ceiling: float | None,
) -> Metric:
    low, high = interval or (None, None)
    better = guesses.is_better_or_beyond(entry, value, baseline)
    named = guess if guess and baseline is not None else None
    return Metric(entry["key"], value, low, high, baseline, named, better, ceiling)


def class_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The table of classes with one column for each measure, such as "0.74 [0.7, 0.78] (0.2)".

    Args:
        rows: `fair:class_metrics`, or the same of a run.

    Returns:
        `class`, `train`, `held out`, and each measure: its value, its interval in brackets, that of the
        simplest guess in parentheses. All rows have the same columns.
    """
    keys = measures(rows)
    return [
        {
            "class": str(row["class"]),
            "train": shown(row.get("train")),
            "held out": shown(row.get("held_out")),
            **{key: _measure(row, key) for key in keys},
        }
        for row in rows
    ]


def measures(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is measured of classes, e.g. "iou", in the order in which their rows have it."""
    counts = {"class", "train", "held_out"}
    return list(
        dict.fromkeys(key for row in rows for key in row if key not in counts and not key.endswith(_SUFFIXES))
    )


def measure(row: Mapping[str, Any], key: str) -> str:
    """A measure of a class with its interval."""
    return with_interval(row.get(key), row.get(f"{key}_low"), row.get(f"{key}_high"))


def confusion_rows(counts: Mapping[str, Mapping[str, int]]) -> list[dict[str, str]]:
    """`fair:confusion` as rows: the true class, then how many were taken for each."""
    return [
        {"true class": truth, **{f"as {name}": str(count) for name, count in row.items()}}
        for truth, row in counts.items()
    ]


def _measure(row: Mapping[str, Any], key: str) -> str:
    guessed = row.get(f"{key}_baseline")
    return measure(row, key) if guessed is None else f"{measure(row, key)} ({shown(guessed)})"
