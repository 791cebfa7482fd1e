"""Register a base model: from a contribution's folder, or from a finished STAC item. Needs torch."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from pystac import Item

from fair_models.catalog import base_models, profiles, versions
from fair_models.catalog.protocol import Catalog
from fair_models.contract import blueprint, checks, contribution
from fair_models.contract.archive import pack_code
from fair_models.contract.contribution import Contribution
from fair_models.errors import InvalidContribution
from fair_models.publishing import finished_items, template_files
from fair_models.publishing.storing import as_stored, put_files
from fair_models.publishing.workspace import work_folder
from fair_models.store.protocol import Store, StoredFile
from fair_models.types import BASE_MODELS, Json

logger = logging.getLogger(__name__)


def register_base_model(source: str, catalog: Catalog, store: Store) -> Item:
    """Check a base model whole, store its bytes, and publish it as the next version of its name.

    The same base model again is no new version: the current item comes back. What counts is what it was made
    of (code, weights, item, model card), not the ONNX, whose bytes may differ from export to export.

    Args:
        source: Folder of a contribution, or path or file URL of a finished item. A finished item keeps the
            version that it says.
        catalog: Where it is published.
        store: Where its bytes go.

    Returns:
        The item as the catalogue has it.

    Raises:
        NotFound: There is no such folder or file.
        InvalidContribution: The contribution breaks the contract; lists every reason. Nothing was stored.
        InvalidItem: The item is not valid; lists every reason. Nothing was stored.
        Conflict: A finished item's version exists with other content, or somebody else published meanwhile.
    """
    folder = Path(source).expanduser()
    return _contribution(folder, catalog, store) if folder.is_dir() else _finished(source, catalog, store)


def _contribution(folder: Path, catalog: Catalog, store: Store) -> Item:
    problems = checks.problems(folder)
    if problems:
        raise InvalidContribution(folder.name, problems)
    read = contribution.read(folder)
    with work_folder("register") as work:
        inputs = _inputs(read, work)
        current = versions.current(catalog, BASE_MODELS, read.name)
        if current is not None and _unchanged(current, read.template, inputs):
            logger.info("%s is this contribution already; no new version", current.id)
            return current
        made = blueprint.make(read, work / "blueprint")
        files = {**inputs, **({"model": made.onnx} if made.onnx else {}), "source-code": made.code}
        number = versions.next_number(catalog, BASE_MODELS, read.name)
        return _publish(read.template, number, files, catalog, store)


def _finished(source: str, catalog: Catalog, store: Store) -> Item:
    finished = finished_items.load(source)
    name = base_models.name_of(finished.template)
    number = finished.number or versions.next_number(catalog, BASE_MODELS, name)
    current = versions.current(catalog, BASE_MODELS, name)
    if current is not None and _unchanged(current, finished.template, finished.files):
        logger.info("%s is this item already; no new version", current.id)
        return current
    return _publish(finished.template, number, finished.files, catalog, store)


def _inputs(read: Contribution, work: Path) -> dict[str, Path]:
    """What a contribution is made of: files that its item names, model card, and the code as an archive."""
    found = template_files.find(read.template, read.folder, contribution=True)
    if found.reasons:
        raise InvalidContribution(read.name, found.reasons)
    code = work / "source-code.zip"
    pack_code(read.folder, code)
    card = {} if read.readme in found.files.values() else {"readme": read.readme}
    return {**found.files, **card, "source-code": code}


def _unchanged(current: Item, template: Json, inputs: Mapping[str, Path]) -> bool:
    """Whether the current version was made of the same inputs. The ONNX made from them is taken as it is."""
    files = as_stored(inputs)
    asset = current.assets.get("model")
    if "model" not in files and asset is not None:
        said = asset.extra_fields
        files["model"] = StoredFile(asset.href, said["file:checksum"], said["file:size"])
    number = versions.split_id(current.id)[1] or 1
    return versions.same(current, base_models.build(template, number, files))


def _publish(template: Json, number: int, files: Mapping[str, Path], catalog: Catalog, store: Store) -> Item:
    """Validate, put the bytes, commit: nothing is stored for an item that is not valid."""
    item = base_models.build(template, number, as_stored(files))
    profiles.validate(item.to_dict(include_self_link=False, transform_hrefs=False))
    stored = put_files(store, BASE_MODELS, base_models.name_of(template), number, files)
    return versions.publish(catalog, base_models.build(template, number, stored))
