"""Carries each epoch from inside a ZenML step to whoever started the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from fair_models.ml_tasks.results import Epoch, Report

_listener: ContextVar[Report | None] = ContextVar("fair_models_training_listener", default=None)


@contextmanager
def reporting_to(report: Report | None) -> Iterator[None]:
    """Within, `tell` calls `report`. ZenML's local orchestrator runs the steps in the caller's thread."""
    token = _listener.set(report)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(epoch: Epoch) -> None:
    """Pass an epoch on, if somebody listens. What the listener raises ends the training."""
    report = _listener.get()
    if report is not None:
        report(epoch)
