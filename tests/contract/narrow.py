"""Contributions whose networks are large, made narrow enough to be tried out in seconds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

WIDTH = "training.width"


def copy(folder: Path, to: Path, width: int = 8) -> Path:
    """A copy of a contribution that starts from published weights, with fewer channels."""
    made = to / "models" / folder.name
    shutil.copytree(folder, made, ignore=shutil.ignore_patterns("__pycache__"))
    template = item(made)
    properties = template["properties"]
    properties.pop("mlm:total_parameters")
    properties["mlm:hyperparameters"][WIDTH] = width
    for entry in properties["fair:hyperparameters_spec"]:
        if entry["key"] == WIDTH:
            entry |= {"default": width, "values": [width]}
    write_item(made, template)
    pipeline = made / "pipeline.py"
    text = pipeline.read_text(encoding="utf-8")
    pipeline.write_text(
        text.replace("width: int = Field(\n        64,", f"width: int = Field(\n        {width},")
    )
    return made


def item(folder: Path) -> dict[str, Any]:
    template: dict[str, Any] = json.loads((folder / "stac-item.json").read_text(encoding="utf-8"))
    return template


def write_item(folder: Path, template: dict[str, Any]) -> None:
    (folder / "stac-item.json").write_text(json.dumps(template), encoding="utf-8")
