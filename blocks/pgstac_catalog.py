"""The catalogue in pgstac, as a Prefect block. Needs the extra `pgstac`."""

from __future__ import annotations

import os
from urllib.parse import quote, urlsplit

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr, field_validator

from fair_models import settings
from fair_models.catalog.protocol import Catalog


class PgstacCatalog(Block):
    """A STAC catalogue in a PostgreSQL database with pgstac, which a STAC API serves.

    Save one under the name "default", and all flows use it. `fair-models catalog init` makes the
    database ready.

    Example:
        ```python
        from blocks.pgstac_catalog import PgstacCatalog

        PgstacCatalog(
            url="postgresql://fair@db.internal:5432/pgstac",
            password="PASSWORD",
            api_url="https://stac.example.org",
        ).save("default")

        block = PgstacCatalog.load("BLOCK_NAME")
        catalog = block.open()
        ```
    """

    _block_type_name = "fair-models catalogue (pgstac)"
    _block_type_slug = "fair-models-pgstac-catalog"
    _documentation_url = HttpUrl("https://github.com/hotosm/fair-models/blob/main/docs/guides/blocks.md")

    url: str = Field(
        pattern=r"^postgresql://[^/@:\s]+@[^/@\s]+/[^/\s]+$",
        description="User, host, port and name of the database, without the password: "
        "postgresql://user@host:5432/name.",
    )
    password: SecretStr = Field(description="Password of that user.")
    api_url: HttpUrl = Field(
        description="Address of the STAC API that serves this database; links between items use it."
    )

    @field_validator("url")
    @classmethod
    def _has_a_host(cls, value: str) -> str:
        if not urlsplit(value).hostname:
            raise ValueError("the address names no host")
        return value

    def environment(self) -> dict[str, str]:
        """The variables that make a process use this database."""
        user, _, place = self.url.removeprefix("postgresql://").partition("@")
        password = quote(self.password.get_secret_value(), safe="")
        return {
            "FAIR_CATALOG": f"postgresql://{user}:{password}@{place}",
            "FAIR_CATALOG_API_URL": str(self.api_url).rstrip("/"),
        }

    def open(self) -> Catalog:
        """The catalogue. Its `environment` is put into this process first."""
        from fair_models.catalog import opening

        os.environ.update(self.environment())
        return opening.open_catalog(settings.current())
