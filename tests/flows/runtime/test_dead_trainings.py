"""Which trainings are dead. A real Prefect; versions as the ledger tells them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Crashed, Failed, Running

from fair_models.errors import TrainingCancelled
from fair_models.params import AuditParams
from fair_models.training.ledger import ModelVersion
from flows.runtime import dead_trainings, definition
from flows.runtime.dead_trainings import is_dead
from flows.train import train
from tests.publishing.memory_ledger import MemoryLedger


@pytest.fixture
def prefect(prefect_api: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def begin(prefect: SyncPrefectClient, model: str) -> UUID:
    """A run of `train` that is running."""
    run = prefect.create_flow_run(train, parameters={"params": {"model_name": model}})
    prefect.set_flow_run_state(run.id, Running())
    return run.id


def end(prefect: SyncPrefectClient, run: UUID) -> None:
    prefect.set_flow_run_state(run, Crashed(), force=True)


def version_made_now(model: str) -> ModelVersion:
    return ModelVersion(
        model=model,
        number=1,
        stage="none",
        status="running",
        run_id="some-run",
        mlflow_run_id=None,
        created=datetime.now(UTC),
    )


def test_a_version_whose_flow_run_crashed_is_dead(prefect: SyncPrefectClient) -> None:
    run = begin(prefect, "dead-roofs")
    version = version_made_now("dead-roofs")
    assert not is_dead(prefect, version)
    end(prefect, run)
    assert is_dead(prefect, version)


def test_a_version_is_dead_when_the_process_of_its_flow_run_is_known_to_be_gone(
    prefect: SyncPrefectClient,
) -> None:
    run = begin(prefect, "gone-roofs")
    assert is_dead(prefect, version_made_now("gone-roofs"), gone={run})


def test_a_run_that_was_cancelled_while_it_waited_does_not_close_the_one_that_trains(
    prefect: SyncPrefectClient,
) -> None:
    begin(prefect, "two-roofs")
    waiting = begin(prefect, "two-roofs")
    version = version_made_now("two-roofs")
    end(prefect, waiting)
    assert not is_dead(prefect, version, gone={waiting})


@pytest.mark.parametrize(
    ("state", "status"),
    [(Cancelled, "cancelled"), (Crashed, "failed"), (Failed, "failed")],
)
def test_what_a_training_left_is_called_as_its_flow_run_ended(
    prefect: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch, state: Callable[[], State], status: str
) -> None:
    model = f"left-{state.__name__.lower()}"
    run = begin(prefect, model)
    ledger = MemoryLedger()
    version = ledger.add(model=model, status="running", created=datetime.now(UTC))
    monkeypatch.setattr(dead_trainings, "open_ledger", lambda settings: ledger)
    prefect.set_flow_run_state(run, state(), force=True)
    assert dead_trainings.close_dead(model) == [version.id]
    assert ledger.get(model, 1).status == status


def test_runs_of_other_models_and_times_say_nothing_of_a_version(prefect: SyncPrefectClient) -> None:
    end(prefect, begin(prefect, "other-roofs"))
    end(prefect, begin(prefect, "own-roofs"))
    later = datetime.now(UTC) + timedelta(seconds=1)
    version = version_made_now("own-roofs")
    made_by_hand = ModelVersion(**{**vars(version), "created": later})
    assert not is_dead(prefect, made_by_hand)


@pytest.mark.parametrize("over", [True, False])
def test_a_training_whose_run_is_over_ends_itself(
    prefect: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch, over: bool
) -> None:
    monkeypatch.setattr(dead_trainings, "_LOOK_EVERY_S", 0.0)
    reached = []

    @flow
    def outlive() -> None:
        """Go on after the server has called the run cancelled."""
        from prefect import runtime

        look = dead_trainings.stop_when_over()
        if over:
            run_id = UUID(str(runtime.flow_run.id))
            prefect.set_flow_run_state(run_id, Cancelled(message="nobody ended it"), force=True)
        try:
            look()
        except TrainingCancelled as error:
            reached.append(str(error))
        assert dead_trainings.was_cancelled() is over

    outlive(return_state=True)
    assert reached == (["The run is cancelled already: nobody ended it"] if over else [])


def test_a_flow_whose_training_somebody_cancelled_is_cancelled(prefect: SyncPrefectClient) -> None:
    @definition.flow(run_name="wait")
    def wait_for_training(params: AuditParams) -> None:
        raise TrainingCancelled("Training roofs was cancelled")

    state: State[None] = wait_for_training(AuditParams(), return_state=True)
    assert (state.type.value, state.message) == ("CANCELLED", "Training roofs was cancelled")
