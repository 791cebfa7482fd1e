"""Who is compared: base models, published versions, and versions that were trained and not published."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pystac import Item

from fair_models import settings
from fair_models.catalog import names
from fair_models.catalog.items import model_classes, versions
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.protocol import Catalog
from fair_models.errors import Conflict, Invalid, NotFound
from fair_models.publishing.workspace import work_folder
from fair_models.reports.comparison import Contender
from fair_models.store.protocol import Store
from fair_models.training.config import registered
from fair_models.training.ledger import Ledger, ModelVersion
from fair_models.types import BASE_MODELS, LOCAL_MODELS

if TYPE_CHECKING:
    from fair_models.training.phases.measurement import Measuring

_SHOWN = 10
"""How many versions a message names."""


@dataclass(frozen=True)
class Measurable(Contender):
    """A version that can be measured on any dataset that fits it.

    open_on: Brings its network and the held-out chips of a dataset together. Needs torch.
    """

    open_on: Callable[[Item], Measuring]


def find(reference: str, catalog: Catalog, store: Store, ledger: Ledger) -> Measurable:
    """The version that a reference means.

    Args:
        reference: A name (the current version of a local or base model) or an exact id: of a local model, of
            a base model, or of a version that was trained and is not published. After its collection where
            it may mean two.
        catalog: Where published versions are.
        store: Where their files lie.
        ledger: Where all trained versions are.

    Raises:
        NotFound: There is none; names the nearest.
        Invalid: Its training did not complete.
        Conflict: It may mean two; names both.
    """
    place, wanted = names.split_reference(reference)
    name, number = versions.split_id(wanted)
    if number and place != BASE_MODELS and versions.exact(catalog, LOCAL_MODELS, wanted) is None:
        version = _trained(name, number, ledger)
        if version is not None and place is None and versions.exact(catalog, BASE_MODELS, wanted) is not None:
            both = [f"{BASE_MODELS}/{wanted}", f"{LOCAL_MODELS}/{wanted} (trained, not published)"]
            raise Conflict(names.ambiguous(wanted, both))
        if version is not None:
            return _of_version(version, catalog, store, ledger)
    try:
        return _of_item(versions.resolve(catalog, [LOCAL_MODELS, BASE_MODELS], reference), store)
    except NotFound as error:
        trained = _all_trained(name, ledger)
        if not trained:
            raise
        raise NotFound(
            f"There is no {reference}{'' if number else ' that is published'}; of {name} there are "
            f"{', '.join(trained)}. Name one of them exactly"
        ) from error


def _of_item(item: Item, store: Store) -> Measurable:
    def open_on(dataset: Item) -> Measuring:
        from fair_models.training.phases import measurement

        return measurement.of_item(item, dataset, store, settings.current().cache_folder)

    model = ModelItem(item)
    return Measurable(
        id=model.id,
        kind="published" if model.is_local else "base model",
        trained_on=model.dataset_id,
        metrics_spec=model.metrics_spec,
        hyperparameters=model.hyperparameters,
        open_on=open_on,
    )


def _of_version(version: ModelVersion, catalog: Catalog, store: Store, ledger: Ledger) -> Measurable:
    if version.status != "completed":
        raise Invalid(
            f"{version.id} cannot be compared: its run is {version.status}. Name a version whose run "
            f"completed: fair-models versions {version.model}"
        )
    config = ledger.config(version.model, version.number)
    base = catalog.get(BASE_MODELS, config.base_model)
    other = list(registered.code_problems(config.code, base))
    if other:
        raise Invalid(f"{version.id} cannot be compared: its code is not registered. {'; '.join(other)}")

    followed = model_classes.following(base, config.classes, config.thing_classes)

    def open_on(dataset: Item) -> Measuring:
        from fair_models.training.phases import measurement

        with work_folder("compare") as folder:
            state = _weights(version, ledger, folder)
        trained = measurement.Trained(version.id, config, version.hyperparameters, state)
        return measurement.of_version(trained, base, dataset, store, settings.current().cache_folder)

    return Measurable(
        id=version.id,
        kind="trained",
        trained_on=config.dataset,
        metrics_spec=ModelItem(followed).metrics_spec,
        hyperparameters={**config.hyperparameters, **version.hyperparameters},
        open_on=open_on,
    )


def _trained(name: str, number: int, ledger: Ledger) -> ModelVersion | None:
    try:
        return ledger.get(name, number)
    except NotFound:
        return None


def _all_trained(name: str, ledger: Ledger) -> list[str]:
    """Ids of the latest versions of a model that were trained, published or not."""
    with suppress(NotFound):
        return [version.id for version in ledger.versions(name)][-_SHOWN:]
    return []


def _weights(version: ModelVersion, ledger: Ledger, folder: Path) -> bytes:
    return ledger.fetch(version.model, version.number, "weights", folder).read_bytes()
