"""One training per model name at a time."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

from flows.runtime.limits import one_training_of

WAIT_S = 60


class Log:
    """What happened, in order."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self._lock = threading.Lock()

    def add(self, entry: str) -> None:
        with self._lock:
            self.entries.append(entry)


@flow
def hold(model: str, run: str, log: Log, inside: threading.Event, leave: threading.Event) -> None:
    """Hold the place of a model until told to leave."""
    with one_training_of(model):
        log.add(f"{run} in")
        inside.set()
        assert leave.wait(WAIT_S)
        log.add(f"{run} out")


def test_a_second_training_of_a_name_says_what_it_waits_for(
    prefect_api: str, caplog: pytest.LogCaptureFixture
) -> None:
    log, first, second, leave = Log(), threading.Event(), threading.Event(), threading.Event()
    params = {"model_name": "waiting-roofs"}

    @flow(name="train", flow_run_name="train waiting-roofs", validate_parameters=False)
    def train(params: dict[str, str]) -> None:
        hold.fn("waiting-roofs", "a", log, second if first.is_set() else first, leave)

    caplog.set_level(logging.INFO, logger="fair_models.flows")
    with ThreadPoolExecutor() as pool:
        one = pool.submit(train, params)
        assert first.wait(WAIT_S)
        two = pool.submit(train, params)
        until = time.monotonic() + WAIT_S
        while "one after the other" not in caplog.text and time.monotonic() < until:
            time.sleep(0.1)
        leave.set()
        one.result()
        two.result()
    assert "The run train waiting-roofs (" in caplog.text
    assert "is training waiting-roofs: versions of one name are trained one after the other" in caplog.text
    assert "give them different model names" in caplog.text


def test_two_runs_of_one_name_follow_each_other(prefect_api: str) -> None:
    log, first, second, leave = Log(), threading.Event(), threading.Event(), threading.Event()
    with ThreadPoolExecutor() as pool:
        one = pool.submit(hold, "same-roofs", "first", log, first, leave)
        assert first.wait(WAIT_S)
        two = pool.submit(hold, "same-roofs", "second", log, second, leave)
        assert not second.wait(3)
        leave.set()
        one.result()
        two.result()
    assert log.entries == ["first in", "first out", "second in", "second out"]


def test_runs_of_two_names_overlap(prefect_api: str) -> None:
    log, first, second, leave = Log(), threading.Event(), threading.Event(), threading.Event()
    with ThreadPoolExecutor() as pool:
        one = pool.submit(hold, "north-roofs", "first", log, first, leave)
        two = pool.submit(hold, "south-roofs", "second", log, second, leave)
        assert first.wait(WAIT_S)
        assert second.wait(WAIT_S)  # both are inside, and nobody has left
        leave.set()
        one.result()
        two.result()
    assert sorted(log.entries[:2]) == ["first in", "second in"]


def test_first_runs_of_one_name_that_start_at_once_both_come_in(
    prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_have_looked = threading.Barrier(2, timeout=WAIT_S)
    create = SyncPrefectClient.create_global_concurrency_limit

    def create_after_both_looked(client: SyncPrefectClient, limit: GlobalConcurrencyLimitCreate) -> UUID:
        both_have_looked.wait()
        return create(client, limit)

    monkeypatch.setattr(SyncPrefectClient, "create_global_concurrency_limit", create_after_both_looked)
    log, leave = Log(), threading.Event()
    leave.set()
    with ThreadPoolExecutor() as pool:
        runs = [
            pool.submit(hold, "new-roofs", name, log, threading.Event(), leave)
            for name in ("first", "second")
        ]
        for run in runs:
            run.result()
    assert {log.entries[0][:-3], log.entries[2][:-3]} == {"first", "second"}


def test_a_run_that_fails_leaves_its_place(prefect_api: str) -> None:
    @flow
    def fail() -> None:
        """Fail inside."""
        with one_training_of("failing-roofs"):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    with get_client(sync_client=True) as client:
        assert client.read_global_concurrency_limit_by_name("train-failing-roofs").active_slots == 0
