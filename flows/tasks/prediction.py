"""The tasks of a prediction: open it, make its shards, join them.

The library's packages are imported inside, so that importing a flow stays light.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from prefect.client.schemas.objects import FlowRun

from fair_models import settings
from fair_models.errors import Conflict, PredictionFailed
from fair_models.outcomes import Prediction, ShardsMade
from fair_models.params import PredictParams, PredictShardsParams, RepeatParams
from flows.runtime import artifacts
from flows.runtime.places import open_catalog, open_store
from flows.runtime.runtimes import submit
from flows.runtime.shards import OpenPrediction, OwnShards, PendingShards
from flows.runtime.sub_runs import SubRunShards
from flows.runtime.task_policy import task
from flows.tasks import results

if TYPE_CHECKING:
    from fair_models.inference.prediction import PredictionResult
    from fair_models.inference.repeating import Original


@task
def open_prediction(params: PredictParams) -> OpenPrediction:
    """Find the model, open its network and the imagery, and plan the windows."""
    return _opened(params)


@task
def open_repetition(params: RepeatParams) -> OpenPrediction:
    """Like `open_prediction`, for the config of a prediction."""
    from fair_models.inference import repeating

    return _opened(*repeating.settle(params))


@task
def open_shards(params: PredictShardsParams) -> OpenPrediction:
    """Like `open_prediction`; also check that it is the same prediction here as in the run that asked."""
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


def make_shards(work: OpenPrediction, within: range | None = None) -> OwnShards:
    """Start a task for each shard that is missing."""
    missing = [shard for shard in work.sharding.missing() if within is None or shard in within]
    return OwnShards(work, {shard: make_shard.submit(work, shard) for shard in missing})


@task
def make_shard(work: OpenPrediction, shard: int) -> None:
    """Run the network on the windows of a shard and store the results."""
    work.sharding.make(shard)


def start_shards(work: OpenPrediction) -> PendingShards:
    """Start the missing shards: here, or in `sub_runs` other runs."""
    missing = work.sharding.missing()
    if min(work.params.sub_runs, len(missing)) < 2:
        return make_shards(work)
    return start_sub_runs(work, missing)


DEPLOYMENT = "predict-shards/predict-shards"


class SharedPrediction:
    """The shards of a prediction, as sub-runs share them. It is no dataclass: Prefect looks through those.

    Args:
        work: The prediction.
    """

    noun = "prediction"
    failure = PredictionFailed

    def __init__(self, work: OpenPrediction) -> None:
        self._work = work
        item = work.item
        exact = f"{item.collection_id}/{item.id}"  # even where two collections have the id
        self._plain = work.params.model_copy(update={"sub_runs": 1, "output": None, "model": exact})

    @property
    def shards(self) -> range:
        """Numbers of all shards."""
        return self._work.sharding.shards

    @property
    def runs(self) -> int:
        """How many sub-runs share the work."""
        return self._work.params.sub_runs

    def missing(self) -> list[int]:
        """Shards that nobody has made yet."""
        return self._work.sharding.missing()

    def send(self, first: int, last: int) -> FlowRun:
        """Start a run that makes the missing ones of some shards."""
        from fair_models.catalog.items import assets

        digest, model = self._work.sharding.manifest.digest, self._work.params.model
        asked = PredictShardsParams(prediction=self._plain, digest=digest, first=first, last=last)
        return submit(
            DEPLOYMENT,
            self._work.item,
            assets.INFERENCE_RUNTIME,
            {"params": asked.model_dump(mode="json", exclude_unset=True)},
            f"shards {first} to {last} with {model}",
            [f"model:{model}"],
        )

    def show(self, made: list[int]) -> None:
        """Show the windows of the shards that were made."""
        self._work.show(*self._work.sharding.windows_of(made))


@task
def start_sub_runs(work: OpenPrediction, missing: list[int]) -> SubRunShards:
    """Send the missing shards to the work pool."""
    pending = SubRunShards(SharedPrediction(work))
    pending.start(missing)
    return pending


@task
def write_prediction(work: OpenPrediction, pending: PendingShards) -> Prediction:
    """Join the shards as they are made, and write the files."""
    found = work.sharding.write(work.stage, pending.wait)
    artifacts.write_failures(found.failed)
    return _outcome(found, work)


def shards_made(work: OpenPrediction, params: PredictShardsParams, pending: OwnShards) -> ShardsMade:
    """Wait for all shards of a sub-run."""
    pending.finish()
    return ShardsMade(
        digest=params.digest, first=params.first, last=params.last, made=len(work.sharding.made)
    )


def _opened(params: PredictParams, original: Original | None = None) -> OpenPrediction:
    from fair_models.catalog import names
    from fair_models.catalog.items import versions
    from fair_models.contract.plans.prediction import plan_prediction
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
        return OpenPrediction(exact, item, sharding, bar, stack.pop_all())


def _outcome(found: PredictionResult, work: OpenPrediction) -> Prediction:
    """The row and the preview; the files go to the store if all workers share it."""
    from fair_models.inference.prediction import PREVIEW

    outcome = results.predicted(found, work.item.id)
    if outcome.preview:
        artifacts.write_preview(found.folder / PREVIEW, found.item["properties"]["title"])
    if work.params.output is None:
        return results.where_all_see_it(outcome, found, open_store())
    return outcome
