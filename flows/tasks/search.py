"""The task of a search: trial after trial, each a run of `train` where the model's runtime is.

The ledger has the trials that are done, under the tags of the search. So a search resumes where it stopped.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fair_models import settings
from fair_models.errors import TrainingCancelled, TrainingFailed
from fair_models.numbers import shown
from fair_models.outcomes import FoundHyperparameters
from fair_models.params import SearchParams
from fair_models.reports.artifacts import Table
from flows.runtime import artifacts
from flows.runtime.places import open_store
from flows.runtime.runtimes import run_train
from flows.runtime.task_policy import task

if TYPE_CHECKING:
    from pystac import Item

    from fair_models.catalog.items.hyperparameters import Values
    from fair_models.training.config.run_config import RunConfig, StopRule
    from fair_models.training.ledger import Ledger, ModelVersion
    from fair_models.training.search.study import Search, Trial

logger = logging.getLogger("fair_models.flows")

HOPELESS = 3
"""Number of failures before the first success that end a search: the request is wrong, not the values."""


@task
def search_in_runtime(base: Item, dataset: Item, params: SearchParams) -> FoundHyperparameters:
    """Run the missing trials, find the best, and train it again on all training chips."""
    from fair_models.training.ledger import open_ledger
    from fair_models.training.search import study
    from fair_models.training.search.space import candidates

    points = candidates(base, params.vary, params.method, params.seed)
    planned = study.plan(base, dataset, params, open_store())
    progress = SearchProgress(planned, open_ledger(settings.current()))
    try:
        ended = progress.run_trials(points)
        planned.require_value(progress.trials)
        final = progress.finish() if params.finish else None
    finally:
        artifacts.write([Table("trials", progress.rows(), f"Trials of search {planned.id}, by number")])
    return progress.result(ended, final)


class SearchProgress:
    """The progress of a search.

    Args:
        search: The search.
        ledger: Has its versions.

    Attributes:
        trials: The trials so far, by number.
    """

    def __init__(self, search: Search, ledger: Ledger) -> None:
        self._search, self._ledger = search, ledger
        self._done = search.done(ledger)
        self.trials: list[Trial] = []
        self._found = 0
        self._began = time.monotonic()
        params = search.params
        self._bar = artifacts.ProgressBar("search", f"Search {search.id} for {params.model_name}")

    def run_trials(self, points: Iterable[Values]) -> str:
        """Run trial after trial. Returns why the search ended.

        Raises:
            TrainingFailed: The first trials all failed; says why.
        """
        for number, values in enumerate(points, start=1):
            enough = self._enough()
            if enough:
                return enough
            self._show(f"trial {number}: {_named(values)}")
            self.trials.append(self._trial(number, values))
            problems = [trial.problem for trial in self.trials if trial.failed]
            if len(problems) == len(self.trials) == HOPELESS:
                raise TrainingFailed(
                    f"The first {HOPELESS} trials of search {self._search.id} failed, so that it ends. The "
                    f"last: {problems[-1]}"
                )
        return f"all {len(self.trials)} combinations were tried"

    def finish(self) -> ModelVersion | None:
        """Train the best on all training chips. None if no trial has a value."""
        from fair_models.training.search.study import final_of

        best = self._search.best(self.trials)
        if best is None:
            return None
        self._show(f"the best, {_named(best.values)}, on all training chips")
        return self._done.get(final_of(best)) or self._train(self._search.final(best))

    def rows(self) -> list[dict[str, Any]]:
        """A row for each trial."""
        return [self._row(trial) for trial in self.trials]

    def result(self, ended: str, final: ModelVersion | None) -> FoundHyperparameters:
        """The row of the search."""
        search, best = self._search, self._search.best(self.trials)
        return FoundHyperparameters(
            model=search.params.model_name,
            search=search.id,
            metric=search.metric,
            best_trial=best.number if best else None,
            best_version=best.version.number if best and best.version else None,
            value=search.value(best) if best else None,
            overrides=json.dumps({**search.params.overrides, **best.values}) if best else "{}",
            version=final.number if final else None,
            held_out_value=final.metrics.get(search.metric) if final else None,
            trials=len(self.trials),
            found=self._found,
            failed=sum(trial.failed for trial in self.trials),
            cancelled=sum(trial.cancelled for trial in self.trials),
            stopped=sum(trial.stopped for trial in self.trials),
            ended=ended,
            seconds=round(time.monotonic() - self._began, 1),
        )

    def _enough(self) -> str:
        """Why no further trial begins; empty if one does."""
        params = self._search.params
        if len(self.trials) >= params.most_trials:
            return f"{params.most_trials} trials were made, the maximum"
        if params.patience and self.trials and self._search.fruitless(self.trials) >= params.patience:
            return f"{params.patience} trials were not better"
        minutes = (time.monotonic() - self._began) / 60
        if params.most_minutes is not None and minutes >= params.most_minutes and self.trials:
            return f"the time limit was reached, {params.most_minutes:g} min"
        return ""

    def _trial(self, number: int, values: Values) -> Trial:
        from fair_models.training.search.study import Trial

        self._found += str(number) in self._done
        try:
            version = self._done.get(str(number)) or self._train(
                self._search.trial(number, values, self._stop())
            )
        except TrainingCancelled as error:
            logger.warning("trial %d was cancelled", number)
            return Trial(number, values, cancelled=True, problem=str(error))
        except TrainingFailed as error:
            logger.warning("trial %d failed: %s", number, error)
            return Trial(number, values, problem=str(error))
        return Trial(number, values, version, self._was_stopped(version))

    def _train(self, config: RunConfig) -> ModelVersion:
        row = run_train(self._search.base, config)
        return self._ledger.get(row.model, row.version)

    def _stop(self) -> StopRule | None:
        from fair_models.training.search import study

        epoch = self._search.params.stop_after_epoch
        made = [trial.version for trial in self.trials if trial.version is not None] if epoch else []
        return study.stop_rule(epoch, [self._ledger.curves(each.model, each.number) for each in made])

    def _was_stopped(self, version: ModelVersion) -> bool:
        rule = self._ledger.config(version.model, version.number).stop
        if rule is None:
            return False
        curves = self._ledger.curves(version.model, version.number)
        return len(curves) == rule.epoch and curves[-1].get(rule.figure, rule.most) > rule.most

    def _row(self, trial: Trial) -> dict[str, Any]:
        version, metric = trial.version, self._search.metric
        low, high = (version.intervals.get(metric) if version else None) or (None, None)
        return {
            "trial": trial.number,
            "version": version.number if version else None,
            "state": trial.state,
            "value": self._search.value(trial),
            "low": low,
            "high": high,
            "seconds": version.seconds if version else None,
            **trial.values,
            "problem": trial.problem,
        }

    def _show(self, doing: str) -> None:
        best = self._search.best(self.trials)
        value = self._search.value(best) if best else None
        so_far = f"; best so far: {shown(value)} (trial {best.number})" if best and value is not None else ""
        told = f"{doing}{so_far}"
        self._bar.show(len(self.trials), self._search.params.most_trials + 1, told, with_time_left=True)


def _named(values: Values) -> str:
    return ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in values.items())
