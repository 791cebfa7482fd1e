"""Publish a part of a dataset."""

from __future__ import annotations

from fair_models.outcomes import PublishedItem
from fair_models.params import SliceDatasetParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.tasks.comparison import cut_slice


@flow(run_name="slice {params.dataset} as {params.name}")
def slice_dataset(params: SliceDatasetParams) -> PublishedItem:
    """Publish the part of a dataset in an area, with labels of a class or with a tag, to evaluate on."""
    return write_result(cut_slice(params))
