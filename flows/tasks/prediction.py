"""The tasks of a prediction: open it, make its shards, put them together.

The library's packages are imported inside, so that importing a flow stays light.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from fair_models import settings
from fair_models.errors import Conflict
from fair_models.outcomes import Prediction, ShardsMade
from fair_models.params import PredictParams, PredictShardsParams, RepeatParams
from flows.runtime import artifacts
from flows.runtime.places import open_catalog, open_store
from flows.runtime.policy import task
from flows.runtime.shards import Making, MakingHere, Work
from flows.runtime.sub_runs import MakingElsewhere
from flows.tasks import results

if TYPE_CHECKING:
    from fair_models.inference.prediction import PredictionResult
    from fair_models.inference.repeating import Original


@task
def open_prediction(params: PredictParams) -> Work:
    """Find the model, open its network and the imagery, and plan the windows."""
    return _opened(params)


@task
def open_repetition(params: RepeatParams) -> Work:
    """As `open_prediction`, for what the config of a prediction says."""
    from fair_models.inference import repeating

    return _opened(*repeating.settle(params))


@task
def open_shards(params: PredictShardsParams) -> Work:
    """As `open_prediction`, and see that it is the same here as where it was asked for."""
    work = _opened(params.prediction)
    here = work.sharding.manifest.digest
    if here != params.digest:
        with work:
            raise Conflict(
                f"This worker sees another prediction ({here}) than the run that asked for it "
                f"({params.digest}): imagery, model, engine or versions of the software differ. "
                "Give both the same, then start again"
            )
    return work


def make_shards(work: Work, within: range | None = None) -> MakingHere:
    """Start a task for each shard that is missing."""
    missing = [shard for shard in work.sharding.missing() if within is None or shard in within]
    return MakingHere(work, {shard: make_shard.submit(work, shard) for shard in missing})


@task
def make_shard(work: Work, shard: int) -> None:
    """Bring the windows of a shard through the network and store what they say."""
    work.sharding.make(shard)


def share_out(work: Work) -> Making:
    """Have the missing shards made: here, or in as many sub-runs as were asked for."""
    missing = work.sharding.missing()
    if min(work.params.sub_runs, len(missing)) < 2:
        return make_shards(work)
    return start_sub_runs(work, missing)


@task
def start_sub_runs(work: Work, missing: list[int]) -> MakingElsewhere:
    """Send the missing shards to the work pool."""
    making = MakingElsewhere(work)
    making.start(missing)
    return making


@task
def write_prediction(work: Work, making: Making) -> Prediction:
    """Put the shards together as they come, and write the files."""
    found = work.sharding.write(work.stage, making.wait)
    artifacts.write_failures(found.failed)
    return _told(found, work)


def shards_made(work: Work, params: PredictShardsParams, making: MakingHere) -> ShardsMade:
    """Wait for all shards of a sub-run."""
    making.finish()
    return ShardsMade(
        digest=params.digest, first=params.first, last=params.last, made=len(work.sharding.made)
    )


def _opened(params: PredictParams, original: Original | None = None) -> Work:
    from fair_models.catalog import names
    from fair_models.catalog.items import versions
    from fair_models.contract.prediction_plan import plan_prediction
    from fair_models.inference.shards.sharding import sharded
    from fair_models.training import references

    store = open_store()
    catalog = open_catalog()
    item = (
        references.resolve(catalog, names.MODELS, params.model, references.ledger_here)
        if original is None
        else versions.of_prediction(catalog, original.model_id, original.model_href, original.model_checksum)
    )
    folder = settings.current().predictions_folder
    request = plan_prediction(item, params, store, folder, original)
    bar = artifacts.ProgressBar("prediction", f"Predicting with {item.id}")
    with ExitStack() as stack:
        sharding = stack.enter_context(sharded(request, store))
        exact = params.model_copy(update={"model": item.id})
        return Work(exact, item, sharding, bar, stack.pop_all())


def _told(found: PredictionResult, work: Work) -> Prediction:
    """The row, the preview, and the files in the store where that is for all."""
    from fair_models.inference.prediction import PREVIEW

    outcome = results.predicted(found, work.item.id)
    if outcome.preview:
        artifacts.write_preview(found.folder / PREVIEW, found.item["properties"]["title"])
    if work.params.output is None:
        return results.where_all_see_it(outcome, found, open_store())
    return outcome
