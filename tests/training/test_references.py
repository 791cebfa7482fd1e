"""A model that was trained and is not published: whoever names it is told to promote it first."""

from __future__ import annotations

from pathlib import Path

import pytest

from fair_models.catalog import names
from fair_models.catalog.changes import transitions
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.errors import NotFound
from fair_models.params import FinetuneParams, PromoteParams, RetireParams
from fair_models.publishing.promote import promote
from fair_models.publishing.retire import retire
from fair_models.store.local import LocalStore
from fair_models.training import references
from fair_models.training.finetune_plan import find_items
from tests.catalog.item_factory import base_item, dataset_item
from tests.publishing.memory_ledger import MemoryLedger

FIRST = r"is not published: promote it first: fair-models promote banepa-roofs --version 2"


@pytest.fixture
def catalog(tmp_path: Path) -> LocalCatalog:
    catalog = LocalCatalog(tmp_path / "catalog")
    transitions.publish(catalog, base_item())
    transitions.publish(catalog, dataset_item())
    return catalog


@pytest.fixture
def ledger() -> MemoryLedger:
    """Two versions that completed, and one that failed."""
    ledger = MemoryLedger()
    for status in ("completed", "completed", "failed"):
        ledger.add(status=status)
    return ledger


@pytest.mark.parametrize("reference", ["banepa-roofs", "banepa-roofs-v2", "local-models/banepa-roofs"])
def test_a_trained_model_is_to_be_promoted_first(
    catalog: LocalCatalog, ledger: MemoryLedger, reference: str
) -> None:
    with pytest.raises(NotFound, match=FIRST):
        references.resolve(catalog, names.MODELS, reference, lambda: ledger)


def test_finetune_and_retire_say_so_too(catalog: LocalCatalog, ledger: MemoryLedger, tmp_path: Path) -> None:
    further = FinetuneParams(base_model="banepa-roofs", dataset="banepa-buildings", model_name="further")
    with pytest.raises(NotFound, match=FIRST):
        find_items(catalog, further, lambda: ledger)
    with pytest.raises(NotFound, match=f"There is nothing to archive: banepa-roofs was trained .* {FIRST}"):
        retire(RetireParams(name="banepa-roofs"), catalog, LocalStore(tmp_path / "store"), ledger)


def test_a_version_that_did_not_complete_is_not_to_be_promoted(
    catalog: LocalCatalog, ledger: MemoryLedger
) -> None:
    with pytest.raises(NotFound, match=r"did not complete \(banepa-roofs-v3 is failed\)"):
        references.resolve(catalog, names.MODELS, "banepa-roofs-v3", lambda: ledger)


@pytest.mark.parametrize(
    ("collections", "reference", "told"),
    [
        (names.MODELS, "banepa-rofs", "did you mean"),
        (names.MODELS, "base-models/banepa-roofs", "There is no banepa-roofs"),
        (["base-models"], "banepa-roofs", "There is no banepa-roofs"),
    ],
)
def test_other_references_are_told_as_before(
    catalog: LocalCatalog,
    ledger: MemoryLedger,
    tmp_path: Path,
    collections: list[str],
    reference: str,
    told: str,
) -> None:
    if "rofs" in reference:
        promote(PromoteParams(model="banepa-roofs"), catalog, LocalStore(tmp_path / "store"), ledger)
    with pytest.raises(NotFound, match=told):
        references.resolve(catalog, collections, reference, lambda: ledger)


def test_without_zenml_a_name_is_told_as_before(catalog: LocalCatalog) -> None:
    def missing() -> MemoryLedger:
        raise ImportError("No module named 'zenml'")

    with pytest.raises(NotFound, match="There is no banepa-roofs in local-models or base-models"):
        references.resolve(catalog, names.MODELS, "banepa-roofs", missing)
