"""Whether an image can do what it is for: `python -m deployments.health NAME`, with the name of its target.

The health command of the images, and the first thing that is run in a new one.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path

NEEDS = {
    "inference": ("fair_models.inference.prediction", "flows.predict", "onnxruntime", "psycopg", "boto3"),
    "training": (
        "fair_models.training.config.run_config",
        "flows.train",
        "flows.promote",
        "onnxruntime",
        "psycopg",
        "boto3",
    ),
    "services": ("prefect_redis", "deployments.deploy", "psycopg", "boto3"),
    "registry": ("fair_models.web.app", "psycopg", "boto3"),
}
"""What is imported for each image. Heavy packages are only looked for: this runs every minute."""

INSTALLED = {
    "inference": (),
    "training": ("torch", "zenml", "mlflow", "models"),
    "services": ("mlflow", "prefect_kubernetes"),
    "registry": ("uvicorn", "stac_fastapi"),
}
LEFT_OUT = {
    "inference": ("torch", "zenml", "mlflow"),
    "training": (),
    "services": ("torch", "zenml"),
    "registry": ("torch", "zenml", "mlflow", "prefect"),
}


def problems(image: str) -> list[str]:
    """What keeps this environment from being that image; empty where nothing does.

    Args:
        image: "inference", "training", "services" or "registry".
    """
    found = [f"{name} is not installed" for name in INSTALLED[image] if not _is_there(name)]
    found += [f"{name} is installed" for name in LEFT_OUT[image] if _is_there(name)]
    for name in NEEDS[image]:
        try:
            importlib.import_module(name)
        except ImportError as error:
            found.append(f"{name} cannot be imported: {error}")
    home = Path(os.environ.get("FAIR_HOME", "."))
    if not os.access(home if home.exists() else home.parent, os.W_OK):
        found.append(f"{home} cannot be written: mount a volume there for user {os.getuid()}")
    return found


def _is_there(name: str) -> bool:
    """Whether a package can be imported; it is not."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in NEEDS:
        raise SystemExit(f"Say which image: {', '.join(NEEDS)}.")
    if wrong := problems(sys.argv[1]):
        raise SystemExit("\n".join(wrong))
