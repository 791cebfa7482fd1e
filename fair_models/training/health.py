"""Uses ZenML and MLflow as a training does, in a few seconds: for the doctor."""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path
from typing import Any

from fair_models.errors import FairModelsError, Invalid, Unavailable, reason_of
from fair_models.settings import Settings
from fair_models.training.mlflow_tracking import open_client, open_experiment
from fair_models.training.process import stack
from fair_models.training.process.environment import set_mlflow_variables, zenml_client

EXPERIMENT = "fair-models-doctor"
"""The experiment in MLflow with the one run that the doctor writes to."""

_FILE = "doctor.txt"
_INSTALL = "Install it where trainings run: pip install 'fair-models[train]'"


def use_zenml(settings: Settings) -> str:
    """Open ZenML, arrange the stack that the settings ask for, write and read one of its files.

    Returns:
        Which ZenML, which stack, and where it keeps files.

    Raises:
        Unavailable: ZenML's server, or the place of its files, does not do what it should.
        Invalid: ZenML is not installed, or no such stack can be.
    """
    server = os.environ.get("ZENML_STORE_URL")
    where = f"server {server}" if server else f"database in {settings.home / 'zenml'}"
    try:
        client = zenml_client(settings)
    except ImportError as error:
        raise Invalid(f"ZenML is not installed ({error.name}). {_INSTALL}") from error
    except FairModelsError:
        raise
    except Exception as error:  # ZenML raises whatever its database or its connection raised
        raise Unavailable(
            f"The {where} does not answer: {type(error).__name__}: {reason_of(error)}. "
            "Check ZENML_STORE_URL and its API key, or the block fair-models-tracking"
        ) from error
    name = stack.arrange(client, settings)
    return f"{where}, stack {name}, files in {_use_artifacts(client)}"


def _use_artifacts(client: Any) -> str:
    store = client.active_stack.artifact_store
    path = f"{store.path.rstrip('/')}/doctor-{uuid.uuid4().hex}.txt"
    try:
        with store.open(path, "w") as file:
            file.write(path)
        with store.open(path, "r") as file:
            same = file.read() == path
        store.remove(path)
    except Exception as error:  # s3fs raises its own, the folder's those of the system
        raise Unavailable(
            f"ZenML's files in {store.path} cannot be written and read: {type(error).__name__}: "
            f"{reason_of(error)}. Check FAIR_ZENML_ARTIFACTS and the credentials of the store"
        ) from error
    if not same:
        raise Unavailable(f"ZenML's files in {store.path} come back changed: check what serves them")
    return str(store.path)


def use_mlflow(settings: Settings) -> str:
    """Log a file to the doctor's run in MLflow, and read it.

    Returns:
        The address of MLflow and of the file.

    Raises:
        Unavailable: MLflow does not answer, or its files cannot be written or read.
        Invalid: MLflow is not installed.
    """
    set_mlflow_variables()
    try:
        client = open_client(settings)
    except ImportError as error:
        raise Invalid(f"MLflow is not installed ({error.name}). {_INSTALL}") from error
    except Exception as error:  # MLflow raises what its database or its connection raised
        raise Unavailable(
            f"MLflow at {settings.mlflow_uri} does not answer: {type(error).__name__}: {reason_of(error)}. "
            "Check MLFLOW_TRACKING_URI, its user and password; trainings go on without curves"
        ) from error
    try:
        run = _run(client, open_experiment(client, settings, EXPERIMENT))
        said = uuid.uuid4().hex
        client.log_text(run.info.run_id, said, _FILE)
        with tempfile.TemporaryDirectory(prefix="fair-doctor-") as folder:
            got = Path(client.download_artifacts(run.info.run_id, _FILE, folder)).read_text(encoding="utf-8")
    except Exception as error:  # as above, and whatever serves its files raised
        raise Unavailable(
            f"MLflow at {settings.mlflow_uri} answers, and its files cannot be written and read: "
            f"{type(error).__name__}: {reason_of(error)}. Check where it keeps artifacts, "
            "and who may write there"
        ) from error
    if got != said:
        raise Unavailable(f"MLflow's file {run.info.artifact_uri}/{_FILE} comes back changed")
    return f"{settings.mlflow_uri}, files in {run.info.artifact_uri}"


def _run(client: Any, experiment: str) -> Any:
    found = client.search_runs([experiment], max_results=1)
    if found:
        return found[0]
    run = client.create_run(experiment, run_name="doctor")
    client.set_terminated(run.info.run_id, "FINISHED")
    return run
