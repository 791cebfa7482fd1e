"""Publish a version of a fine-tuned model, or make one active again that was published before.

The order is the promise: read and evaluate, put the bytes, commit the item, then let ZenML's stage follow.
A crash leaves the old state, or one that the same promotion completes when it is run again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pystac import Item

from fair_models.catalog import names
from fair_models.catalog.changes import transitions
from fair_models.catalog.changes.edits import Effect
from fair_models.catalog.items import assets, local_models, model_classes, tombstones, versions
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.items.local_models import LocalModelFacts
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.protocol import Catalog, Change, ItemKey
from fair_models.contract.files import extras
from fair_models.errors import Conflict, Corrupted, Invalid, NotFound
from fair_models.inference.network.session import open_session
from fair_models.params import Gate, PromoteParams
from fair_models.publishing import zenml_stages
from fair_models.publishing.candidate import Candidate, evaluate, require_gate, seen
from fair_models.publishing.commit import NewVersion, Plan, PlanListener, ignore_plan, publish
from fair_models.publishing.workspace import work_folder
from fair_models.publishing.zenml_stages import ExpectedStages
from fair_models.store.atomic import write_bytes
from fair_models.store.protocol import Store, StoredFile
from fair_models.training.config import registered
from fair_models.training.config.run_config import RunConfig
from fair_models.training.ledger import Ledger, ModelVersion
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, Json

logger = logging.getLogger(__name__)


def promote(
    params: PromoteParams, catalog: Catalog, store: Store, ledger: Ledger, tell: PlanListener = ignore_plan
) -> Item:
    """Publish one version, in place of the one that is current now.

    A version that was published before becomes active again (a roll back): its number does not change and its
    bytes are compared with their digests. One that is active already stays as it is, and is held against the
    gate that is asked for; its stage in ZenML is made to follow.

    Args:
        params: Which version, and what it must reach.
        catalog: Where it is published.
        store: Where its bytes go.
        ledger: Where it comes from.
        tell: Takes the plan before anything is changed.

    Returns:
        The item as the catalogue has it; in a dry run as it would be.

    Raises:
        NotFound: The model, the version, one of its artifacts, or an item that it derives from.
        Invalid: Its run did not complete, or used code or weights that are not registered; its ONNX cannot be
            run; or a gate is set for a roll back.
        GateFailed: It is not good enough, or its metrics are none; lists every reason.
        InvalidItem: What is known of it makes no valid item.
        Corrupted: It was published before, and its bytes are no longer those of its digests.
        Conflict: It was deleted; it was published before and not asked for by its number; a base model has
            its name; or somebody else published meanwhile.
    """
    with catalog.exclusive(LOCAL_MODELS, params.model):
        number = params.version or _newest_completed(params.model, ledger)
        published = _published(catalog, params, number)
        if published is None:
            return _publish(ledger.get(params.model, number), params, catalog, store, ledger, tell)
        if ModelItem(published).is_deprecated:
            return _roll_back(published, params, catalog, store, ledger, tell)
        require_gate(params.gate, ModelItem(published))
        _tell(tell, f"promote {published.id}", Change(), params, catalog, ledger)
        if not params.dry_run:
            logger.info("%s is published already; nothing to do but to make its stage follow", published.id)
            zenml_stages.follow(catalog, ledger, params.model)
        return published


def _publish(
    version: ModelVersion,
    params: PromoteParams,
    catalog: Catalog,
    store: Store,
    ledger: Ledger,
    tell: PlanListener,
) -> Item:
    names.require_free(catalog, LOCAL_MODELS, version.model)
    _require_completed(version)
    config = ledger.config(version.model, version.number)
    registered_base = catalog.get(BASE_MODELS, config.base_model)
    _require_registered(version.id, config, registered_base, catalog)
    base = model_classes.following(registered_base, config.classes, config.thing_classes)
    dataset = catalog.get(DATASETS, config.dataset)
    candidate = Candidate(version, config, ModelItem(base), DatasetItem(dataset))
    current = versions.current(catalog, LOCAL_MODELS, version.model)
    gate = evaluate(params.gate, candidate, ModelItem(current) if current else None, catalog, store)
    seen_chips = _seen_by_parents(candidate, catalog, store)
    with work_folder("promote") as folder:
        new = NewVersion(
            LOCAL_MODELS,
            version.model,
            version.number,
            _fetched(version, config, ledger, folder),
            lambda stored: _item(candidate, gate, catalog, stored, seen_chips),
            needs=[(BASE_MODELS, base.id), (DATASETS, dataset.id), *_parent(config)],
        )
        expected = ExpectedStages.of(catalog, version.model)
        item = publish(
            new,
            catalog,
            store,
            tell=tell,
            dry_run=params.dry_run,
            follows=lambda change: zenml_stages.effects(ledger, version.model, expected.after(change)),
        )
    if not params.dry_run:
        zenml_stages.follow(catalog, ledger, version.model)
        logger.info("%s is published", item.id)
    return item


def _roll_back(
    item: Item, params: PromoteParams, catalog: Catalog, store: Store, ledger: Ledger, tell: PlanListener
) -> Item:
    if params.gate != Gate():
        raise Invalid(
            f"{item.id} was published before, and evaluated then: leave the gate out to make it active again"
        )
    _require_bytes(item, store)
    _require_own_config(item, catalog, store)
    planned = transitions.rolling_back(catalog, item)
    _tell(tell, f"roll back to {item.id}", planned.change, params, catalog, ledger, planned.effects)
    if params.dry_run:
        return next(each for each in planned.change.put if each.id == item.id)
    catalog.commit(planned.change)
    zenml_stages.follow(catalog, ledger, params.model)
    logger.info("%s is active again", item.id)
    return catalog.get(LOCAL_MODELS, item.id)


def _tell(
    tell: PlanListener,
    operation: str,
    change: Change,
    params: PromoteParams,
    catalog: Catalog,
    ledger: Ledger,
    effects: tuple[Effect, ...] = (),
) -> None:
    expected = ExpectedStages.of(catalog, params.model).after(change)
    tell(Plan(operation, (*effects, *zenml_stages.effects(ledger, params.model, expected))))


def _newest_completed(model: str, ledger: Ledger) -> int:
    known = ledger.versions(model)
    completed = [version for version in known if version.status == "completed"]
    if not completed:
        states = ", ".join(f"{version.number} is {version.status}" for version in known) or "there is none"
        raise Invalid(f"No version of {model} has completed ({states}). Train it: fair-models finetune")
    return max(version.number for version in completed)


def _published(catalog: Catalog, params: PromoteParams, number: int) -> Item | None:
    """The item of a version. None where it was never published."""
    wanted = versions.item_id(params.model, number)
    for buried in catalog.tombstones(LOCAL_MODELS, params.model):
        if buried.id == wanted:
            raise Conflict(f"{wanted} {tombstones.deletion(buried)}: train and promote another version")
    try:
        item = catalog.get(LOCAL_MODELS, wanted)
    except NotFound:
        return None
    if ModelItem(item).is_deprecated and params.version is None:
        now = versions.current(catalog, LOCAL_MODELS, params.model)
        state = f"{now.id} took its place" if now else "it was archived"
        raise Conflict(
            f"{wanted}, the newest completed version, was published before and {state}. To make it active "
            f"again, name its number: --version {number}"
        )
    return item


def _require_bytes(item: Item, store: Store) -> None:
    """An item becomes active again only with the bytes that it names."""
    for key, asset in item.assets.items():
        checksum = asset.extra_fields.get("file:checksum")
        try:
            if checksum is not None:
                store.verify(assets.address(asset), checksum)
        except (NotFound, Corrupted) as error:
            raise Corrupted(f"{item.id} cannot become active again, its asset {key}: {error}") from error


def _require_registered(subject: str, config: RunConfig, base: Item, catalog: Catalog) -> None:
    """An item names the code of its base model; so that code has to be what made its weights."""
    parents = _parent(config)
    problems = list(registered.model_problems(config, base, catalog.get(*parents[0]) if parents else base))
    if problems:
        raise Invalid(
            f"{subject} cannot be published: its run used what is not registered. Its run config says: "
            f"{'; '.join(problems)}"
        )


def _require_own_config(item: Item, catalog: Catalog, store: Store) -> None:
    """A version becomes active again only where it was made of what was registered."""
    asset = item.assets.get("run-config")
    if asset is None:  # an old item
        return
    config = RunConfig.from_zenml(store.fetch(assets.address(asset)).read_text(encoding="utf-8"))
    base = versions.exact(catalog, BASE_MODELS, config.base_model)
    problems = list(registered.code_problems(config.code, base if base is not None else item))
    if problems:
        raise Invalid(
            f"{item.id} cannot become active again: its run used what is not registered. Its run config "
            f"says: {'; '.join(problems)}"
        )


def _require_completed(version: ModelVersion) -> None:
    """Trust the run's own status, never the stage."""
    steps = {
        "running": "wait until it has ended; if its worker died, train again",
        "failed": "a failed run is never published; train again",
        "cancelled": "a cancelled run is never published; train again",
        "missing": "nobody knows how it came about; train again",
    }
    if version.status != "completed":
        run = f"its run {version.run_id}" if version.run_id else "its run"
        raise Invalid(f"{version.id} cannot be published: {run} is {version.status}; {steps[version.status]}")


def _fetched(version: ModelVersion, config: RunConfig, ledger: Ledger, folder: Path) -> dict[str, Path]:
    """The version's files by asset key."""
    files = {
        "checkpoint": ledger.fetch(version.model, version.number, "weights", folder),
        "model": ledger.fetch(version.model, version.number, "onnx", folder),
        "run-config": _written(config, folder),
    }
    if version.agreement is not None and version.agreement.int8_is_enough:
        files["model-int8"] = ledger.fetch(version.model, version.number, "onnx_int8", folder)
    if version.extras:
        archive = ledger.fetch(version.model, version.number, "extras", folder)
        files |= extras.unpacked(archive, folder / "extras")
    for key in files.keys() & {"model", "model-int8"}:
        _require_usable(version, files[key])
    return files


def _item(
    candidate: Candidate,
    gate: Json,
    catalog: Catalog,
    files: Mapping[str, StoredFile],
    seen_chips: int | None,
) -> Item:
    version, config = candidate.version, candidate.config
    base, dataset = candidate.base.item, candidate.dataset.item
    parents = _parent(config)
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
            files=files,
            hyperparameters=version.hyperparameters or config.hyperparameters,
            metrics=version.metrics,
            baseline=version.baseline,
            baseline_name=version.baseline_name,
            baseline_names=version.baseline_names,
            held_out_count=version.held_out_count,
            training_seconds=version.seconds or 0.0,
            split=candidate.dataset.split,
            run_id=version.run_id or "unknown",
            created=datetime.now(UTC),
            software=version.software,
            gate=gate,
            agreement=version.agreement,
            intervals=version.intervals,
            classes=version.classes,
            confusion=version.confusion,
            ceiling=version.ceiling,
            pin=version.pin,
            parent=catalog.get(*parents[0]) if parents else None,
            parent_href=catalog.href(*parents[0]) if parents else "",
            seen_by_parents=seen_chips,
            rules=config.input.rules,
        )
    )


def _parent(config: RunConfig) -> list[ItemKey]:
    """The local model that a run started from, if any."""
    return [] if config.parent_model is None else [(LOCAL_MODELS, config.parent_model)]


def _seen_by_parents(candidate: Candidate, catalog: Catalog, store: Store) -> int | None:
    """How many held-out chips the local models of its line were trained on: the most of any of them."""
    counts: list[int | None] = []
    parent = candidate.config.parent_model
    while parent is not None and (item := versions.exact(catalog, LOCAL_MODELS, parent)) is not None:
        model = ModelItem(item)
        counts.append(seen(parent, str(model.dataset_id), candidate.dataset, catalog, store))
        parent = model.parent_id
    return max((count for count in counts if count is not None), default=None)


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
