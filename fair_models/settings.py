"""Settings of a process. Each is an environment variable whose name starts with FAIR_."""

from __future__ import annotations

import os
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import SettingsConfigDict

from fair_models.account_settings import AccountSettings
from fair_models.errors import Invalid
from fair_models.setting_lists import Listed

QUANTITY = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$"
"""Bytes as Kubernetes writes them, e.g. 4Gi."""

CPUS = r"^[0-9]+(\.[0-9]+)?m?$"
"""Cores as Kubernetes writes them, e.g. 2 or 500m."""


def checkout_root(start: Path | None = None) -> Path | None:
    """The checkout that holds the flows, from `start` upwards. None outside a checkout."""
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / "prefect.yaml").is_file() and (candidate / "flows").is_dir():
            return candidate
    return None


def _default_home() -> Path:
    return (checkout_root() or Path.cwd()) / ".fair"


class Settings(AccountSettings):
    """Settings of one process, read from the environment when they are first needed."""

    model_config = SettingsConfigDict(env_prefix="FAIR_", extra="ignore")

    home: Path = Field(
        default_factory=_default_home,
        description="Folder for all state: catalogue, store, cache, Prefect, ZenML, MLflow. Default: "
        "`.fair` in the checkout, else in the current folder.",
    )
    store: str = Field(
        "",
        description="Place of the registry's files: a folder, or s3://bucket/prefix. Default: `store` "
        "under home.",
    )
    public_store_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#@]+$",
        description="Public address of the files in the bucket, e.g. https://data.example.org/fair. Items "
        "then name their files by it. Default: items name s3://bucket/…",
    )
    catalog: SecretStr = Field(
        SecretStr(""),
        description="Place of the catalogue: a folder, or postgresql://user:password@host/database with "
        "pgstac. Default: `catalog` under home.",
    )
    catalog_api_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#@]+$",
        description="Root of the STAC API that serves a catalogue in pgstac, e.g. "
        "https://stac.example.org. Addresses of items begin with it. Default: none.",
    )
    prefect_port: int = Field(
        4200, ge=1, le=65535, description="Port of the local Prefect server, 1 to 65535. Default: 4200."
    )
    official_schemas: Literal["when-available", "required"] = Field(
        "when-available",
        description="What to do if the schema of an extension is neither cached nor reachable. "
        "when-available (default): report it as not checked. required: refuse the item.",
    )
    allowed_extensions: Annotated[frozenset[str], *Listed] = Field(
        frozenset(),
        description="Addresses of extensions that may stay unchecked although official schemas are "
        "required, separated by commas. Default: none.",
    )
    schema_cache: Path | None = Field(
        None,
        description="Folder with official schemas, laid out as URLs without the scheme. Default: `schemas` "
        "under home.",
    )
    allowed_hosts: Annotated[tuple[str, ...], *Listed] = Field(
        (),
        description="Hosts to download files from: names or IP addresses, separated by commas. '*' means "
        "every public host. Only hosts named here may be in the private network or use plain http. "
        "Default: every public host, by https.",
    )
    allowed_folders: Annotated[tuple[Path, ...], *Listed] = Field(
        (),
        description="Folders that hold all paths of requests, separated by commas. Default: any path is "
        "allowed.",
    )
    largest_download_bytes: int = Field(
        4 * 2**30,
        ge=1,
        description="Maximum size of a file that is downloaded for an item, in bytes. Default: 4 GiB.",
    )
    requests_at_once: int = Field(
        4,
        ge=1,
        le=32,
        description="Maximum number of requests to one host at the same time, for tiles and parts of "
        "files, 1 to 32. Default: 4.",
    )
    requests_per_second: float = Field(
        50.0,
        gt=0,
        le=1000,
        description="Maximum number of such requests to one host per second, above 0 to 1000. Default: 50.",
    )
    most_tiles: int = Field(
        50_000,
        ge=1,
        description="Maximum number of tiles that one prediction reads from a service, and of chips that are "
        "cut from imagery for one dataset. Default: 50000.",
    )
    min_chips_per_sub_run: int = Field(
        500,
        ge=1,
        description="Minimum number of chips that one sub-run of an ingest cuts (`sub_runs`). An ingest with "
        "fewer than two times as many is cut in one process. Default: 500.",
    )
    most_broken_tiles: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Maximum share of tiles that stay broken, 0 to 1. With more, the prediction fails. "
        "Default: 0.01.",
    )
    most_imagery_pixels: int = Field(
        50_000_000_000,
        ge=1,
        description="Maximum number of pixels of imagery, as stored, that one prediction reads. Default: "
        "50 billion.",
    )
    tile_days: float = Field(
        30.0,
        ge=0,
        description="Days for which a tile in the cache is used without a new request. Default: 30.",
    )

    zenml_artifacts: str = Field(
        "",
        description="Place of ZenML's artifacts, which the steps of a training hand on: "
        "s3://bucket/prefix. Default: a folder under home.",
    )
    zenml_tracker: Literal["none", "mlflow"] = Field(
        "none",
        description="Experiment tracker of the ZenML stack. Curves always go to MLflow; with `mlflow`, "
        "ZenML's pages link to it. Default: none.",
    )
    train_pool: str | None = Field(
        None, description="Work pool that fine-tuning sends its trainings to. Default: the pool of `train`."
    )
    predict_pool: str | None = Field(
        None, description="Work pool that predictions send their shards to. Default: the deployment's own."
    )
    train_image: str | None = Field(
        None,
        description="Image for trainings of models whose runtime is `local`, in pools that start images. "
        "Default: the pool's.",
    )
    predict_image: str | None = Field(
        None,
        description="Image for predictions of models whose runtime is `local`, in such pools. Default: the "
        "pool's.",
    )
    train_memory: str | None = Field(
        None,
        pattern=QUANTITY,
        description="Memory that a training requests besides what its model needs, e.g. 4Gi. Default: the "
        "pool's.",
    )
    predict_memory: str | None = Field(
        None,
        pattern=QUANTITY,
        description="Memory that a shard requests besides what its model needs, e.g. 2Gi. Default: the "
        "pool's.",
    )
    train_cpu: str | None = Field(
        None, pattern=CPUS, description="Cores that a training requests, e.g. 2 or 500m. Default: the pool's."
    )
    predict_cpu: str | None = Field(
        None, pattern=CPUS, description="Cores that a shard requests, e.g. 2 or 500m. Default: the pool's."
    )
    accelerator_nodes: dict[str, dict[str, str]] = Field(
        {},
        description='Labels of the nodes for each accelerator that items name, as a JSON object: {"cuda": '
        '{"accelerator": "nvidia"}}.',
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#@]+$",
        description="Address of the registry service as people reach it, e.g. https://models.example.org. "
        "Links that it writes begin with it. Default: the address that was asked.",
    )
    web_port: int = Field(
        8000, ge=1, le=65535, description="Port of the local registry service, 1 to 65535. Default: 8000."
    )
    web_max_body_bytes: int = Field(
        10 * 2**20,
        ge=1024,
        description="Maximum size of the body of a request to the registry service, in bytes; uploads have "
        "limits of their own. Default: 10 MiB.",
    )
    web_timeout_s: float = Field(
        300.0,
        gt=0,
        le=3600,
        description="Seconds within which the registry service has to begin its answer, above 0 to 3600. "
        "Default: 300.",
    )
    web_downloads: Literal["redirect", "stream"] = Field(
        "redirect",
        description="How the registry service hands out files that lie in a bucket. redirect (default): by a "
        "signed link to the bucket, which holds for 5 minutes. stream: through the service, where people "
        "cannot reach the bucket's address.",
    )
    web_cors_origins: Annotated[tuple[str, ...], *Listed] = Field(
        (),
        description="Origins of websites whose scripts may read from the registry service, e.g. "
        "https://browser.example.org, separated by commas. Default: none.",
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
        """The STAC catalogue, if it is in a folder."""
        place = self.catalog.get_secret_value()
        return Path(place) if place and "://" not in place else self.home / "catalog"

    @property
    def store_folder(self) -> Path:
        """The files of the registry, if they are in a folder."""
        return Path(self.store) if self.store and not self.store_is_a_bucket else self.home / "store"

    @property
    def store_is_a_bucket(self) -> bool:
        """Whether the files of the registry are in a bucket."""
        return self.store.startswith("s3://")

    @property
    def cache_folder(self) -> Path:
        """Files that can be made again: unpacked archives, decoded chips."""
        return self.home / "cache"

    @property
    def predictions_folder(self) -> Path:
        """Predictions for which no folder is named."""
        return self.home / "predictions"

    @property
    def audits_folder(self) -> Path:
        """Reports of audits, by time."""
        return self.home / "audits"

    @property
    def state_folders(self) -> tuple[Path, ...]:
        """Folders with state of the registry, Prefect, ZenML and MLflow. No result may be written there."""
        named = (os.environ.get(name) for name in ("PREFECT_HOME", "ZENML_CONFIG_PATH"))
        below = ("catalog", "store", "cache", "schemas", "run", "prefect", "zenml", "mlflow", "web")
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
    def local_api_url(self) -> str:
        """The Prefect API of the local server, whether it runs or not."""
        return f"http://127.0.0.1:{self.prefect_port}/api"

    @property
    def prefect_api_url(self) -> str:
        """The Prefect API: PREFECT_API_URL, else the local server."""
        return os.environ.get("PREFECT_API_URL") or self.local_api_url

    @property
    def prefect_auth(self) -> SecretStr | None:
        """User and password of the Prefect API: PREFECT_API_AUTH_STRING, "user:password"; None without."""
        written = os.environ.get("PREFECT_API_AUTH_STRING")
        return SecretStr(written) if written else None

    @property
    def web_database_file(self) -> Path:
        """The web service's database, if it is in a file and none is named."""
        return self.home / "web" / "web.db"

    @property
    def run_folder(self) -> Path:
        """Process ids and logs of the local server and its workers."""
        return self.home / "run"

    def environment(self) -> dict[str, str]:
        """Variables for a child process, so that its state is under `home` too and no telemetry is sent."""
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
        Invalid: A variable is wrong; names it and the reason, but not its value, which may be a secret.
    """
    return _read(_environment())


def _environment() -> tuple[object, ...]:
    """All that settings are read from. They are asked for with each tile, and reading them takes 2 ms."""
    named = frozenset((name, value) for name, value in os.environ.items() if name[:5].upper() == "FAIR_")
    has_home = any(name.upper() == "FAIR_HOME" for name, _ in named)
    try:
        folder = os.getcwd()
    except FileNotFoundError:
        folder = ""
    return named, os.environ.get("HOME"), folder, None if has_home else _default_home()


@lru_cache(maxsize=8)
def _read(environment: tuple[object, ...]) -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        reasons = [_reason(each["loc"], each["msg"]) for each in error.errors()]
        raise Invalid(f"The environment is wrong: {'; '.join(reasons)}. Correct or unset it") from None


def _reason(place: tuple[int | str, ...], said: str) -> str:
    """What is wrong with a variable, or with several that do not go together."""
    return f"FAIR_{str(place[0]).upper()}: {said}" if place else said.removeprefix("Value error, ")
