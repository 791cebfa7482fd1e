"""What a catalogue holds, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pystac import Item

from fair_models.catalog.items.versions import split_id
from fair_models.catalog.protocol import Catalog
from fair_models.types import BASE_MODELS, DATASETS, CollectionId

CHUNK = 500
"""Items that are read at once."""


@dataclass(frozen=True)
class Tally:
    """Counts over all items.

    models, datasets: Different names.
    families: Base models that models come from, by name.
    versions: Items of each collection.
    sizes: Bytes of each different file by its checksum, or by its address where it has none.
    tasks, frameworks: Current models by each.
    """

    models: int
    datasets: int
    families: int
    versions: dict[CollectionId, int]
    sizes: dict[str, int]
    tasks: dict[str, int]
    frameworks: dict[str, int]


def tally(catalog: Catalog) -> Tally:
    """Count what a catalogue holds, a chunk of items at a time."""
    names: dict[CollectionId, set[str]] = {each: set() for each in get_args(CollectionId)}
    versions: dict[CollectionId, int] = dict.fromkeys(names, 0)
    families, sizes = set[str](), dict[str, int]()
    tasks, frameworks = Counter[str](), Counter[str]()
    for collection in names:
        for item in _all(catalog, collection):
            name, properties = split_id(item.id)[0], item.properties
            names[collection].add(name)
            versions[collection] += 1
            sizes |= dict(_sizes(item))
            if collection == DATASETS:
                continue
            base = str(properties.get("fair:base_model_id") or item.id)
            families.add(name if collection == BASE_MODELS else split_id(base)[0])
            if not properties.get("deprecated"):
                tasks.update(_words(properties.get("mlm:tasks")))
                frameworks.update(_words([properties.get("mlm:framework")]))
    datasets = len(names[DATASETS])
    models = len(set().union(*(found for each, found in names.items() if each != DATASETS)))
    return Tally(models, datasets, len(families), versions, sizes, _by_count(tasks), _by_count(frameworks))


def _all(catalog: Catalog, collection: CollectionId) -> Iterator[Item]:
    after = None
    while True:
        chunk = list(catalog.search(collection, after=after, limit=CHUNK))
        yield from chunk
        if len(chunk) < CHUNK:
            return
        after = (chunk[-1].id,)


def _sizes(item: Item) -> Iterator[tuple[str, int]]:
    for asset in item.assets.values():
        size = asset.extra_fields.get("file:size")
        if isinstance(size, int) and not isinstance(size, bool):
            yield str(asset.extra_fields.get("file:checksum") or asset.href), size


def _words(value: Any) -> set[str]:
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()


def _by_count(counts: Counter[str]) -> dict[str, int]:
    """The most frequent first, those of one count by name."""
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))
