"""Search for good hyperparameters."""

from __future__ import annotations

from fair_models.outcomes import FoundHyperparameters
from fair_models.params import SearchParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.runtime.hooks import cancel_children
from flows.tasks.registry import fetch_items
from flows.tasks.search import search_in_runtime


@flow(run_name="search {params.model_name}", ended_early=cancel_children)
def search(params: SearchParams) -> FoundHyperparameters:
    """Train with one set of values after another, then again with the best. Start it again to resume."""
    base, dataset = fetch_items(params)
    return write_result(search_in_runtime(base, dataset, params))
