"""Modules that had another name once: code that was archived then still finds them.

Registered code is archived by digest and keeps its imports, and ZenML, run configs and saved blocks name
modules by their dotted names. So a module that moves leaves a line here, and importing the old name gives the
module of today, the same object. Nothing of the library itself imports an old name (a test looks).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "fair_models.contract.weights": "fair_models.ml_tasks.weights",
    "fair_models.contract.weights_file": "fair_models.ml_tasks.weights_file",
}
"""The name of today by the former one."""


class FormerNames(MetaPathFinder):
    """Finds modules by their former names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module of today under its former name; None for every other name."""
        current = MOVED.get(fullname)
        return None if current is None else ModuleSpec(fullname, _Moved(current))


class _Moved(Loader):
    """Hands out the module of today, as it is."""

    def __init__(self, current: str) -> None:
        self.current = current

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.current)
        self._spec = module.__spec__  # the import system is about to overwrite it
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def install() -> None:
    """Have former names found in this process; again is no difference."""
    if not any(isinstance(finder, FormerNames) for finder in sys.meta_path):
        sys.meta_path.append(FormerNames())
