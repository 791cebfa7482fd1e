"""Publish a version of a fine-tuned model.

The order is the promise: read and judge, put the bytes, commit the item, then let ZenML's stage follow.
A crash leaves the old state, or one that the same promotion completes when it is run again.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

from pystac import Item

from fair_models.catalog import local_models, versions
from fair_models.catalog.local_models import LocalModelFacts
from fair_models.catalog.protocol import Catalog
from fair_models.errors import Conflict, Invalid, NotFound
from fair_models.inference.session import open_session
from fair_models.params import PromoteParams
from fair_models.publishing import gates
from fair_models.publishing.storing import put_files
from fair_models.publishing.workspace import work_folder
from fair_models.store.atomic import write_bytes
from fair_models.store.protocol import Store
from fair_models.training.ledger import Ledger, ModelVersion
from fair_models.training.run_config import RunConfig
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS

logger = logging.getLogger(__name__)


def promote(params: PromoteParams, catalog: Catalog, store: Store, ledger: Ledger) -> Item:
    """Publish one version, in place of the one that is current now.

    A version that is published and active already stays as it is; its stage in ZenML is made to follow.

    Args:
        params: Which version, and what it must reach.
        catalog: Where it is published.
        store: Where its bytes go.
        ledger: Where it comes from.

    Returns:
        The item as the catalogue has it.

    Raises:
        NotFound: The model, the version, one of its artifacts, or an item that it derives from.
        Invalid: Its run did not complete, or its ONNX cannot be run.
        GateFailed: It is not good enough; lists every reason.
        InvalidItem: What is known of it makes no valid item.
        Conflict: It was published before and another took its place, or somebody else published meanwhile.
    """
    version = _chosen(params, ledger)
    published = _published(catalog, version)
    if published is not None:
        logger.info("%s is published already; nothing to do but to make its stage follow", published.id)
        _follow(ledger, version)
        return published
    _require_completed(version)
    config = ledger.config(version.model, version.number)
    base = catalog.get(BASE_MODELS, config.base_model)
    dataset = catalog.get(DATASETS, config.dataset)
    measured = gates.Measured(version.id, version.metrics, version.held_out_count, dataset.id)
    gates.check(params.gate, measured, base, versions.current(catalog, LOCAL_MODELS, version.model))
    item = _with_bytes(version, config, (base, dataset), catalog, store, ledger)
    item = versions.publish(catalog, item)
    _follow(ledger, version)
    logger.info("%s is published", item.id)
    return item


def _chosen(params: PromoteParams, ledger: Ledger) -> ModelVersion:
    if params.version is not None:
        return ledger.get(params.model, params.version)
    known = ledger.versions(params.model)
    completed = [version for version in known if version.status == "completed"]
    if not completed:
        states = ", ".join(f"{version.number} is {version.status}" for version in known) or "there is none"
        raise Invalid(
            f"No version of {params.model} has completed ({states}). Train it: fair-models finetune"
        )
    return max(completed, key=lambda version: version.number)


def _published(catalog: Catalog, version: ModelVersion) -> Item | None:
    """The active item of a version. None where it was never published."""
    try:
        item = catalog.get(LOCAL_MODELS, version.id)
    except NotFound:
        return None
    if item.properties["deprecated"]:
        now = versions.current(catalog, LOCAL_MODELS, version.model)
        state = f"{now.id} took its place" if now else "it was archived"
        raise Conflict(
            f"{version.id} was published before and {state}; a version is published once. "
            "Train and promote a new one"
        )
    return item


def _require_completed(version: ModelVersion) -> None:
    """Trust the run's own status, never the stage."""
    steps = {
        "running": "wait until it has ended; if its worker died, train again",
        "failed": "a failed or cancelled run is never published; train again",
        "missing": "nobody knows how it came about; train again",
    }
    if version.status != "completed":
        run = f"its run {version.run_id}" if version.run_id else "its run"
        raise Invalid(f"{version.id} cannot be published: {run} is {version.status}; {steps[version.status]}")


def _with_bytes(
    version: ModelVersion,
    config: RunConfig,
    parents: tuple[Item, Item],
    catalog: Catalog,
    store: Store,
    ledger: Ledger,
) -> Item:
    """Put the version's files under their final keys and build the item that names them."""
    base, dataset = parents
    with work_folder("promote") as folder:
        files = {
            "checkpoint": ledger.fetch(version.model, version.number, "weights", folder),
            "model": ledger.fetch(version.model, version.number, "onnx", folder),
            "run-config": _written(config, folder),
        }
        _require_usable(version, files["model"])
        stored = put_files(store, LOCAL_MODELS, version.model, version.number, files)
    return local_models.build(
        LocalModelFacts(
            name=version.model,
            version=version.number,
            title=config.title,
            description=config.description,
            base=base,
            dataset=dataset,
            base_href=catalog.href(BASE_MODELS, base.id),
            dataset_href=catalog.href(DATASETS, dataset.id),
            files=stored,
            hyperparameters=version.hyperparameters or config.hyperparameters,
            metrics=version.metrics,
            baseline=version.baseline,
            baseline_name=version.baseline_name,
            held_out_count=version.held_out_count,
            training_seconds=version.seconds or 0.0,
            split=dataset.properties["fair:split_spec"],
            run_id=version.run_id or "unknown",
            created=datetime.now(UTC),
        )
    )


def _require_usable(version: ModelVersion, onnx: Path) -> None:
    """An item is never published whose network cannot be run."""
    try:
        open_session(onnx)
    except Invalid as error:
        raise Invalid(f"{version.id} cannot be published: {error}") from error


def _written(config: RunConfig, folder: Path) -> Path:
    path = folder / "run.yaml"
    write_bytes(path, config.to_zenml().encode())
    return path


def _follow(ledger: Ledger, version: ModelVersion) -> None:
    """Make the stage follow the catalogue: production here archives the version that held it."""
    if ledger.get(version.model, version.number).stage != "production":
        ledger.set_stage(version.model, version.number, "production")
