"""fair-models: a registry and workflows for models that map the world from imagery."""

from importlib.metadata import PackageNotFoundError, version

from fair_models import former_names

try:
    __version__ = version("fair-models")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

former_names.install()
