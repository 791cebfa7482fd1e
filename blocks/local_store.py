"""The store in a folder, as a Prefect block."""

from __future__ import annotations

from pathlib import Path

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from fair_models.store.protocol import Store


class LocalStore(Block):
    """The registry's bytes in a folder that the worker sees.

    Save one under the name "default", and all flows use it. Without one they use the folder `store` under
    FAIR_HOME.

    Example:
        ```python
        from blocks.local_store import LocalStore

        block = LocalStore.load("BLOCK_NAME")
        store = block.open()
        ```
    """

    _block_type_name = "fair-models store (folder)"
    _block_type_slug = "fair-models-local-store"
    _documentation_url = HttpUrl("https://github.com/hotosm/fair-models/blob/main/docs/guides/blocks.md")

    folder: Path = Field(description="Absolute path of the folder for the files, as the worker sees it.")

    def environment(self) -> dict[str, str]:
        """The variable that makes a process use this folder."""
        return {"FAIR_STORE": str(self.folder)}

    def open(self) -> Store:
        """The store. Nothing is made on disk before something is put."""
        from fair_models.store.local import LocalStore as FolderStore

        return FolderStore(self.folder)
