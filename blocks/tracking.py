"""Where trainings are tracked, as a Prefect block: ZenML for versions, MLflow for curves."""

from __future__ import annotations

import os
from typing import Literal
from urllib.parse import urlsplit

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator

from fair_models import settings
from fair_models.training.ledger import Ledger


class Tracking(Block):
    """The ZenML and MLflow servers that trainings report to. What is left empty stays on the worker.

    Save one under the name "default", and all flows use it. Without one, both keep their state under
    FAIR_HOME.

    Example:
        ```python
        from blocks.tracking import Tracking

        Tracking(
            zenml_url="https://zenml.example.org",
            zenml_api_key="ZENKEY_...",
            zenml_artifacts="s3://models/zenml",
            mlflow_uri="https://mlflow.example.org",
            mlflow_username="fair",
            mlflow_password="PASSWORD",
        ).save("default")

        block = Tracking.load("BLOCK_NAME")
        ledger = block.open()
        ```
    """

    _block_type_name = "fair-models tracking"
    _block_type_slug = "fair-models-tracking"
    _documentation_url = HttpUrl("https://github.com/hotosm/fair-models/blob/main/docs/guides/blocks.md")

    zenml_url: HttpUrl | None = Field(
        None, description="Address of the ZenML server. Default: a database under FAIR_HOME."
    )
    zenml_api_key: SecretStr | None = Field(
        None, description="API key of a service account there: zenml service-account create NAME."
    )
    zenml_artifacts: str = Field(
        "",
        pattern=r"^(s3://[^\s?#@]+)?$",
        description="Where ZenML keeps what the steps of a training hand on: s3://bucket/prefix, with the "
        "credentials of the store. Needed as soon as trainings and promotions run on several machines. "
        "Default: a folder under FAIR_HOME.",
    )
    zenml_tracker: Literal["none", "mlflow"] = Field(
        "none", description="Experiment tracker of the ZenML stack, so that ZenML's pages link to MLflow."
    )
    mlflow_uri: str | None = Field(
        None,
        description="Tracking address of MLflow, without a login: https://mlflow.example.org, or "
        "sqlite:///path. Default: SQLite under FAIR_HOME.",
    )
    mlflow_username: str | None = Field(None, description="Name for MLflow's basic authentication.")
    mlflow_password: SecretStr | None = Field(None, description="Password that goes with the name.")
    mlflow_token: SecretStr | None = Field(None, description="Bearer token, where MLflow wants one instead.")

    @field_validator("mlflow_uri")
    @classmethod
    def _without_login(cls, value: str | None) -> str | None:
        if value and urlsplit(value).password:
            raise ValueError("the address must not hold a password: it is shown. Use mlflow_password")
        return value

    @model_validator(mode="after")
    def _key_with_server(self) -> Tracking:
        if (self.zenml_url is None) != (self.zenml_api_key is None):
            raise ValueError("zenml_url and zenml_api_key go together")
        return self

    def environment(self) -> dict[str, str]:
        """The variables that make a process use these servers."""
        named = {
            "ZENML_STORE_TYPE": "rest" if self.zenml_url else None,
            "ZENML_STORE_URL": str(self.zenml_url).rstrip("/") if self.zenml_url else None,
            "ZENML_STORE_API_KEY": _clear(self.zenml_api_key),
            "FAIR_ZENML_ARTIFACTS": self.zenml_artifacts,
            "FAIR_ZENML_TRACKER": self.zenml_tracker,
            "MLFLOW_TRACKING_URI": self.mlflow_uri,
            "MLFLOW_TRACKING_USERNAME": self.mlflow_username,
            "MLFLOW_TRACKING_PASSWORD": _clear(self.mlflow_password),
            "MLFLOW_TRACKING_TOKEN": _clear(self.mlflow_token),
        }
        return {name: value for name, value in named.items() if value}

    def open(self) -> Ledger:
        """The ledger of versions. Its `environment` is put into this process before ZenML is loaded."""
        from fair_models.training.ledger import open_ledger

        os.environ.update(self.environment())
        return open_ledger(settings.current())


def _clear(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
