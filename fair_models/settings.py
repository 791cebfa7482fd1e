"""Where things are on this machine. Every setting is an environment variable that starts with FAIR_."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def checkout_root(start: Path | None = None) -> Path | None:
    """The checkout that holds the flows, looked for from `start` upwards. None outside of one."""
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / "prefect.yaml").is_file() and (candidate / "flows").is_dir():
            return candidate
    return None


def _default_home() -> Path:
    return (checkout_root() or Path.cwd()) / ".fair"


class Settings(BaseSettings):
    """Settings of one process, read from the environment when they are first needed."""

    model_config = SettingsConfigDict(env_prefix="FAIR_", extra="ignore")

    home: Path = Field(
        default_factory=_default_home,
        description="Folder for all state: catalogue, store, cache, Prefect, ZenML, MLflow.",
    )
    prefect_port: int = Field(4200, ge=1, le=65535, description="Port of the local Prefect server.")
    official_schemas: Literal["when-available", "required"] = Field(
        "when-available",
        description="What to do where an extension's schema is neither cached nor reachable: "
        "report it as not checked, or refuse the item.",
    )
    allowed_extensions: frozenset[str] = Field(
        frozenset(),
        description="Addresses of extensions that may stay unchecked where official schemas are required, "
        "as a JSON list.",
    )
    schema_cache: Path | None = Field(
        None, description="Folder with official schemas, laid out as URLs without the scheme."
    )

    @field_validator("home", "schema_cache")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().resolve() if value else value

    @property
    def catalog_folder(self) -> Path:
        """The local STAC catalogue."""
        return self.home / "catalog"

    @property
    def store_folder(self) -> Path:
        """The bytes that the registry holds."""
        return self.home / "store"

    @property
    def cache_folder(self) -> Path:
        """What can be made again: unpacked archives, decoded chips."""
        return self.home / "cache"

    @property
    def predictions_folder(self) -> Path:
        """Where predictions land unless a folder is named."""
        return self.home / "predictions"

    @cached_property
    def schema_folder(self) -> Path:
        """The cache of official schemas: the one named, else one under home."""
        return self.schema_cache or self.home / "schemas"

    @property
    def mlflow_folder(self) -> Path:
        """MLflow's database and artifacts."""
        return self.home / "mlflow"

    @property
    def mlflow_uri(self) -> str:
        """MLflow's tracking address: MLFLOW_TRACKING_URI, else SQLite under home."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.mlflow_folder / 'mlflow.db'}"

    @property
    def prefect_api_url(self) -> str:
        """The Prefect API: PREFECT_API_URL, else the local server."""
        return os.environ.get("PREFECT_API_URL") or f"http://127.0.0.1:{self.prefect_port}/api"

    @property
    def run_folder(self) -> Path:
        """Process ids and logs of the local server and its workers."""
        return self.home / "run"

    def environment(self) -> dict[str, str]:
        """What a child process needs so that its state lies under `home` too and nothing is reported."""
        return {
            "FAIR_HOME": str(self.home),
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_API_URL": self.prefect_api_url,
            "ZENML_CONFIG_PATH": str(self.home / "zenml"),
            "ZENML_ANALYTICS_OPT_IN": "false",
            "MLFLOW_TRACKING_URI": self.mlflow_uri,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "1",
            # Threads that wait must not spin: two trainings on two cores took eight times as long.
            "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        }


def current() -> Settings:
    """The settings of this process as the environment has them now."""
    return Settings()
