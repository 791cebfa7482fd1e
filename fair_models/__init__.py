"""fair-models: a registry and workflows for models that map the world from imagery."""

from typing import TYPE_CHECKING, Any

from fair_models import former_names

if TYPE_CHECKING:
    from fair_models.python_api import open_catalog, open_store, predict, read_item

    __version__: str

__all__ = ["__version__", "open_catalog", "open_store", "predict", "read_item"]

former_names.install()


def __getattr__(name: str) -> Any:
    """The version and the Python API, found when they are first used: importing the package stays light."""
    if name == "__version__":
        return _version()
    if name in __all__:
        from fair_models import python_api

        return getattr(python_api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("fair-models")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
