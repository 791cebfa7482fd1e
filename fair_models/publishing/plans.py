"""What an operation is about to change: told before anything is changed, and all that a dry run does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fair_models.catalog.changes.edits import Effect


@dataclass(frozen=True)
class Plan:
    """What one operation changes, in the order in which it does: bytes, then items, then stages.

    operation: What is done, e.g. "promote banepa-roofs-v2".
    effects: One for each thing that changes; none where all is so already.
    """

    operation: str
    effects: tuple[Effect, ...]


Tell = Callable[[Plan], None]
"""Takes the plan of an operation, before anything is changed."""


def nobody(plan: Plan) -> None:
    """Tell a plan to nobody."""
