"""How long an audit takes as the registry grows, and which rules take it.

    python -m benchmarks.audit_speed [count]

A registry of `count` items (default 10,000) with all their files, which are small: of 100 items one is a
base model, 9 are datasets, and 90 are local models of three versions each. Sizes are looked at, bytes are
not read; every item is held against its profile and the official schemas that are cached. The ledger is in
memory: what ZenML itself takes comes on top, and is not measured here.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pystac

from benchmarks.publish_cost import dataset
from fair_models.audit.audit_run import look
from fair_models.audit.rules import RULES, Rule
from fair_models.audit.scope import Scope
from fair_models.catalog.items import base_models, local_models
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.protocol import Change
from fair_models.params import AuditParams
from fair_models.store.digests import checksum_bytes
from fair_models.store.local import LocalStore
from fair_models.store.protocol import StoredFile
from fair_models.training.ledger import ModelVersion
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId, Json

TEMPLATE = Path(__file__).parent.parent / "models" / "unet_segmentation" / "stac-item.json"
ENDINGS = {"checkpoint": ".safetensors", "model": ".onnx"}
VERSIONS = 3
MOMENT = datetime(2026, 11, 1, tzinfo=UTC)


class Versions:
    """As much of a ledger as an audit asks for."""

    def __init__(self, models: Sequence[str]) -> None:
        self._models = models

    def models(self) -> list[str]:
        """Names of all models."""
        return list(self._models)

    def versions(self, model: str) -> list[ModelVersion]:
        """All versions of one: the last is in production."""
        stages: list[Any] = ["archived"] * (VERSIONS - 1) + ["production"]
        return [
            ModelVersion(model, number, stage, "completed", f"run-{number}", None, MOMENT)
            for number, stage in enumerate(stages, start=1)
        ]


class Registry:
    """Catalogue and store under one folder."""

    def __init__(self, folder: Path) -> None:
        self.catalog, self.store = LocalCatalog(folder / "catalog"), LocalStore(folder / "store")

    def file(self, key: str) -> StoredFile:
        """A small file, put without waiting for the disk."""
        path, content = self.store.root / key, key.encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return StoredFile(str(path), checksum_bytes(content), len(content))

    def files(self, collection: CollectionId, item_id: str, names: Sequence[str]) -> dict[str, StoredFile]:
        """Files of an item by asset key."""
        place = f"{collection}/{item_id}/v1"
        return {name: self.file(f"{place}/{name}{ENDINGS.get(name, '')}") for name in names}

    def fill(self, count: int) -> list[str]:
        """Publish `count` items. Returns the names of the local models."""
        template: Json = orjson.loads(TEMPLATE.read_bytes())
        bases = [self._base(template, number) for number in range(max(1, count // 100))]
        data = [self._dataset(number) for number in range(max(1, count * 9 // 100))]
        names = [f"model-{number:05d}" for number in range((count - len(bases) - len(data)) // VERSIONS)]
        local = [
            item
            for place, name in enumerate(names)
            for item in self._versions(name, bases[place % len(bases)], data[place % len(data)])
        ]
        self.catalog.commit(Change(put=[*bases, *data, *local]))
        return names

    def _base(self, template: Json, number: int) -> pystac.Item:
        name = f"base-{number:05d}"
        named = {**template, "id": name, "properties": {**template["properties"], "mlm:name": name}}
        keys = ("checkpoint", "model", "source-code", "readme")
        files = self.files(BASE_MODELS, name, keys)
        own = {
            key: {field: said for field, said in asset.items() if not field.startswith("file:")}
            for key, asset in template["assets"].items()
        }
        item = base_models.build({**named, "assets": own}, 1, files, MOMENT)
        return self._linked([item])[0]

    def _dataset(self, number: int) -> pystac.Item:
        item = dataset(f"area-{number:05d}", 1)
        for key, file in self.files(DATASETS, item.id, tuple(item.assets)).items():
            asset = item.assets[key]
            asset.href = file.href
            asset.extra_fields |= {"file:checksum": file.checksum, "file:size": file.size}
        return self._linked([item])[0]

    def _versions(self, name: str, base: pystac.Item, data: pystac.Item) -> list[pystac.Item]:
        items = [self._version(name, number, base, data) for number in range(1, VERSIONS + 1)]
        for item in items[:-1]:
            item.properties["deprecated"] = True
        return self._linked(items)

    def _version(self, name: str, number: int, base: pystac.Item, data: pystac.Item) -> pystac.Item:
        metrics = {entry["key"]: 0.7 for entry in base.properties["fair:metrics_spec"]}
        facts = local_models.LocalModelFacts(
            name=name,
            version=number,
            title=f"Buildings by {name}",
            description="",
            base=base,
            dataset=data,
            base_href=self.catalog.href(BASE_MODELS, base.id),
            dataset_href=self.catalog.href(DATASETS, data.id),
            files=self.files(LOCAL_MODELS, f"{name}-v{number}", ("checkpoint", "model", "run-config")),
            hyperparameters=base.properties["mlm:hyperparameters"],
            metrics=metrics,
            baseline=metrics,
            baseline_name="everything is a building",
            held_out_count=12,
            training_seconds=80.0,
            split=data.properties["fair:split_spec"],
            run_id=f"run-{number}",
            created=MOMENT,
        )
        return local_models.build(facts)

    def _linked(self, items: Sequence[pystac.Item]) -> list[pystac.Item]:
        """Versions of one name with the links that publishing gives them."""
        hrefs = [self.catalog.href(self._collection(item), item.id) for item in items]
        for place, item in enumerate(items):
            neighbours = {"predecessor-version": place - 1, "successor-version": place + 1}
            for rel, other in neighbours.items():
                if 0 <= other < len(items):
                    item.add_link(pystac.Link(rel, hrefs[other]))
        items[-1].add_link(pystac.Link("latest-version", hrefs[-1]))
        return list(items)

    def _collection(self, item: pystac.Item) -> CollectionId:
        collections: tuple[CollectionId, ...] = (BASE_MODELS, DATASETS, LOCAL_MODELS)
        return next(each for each in collections if each == item.collection_id)


def timed(rules: Sequence[Rule], seconds: dict[str, float]) -> list[Rule]:
    """The same rules, which note how long they take."""

    def watch(name: str, function: Callable[..., Any], *given: Any) -> Iterator[Any]:
        start = time.perf_counter()
        found = list(function(*given))
        seconds[name] += time.perf_counter() - start
        return iter(found)

    return [
        replace(
            rule,
            each=rule.each and partial(watch, rule.name, rule.each),
            whole=rule.whole and partial(watch, rule.name, rule.whole),
        )
        for rule in rules
    ]


def measure(count: int) -> None:
    """Print how long it took, as a whole and by rule."""
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder))
        ledger: Any = Versions(registry.fill(count))
        registry.catalog.collection(LOCAL_MODELS)  # so that there is an index to be compared
        seconds: dict[str, float] = defaultdict(float)
        params = AuditParams(sample=0.0, thresholds={})
        scope = Scope(registry.catalog, registry.store, ledger, params)
        start, own = time.perf_counter(), time.process_time()
        _ = scope.reading
        seconds["(reading the files, their index and their collections)"] = time.perf_counter() - start
        found = look(timed(RULES, seconds), scope)
        total, own = time.perf_counter() - start, time.process_time() - own
    items = sum(found.checked.values())
    print(
        f"{items:,} items, {len(scope.held):,} files: {total:.1f} s ({own:.1f} s of one core), no bytes read"
    )
    print(
        f"{len(found.rules)} rules ran, {len(found.findings)} findings; not run: {', '.join(found.skipped)}"
    )
    for finding in found.findings[:3]:
        print(f"  {finding.rule}, {finding.item}: {finding.message}")
    for name, took in sorted(seconds.items(), key=lambda pair: -pair[1]):
        print(f"{took:>8.2f} s  {name}")
    rest = total - sum(seconds.values())
    print(f"{rest:>8.2f} s  (making items of their files)")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=10_000, help="Number of items.")
    measure(parser.parse_args().count)


if __name__ == "__main__":
    main()
