"""Pin a version."""

from __future__ import annotations

from fair_models.outcomes import PinnedVersion
from fair_models.params import PinParams
from flows.runtime.artifacts import write_result
from flows.runtime.definition import flow
from flows.tasks.registry import pin_version


@flow(run_name="pin {params.name}")
def pin(params: PinParams) -> PinnedVersion:
    """Pin a version, so that nothing deletes it, with the reason and who said so; or remove its pin."""
    return write_result(pin_version(params))
