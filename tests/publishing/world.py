"""A small registry on disk, every operation on it, and what must be true of it whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pystac
from pydantic import SecretStr
from pystac import Item

from fair_models.audit.audit_run import audit
from fair_models.catalog.changes.edits import VERSION_LINKS
from fair_models.catalog.items import assets, base_models, datasets, versions
from fair_models.catalog.items.tombstones import ARCHIVED
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.pgstac.catalog import PgstacCatalog
from fair_models.catalog.protocol import Catalog
from fair_models.params import AuditParams, Gate, PromoteParams, RetireParams
from fair_models.publishing.commit import NewVersion, ignore_plan, publish
from fair_models.publishing.promote import promote
from fair_models.publishing.retire import Retired, retire
from fair_models.settings import Settings
from fair_models.store.opening import open_store
from fair_models.store.protocol import Store
from fair_models.training.ledger import Ledger
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, CollectionId
from tests.catalog.item_factory import dataset_facts, template
from tests.publishing.file_ledger import FileLedger, content

BASE, DATASET, MODEL = "roofs-unet", "banepa-buildings", "banepa-roofs"


@dataclass(frozen=True)
class World:
    """Catalogue, store and ledger in one folder.

    catalog, store, ledger: What the operations use; the tests may put something in between.
    """

    root: Path
    catalog: Catalog
    store: Store
    ledger: Ledger

    @classmethod
    def at(cls, root: Path) -> World:
        """The registry of a folder, opened anew. Its files lie where FAIR_STORE says, else there too."""
        return cls(
            root,
            catalog_of(root),
            open_store(Settings(home=root)),
            FileLedger(root / "ledger.json"),
        )

    def wrapped(self, wrap: Callable[[Any], Any]) -> World:
        """The same with something in between."""
        return replace(self, catalog=wrap(self.catalog), store=wrap(self.store), ledger=wrap(self.ledger))

    # Operations

    def register(self, number: int) -> Item:
        """Publish a version of the base model."""
        files = self._files(
            "register", number, ("checkpoint.safetensors", "model.onnx", "source-code.zip", "readme.md")
        )
        new = NewVersion(
            BASE_MODELS,
            BASE,
            number,
            files,
            lambda stored: base_models.build(template(), number, stored, _CREATED),
        )
        with self.catalog.exclusive(BASE_MODELS, BASE):
            return publish(new, self.catalog, self.store, tell=ignore_plan, dry_run=False)

    def ingest(self, number: int) -> Item:
        """Publish a version of the dataset."""
        files = self._files("ingest", number, ("chips.zip", "labels.geojson", "split.json"))
        new = NewVersion(
            DATASETS,
            DATASET,
            number,
            files,
            lambda stored: datasets.build(dataset_facts(files=dict(stored), version=number)),
        )
        with self.catalog.exclusive(DATASETS, DATASET):
            return publish(new, self.catalog, self.store, tell=ignore_plan, dry_run=False)

    def promote(
        self, number: int | None = None, model: str = MODEL, *, dry_run: bool = False, **gate: Any
    ) -> Item:
        """Publish a version of the local model, or roll back to it."""
        params = PromoteParams(model=model, version=number, gate=Gate(**gate), dry_run=dry_run)
        return promote(params, self.catalog, self.store, self.ledger)

    def retire(self, action: str, number: int | None = None, name: str = MODEL, **options: Any) -> Retired:
        """Archive or delete."""
        params = RetireParams.model_validate({"name": name, "version": number, "action": action, **options})
        return retire(params, self.catalog, self.store, self.ledger)

    def _files(self, operation: str, number: int, names: tuple[str, ...]) -> dict[str, Path]:
        folder = self.root / "input" / operation / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        files = {}
        for name in names:
            path = folder / name
            if not path.exists():
                path.write_bytes(content(name, number))
            files[name.partition(".")[0]] = path
        return files

    # What is there

    def items(self, collection: CollectionId = LOCAL_MODELS, name: str | None = None) -> dict[str, bool]:
        """Whether each version is active, by id."""
        found = self.catalog.search(collection, name=name, order="version")
        return {item.id: not item.properties["deprecated"] for item in found}

    def stages(self, model: str = MODEL) -> dict[int, str]:
        """Stages in the ledger by number; none where it does not know the model."""
        if model not in self.ledger.models():
            return {}
        return {version.number: version.stage for version in self.ledger.versions(model)}


CATALOG_URL = "catalog-url"
"""File with the address of the database, in a registry whose catalogue lies in pgstac."""

API = "https://stac.example.org"


def catalog_of(root: Path) -> Catalog:
    """The catalogue of a registry: in its folder, or where a file says."""
    if (root / CATALOG_URL).exists():
        return PgstacCatalog(SecretStr((root / CATALOG_URL).read_text()), API)
    return LocalCatalog(root / "catalog")


_CREATED = datetime(2026, 11, 21, tzinfo=UTC)


def broken(world: World) -> list[str]:
    """What is wrong with a registry, at any time whatsoever: none of it may ever be.

    Two active versions; none without an archive or delete; a version changed or its bytes gone; a link to a
    version that is neither an item nor a tombstone; plain files that pystac cannot read or that say
    something else.
    """
    return [*_wrong_items(world), *_wrong_files(world)]


def unsettled(world: World) -> list[str]:
    """What is still open when no operation is under way: stages, and all that the audit finds."""
    report = audit(world.catalog, world.store, world.ledger, AuditParams(rules=list(RULES), digests=True))
    return [f"{found.rule}: {found.item}: {found.message}" for found in report.findings]


LOCAL_LINKS = {"root", "parent", "collection", "derived_from", *VERSION_LINKS}

RULES = (
    "links",
    "version-links",
    "version-numbers",
    "two-active-versions",
    "assets",
    "digests",
    "runs",
    "stages",
)
"""Rules of the audit that hold for items without real content."""


def _wrong_items(world: World) -> list[str]:
    wrong = []
    for collection in (BASE_MODELS, DATASETS, LOCAL_MODELS):
        items = list(world.catalog.search(collection))
        for name in {versions.split_id(item.id)[0] for item in items}:
            family = [item for item in items if versions.split_id(item.id)[0] == name]
            active = [item.id for item in family if not item.properties["deprecated"]]
            on_purpose = any(ARCHIVED in item.properties for item in family)
            deleted = any(
                each.properties["fair:tombstone"]["was_active"]
                for each in world.catalog.tombstones(collection, name)
            )
            if len(active) > 1 or (not active and not on_purpose and not deleted):
                wrong.append(f"{collection}/{name} has the active versions {active}")
        for item in items:
            for key, asset in item.assets.items():
                checksum = asset.extra_fields.get("file:checksum")
                if checksum is not None:
                    world.store.fetch(assets.address(asset), checksum)
                elif not asset.roles or not any("runtime" in role for role in asset.roles):
                    wrong.append(f"{item.id} asset {key} has no digest")
    return wrong


def _wrong_files(world: World) -> list[str]:
    """What a reader of the plain files sees that is not so."""
    path = world.root / "catalog" / "catalog.json"
    if not path.exists():
        return []
    wrong = []
    plain = pystac.Catalog.from_file(str(path))
    for collection in plain.get_children():
        items = {item.id: item for item in collection.get_items()}
        known = {item.id for item in world.catalog.search(collection.id)}
        if set(items) != known:
            wrong.append(f"the files of {collection.id} have {sorted(items)}, the catalogue {sorted(known)}")
        for item in items.values():
            for link in item.links:
                target = Path(str(link.get_absolute_href()))
                if link.rel in LOCAL_LINKS and not target.is_file():
                    wrong.append(f"{item.id}: its {link.rel} leads nowhere: {target}")
    return wrong
