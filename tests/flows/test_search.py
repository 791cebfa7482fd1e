"""A search for hyperparameters: real trainings of a tiny network, real ZenML, each trial in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from pystac import Item

from blocks.local_catalog import LocalCatalog
from blocks.local_store import LocalStore
from fair_models.client import Client
from fair_models.data.splits import Split
from fair_models.data.synthetic import make_settlement
from fair_models.errors import FairModelsError, Invalid, TrainingFailed
from fair_models.outcomes import TrainedVersion
from fair_models.params import Gate, IngestDatasetParams, PromoteParams, SearchParams
from fair_models.publishing.datasets import ingest
from fair_models.publishing.promote import promote
from fair_models.publishing.register.register import register_base_model
from fair_models.settings import current
from fair_models.training import launch
from fair_models.training.config.run_config import RunConfig
from fair_models.training.ledger import Ledger, open_ledger
from flows.runtime.places import enter, open_catalog, open_store
from flows.search import search
from flows.tasks import results
from flows.tasks import search as searching
from tests.publishing import tiny_contribution

RATE = "training.learning_rate"
GATE = Gate(override_reason=tiny_contribution.UNTRAINED)
WISH: dict[str, Any] = {
    "base_model": "tiny",
    "dataset": "hamlet",
    "model_name": "searched-roofs",
    "vary": {RATE: {"least": 0.001, "most": 0.1, "log": True}},
    "overrides": {"training.epochs": 2, "training.batch_size": 4},
    "most_trials": 2,
}


@pytest.fixture(scope="module")
def hamlet(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Item]:
    """A registry of its own with a tiny base model and a small dataset."""
    folder = tmp_path_factory.mktemp("search")
    LocalCatalog(folder=folder / "catalog").save("default", overwrite=True)
    LocalStore(folder=folder / "store").save("default", overwrite=True)
    enter()
    register_base_model(str(tiny_contribution.write(folder)), open_catalog(), open_store())
    make_settlement(folder / "hamlet", seed=3, columns=4, rows=3, size_px=64, prediction_columns=0)
    wish = IngestDatasetParams(name="hamlet", title="Hamlet", chips=str(folder / "hamlet"))
    yield ingest(wish, open_catalog(), open_store())
    LocalCatalog.delete("default")
    LocalStore.delete("default")
    enter()


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """The trainings that a search starts, which run here in place of a worker."""
    configs: list[RunConfig] = []

    def here(base: Item, config: RunConfig) -> TrainedVersion:
        configs.append(config)
        try:
            return results.trained(launch.run(config), config)
        except FairModelsError as error:  # the worker of a training sees only that it failed, and why
            raise TrainingFailed(f"Training {config.model_name} ended: {error}") from error

    monkeypatch.setattr(searching, "run_train", here)
    return configs


@pytest.fixture
def ledger() -> Ledger:
    return open_ledger(current())


def searched(client: Client, **changes: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Result and trials of a search."""
    params = SearchParams.model_validate({**WISH, **changes})
    with get_client(sync_client=True) as api:
        made = api.create_flow_run(search, parameters={"params": params.model_dump(mode="json")})
    run_flow(search, flow_run=made, parameters={"params": params}, return_type="state")
    done = client.run(str(made.id))
    assert done.state.is_completed, done.state.message
    return client.result(done.id), client.table(done.id, "trials")


@pytest.mark.proof
def test_a_search_chooses_on_the_training_side_and_goes_on_where_it_was_interrupted(
    client: Client, hamlet: Item, trained: list[RunConfig], ledger: Ledger
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching.SearchProgress, "finish", interrupted)
        with pytest.raises(AssertionError, match="the worker was stopped"):
            searched(client, most_trials=1)
    assert len(trained) == 1

    row, trials = searched(client)
    assert len(trained) == 3  # the second trial and the final training
    assert (row["trials"], row["found"], row["failed"]) == (2, 1, 0)
    values = {each["trial"]: each["value"] for each in trials}
    assert row["best_trial"] == max(values, key=lambda number: values[number])
    assert json.loads(row["overrides"])[RATE] == trials[row["best_trial"] - 1][RATE]
    assert "2 trials" in row["ended"]

    *of_trials, final = trained
    own = Split.read(open_store().fetch(final.data.split.href, final.data.split.checksum))
    assert hamlet.assets["split"].extra_fields["file:checksum"] == final.data.split.checksum
    for config in of_trials:
        chosen = Split.read(open_store().fetch(config.data.split.href, config.data.split.checksum))
        assert {*chosen.train, *chosen.held_out} <= {*own.train}
        assert chosen.held_out

    again, _ = searched(client)
    assert len(trained) == 3  # all was there
    assert again["version"] == row["version"]
    assert [version.stage for version in ledger.versions("searched-roofs")] == ["none"] * 3

    catalog, store = open_catalog(), open_store()
    trial = PromoteParams(model="searched-roofs", version=row["best_version"], gate=Gate(minimum={}))
    with pytest.raises(Invalid, match="other files than those of hamlet-v1"):
        promote(trial, catalog, store, ledger)
    best = PromoteParams(model="searched-roofs", version=row["version"], dry_run=True, gate=GATE)
    item = promote(best, catalog, store, ledger)
    assert item.properties["fair:building_iou"] == row["held_out_value"]


def interrupted(progress: searching.SearchProgress) -> None:
    raise RuntimeError("the worker was stopped")


def test_a_trial_that_fails_is_listed_with_its_reason_and_the_search_goes_on(
    client: Client, hamlet: Item, trained: list[RunConfig]
) -> None:
    row, trials = searched(
        client,
        model_name="failing-roofs",
        vary={"training.width": {"values": [4, 5]}},
        overrides={**WISH["overrides"], "training.epochs": 1},
        method="grid",
        finish=False,
    )
    [failed] = [each for each in trials if each["state"] == "failed"]
    assert failed["training.width"] == 5  # the weights are those of a network that is 4 wide
    assert "0.weight has the shape" in failed["problem"]
    assert (row["trials"], row["failed"], row["version"]) == (2, 1, None)
    assert json.loads(row["overrides"])["training.width"] == 4


def test_a_search_ends_where_the_first_trials_all_fail(
    client: Client, hamlet: Item, trained: list[RunConfig]
) -> None:
    with pytest.raises(AssertionError, match="The first 3 trials of search"):
        searched(
            client,
            model_name="hopeless-roofs",
            vary={"training.width": {"values": [5, 6, 7, 8]}},
            method="grid",
            most_trials=4,
        )
    assert len(trained) == searching.HOPELESS
