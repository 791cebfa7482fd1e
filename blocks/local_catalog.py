"""The catalogue in a folder, as a Prefect block."""

from __future__ import annotations

from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from fair_models.catalog.protocol import Catalog


class LocalCatalog(Block):
    """A STAC catalogue in a folder that the worker sees.

    Save one under the name "default", and all flows use it. Without one they use the folder `catalog` under
    FAIR_HOME.

    Example:
        ```python
        from blocks.local_catalog import LocalCatalog

        block = LocalCatalog.load("BLOCK_NAME")
        catalog = block.open()
        ```
    """

    _block_type_name = "fair-models catalogue (folder)"
    _block_type_slug = "fair-models-local-catalog"
    _documentation_url = HttpUrl("https://github.com/hotosm/fair-models/blob/main/docs/guides/blocks.md")

    folder: Path = Field(description="Absolute path of the folder with catalog.json, as the worker sees it.")

    def environment(self) -> dict[str, str]:
        """The variable that makes a process use this folder."""
        return {"FAIR_CATALOG": str(self.folder)}

    def open(self) -> Catalog:
        """The catalogue. Nothing is made on disk before something is committed."""
        from fair_models.catalog.local.catalog import LocalCatalog as FolderCatalog

        return FolderCatalog(self.folder)
