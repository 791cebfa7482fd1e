"""Cut some blocks of chips."""

from __future__ import annotations

from fair_models.outcomes import BlocksCut
from fair_models.params import CutChipsParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.tasks.cutting import cut_blocks


@flow(run_name="blocks {params.first} to {params.last} for {params.ingest.name}")
def cut_chips(params: CutChipsParams) -> BlocksCut:
    """Cut the missing ones among some blocks of chips, for an ingest that waits for them."""
    return write_result(cut_blocks(params))
