"""A run config names registered items: what it names besides is not loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fair_models.catalog.changes import transitions
from fair_models.catalog.items import assets
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.errors import InvalidParameters
from fair_models.store.local import LocalStore
from fair_models.training.config import registered
from fair_models.training.config.run_config import FileRef, RunConfig
from flows.runtime import task_policy
from flows.tasks import registry
from tests.catalog.item_factory import base_item, dataset_item, local_item
from tests.publishing.memory_ledger import a_config

OTHER = "1220" + 64 * "e"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def catalog(tmp_path: Path) -> LocalCatalog:
    catalog = LocalCatalog(tmp_path / "catalog")
    for item in (base_item(), dataset_item(), local_item()):
        transitions.publish(catalog, item)
    return catalog


@pytest.fixture
def config() -> RunConfig:
    return a_config("banepa-roofs", "roofs-unet-v1", "banepa-buildings-v1")


def changed(config: RunConfig, path: str, value: Any) -> RunConfig:
    document = config.model_dump(mode="json")
    *above, last = path.split(".")
    part = document
    for key in above:
        part = part[key]
    part[last] = value
    return RunConfig.model_validate(document)


def test_a_config_of_registered_items_is_taken_as_it_is(
    config: RunConfig, catalog: LocalCatalog, store: LocalStore
) -> None:
    assert registered.settled(config, catalog, store) == config


@pytest.mark.parametrize("file", ["code.archive", "weights", "data.chips", "data.labels", "data.split"])
def test_files_are_found_where_the_items_say_whatever_the_config_says(
    config: RunConfig, catalog: LocalCatalog, store: LocalStore, file: str
) -> None:
    elsewhere = changed(config, f"{file}.href", "/elsewhere/code.zip")
    assert registered.settled(elsewhere, catalog, store) == config


@pytest.mark.parametrize("file", ["code.archive", "weights", "data.chips", "data.labels", "data.split"])
def test_bytes_of_no_item_are_refused(
    config: RunConfig, catalog: LocalCatalog, store: LocalStore, file: str
) -> None:
    with pytest.raises(InvalidParameters, match=rf"{file} has the digest e{{12}}…, and that of .*-v1 is"):
        registered.settled(changed(config, f"{file}.checksum", OTHER), catalog, store)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("code.entrypoint", "models.roofs.other"),
        ("code.preprocess", "models.roofs.processing:other"),
        ("code.postprocess", "models.roofs.other:postprocess"),
    ],
)
def test_other_functions_of_the_registered_code_are_refused(
    config: RunConfig, catalog: LocalCatalog, store: LocalStore, field: str, value: str
) -> None:
    with pytest.raises(InvalidParameters, match=f"{field} is {value}, and roofs-unet-v1 names models.roofs"):
        registered.settled(changed(config, field, value), catalog, store)


@pytest.mark.parametrize("field", ["base_model", "parent_model", "dataset"])
def test_items_that_are_not_registered_are_named_all_at_once(
    config: RunConfig, catalog: LocalCatalog, store: LocalStore, field: str
) -> None:
    wrong = changed(changed(config, field, "somebodys-v1"), "weights.checksum", OTHER)
    with pytest.raises(InvalidParameters, match="somebodys-v1, which is not registered"):
        registered.settled(wrong, catalog, store)
    both = changed(changed(config, "base_model", "somebodys-v1"), "dataset", "elses-v1")
    with pytest.raises(InvalidParameters) as refused:
        registered.settled(both, catalog, store)
    assert len(refused.value.reasons) == 2


def test_a_training_that_goes_on_takes_the_weights_of_its_parent_alone(
    config: RunConfig, catalog: LocalCatalog, store: LocalStore
) -> None:
    parent = local_item()
    further = changed(config, "parent_model", parent.id)
    with pytest.raises(InvalidParameters, match=f"weights has the digest .* and that of {parent.id}"):
        registered.settled(further, catalog, store)
    href, checksum = assets.file_ref(parent, assets.WEIGHTS)
    further = further.model_copy(update={"weights": FileRef(href=href, checksum=checksum)})
    assert registered.settled(further, catalog, store) == further


def test_the_split_of_a_search_is_taken_from_the_store_alone(
    config: RunConfig, catalog: LocalCatalog, store: LocalStore, tmp_path: Path
) -> None:
    put = {key: store.put(key, b"{}") for key in ("searches/0123456789/split.json", "other/split.json")}
    (tmp_path / "split.json").write_bytes(b"{}")

    def choosing(href: str, checksum: str) -> RunConfig:
        return changed(config, "data.split", {"href": href, "checksum": checksum})

    ours, other = put.values()
    trial = choosing(ours.href, ours.checksum)
    assert registered.settled(trial, catalog, store) == trial
    for wrong in (
        choosing(other.href, other.checksum),
        choosing(str(tmp_path / "split.json"), ours.checksum),
        choosing(f"{store.root}/searches/../../split.json", ours.checksum),
        choosing(ours.href, OTHER),
    ):
        with pytest.raises(InvalidParameters, match=r"data\.split has the digest"):
            registered.settled(wrong, catalog, store)


def test_the_flow_loads_nothing_of_a_config_that_is_not_of_registered_items(
    config: RunConfig,
    catalog: LocalCatalog,
    store: LocalStore,
    monkeypatch: pytest.MonkeyPatch,
    forbidden: Callable[..., None],
) -> None:
    monkeypatch.setattr(task_policy.places, "enter_once", lambda: None)
    monkeypatch.setattr(registry, "open_catalog", lambda: catalog)
    monkeypatch.setattr(registry, "open_store", lambda: store)
    monkeypatch.setattr(registry.artifacts, "ProgressBar", forbidden)
    with pytest.raises(InvalidParameters, match=r"code\.archive has the digest"):
        registry.train_model.fn(changed(config, "code.archive.checksum", OTHER))


@pytest.fixture
def forbidden() -> Callable[..., None]:
    def call(*args: object) -> None:
        raise AssertionError(f"the training began: {args}")

    return call
