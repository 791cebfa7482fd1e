"""Rules over one item by itself."""

from __future__ import annotations

from collections.abc import Iterator

from fair_models.audit.problem import Problem
from fair_models.audit.scope import Entry, Scope
from fair_models.catalog import profiles
from fair_models.errors import InvalidItem
from fair_models.types import Json


def profile(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """One problem for each breach of the profile or of an official schema."""
    try:
        scope.unchecked.update(profiles.validate(document).unchecked)
    except InvalidItem as error:
        for reason in error.reasons:
            yield Problem(entry.label, reason, "Correct the source and publish the next version.")
