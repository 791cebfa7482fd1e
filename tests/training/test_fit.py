"""What a training may leave behind."""

from __future__ import annotations

import pytest

from fair_models.errors import TrainingFailed
from fair_models.ml_tasks.results import Epoch
from fair_models.settings import current
from fair_models.store.opening import open_store
from fair_models.training.phases import fit, model_code, sample_cache
from tests.training.conftest import MakeConfig


def test_weights_that_the_last_step_spoilt_are_refused_with_what_helps(make_config: MakeConfig) -> None:
    config = make_config(training={"epochs": 1, "learning_rate": 0.5, "last_step_spoils": True})
    store, heard = open_store(current()), list[Epoch]()
    samples = sample_cache.load(config, store, current().cache_folder).train

    with pytest.raises(TrainingFailed) as error:
        fit.fit(config, model_code.load(config, store), store, samples, heard.append)

    assert str(error.value) == (
        "The weights of tiny-v1 became NaN or infinite in the training: 0.bias. "
        "Lower training.learning_rate (it was 0.5)."
    )
    assert [epoch.values["loss"] > 0 for epoch in heard] == [True]  # no loss told of it
