"""One training per model name at a time, on however many workers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists

logger = logging.getLogger("fair_models.flows")

_LEASE_S = 60
"""A run that dies without a word frees its place after this long."""


@contextmanager
def one_training_of(model: str) -> Iterator[None]:
    """Hold the only place of the global limit `train-<model>`; wait until it is free.

    A server that is away for a while must not end a training of hours: where the lease cannot be renewed the
    training goes on.
    """
    limit = f"train-{model}"
    with get_client(sync_client=True) as client:
        # Prefect reads, then creates: another training, or this request itself sent again, may come between.
        with suppress(ObjectAlreadyExists):
            client.upsert_global_concurrency_limit_by_name(limit, 1)
        taken = client.read_global_concurrency_limit_by_name(limit).active_slots
    if taken:
        logger.info("Another training of %s is running; this one waits for it", model)
    with concurrency(limit, strict=True, lease_duration=_LEASE_S, raise_on_lease_renewal_failure=False):
        yield
