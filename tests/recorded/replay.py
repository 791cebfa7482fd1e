"""What a process of today makes of a registry that an earlier version left: printed as one JSON document.

It runs in a process of its own, since ZenML and the settings are read once in a process. Usage:
`python -m tests.recorded.replay STEP`, with FAIR_HOME and ZENML_CONFIG_PATH set to the unpacked home.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson

from fair_models.catalog.items import versions
from fair_models.catalog.opening import open_catalog
from fair_models.settings import current
from fair_models.store.digests import checksum_file
from fair_models.store.opening import open_store

MODEL = "old-roofs"


def audited() -> Any:
    """The findings of a whole audit, digests included."""
    from fair_models.audit.audit_run import audit
    from fair_models.params import AuditParams
    from fair_models.training.ledger import open_ledger

    settings = current()
    store, ledger = open_store(settings), open_ledger(settings)
    report = audit(open_catalog(settings), store, ledger, AuditParams(digests=True))
    return [f"{finding.rule}: {finding.message}" for finding in report.findings]


def repeated() -> Any:
    """The prediction that is there, made once more from its config, beside it."""
    from fair_models.contract.prediction_plan import plan_prediction

    from fair_models.inference import repeating
    from fair_models.inference.shards.sharding import sharded
    from fair_models.params import RepeatParams
    from fair_models.types import BASE_MODELS, LOCAL_MODELS

    settings = current()
    before, after = settings.home / "predictions" / "town", settings.home / "predictions" / "again"
    params, original = repeating.settle(RepeatParams(prediction=str(before), output=str(after)))
    store = open_store(settings)
    item = versions.resolve(open_catalog(settings), [LOCAL_MODELS, BASE_MODELS], params.model)
    request = plan_prediction(item, params, store, settings.predictions_folder, original)
    with sharded(request, store) as sharding:
        sharding.write(lambda stage: None)
    return {"before": str(before), "after": str(after)}


def promoted() -> Any:
    """The version that was trained and not published, published now."""
    from fair_models.params import PromoteParams
    from fair_models.publishing.promote import promote
    from fair_models.training.ledger import open_ledger

    settings = current()
    params = PromoteParams(model=MODEL, version=2)
    item = promote(params, open_catalog(settings), open_store(settings), open_ledger(settings))
    return item.to_dict(include_self_link=False)


def trained_again() -> Any:
    """The first run's config, run once more: its metrics and those of the first run."""
    from fair_models.training import launch
    from fair_models.training.ledger import open_ledger

    ledger = open_ledger(current())
    config = ledger.config(MODEL, 1)
    assert config is not None
    version = launch.run(config)
    return {"before": ledger.get(MODEL, 1).metrics, "after": version.metrics, "number": version.number}


def loaded() -> Any:
    """Every archive of code, imported and held against the contract: the names of its parameters."""
    from fair_models.contract import loader

    found = {}
    for archive in sorted((current().home / "archives").glob("*.zip")):
        checksum, package = checksum_file(archive), f"models.{archive.stem}"
        functions = f"{package}.processing:preprocess", f"{package}.processing:postprocess"
        loader.load_processing(archive, checksum, *functions)
        pipeline = loader.load_pipeline(archive, checksum, f"{package}.pipeline")
        found[archive.stem] = sorted(pipeline.Params.model_fields)
    return found


STEPS = {step.__name__: step for step in (audited, repeated, promoted, trained_again, loaded)}

if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(orjson.dumps(STEPS[sys.argv[1]]()))
