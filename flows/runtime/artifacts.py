"""Prefect artifacts of a run: its result, progress, tables, cards and pictures."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from fair_models.outcomes import Outcome

if TYPE_CHECKING:
    from fair_models.inference.imagery.failures import Failure
    from fair_models.publishing.commit import Plan

O = TypeVar("O", bound=Outcome)  # noqa: E741

_EVERY_S = 2.0
"""Seconds between two updates of a progress bar: each is a request, and a write of the server."""

_MOST_ROWS = 1000
_PREVIEW_PX = 900


def write_result(outcome: O) -> O:
    """Write the artifact `result`, one row with addresses last, and hand the row back."""
    fields = type(outcome).model_fields
    places = (*type(outcome).files, "folder", "href")
    columns = {name: fields[name] for name in sorted(fields, key=lambda name: name in places)}
    row = outcome.model_dump(mode="json")
    create_table_artifact(
        key="result",
        table=[{name: row[name] for name in columns}],
        description="\n".join(
            [
                *_links(row),
                f"Catalogue: `{_catalog()}`",
                "",
                *(f"- `{name}`: {field.description}" for name, field in columns.items()),
            ]
        ),
    )
    return outcome


def _links(row: Mapping[str, Any]) -> list[str]:
    """A link to the item that a run published, where it has an address on the web."""
    href, item = str(row.get("href") or ""), row.get("item")
    return [f"Item: [{item}]({href})", ""] if item and href.startswith(("https://", "http://")) else []


def _catalog() -> str:
    """Which catalogue the run works on: its folder, or host and name of its database."""
    from fair_models.catalog import opening
    from flows.runtime.places import open_catalog

    return opening.name_of(open_catalog())


def write_table(key: str, rows: Sequence[Mapping[str, Any]], description: str) -> None:
    """Write a table; all rows have the same columns."""
    create_table_artifact(key=key, table=[dict(row) for row in rows], description=description)


def write_metrics(rows: Sequence[Mapping[str, Any]], baseline_name: str, count: int) -> None:
    """Write the artifact `metrics`: held-out values, their intervals, and those of the simplest guess."""
    told = f"Measured on {count} held-out samples, with 95 % intervals. Baseline: {baseline_name}."
    write_table("metrics", rows, told)


def write_classes(rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the artifact `classes`: labels and figures of each class; none where there are none."""
    if rows:
        told = "Labels on either side, and figures: value [95 % interval] (simplest guess)"
        write_table("classes", rows, told)


def write_changes(plan: Plan) -> None:
    """Write the artifact `changes`: what an operation changes, before it does; none where nothing does."""
    if plan.effects:
        rows = [{"what": effect.target, "effect": effect.effect} for effect in plan.effects]
        write_table("changes", rows, f"What changes: {plan.operation}")


def write_failures(failures: Sequence[Failure]) -> None:
    """Write the artifact `failed`: chips and windows that were left out; none where nothing failed."""
    if failures:
        more = len(failures) - _MOST_ROWS
        rows = [{"what": each.kind, "name": each.name, "reason": each.reason} for each in failures]
        told = f"; {more} more are not listed" if more > 0 else ""
        write_table("failed", rows[:_MOST_ROWS], f"What failed and was left out{told}")


def write_card(key: str, markdown: str, description: str) -> None:
    """Write a text for people."""
    create_markdown_artifact(key=key, markdown=markdown, description=description)


def write_preview(picture: Path, description: str) -> None:
    """Write the artifact `preview`: the picture itself, made smaller; the page needs no other address."""
    from PIL import Image

    with Image.open(picture) as opened:
        small = opened.convert("RGB")
    small.thumbnail((_PREVIEW_PX, _PREVIEW_PX))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    data = base64.b64encode(buffer.getvalue()).decode()
    write_card("preview", f"![{description}](data:image/jpeg;base64,{data})\n\n`{picture}`", description)


def duration(seconds: float) -> str:
    """A time for people, e.g. "12 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


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
