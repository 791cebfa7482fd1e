"""What a publish costs as the catalogue grows, beside saving the whole catalogue with pystac.

    python -m benchmarks.publish_cost

Both sides publish the next version of a dataset and deprecate the one before, on the same items, in the same
run: `transitions.publish` of fair-models (lock, profile, journal, index), and plain pystac that opens the
catalogue, looks for the current version, adds the next and saves.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pystac

from fair_models.catalog.changes import transitions
from fair_models.catalog.items import datasets
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.protocol import Change
from fair_models.store.atomic import write_synced
from fair_models.store.protocol import StoredFile

NAME = "measured-area"
BOX = [85.51, 27.62, 85.53, 27.64]
AREA = {
    "type": "Polygon",
    "coordinates": [[[85.51, 27.62], [85.53, 27.62], [85.53, 27.64], [85.51, 27.64], [85.51, 27.62]]],
}


def dataset(name: str, version: int) -> pystac.Item:
    """A complete dataset item; its files need not be there."""
    checksum = "1220" + "ab" * 32
    return datasets.build(
        datasets.DatasetFacts(
            name=name,
            version=version,
            title=f"Buildings of {name}",
            description="Made to measure the cost of a publish.",
            geometry=AREA,
            bbox=BOX,
            files={
                "chips": StoredFile(f"/store/datasets/{name}/v{version}/chips.zip", checksum, 10_000_000),
                "labels": StoredFile(f"/store/datasets/{name}/v{version}/labels.geojson", checksum, 100_000),
                "split": StoredFile(f"/store/datasets/{name}/v{version}/split.json", checksum, 5_000),
            },
            keywords=["building", "semantic-segmentation", "polygon"],
            classes=["building"],
            class_counts={"train": {"building": 900}, "held_out": {"building": 300}},
            chip_count=48,
            gsd_m=0.3,
            split={
                "method": "area",
                "held_out_ratio": 0.25,
                "buffer_m": 0.0,
                "seed": 0,
                "train": 36,
                "held_out": 12,
                "left_out": 0,
            },
            license="CC-BY-4.0",
            created=datetime(2026, 11, 1, tzinfo=UTC),
            provider="OpenStreetMap contributors",
        )
    )


def filled(folder: Path, count: int) -> LocalCatalog:
    """A catalogue of `count` items, the first version of the measured dataset among them."""
    catalog = LocalCatalog(folder)
    catalog.commit(Change(put=[dataset(f"area-{n:05d}", 1) for n in range(count - 1)]))
    transitions.publish(catalog, dataset(NAME, 1))
    return catalog


def milliseconds(work: Callable[[int], object], numbers: range) -> list[float]:
    """Wall time of each call, in ms."""
    found = []
    for number in numbers:
        start = time.perf_counter()
        work(number)
        found.append((time.perf_counter() - start) * 1000)
    return found


def commit_alone(catalog: LocalCatalog, number: int) -> None:
    """The same two items, without the rules above the catalogue."""
    (before,) = catalog.search("datasets", name=NAME, deprecated=False)
    before.properties["deprecated"] = True
    catalog.commit(Change(put=[dataset(NAME, number), before], expect={("datasets", NAME): before.id}))


def save_whole(root: Path, number: int) -> None:
    """Find, deprecate, add and save with plain pystac."""
    catalog = pystac.Catalog.from_file(str(root / "catalog.json"))
    collection = catalog.get_child("datasets")
    assert isinstance(collection, pystac.Collection)
    for item in collection.get_items():
        if item.id.startswith(NAME) and not item.properties["deprecated"]:
            item.properties["deprecated"] = True
    collection.add_item(dataset(NAME, number))
    collection.update_extent_from_items()
    catalog.normalize_and_save(str(root), pystac.CatalogType.SELF_CONTAINED)


def measure(count: int, repeats: int) -> None:
    """Print one row."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "catalog")
        catalog = filled(root, count)
        copy = shutil.copytree(root, Path(folder, "copy"))
        numbers = range(2, 2 + repeats)
        published = milliseconds(lambda number: transitions.publish(catalog, dataset(NAME, number)), numbers)
        committed = milliseconds(
            lambda number: commit_alone(catalog, number), range(numbers.stop, numbers.stop + repeats)
        )
        saved = milliseconds(lambda number: save_whole(copy, number), range(2, 3 if count > 1000 else 5))
        ours, bare, theirs = map(statistics.median, (published, committed, saved))
        spread = f"{min(published):.0f} to {max(published):.0f}"
        print(f"{count:>7,}{ours:>12.1f}{spread:>14}{bare:>14.1f}{theirs:>16,.0f}{theirs / ours:>9,.0f} x")


def sync_cost(repeats: int) -> float:
    """Milliseconds that the disk takes to keep one small file, the floor under every durable write."""

    def sync(number: int) -> None:
        write_synced(Path(folder, str(number)), b"x" * 5000)

    with tempfile.TemporaryDirectory() as folder:
        return statistics.median(milliseconds(sync, range(repeats)))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[100, 5000], help="Sizes of the catalogue.")
    parser.add_argument("--repeats", type=int, default=20, help="Publishes at each size; the median counts.")
    asked = parser.parse_args()
    print("Milliseconds per publish (median): find, deprecate, add and have the disk keep it")
    print(f"One synced write of 5 kB takes {sync_cost(50):.1f} ms now: a publish needs ten, pystac does none")
    print(f"{'items':>7}{'publish':>12}{'range':>14}{'commit only':>14}{'pystac, whole':>16}{'ratio':>11}")
    for count in asked.items:
        measure(count, asked.repeats)


if __name__ == "__main__":
    main()
