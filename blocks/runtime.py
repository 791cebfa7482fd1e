"""Where trainings and predictions run, as a Prefect block."""

from __future__ import annotations

import json

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl

from fair_models.settings import CPUS, QUANTITY, Settings


class Runtime(Block):
    """Work pools, default images and resources for the runs that flows start.

    Save one under the name "default", and all flows use it; empty fields leave it to the pool. The image
    of a model, its memory and its accelerator come from its item; this says what comes on top.

    Example:
        ```python
        from blocks.runtime import Runtime

        nodes = {"cuda": {"gpu": "true"}}
        Runtime(train_pool="gpu", train_memory="8Gi", accelerator_nodes=nodes).save("default")

        block = Runtime.load("BLOCK_NAME")
        settings = block.open()
        ```
    """

    _block_type_name = "fair-models runtime"
    _block_type_slug = "fair-models-runtime"
    _documentation_url = HttpUrl("https://github.com/hotosm/fair-models/blob/main/docs/guides/blocks.md")

    train_pool: str = Field(
        "", description="Work pool for trainings, to which `train` is deployed. Default: that of `train`."
    )
    predict_pool: str = Field(
        "", description="Work pool for the shards of predictions. Default: that of their deployment."
    )
    train_image: str = Field(
        "",
        description="Image for trainings of models that name none (`local`), best by its digest. "
        "Default: that of the pool.",
    )
    predict_image: str = Field(
        "",
        description="Image for predictions of models that name none (`local`), best by its digest. "
        "Default: that of the pool.",
    )
    train_memory: str = Field(
        "",
        pattern=f"{QUANTITY}|^$",
        description="Memory for a training besides what its model needs, e.g. 4Gi. "
        "Default: that of the pool.",
    )
    predict_memory: str = Field(
        "",
        pattern=f"{QUANTITY}|^$",
        description="Memory for a shard besides what its model needs, e.g. 2Gi. Default: that of the pool.",
    )
    train_cpu: str = Field(
        "",
        pattern=f"{CPUS}|^$",
        description="Cores for a training, e.g. 2 or 500m. Default: that of the pool.",
    )
    predict_cpu: str = Field(
        "", pattern=f"{CPUS}|^$", description="Cores for a shard, e.g. 2 or 500m. Default: that of the pool."
    )
    accelerator_nodes: dict[str, dict[str, str]] = Field(
        {},
        description="Labels of the nodes for each accelerator that items name (mlm:accelerator), as a JSON "
        'object: {"cuda": {"accelerator": "nvidia"}}.',
    )

    def environment(self) -> dict[str, str]:
        """The variables that make a process send its runs there."""
        given = {name: getattr(self, name) for name in Runtime.model_fields if name != "accelerator_nodes"}
        nodes = {"accelerator_nodes": json.dumps(self.accelerator_nodes)} if self.accelerator_nodes else {}
        return {f"FAIR_{name.upper()}": value for name, value in {**given, **nodes}.items() if value}

    def open(self) -> Settings:
        """Settings with these fields; all others are those of this process."""
        given = {name: getattr(self, name) for name in Runtime.model_fields if getattr(self, name)}
        return Settings(**given)
