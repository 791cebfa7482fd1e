"""Which chips of each area of a dataset versions are measured on, where they are compared by area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pystac import Item

from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.protocol import Catalog
from fair_models.publishing.candidate import learnt, split_of
from fair_models.reports.comparison import Contender
from fair_models.store.protocol import Store


@dataclass(frozen=True)
class AreaChips:
    """The chips of an area that versions are measured on.

    names: Of the chips.
    are_all: Whether these are those of both sides of the split, and not the held-out ones alone.
    """

    names: frozenset[str]
    are_all: bool


def of_dataset(
    dataset: Item, contenders: Sequence[Contender], catalog: Catalog, store: Store
) -> dict[str, AreaChips]:
    """The chips of each area: all of them where no version has learnt from any, else those that are held out.

    Args:
        dataset: The dataset.
        contenders: The versions.
        catalog: Where the datasets are that they learnt from.
        store: Where the splits of these lie.

    Returns:
        By the names of the areas, in their order. Areas without a chip to measure on are not among them.

    Raises:
        As `Store.fetch` and `Split.read` do, of the dataset's own split.
    """
    data = DatasetItem(dataset)
    split = split_of(data, store)
    known = [learnt(each.trained_on, data, catalog, store) for each in contenders if each.trained_on]
    seen = frozenset(name for each in known if each is not None for name in each.names)
    held_out, usable = frozenset(split.held_out), frozenset((*split.train, *split.held_out))
    found = {}
    for area, own in split.areas.items():
        are_new = None not in known and seen.isdisjoint(own)
        found[area] = AreaChips((usable if are_new else held_out).intersection(own), are_new)
    return {area: each for area, each in found.items() if each.names}
