"""The tasks of the registry: each is one call to the library, and its artifacts.

The library's packages are imported inside, so that importing a flow stays light.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefect.client.schemas.objects import FlowRun
from prefect.utilities.urls import url_for

from fair_models import settings
from fair_models.client.follower import REPEATED
from fair_models.numbers import shown
from fair_models.outcomes import (
    AuditSummary,
    CleanedRuns,
    PinnedVersion,
    PromotedVersion,
    PublishedItem,
    RetiredVersions,
    TrainedVersion,
)
from fair_models.params import (
    AuditParams,
    CleanRunsParams,
    CollectFeedbackParams,
    FinetuneParams,
    IngestDatasetParams,
    PinParams,
    PromoteParams,
    RegisterModelParams,
    RetireParams,
    SearchParams,
)
from fair_models.reports.artifacts import Card, Table
from fair_models.training.config.run_config import RunConfig
from flows.runtime import announcements, artifacts, dead_trainings
from flows.runtime.places import open_catalog, open_store
from flows.runtime.runtimes import progress_of, run_train, tables_of
from flows.runtime.task_policy import task
from flows.tasks import cutting, results, upkeep_rows

if TYPE_CHECKING:
    from pystac import Item

    from fair_models.ml_tasks.results import Epoch


@task
def register_base_model(params: RegisterModelParams) -> PublishedItem:
    """Check a base model whole, store its files, publish it."""
    from fair_models.publishing.register import register
    from fair_models.reports import cards

    store = open_store()
    item = register.register_base_model(
        params.source,
        open_catalog(),
        store,
        artifacts.write_changes,
        dry_run=params.dry_run,
        random_start=params.random_start,
    )
    if not params.dry_run:  # its files lie nowhere yet
        artifacts.write([cards.of_model(item, store)])
    return results.published(item, dry_run=params.dry_run)


@task
def ingest(params: IngestDatasetParams) -> PublishedItem:
    """Check, mend, split and store chips and labels, and publish them."""
    from fair_models.publishing import datasets
    from fair_models.reports import cards

    bar = artifacts.ProgressBar("ingest", f"Ingesting {params.name}")

    def cut(done: int, total: int) -> None:
        bar.show(done, 2 * total, f"{done} of {total} tiles of the imagery cut", with_time_left=True)

    def read(done: int, total: int) -> None:
        before = total if params.imagery is not None else 0
        bar.show(before + done, before + total, f"{done} of {total} chips read", with_time_left=True)

    notes: list[str] = []
    item = datasets.ingest(
        params,
        open_catalog(),
        open_store(),
        artifacts.write_changes,
        progress=read,
        cutting=cut,
        share_out=lambda blocks, runs: cutting.share_out(params, blocks, runs, cut),
        note=notes.append,
    )
    artifacts.write(cards.of_ingest(item))
    return results.published(item, dry_run=params.dry_run, notes=notes)


@task
def collect_verdicts(params: CollectFeedbackParams) -> PublishedItem:
    """Join feedback to its prediction, and publish the chips with feedback as a dataset."""
    from fair_models.publishing import feedback
    from fair_models.reports import cards

    notes: list[str] = []
    item = feedback.collect(params, open_catalog(), open_store(), artifacts.write_changes, notes.append)
    artifacts.write(cards.of_ingest(item))
    return results.published(item, dry_run=params.dry_run, notes=notes)


@task
def fetch_items(params: FinetuneParams | SearchParams) -> tuple[Item, Item]:
    """Find the exact items of two references, and check the name of the new model."""
    from fair_models.training import finetune_plan, references

    return finetune_plan.find_items(open_catalog(), params, references.ledger_here)


@task
def plan_run(base: Item, dataset: Item, params: FinetuneParams) -> RunConfig:
    """Make the run config; check compatibility and overrides."""
    from fair_models.training import finetune_plan

    config = finetune_plan.plan_run(base, dataset, params)
    text = f"```yaml\n{config.to_zenml()}```"
    artifacts.write([Card("run-config", text, f"Run config of {config.model_name}")])
    return config


@task
def train_in_runtime(base: Item, config: RunConfig) -> TrainedVersion:
    """Send the training to the runtime that the base model names, and wait for it."""
    began: list[FlowRun] = []

    def link(run: FlowRun) -> None:
        began.append(run)
        address = url_for("flow-run", run.id) or ""
        told = f"[{run.name}]({address}) trains it: epochs, curves and logs are shown there."
        artifacts.write([Card("training-run", told, f"The run that trains {config.model_name}")])

    bar = artifacts.ProgressBar(REPEATED, f"Training {config.model_name} has not begun yet")
    looked = time.monotonic()

    def repeat() -> None:
        nonlocal looked
        if time.monotonic() - looked < _REPEAT_S:
            return
        looked = time.monotonic()
        if said := progress_of(began[0], "training"):
            bar.show(said[0], 100, said[1])

    trained = run_train(base, config, link, repeat)
    bar.show(100, 100, f"{config.model_name} is trained")
    artifacts.write(tables_of(began[0], "metrics", "classes"))
    return trained


_REPEAT_S = 5.0
"""Seconds between two polls of the training's progress."""


@task
def close_dead_trainings(model: str) -> list[str]:
    """Mark versions as failed or cancelled if their training died with its worker."""
    return dead_trainings.close_dead(model)


@task
def train_model(config: RunConfig) -> TrainedVersion:
    """Run the training pipeline in this process, and show each epoch."""
    from fair_models.catalog.items import model_classes, versions
    from fair_models.catalog.items.model import ModelItem
    from fair_models.publishing import candidate
    from fair_models.reports import metrics
    from fair_models.training import launch
    from fair_models.training.config import registered
    from fair_models.types import BASE_MODELS, LOCAL_MODELS

    catalog = open_catalog()
    config = registered.settled(config, catalog, open_store())
    bar = artifacts.ProgressBar("training", f"Training {config.model_name}")

    stop_when_over = dead_trainings.stop_when_over()

    def report(epoch: Epoch) -> None:
        stop_when_over()
        values = ", ".join(f"{name} {shown(value)}" for name, value in epoch.values.items())
        told = f"epoch {epoch.number} of {epoch.total}: {values}"
        bar.show(epoch.number, epoch.total, told, with_time_left=True)

    used = versions.next_number(catalog, LOCAL_MODELS, config.model_name) - 1
    version = launch.run(config, report, above=used, cancelled=dead_trainings.was_cancelled)
    registered_base = catalog.get(BASE_MODELS, config.base_model)
    base = model_classes.following(registered_base, config.classes, config.thing_classes)
    artifacts.write(metrics.of_version(version, base).artifacts())
    return results.trained(version, config, candidate.warn_of(version, ModelItem(base)))


@task
def publish_version(params: PromoteParams) -> PromotedVersion:
    """Check a version against its gate, store its files, and publish it in place of the current one."""
    from fair_models.catalog.items import versions
    from fair_models.publishing import promote
    from fair_models.reports import cards
    from fair_models.training.ledger import open_ledger
    from fair_models.types import LOCAL_MODELS

    catalog, store = open_catalog(), open_store()
    before = versions.current(catalog, LOCAL_MODELS, params.model)
    ledger = open_ledger(settings.current())
    item = promote.promote(params, catalog, store, ledger, artifacts.write_changes)
    artifacts.write(cards.of_local_model(item, store))
    return results.promoted(item, before, dry_run=params.dry_run)


@task
def retire_versions(params: RetireParams) -> RetiredVersions:
    """Archive or delete versions, update ZenML's stages, and delete files that no item names."""
    from fair_models.publishing import retire
    from fair_models.training.ledger import open_ledger

    ledger = open_ledger(settings.current())
    return results.retired(
        params, retire.retire(params, open_catalog(), open_store(), ledger, artifacts.write_changes)
    )


@task
def pin_version(params: PinParams) -> PinnedVersion:
    """Pin a version in its item, or in ZenML if it is not published; or remove its pin."""
    from fair_models.publishing import pins
    from fair_models.training.ledger import open_ledger

    ledger = open_ledger(settings.current())
    return upkeep_rows.pinned(pins.pin(params, open_catalog(), ledger, artifacts.write_changes))


@task
def clean_old_runs(params: CleanRunsParams) -> CleanedRuns:
    """Delete old runs, and list them with those that are kept."""
    from fair_models.publishing import cleanup
    from fair_models.training.ledger import open_ledger

    done = cleanup.clean_runs(params, open_catalog(), open_ledger(settings.current()))
    rows = upkeep_rows.cleaned_rows(params, done)
    artifacts.write([Table("versions", rows, "Old versions: which are deleted, and why the others are kept")])
    return upkeep_rows.cleaned(params, done)


@task
def audit_catalog(params: AuditParams) -> AuditSummary:
    """Run the rules over the whole catalogue, repair if asked, write the report and emit an event."""
    from fair_models.audit import audit_run, report_file
    from fair_models.training.ledger import open_ledger

    current = settings.current()
    report_file.check(params.report)
    report = audit_run.audit(open_catalog(), open_store(), open_ledger(current), params)
    said = report.to_json()
    artifacts.write(
        [
            Card("report", report.to_markdown(), "Audit of the catalogue"),
            Table("findings", said["findings"], "Findings, errors first"),
            Table("repairs", said["repairs"], "What was repaired"),
        ]
    )
    path = report_file.write(report, params.report, current.audits_folder)
    announcements.announce_audit(report, path)
    return results.audited(report, path)
