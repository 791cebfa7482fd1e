"""The catalogue, store, tracking and runtime of the flows: the blocks named "default", else the settings.

The first task of a flow run puts the saved blocks into the environment of its process. From then on
everything reads the settings, as it does without blocks: ZenML's steps, boto3, GDAL and child processes too.
`python -m flows.runtime.places COMMAND` starts any other command like this, for example `fair-models list`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from threading import Lock
from typing import Protocol, cast

from prefect import runtime
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound

from fair_models import settings
from fair_models.catalog.protocol import Catalog
from fair_models.errors import FairModelsError, Invalid, reason_of
from fair_models.store.protocol import Store

NAME = "default"

STORES = {
    "fair-models-local-store": "blocks.local_store.LocalStore",
    "fair-models-bucket-store": "blocks.bucket_store.BucketStore",
}
CATALOGS = {
    "fair-models-local-catalog": "blocks.local_catalog.LocalCatalog",
    "fair-models-pgstac-catalog": "blocks.pgstac_catalog.PgstacCatalog",
}
TRACKING = {"fair-models-tracking": "blocks.tracking.Tracking"}
RUNTIMES = {"fair-models-runtime": "blocks.runtime.Runtime"}
PURPOSES = (STORES, CATALOGS, TRACKING, RUNTIMES)
"""The kinds of block for each purpose, by slug. A kind is imported if one is saved: some need an extra."""

_before: dict[str, str | None] = {}
"""Former values of the variables that blocks set in this process."""


_entered_for: str | None = None
"""The flow run that the environment was made for."""

_entering = Lock()


class Connection(Protocol):
    """A block that says where something is stored or runs."""

    def environment(self) -> dict[str, str]:
        """The variables that make a process use it."""


def enter_once() -> None:
    """Do what `enter` does, once for each flow run of this process."""
    global _entered_for
    run = runtime.flow_run.id
    with _entering:
        if run is None or run != _entered_for:
            enter()
            _entered_for = run


def enter() -> None:
    """Put the saved blocks into the environment of this process; remove what blocks put there before.

    Raises:
        Invalid: Two blocks serve one purpose, or one needs an extra that is not installed.
    """
    wanted: dict[str, str] = {}
    with get_client(sync_client=True) as client:
        for kinds in PURPOSES:
            found = [slug for slug in kinds if _is_saved(client, slug)]
            if len(found) > 1:
                raise Invalid(
                    f'The blocks {" and ".join(found)} are both saved as "{NAME}", and a flow can use only '
                    "one of them. Delete the other: prefect block delete SLUG/default"
                )
            wanted |= {name: value for slug in found for name, value in _load(kinds[slug]).items()}
    _replace(wanted)


def open_catalog() -> Catalog:
    """The catalogue of this worker."""
    from fair_models.catalog import opening

    return opening.open_catalog(settings.current())


def open_store() -> Store:
    """The store of this worker."""
    from fair_models.store import opening

    return opening.open_store(settings.current())


def _is_saved(client: SyncPrefectClient, slug: str) -> bool:
    try:
        client.read_block_document_by_name(NAME, slug, include_secrets=False)
    except ObjectNotFound:
        return False
    return True


def _load(kind: str) -> dict[str, str]:
    module, _, name = kind.rpartition(".")
    try:
        block_class: type[Block] = getattr(import_module(module), name)
    except ImportError as error:
        raise Invalid(
            f'A block {name} is saved as "{NAME}", and this environment cannot load it: {reason_of(error)}. '
            "Install the extras: fair-models[aws,pgstac]"
        ) from error
    return cast(Connection, block_class.load(NAME)).environment()


def _replace(wanted: Mapping[str, str]) -> None:
    for name, value in _before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    _before.clear()
    _before.update({name: os.environ.get(name) for name in wanted})
    os.environ.update(wanted)


def main(command: list[str]) -> None:
    """Become another program, with the blocks in its environment. Exits with a message if they are wrong."""
    try:
        enter()
    except FairModelsError as error:
        sys.exit(f"Blocks: {error}")
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
