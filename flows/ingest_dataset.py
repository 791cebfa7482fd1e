"""Ingest a dataset."""

from __future__ import annotations

from fair_models.outcomes import PublishedItem
from fair_models.params import IngestDatasetParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.runtime.hooks import cancel_children
from flows.tasks.registry import ingest


@flow(run_name="ingest {params.name}", ended_early=cancel_children)
def ingest_dataset(params: IngestDatasetParams) -> PublishedItem:
    """Publish image chips and labels, split by area, as the next version of a dataset."""
    return write_result(ingest(params))
