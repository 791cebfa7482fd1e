"""The tasks of a cut of chips: share its blocks out, and make some of them.

The library's packages are imported inside, so that importing a flow stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect.client.schemas.objects import FlowRun

from fair_models.errors import CutFailed
from fair_models.outcomes import BlocksCut
from fair_models.params import CutChipsParams, IngestDatasetParams
from flows.runtime.artifacts import ProgressBar
from flows.runtime.places import open_store
from flows.runtime.runtimes import submit
from flows.runtime.sub_runs import SubRunShards
from flows.runtime.task_policy import task

if TYPE_CHECKING:
    from fair_models.data.progress import ChipProgress
    from fair_models.ingestion.shards import CutShards, Wait

DEPLOYMENT = "cut-chips/cut-chips"


class SharedCut:
    """The blocks of a cut, as sub-runs share them. It is no dataclass: Prefect looks through those.

    Args:
        params: The ingest.
        cut: Its cut.
        runs: How many sub-runs there are.
        progress: Shows how many chips are cut.
    """

    noun = "ingest"
    failure = CutFailed

    def __init__(
        self, params: IngestDatasetParams, cut: CutShards, runs: int, progress: ChipProgress
    ) -> None:
        self.runs = runs
        self._params, self._cut, self._progress = params, cut, progress
        self._before = 0

    @property
    def shards(self) -> range:
        """Numbers of all blocks."""
        return self._cut.shards

    def missing(self) -> list[int]:
        """Blocks that nobody has cut yet."""
        return self._cut.missing()

    def send(self, first: int, last: int) -> FlowRun:
        """Start a run that cuts the missing ones of some blocks."""
        from fair_models.catalog.items import assets

        asked = CutChipsParams(
            ingest=self._params.model_copy(update={"sub_runs": 1}),
            digest=self._cut.digest,
            first=first,
            last=last,
            shared_by=self.runs,
        )
        return submit(
            DEPLOYMENT,
            None,
            assets.INFERENCE_RUNTIME,
            {"params": asked.model_dump(mode="json", exclude_unset=True)},
            f"blocks {first} to {last} for {self._params.name}",
            [f"dataset:{self._params.name}"],
        )

    def show(self, made: list[int]) -> None:
        """Show how many chips lie in blocks that are there."""
        there = set(self.shards) - set(self._cut.missing())
        self._progress(self._cut.chips_in(there), self._cut.plan.count)


def share_out(params: IngestDatasetParams, cut: CutShards, runs: int, progress: ChipProgress) -> Wait:
    """Send the missing blocks of a cut to the work pool.

    Args:
        params: The ingest.
        cut: Its cut.
        runs: How many sub-runs share it.
        progress: Shows how many chips are cut.

    Returns:
        What waits for a block.
    """
    pending = SubRunShards(SharedCut(params, cut, runs, progress))
    if missing := cut.missing():
        pending.start(missing)
    return pending.wait


@task
def cut_blocks(params: CutChipsParams) -> BlocksCut:
    """Cut the missing ones of some blocks, and put them into the store."""
    from fair_models.publishing import cut_chips

    bar = ProgressBar("cut", f"Cutting chips for {params.ingest.name}")

    def show(done: int, total: int) -> None:
        bar.show(done, total, f"{done} of {total} tiles of the imagery cut", with_time_left=True)

    made = cut_chips.cut_part(params, open_store(), show)
    return BlocksCut(digest=params.digest, first=params.first, last=params.last, made=made)
