"""ZenML and MLflow."""

from __future__ import annotations

from fair_models.settings import Settings


def zenml(settings: Settings) -> str:
    """Open it, see to its stack, write and read a file where steps keep theirs."""
    from fair_models.training import health

    return health.use_zenml(settings)


def mlflow(settings: Settings) -> str:
    """Log a file to a run, and read it."""
    from fair_models.training import health

    return health.use_mlflow(settings)
