"""Plan and commit of an operation: files are put under their final keys before an item names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pystac import Item

from fair_models import ownership
from fair_models.catalog.changes import transitions
from fair_models.catalog.changes.edits import Effect
from fair_models.catalog.items import versions
from fair_models.catalog.protocol import Catalog, Change, ItemKey
from fair_models.errors import FairModelsError, Unsettled
from fair_models.publishing import cleanup
from fair_models.store.digests import checksum_file
from fair_models.store.naming import key
from fair_models.store.protocol import Store, StoredFile
from fair_models.types import CollectionId


@dataclass(frozen=True)
class Plan:
    """What one operation changes, in the order in which it does: bytes, then items, then stages.

    operation: What is done, e.g. "promote banepa-roofs-v2".
    effects: One for each thing that changes; none where all is so already.
    """

    operation: str
    effects: tuple[Effect, ...]


PlanListener = Callable[[Plan], None]
"""Takes the plan of an operation, before anything is changed."""


def ignore_plan(plan: Plan) -> None:
    """Take a plan and do nothing with it."""


NoteListener = Callable[[str], None]
"""Takes what people should know of an operation's outcome, a sentence each."""


def ignore_note(sentence: str) -> None:
    """Take a note and do nothing with it."""


@dataclass(frozen=True)
class NewVersion:
    """A version that is about to be published.

    files: Its files by asset key, e.g. {"checkpoint": Path("weights.safetensors")}.
    build: Makes its item from the files as they are stored.
    needs: Items that it derives from.
    """

    collection: CollectionId
    name: str
    number: int
    files: Mapping[str, Path]
    build: Callable[[Mapping[str, StoredFile]], Item]
    needs: Sequence[ItemKey] = ()


def publish(
    new: NewVersion,
    catalog: Catalog,
    store: Store,
    *,
    tell: PlanListener,
    dry_run: bool,
    follows: Callable[[Change], Sequence[Effect]] = lambda change: (),
) -> Item:
    """Validate a version, tell the plan, put its files, and publish it in one commit.

    Only for those who hold the name (`Catalog.exclusive`).

    Args:
        new: The version.
        catalog: Where it is published.
        store: Where its files go.
        tell: Takes the plan before anything is changed.
        dry_run: Whether to end there.
        follows: What else the change of the catalogue brings about, for the plan.

    Returns:
        The item as the catalogue has it; in a dry run as it would be, with its files where they are now.

    Raises:
        InvalidItem: It breaks its profile or an official schema. Nothing was stored.
        Conflict: The version exists with other content, was deleted, its name is somebody else's, or
            somebody else was faster.
        Unavailable: A disk is full, read-only or not ours to write. Nothing was changed.
    """
    files = as_stored(new.files)
    former = versions.current(catalog, new.collection, new.name) or versions.newest(
        catalog, new.collection, new.name
    )
    draft = _owned(new.build(files), former)
    planned = transitions.publishing(catalog, draft, new.needs)
    put = [Effect(f"file {key}", f"is stored, {file.size} bytes") for key, file in files.items()]
    everything = (*put, *planned.effects, *follows(planned.change)) if planned.effects else ()
    tell(Plan(f"publish {new.collection}/{draft.id}", everything))
    if dry_run:
        return draft
    with _withdrawn_in_vain(new, catalog, store):
        stored = put_files(store, new.collection, new.name, new.number, new.files)
        return transitions.publish(catalog, _owned(new.build(stored), former), new.needs)


def _owned(item: Item, former: Item | None) -> Item:
    """The item with whose it is. Only the work that is being done says so, never what the item is made of."""
    ownership.stamp(item.properties, None if former is None else former.properties)
    return item


@contextmanager
def _withdrawn_in_vain(new: NewVersion, catalog: Catalog, store: Store) -> Iterator[None]:
    """Take away what was put where nothing came of it: a disk was full, or what it needs is gone meanwhile.

    What lay there before stays: it may belong to a change that was interrupted and counts all the same.
    """
    place = f"{new.collection}/{new.name}/v{new.number}/"
    before = set(store.hrefs(place))
    try:
        yield
    except Unsettled:
        raise
    except FairModelsError:
        with suppress(FairModelsError):  # the audit finds what stays
            cleanup.collect(catalog, store, set(store.hrefs(place)) - before)
        raise


def put_files(
    store: Store, collection: CollectionId, name: str, number: int, files: Mapping[str, Path]
) -> dict[str, StoredFile]:
    """Put the files of one version under their versioned, content-addressed keys.

    Doing it again changes nothing: equal bytes have equal keys, other bytes have others.

    Args:
        store: Where they go.
        collection: Collection of the item that will name them.
        name: Its name, without the version.
        number: Its version.
        files: The files by asset key.

    Returns:
        What was stored, by the same asset keys.
    """
    return {
        asset: store.put(key(collection, name, number, path, checksum_file(path)), path)
        for asset, path in files.items()
    }


def as_stored(files: Mapping[str, Path]) -> dict[str, StoredFile]:
    """Files as they would be stored, to build and validate an item before anything is put.

    Args:
        files: The files by asset key.
    """
    return {
        asset: StoredFile(str(path), checksum_file(path), path.stat().st_size)
        for asset, path in files.items()
    }
