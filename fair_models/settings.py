"""Where things are on this machine. Every setting is an environment variable that starts with FAIR_."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from fair_models.errors import Invalid

QUANTITY = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$"
"""Bytes as Kubernetes writes them, e.g. 4Gi."""

CPUS = r"^[0-9]+(\.[0-9]+)?m?$"
"""Cores as Kubernetes writes them, e.g. 2 or 500m."""


def _split(value: Any) -> Any:
    """A list as it is written in a variable: JSON, or words with commas between them."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]


Listed = (NoDecode, BeforeValidator(_split))


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
    store: str = Field(
        "",
        description="Where the registry's files lie: a folder, or s3://bucket/prefix. "
        "Default: `store` under home.",
    )
    public_store_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#@]+$",
        description="Address under which everyone can read the files of the bucket, e.g. "
        "https://data.example.org/fair; items then name their files by it. Default: items say s3://bucket/…",
    )
    catalog: SecretStr = Field(
        SecretStr(""),
        description="Where the catalogue lies: a folder, or postgresql://user:password@host/database with "
        "pgstac. Default: `catalog` under home.",
    )
    catalog_api_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#@]+$",
        description="Root of the STAC API that serves a catalogue in pgstac, e.g. https://stac.example.org; "
        "addresses of items begin with it.",
    )
    prefect_port: int = Field(4200, ge=1, le=65535, description="Port of the local Prefect server.")
    official_schemas: Literal["when-available", "required"] = Field(
        "when-available",
        description="What to do where an extension's schema is neither cached nor reachable: "
        "report it as not checked, or refuse the item.",
    )
    allowed_extensions: Annotated[frozenset[str], *Listed] = Field(
        frozenset(),
        description="Addresses of extensions that may stay unchecked where official schemas are required, "
        "with commas between them.",
    )
    schema_cache: Path | None = Field(
        None, description="Folder with official schemas, laid out as URLs without the scheme."
    )
    allowed_hosts: Annotated[tuple[str, ...], *Listed] = Field(
        (),
        description="Hosts that files may be downloaded from, names or IP addresses, commas between; '*' "
        "stands for every public host. Only hosts named here may lie in this network or be asked by plain "
        "http. Default: every public host, by https.",
    )
    allowed_folders: Annotated[tuple[Path, ...], *Listed] = Field(
        (),
        description="Folders that paths in requests must lie in, with commas between them. "
        "Default: any path.",
    )
    largest_download_bytes: int = Field(
        4 * 2**30, ge=1, description="Largest file that is downloaded for an item, in bytes."
    )
    requests_at_once: int = Field(
        4,
        ge=1,
        le=32,
        description="Requests for tiles and parts of files to one host at the same time, 1 to 32.",
    )
    requests_per_second: float = Field(
        50.0, gt=0, le=1000, description="Such requests to one host in a second, up to 1000."
    )
    most_tiles: int = Field(
        50_000, ge=1, description="Tiles of a service that one prediction asks for at most."
    )
    most_broken_tiles: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of the tiles that may stay broken, 0 to 1; with more, the prediction fails.",
    )
    most_imagery_pixels: int = Field(
        50_000_000_000, ge=1, description="Pixels of imagery, as stored, that one prediction reads at most."
    )
    tile_days: float = Field(
        30.0, ge=0, description="Days for which a tile in the cache is used without asking its server again."
    )

    zenml_artifacts: str = Field(
        "",
        description="Where ZenML keeps what the steps of trainings hand on: s3://bucket/prefix. "
        "Default: a folder under home.",
    )
    zenml_tracker: Literal["none", "mlflow"] = Field(
        "none",
        description="Experiment tracker of the ZenML stack. Curves go to MLflow either way; `mlflow` "
        "lets ZenML's pages link to it.",
    )
    train_pool: str | None = Field(
        None, description="Work pool that fine-tuning sends its trainings to. Default: the pool of `train`."
    )
    predict_pool: str | None = Field(
        None, description="Work pool that predictions send their shards to. Default: the deployment's own."
    )
    train_image: str | None = Field(
        None,
        description="Image for trainings of models whose runtime is `local`, in pools that start images.",
    )
    predict_image: str | None = Field(
        None, description="Image for predictions of models whose runtime is `local`, in such pools."
    )
    train_memory: str | None = Field(
        None,
        pattern=QUANTITY,
        description="Memory that a training asks for besides what its model needs, e.g. 4Gi. "
        "Default: the pool's.",
    )
    predict_memory: str | None = Field(
        None,
        pattern=QUANTITY,
        description="Memory that a shard asks for besides what its model needs, e.g. 2Gi. "
        "Default: the pool's.",
    )
    train_cpu: str | None = Field(
        None, pattern=CPUS, description="Cores that a training asks for, e.g. 2 or 500m. Default: the pool's."
    )
    predict_cpu: str | None = Field(
        None, pattern=CPUS, description="Cores that a shard asks for, e.g. 2 or 500m. Default: the pool's."
    )
    accelerator_nodes: dict[str, dict[str, str]] = Field(
        {},
        description="Labels of the nodes for each accelerator that items name, as a JSON object: "
        '{"cuda": {"accelerator": "nvidia"}}.',
    )

    @field_validator("home", "schema_cache")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().resolve() if value else value

    @field_validator("store")
    @classmethod
    def _folder_or_bucket(cls, value: str) -> str:
        if not value or value.startswith("s3://"):
            return value
        if "://" in value:
            raise ValueError("write a folder, or s3://bucket/prefix")
        return str(Path(value).expanduser().resolve())

    @field_validator("allowed_folders")
    @classmethod
    def _all_absolute(cls, values: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(value.expanduser().resolve() for value in values)

    @property
    def catalog_folder(self) -> Path:
        """The STAC catalogue, where it lies in a folder."""
        place = self.catalog.get_secret_value()
        return Path(place) if place and "://" not in place else self.home / "catalog"

    @property
    def store_folder(self) -> Path:
        """The bytes that the registry holds, where they lie in a folder."""
        return Path(self.store) if self.store and not self.store_is_a_bucket else self.home / "store"

    @property
    def store_is_a_bucket(self) -> bool:
        """Whether the registry's bytes lie in a bucket."""
        return self.store.startswith("s3://")

    @property
    def cache_folder(self) -> Path:
        """What can be made again: unpacked archives, decoded chips."""
        return self.home / "cache"

    @property
    def predictions_folder(self) -> Path:
        """Where predictions land unless a folder is named."""
        return self.home / "predictions"

    @property
    def audits_folder(self) -> Path:
        """Reports of audits, by time."""
        return self.home / "audits"

    @property
    def state_folders(self) -> tuple[Path, ...]:
        """Where the registry, Prefect, ZenML and MLflow keep their state: no result may go there."""
        named = (os.environ.get(name) for name in ("PREFECT_HOME", "ZENML_CONFIG_PATH"))
        below = ("catalog", "store", "cache", "schemas", "run", "prefect", "zenml", "mlflow")
        return (
            self.catalog_folder,
            self.store_folder,
            self.schema_folder,
            *(self.home / name for name in below),
            *(Path(place) for place in named if place),
        )

    @property
    def comparisons_folder(self) -> Path:
        """Reports of comparisons, a folder for each."""
        return self.home / "comparisons"

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
    def prefect_auth(self) -> SecretStr | None:
        """User and password of the Prefect API: PREFECT_API_AUTH_STRING, "user:password"; None without."""
        written = os.environ.get("PREFECT_API_AUTH_STRING")
        return SecretStr(written) if written else None

    @property
    def run_folder(self) -> Path:
        """Process ids and logs of the local server and its workers."""
        return self.home / "run"

    def environment(self) -> dict[str, str]:
        """What a child process needs so that its state lies under `home` too and nothing is reported."""
        return {
            "FAIR_HOME": str(self.home),
            **({"FAIR_STORE": self.store} if self.store else {}),
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
    """The settings of this process as the environment has them now.

    Raises:
        Invalid: A variable is wrong; says which and why, and never what it holds: it may be a secret.
    """
    try:
        return Settings()
    except ValidationError as error:
        reasons = [f"FAIR_{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors()]
        raise Invalid(f"The environment is wrong: {'; '.join(reasons)}. Correct or unset it") from None
