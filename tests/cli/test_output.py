"""What people read on the terminal."""

from __future__ import annotations

import pytest

from fair_models.cli import live, output
from fair_models.client.runs import read_run


def test_names_of_hyperparameters_and_fields_stay_as_they_are_typed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.show_rows(
        "Trials", [{"training.learning_rate": 0.1, "fair:mean_iou": 0.5, "held_out": 3}], "Nothing"
    )
    told = capsys.readouterr().out
    assert "training.learning_rate" in told
    assert "fair:mean_iou" in told
    assert "held out" in told


def test_who_stops_following_is_told_which_run_goes_on_and_how_to_cancel_it() -> None:
    run = read_run(
        {"id": "4f", "name": "fine-tune roofs", "created": "2026-11-28T00:00:00+00:00"}, "finetune"
    )
    with pytest.raises(live.Interrupted) as stopped, live.leaving(run):
        raise KeyboardInterrupt
    for words in ("fine-tune roofs goes on", "fair-models follow 4f", "fair-models cancel 4f"):
        assert words in str(stopped.value)
