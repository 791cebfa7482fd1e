"""Register a base model: from a contribution's folder, or from a finished STAC item. Needs torch."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pystac import Item

from fair_models.catalog import names
from fair_models.catalog.items import base_models, building, versions
from fair_models.catalog.protocol import Catalog
from fair_models.contract import checks
from fair_models.contract.blueprint import Blueprint
from fair_models.contract.contribution import Contribution
from fair_models.errors import InvalidContribution
from fair_models.publishing.commit import NewVersion, PlanListener, as_stored, ignore_plan, publish
from fair_models.publishing.register import finished_items, template_files
from fair_models.publishing.register.finished_items import FinishedItem
from fair_models.publishing.workspace import work_folder
from fair_models.store import locations
from fair_models.store.protocol import Store, StoredFile
from fair_models.types import BASE_MODELS, Json

logger = logging.getLogger(__name__)


def register_base_model(
    source: str,
    catalog: Catalog,
    store: Store,
    tell: PlanListener = ignore_plan,
    *,
    dry_run: bool = False,
    random_start: bool = False,
) -> Item:
    """Check a base model whole, store its bytes, and publish it as the next version of its name.

    The same base model again is no new version: the current item comes back. What counts is what it was made
    of (code, weights, item, model card), not the ONNX, whose bytes may differ from export to export.

    Args:
        source: Folder of a contribution, or path, file URL or https address of a finished item. A finished
            item keeps the version that it says.
        catalog: Where it is published.
        store: Where its bytes go.
        tell: Takes the plan before anything is changed.
        dry_run: Whether to check all, tell the plan, and end there.
        random_start: Whether a contribution that starts from published weights starts from random ones.

    Returns:
        The item as the catalogue has it; in a dry run as it would be.

    Raises:
        NotFound: There is no such folder or file.
        Invalid: It lies where the settings do not allow it.
        Unavailable: A server that it, or the published weights that it starts from, lie on does not answer.
        InvalidContribution: The contribution breaks the contract; lists every reason. Nothing was stored.
        InvalidItem: The item is not valid; lists every reason. Nothing was stored.
        Conflict: A finished item's version exists with other content, a local model has the name, or
            somebody else published meanwhile.
    """
    to = _Destination(catalog, store, tell, dry_run)
    if locations.is_web(source) or not locations.local_folder(source).is_dir():
        return _finished(source, to)
    return _contribution(locations.local_folder(source), to, random_start)


@dataclass(frozen=True)
class _Destination:
    """Where a base model goes, and how."""

    catalog: Catalog
    store: Store
    tell: PlanListener
    dry_run: bool


def _contribution(folder: Path, to: _Destination, random_start: bool) -> Item:
    with work_folder("register") as work:
        read, made = checks.check(folder, work, random_start=random_start).ready()
        with to.catalog.exclusive(BASE_MODELS, read.name):
            inputs = _inputs(read, made)
            current = versions.current(to.catalog, BASE_MODELS, read.name)
            if current is not None and _unchanged(current, read.template, inputs):
                logger.info("%s is this contribution already; no new version", current.id)
                return current
            onnx = {"model": made.onnx} if made.onnx else {}
            number = versions.next_number(to.catalog, BASE_MODELS, read.name)
            return _publish(read.template, number, {**inputs, **onnx, **made.extras}, to)


def _finished(source: str, to: _Destination) -> Item:
    with work_folder("register") as work:
        return _publish_finished(finished_items.load(source, work), to)


def _publish_finished(finished: FinishedItem, to: _Destination) -> Item:
    name = base_models.name_of(finished.template)
    with to.catalog.exclusive(BASE_MODELS, name):
        number = finished.number or versions.next_number(to.catalog, BASE_MODELS, name)
        current = versions.current(to.catalog, BASE_MODELS, name)
        if current is not None and _unchanged(current, finished.template, finished.files):
            logger.info("%s is this item already; no new version", current.id)
            return current
        return _publish(finished.template, number, finished.files, to)


def _inputs(read: Contribution, made: Blueprint) -> dict[str, Path]:
    """What a contribution is made of: files that its item names, model card, and the code as an archive."""
    found = template_files.find(read.template, read.folder, contribution=True)
    if found.reasons:
        raise InvalidContribution(read.name, found.reasons)
    card = {} if read.readme in found.files.values() else {"readme": read.readme}
    published = {"checkpoint": read.weights} if read.published else {}
    return {**found.files, **card, **published, "source-code": made.code}


def _unchanged(current: Item, template: Json, inputs: Mapping[str, Path]) -> bool:
    """Whether the current version was made of the same inputs. The ONNX made from them is taken as it is."""
    files = as_stored(inputs)
    for key in {"model", *building.EXTRA_KEYS} & current.assets.keys() - files.keys():
        said = current.assets[key].extra_fields
        files[key] = StoredFile(current.assets[key].href, said["file:checksum"], said["file:size"])
    number = versions.split_id(current.id)[1] or 1
    return versions.same(current, base_models.build(template, number, files))


def _publish(template: Json, number: int, files: Mapping[str, Path], to: _Destination) -> Item:
    name = base_models.name_of(template)
    names.require_free(to.catalog, BASE_MODELS, name)
    new = NewVersion(
        BASE_MODELS,
        name,
        number,
        files,
        lambda stored: base_models.build(template, number, stored),
    )
    return publish(new, to.catalog, to.store, tell=to.tell, dry_run=to.dry_run)
