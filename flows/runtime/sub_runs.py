"""Shards of a prediction that sub-runs in the work pool make: many workers or pods, one prediction."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun

from fair_models.catalog.items import assets
from fair_models.errors import PredictionFailed
from fair_models.params import PredictShardsParams
from flows.runtime.runtimes import submit
from flows.runtime.shards import OpenPrediction

logger = logging.getLogger("fair_models.flows")

DEPLOYMENT = "predict-shards/predict-shards"

_ROUNDS = 3
"""How often missing shards are sent out: a pod that is taken away does not end a prediction."""

_LOOK_S = 1.0


class SubRunShards:
    """Shards that sub-runs make.

    Args:
        work: The prediction.
    """

    def __init__(self, work: OpenPrediction) -> None:
        self._work = work
        self._runs: list[UUID] = []
        self._rounds = 0
        self._there: set[int] = set()
        self._before: set[int] = set()

    def start(self, missing: list[int]) -> None:
        """Send shards out, in `sub_runs` runs."""
        self._rounds += 1
        self._before = self._before or set(self._work.sharding.shards) - set(missing)
        params, digest = self._work.params, self._work.sharding.manifest.digest
        item = self._work.item
        exact = f"{item.collection_id}/{item.id}"  # even where two collections have the id
        plain = params.model_copy(update={"sub_runs": 1, "output": None, "model": exact})
        for group in groups(missing, params.sub_runs):
            asked = PredictShardsParams(prediction=plain, digest=digest, first=group[0], last=group[-1])
            run = submit(
                DEPLOYMENT,
                self._work.item,
                assets.INFERENCE_RUNTIME,
                {"params": asked.model_dump(mode="json", exclude_unset=True)},
                f"shards {group[0]} to {group[-1]} with {params.model}",
                [f"model:{params.model}"],
            )
            self._runs.append(run.id)

    def wait(self, shard: int) -> None:
        """Return when a shard is there. Shards that a run did not make are sent out again.

        Raises:
            PredictionFailed: It is still missing after the last round.
        """
        while shard not in self._there:
            over = self._over()
            missing = set(self._work.sharding.missing())  # after the runs: they may just have ended
            self._there = set(self._work.sharding.shards) - missing
            self._show()
            if shard in self._there:
                return
            if over is None:
                time.sleep(_LOOK_S)
            elif self._rounds == _ROUNDS:
                raise PredictionFailed(_why(over, missing))
            else:
                logger.warning("%d shards are missing and sent out again. %s", len(missing), _reason(over))
                self._runs.clear()
                self.start(sorted(missing))

    def _over(self) -> list[FlowRun] | None:
        """All runs, if all of them are over."""
        wanted = FlowRunFilter.model_validate({"id": {"any_": self._runs}})
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(flow_run_filter=wanted)
        return runs if all(run.state is not None and run.state.is_final() for run in runs) else None

    def _show(self) -> None:
        self._work.show(*self._work.sharding.windows_of(sorted(self._there - self._before)))


def groups(shards: list[int], runs: int) -> Iterator[list[int]]:
    """Shards in one group for each run, neighbours together. No group is empty."""
    runs = min(runs, len(shards))
    bounds = [len(shards) * number // runs for number in range(runs + 1)]
    for number in range(runs):
        yield shards[bounds[number] : bounds[number + 1]]


def _why(runs: list[FlowRun], missing: set[int]) -> str:
    shown = ", ".join(map(str, sorted(missing)[:5]))
    return (
        f"{len(missing)} shards are missing (number {shown}{', …' * (len(missing) > 5)}) and were sent out "
        f"{_ROUNDS} times. {_reason(runs)} Finished shards are kept: start the prediction again to resume"
    )


def _reason(runs: list[FlowRun]) -> str:
    for run in runs:
        if run.state is not None and not run.state.is_completed():
            return f"Run {run.name} ({run.id}) ended: {run.state.message or run.state.name}."
    return "Their runs completed."
