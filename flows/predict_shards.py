"""Make some shards of a prediction."""

from __future__ import annotations

from fair_models.outcomes import ShardsMade
from fair_models.params import PredictShardsParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.runtime.shards import AT_ONCE
from flows.tasks.prediction import make_shards, open_shards, shards_made


@flow(run_name="shards {params.first} to {params.last} with {params.prediction.model}", at_once=AT_ONCE)
def predict_shards(params: PredictShardsParams) -> ShardsMade:
    """Make the missing ones among some shards, for a prediction that waits for them."""
    with open_shards(params) as work:
        pending = make_shards(work, range(params.first, params.last + 1))
        return write_result(shards_made(work, params, pending))
