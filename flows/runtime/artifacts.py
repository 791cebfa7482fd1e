"""Prefect artifacts of a run: its result, progress, tables, cards and pictures."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from fair_models.numbers import duration
from fair_models.outcomes import Outcome
from fair_models.reports.artifacts import Artifact, Card, Table

if TYPE_CHECKING:
    from fair_models.inference.imagery.failures import Failure
    from fair_models.publishing.commit import Plan

O = TypeVar("O", bound=Outcome)  # noqa: E741

_EVERY_S = 2.0
"""Seconds between two updates of a progress bar: each is a request, and a write of the server."""

_MAX_ROWS = 1000
_PREVIEW_PX = 900


def write_result(outcome: O) -> O:
    """Write the artifact `result`: its row, and above it the same for people. Hands the row back."""
    from fair_models.reports import outcome as told

    write([told.result(outcome, _catalog())])
    return outcome


def _catalog() -> str:
    """Which catalogue the run works on: its folder, or host and name of its database."""
    from fair_models.catalog import opening
    from flows.runtime.places import open_catalog

    return opening.name_of(open_catalog())


def write(shown: Iterable[Artifact]) -> None:
    """Write tables and cards."""
    for each in shown:
        if isinstance(each, Card):
            create_markdown_artifact(key=each.key, markdown=each.markdown, description=each.description)
        else:
            rows = [dict(row) for row in each.rows]
            create_table_artifact(key=each.key, table=rows, description=each.description)


def write_changes(plan: Plan) -> None:
    """Write the artifact `changes`: what an operation changes, before it does; none where nothing does."""
    if plan.effects:
        rows = [{"what": effect.target, "effect": effect.effect} for effect in plan.effects]
        write([Table("changes", rows, f"What changes: {plan.operation}")])


def write_failures(failures: Sequence[Failure]) -> None:
    """Write the artifact `failed`: chips and windows that were left out; none where nothing failed."""
    if failures:
        more = len(failures) - _MAX_ROWS
        rows = [{"what": each.kind, "name": each.name, "reason": each.reason} for each in failures]
        told = f"; {more} more are not listed" if more > 0 else ""
        write([Table("failed", rows[:_MAX_ROWS], f"What failed and was left out{told}")])


def write_preview(picture: Path, description: str) -> None:
    """Write the artifact `preview`: the picture itself, made smaller; the page needs no other address."""
    from PIL import Image

    with Image.open(picture) as opened:
        small = opened.convert("RGB")
    small.thumbnail((_PREVIEW_PX, _PREVIEW_PX))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    data = base64.b64encode(buffer.getvalue()).decode()
    text = f"![{description}](data:image/jpeg;base64,{data})\n\n`{picture}`"
    write([Card("preview", text, description)])


class ProgressBar:
    """A progress artifact that is written at most every two seconds."""

    def __init__(self, key: str, description: str) -> None:
        made = create_progress_artifact(progress=0.0, key=key, description=description)
        if not isinstance(made, UUID):
            raise TypeError("a progress bar belongs into a task that is not async")
        self._id = made
        self._written = time.monotonic()
        self._first: tuple[float, float] | None = None

    def show(self, done: float, total: float, description: str, *, with_time_left: bool = False) -> None:
        """Show that `done` of `total` is done, and about how long the rest takes with `with_time_left`.

        The time is shown from the second call on, from the speed since the first.
        """
        now = time.monotonic()
        began, before = self._first = self._first or (now, done)
        if with_time_left and before < done < total:
            left = (total - done) * (now - began) / (done - before)
            description = f"{description}, about {duration(left)} left"
        if now - self._written < _EVERY_S and done < total:
            return
        self._written = now
        update_progress_artifact(self._id, progress=100.0 * done / total, description=description)
