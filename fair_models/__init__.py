"""fair-models: a registry and workflows for models that map the world from imagery."""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from fair_models import former_names

if TYPE_CHECKING:
    from fair_models.python_api import open_catalog, open_store, predict, read_item

__all__ = ["__version__", "open_catalog", "open_store", "predict", "read_item"]

try:
    __version__ = version("fair-models")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

former_names.install()


def __getattr__(name: str) -> Any:
    """The Python API, loaded when it is first used: importing the package stays light."""
    if name in __all__:
        from fair_models import python_api

        return getattr(python_api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
