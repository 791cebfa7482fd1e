"""What people read on the terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from fair_models.cli import followed_run, output
from fair_models.client import LogLine
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
    trained = read_run(
        {"id": "4f", "name": "fine-tune roofs", "created": "2026-11-28T00:00:00+00:00"}, "finetune"
    )
    with pytest.raises(KeyboardInterrupt) as stopped, followed_run.leaving(trained):
        raise KeyboardInterrupt
    for words in ("fine-tune roofs continues", "fair-models follow 4f", "fair-models cancel 4f"):
        assert words in str(stopped.value)


def test_a_traceback_is_shown_once_however_many_runs_tell_it() -> None:
    console = Console(file=io.StringIO(), width=200)
    screen = followed_run.Screen(Bars(console=console), verbose=True)
    told = 'Traceback (most recent call last):\n  File "a.py", line 1\nNotFound: There is no roofs'

    def line(message: str) -> LogLine:
        return LogLine("id", "name", "prefect.flow_runs", datetime(2026, 1, 1, tzinfo=UTC), 40, message)

    for message in (f"Task failed:\n{told}", f"Encountered an exception\n{told}", told, "as it was"):
        screen.show(line(message))
    screen.show(line(told.replace("roofs", "walls")))

    shown = console.file.getvalue()
    assert shown.count("Traceback") == 2  # one for each error
    assert "Encountered an exception" in shown
    assert shown.count("NotFound: There is no roofs") == 2  # a line that is nothing else keeps the error
    assert "as it was" in shown
