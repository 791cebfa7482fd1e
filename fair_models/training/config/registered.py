"""Holds a run config against the items that it names: a run loads what was registered, and nothing else.

A run config can be written by hand, and what it names is executed. So the items that it names say where files
lie, and its digests have to be theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pystac import Item

from fair_models.catalog.items import assets
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.protocol import Catalog
from fair_models.errors import Corrupted, Invalid, InvalidParameters, NotFound
from fair_models.store.protocol import Store
from fair_models.training.config.run_config import CodeRef, FileRef, RunConfig
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId

SEARCHES = "searches/"
"""Under which keys searches keep the splits that they choose with, which belong to no item."""

_SHOWN = 12
"""Digits of a digest that a message shows."""


def settled(config: RunConfig, catalog: Catalog, store: Store) -> RunConfig:
    """The config with the addresses of its files as the items that it names say them.

    Args:
        config: A run config, whoever wrote it.
        catalog: Where the items are.
        store: Where searches keep their splits.

    Returns:
        The same config; where a file has moved since, with its present address.

    Raises:
        InvalidParameters: It names an item that is not registered, or bytes that are not of its items; lists
            every reason. Nothing of it was loaded.
        Unavailable: The catalogue or the store does not answer.
    """
    reasons: list[str] = []
    base = _item(catalog, BASE_MODELS, config.base_model, reasons)
    parent = _item(catalog, LOCAL_MODELS, config.parent_model, reasons) if config.parent_model else base
    dataset = _item(catalog, DATASETS, config.dataset, reasons)
    if base is not None and parent is not None:
        reasons += model_problems(config, base, parent)
    chosen = dataset is not None and _is_of_search(config, dataset, store)
    if dataset is not None:
        reasons += data_problems(config, dataset, split=not chosen)
    if base is None or parent is None or dataset is None or reasons:
        raise InvalidParameters("train", reasons)
    files = {name: _ref(dataset, role) for name, role in _DATA.items() if name != "split" or not chosen}
    return config.model_copy(
        update={
            "code": config.code.model_copy(update={"archive": _ref(base, assets.SOURCE_CODE)}),
            "weights": _ref(parent, assets.WEIGHTS),
            "data": config.data.model_copy(update=files),
        }
    )


def model_problems(config: RunConfig, base: Item, parent: Item) -> Iterator[str]:
    """Why the code or the weights of a run are not those that were registered. None where they are.

    Args:
        config: The run config.
        base: The exact base model that it names.
        parent: What its weights are of: the local model that it goes on from, else the base model.
    """
    yield from code_problems(config.code, base)
    yield from weight_problems(config, parent)


def weight_problems(config: RunConfig, parent: Item) -> Iterator[str]:
    """Why the weights that a run began with are not those of an item. None where they are."""
    registered = _ref(parent, assets.WEIGHTS)
    if config.weights.checksum != registered.checksum:
        yield _other("weights", config.weights, registered, parent)


def code_problems(code: CodeRef, base: Item) -> Iterator[str]:
    """Why the code of a run is not that which a model's item names. None where it is."""
    registered = _ref(base, assets.SOURCE_CODE)
    if code.archive.checksum != registered.checksum:
        yield _other("code.archive", code.archive, registered, base)
    model = ModelItem(base)
    preprocess, postprocess = model.processing
    named = {"entrypoint": model.entrypoint, "preprocess": preprocess, "postprocess": postprocess}
    for name, said in named.items():
        if getattr(code, name) != said:
            yield f"code.{name} is {getattr(code, name)}, and {base.id} names {said}"


def data_problems(config: RunConfig, dataset: Item, *, split: bool = True) -> Iterator[str]:
    """Which files of a run are not those of its dataset. None where all are.

    Args:
        config: The run config.
        dataset: The exact dataset that it names.
        split: Whether the split has to be the dataset's.
    """
    for name, role in _DATA.items():
        ref, registered = getattr(config.data, name), _ref(dataset, role)
        if ref.checksum != registered.checksum and (split or name != "split"):
            yield _other(f"data.{name}", ref, registered, dataset)


_DATA: Mapping[str, str] = {"chips": assets.CHIPS, "labels": assets.LABELS, "split": assets.SPLIT}


def _other(name: str, ref: FileRef, registered: FileRef, item: Item) -> str:
    return (
        f"{name} has the digest {_short(ref)}, and that of {item.id} is {_short(registered)}: "
        "use the run config of a run of registered items, or register what it names"
    )


def _short(ref: FileRef) -> str:
    return f"{ref.checksum.removeprefix('1220')[:_SHOWN]}…"


def _item(catalog: Catalog, collection: CollectionId, item_id: str, reasons: list[str]) -> Item | None:
    try:
        return catalog.get(collection, item_id)
    except NotFound as error:
        reasons.append(f"it names {item_id}, which is not registered: {error}")
        return None


def _ref(item: Item, role: str) -> FileRef:
    href, checksum = assets.file_ref(item, role)
    return FileRef(href=href, checksum=checksum)


def _is_of_search(config: RunConfig, dataset: Item, store: Store) -> bool:
    """Whether a run chooses with a split that a search has put into this store."""
    ref = config.data.split
    if ref.checksum == _ref(dataset, assets.SPLIT).checksum or ref.href not in store.hrefs(SEARCHES):
        return False
    try:
        store.verify(ref.href, ref.checksum)
    except (NotFound, Corrupted, Invalid):
        return False
    return True
