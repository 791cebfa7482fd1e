"""What people read on the terminal."""

from __future__ import annotations

import pytest

from fair_models.cli import output


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
