"""Imports registered code from its archive, by digest.

Each archive becomes a package of its own, `fair_code_<first 16 hex digits of its sha-256>`: two versions of
one contribution live in one process side by side, and an item of v1 keeps calling the code of v1. Nothing is
imported before the archive has been compared with its digest.
"""

from __future__ import annotations

import importlib
import shutil
import sys
import threading
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import orjson

from fair_models import settings
from fair_models.contract import classes as class_choice
from fair_models.contract.call import called
from fair_models.contract.code.code_archive import LIMITS, MANIFEST
from fair_models.contract.code.signatures import pipeline_problems, processing_problems
from fair_models.contract.protocol import Pipeline, Processing
from fair_models.errors import Conflict, Corrupted, InvalidContribution
from fair_models.store.archive import BROKEN, unpack
from fair_models.store.digests import hex_of, verify

PREFIX = "fair_code_"

_ABSENT = object()

_one_at_a_time = threading.RLock()


@dataclass(frozen=True)
class LoadedProcessing:
    """A contribution's processing functions; the two may come from different modules.

    preprocess: As `Processing.preprocess`.
    postprocess: As `Processing.postprocess`.
    """

    preprocess: Callable[..., Any]
    postprocess: Callable[..., Any]


def load_processing(
    archive: Path, checksum: str, preprocess: str, postprocess: str, classes: Sequence[str] = ()
) -> Processing:
    """Import a model's pre- and post-processing.

    Args:
        archive: The registered archive of the contribution's code.
        checksum: Its sha-256 multihash as the item says it.
        preprocess: "module:function" as the item names it, e.g. "models.roofs.processing:preprocess".
        postprocess: Likewise.
        classes: Class names of the model at hand, for a post-processing that takes any. Default: its own.

    Raises:
        NotFound: There is no such archive.
        Corrupted: The archive is not the one that was registered. Nothing of it has been executed.
        InvalidContribution: The code cannot be imported, lacks a function, or has it with other parameters.
    """
    before = load_attribute(archive, checksum, preprocess)
    after = load_attribute(archive, checksum, postprocess)
    reasons = processing_problems(before, after)
    if reasons:
        raise InvalidContribution(preprocess.partition(":")[0], reasons)
    return cast(Processing, LoadedProcessing(before, class_choice.bound(after, classes)))


def load_pipeline(archive: Path, checksum: str, entrypoint: str) -> Pipeline:
    """Import a model's pipeline module. This loads what it needs, torch for one.

    Args:
        archive: The registered archive of the contribution's code.
        checksum: Its sha-256 multihash as the item says it.
        entrypoint: The module as the item names it, e.g. "models.roofs.pipeline".

    Raises:
        NotFound: There is no such archive.
        Corrupted: The archive is not the one that was registered. Nothing of it has been executed.
        InvalidContribution: The code cannot be imported or does not keep to the contract.
    """
    if ":" in entrypoint:
        raise InvalidContribution(
            entrypoint, ["it names a ZenML pipeline of its own; load that with load_attribute"]
        )
    module = load_module(archive, checksum, entrypoint)
    reasons = pipeline_problems(module)
    if reasons:
        raise InvalidContribution(entrypoint, reasons)
    return cast(Pipeline, module)


def load_attribute(archive: Path, checksum: str, expression: str) -> Any:
    """Import one thing that an item names as "module:name". Raises as `load_pipeline` does."""
    module_name, _, name = expression.partition(":")
    module = load_module(archive, checksum, module_name)
    found = called(module_name, name, getattr, module, name, _ABSENT) if name else _ABSENT
    if found is _ABSENT:
        raise InvalidContribution(
            module_name, [f"it has no {name or 'function name after a colon'}; the item names {expression}"]
        )
    return found


def load_module(archive: Path, checksum: str, name: str) -> ModuleType:
    """Import a module of an archive. Raises as `load_pipeline` does.

    Args:
        archive: The registered archive.
        checksum: Its sha-256 multihash.
        name: The module as it is called where it was written; its package is replaced by that of the archive.
    """
    verify(archive, checksum)
    digest = hex_of(checksum)
    with _one_at_a_time:
        folder = _unpacked(archive, digest)
        package = f"{PREFIX}{digest[:16]}"
        own_name = package + _below_package(name, folder)
        before = set(sys.modules)
        try:
            _ensure_package(package, folder)
            return importlib.import_module(own_name)
        except (Exception, SystemExit) as error:
            # A module that was imported half would be taken for whole at the next try.
            for half in [each for each in sys.modules if each not in before and _is_of(each, package)]:
                del sys.modules[half]
            raise InvalidContribution(name, [_why(error, package)]) from error


def _unpacked(archive: Path, digest: str) -> Path:
    """The archive's folder in the cache, made again where its files are not those of the archive."""
    folder = settings.current().cache_folder / "code" / digest
    if not _holds(folder, archive):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            unpack(archive, folder, LIMITS)
        except Conflict:
            # Another process was faster; what it unpacked is looked at like any other folder.
            if not _holds(folder, archive):
                raise
    return folder


def _holds(folder: Path, archive: Path) -> bool:
    """Whether a folder has the files of an archive, byte for byte, and no others but Python's caches."""
    if not folder.is_dir():
        return False
    there = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    try:
        with zipfile.ZipFile(archive) as opened:
            return set(there) == set(opened.namelist()) and all(
                path.read_bytes() == opened.read(name) for name, path in there.items()
            )
    except (*BROKEN, OSError) as error:
        raise Corrupted(f"Archive {archive} cannot be read ({error}): fetch or make it again") from error


def _below_package(name: str, folder: Path) -> str:
    """What follows the package in a module's name, with its dot: ".pipeline" of "models.roofs.pipeline"."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise InvalidContribution(
            name, [f"its archive of code has no {MANIFEST}: register the contribution again"]
        )
    package = _said_package(manifest)
    if package is None:
        raise InvalidContribution(
            name, [f'the {MANIFEST} in its archive of code is damaged; it should be {{"package": "name"}}']
        )
    if not _is_of(name, package):
        raise InvalidContribution(
            name, [f"its archive holds the package {package}: let the item name modules of that"]
        )
    return name.removeprefix(package)


def _said_package(manifest: Path) -> str | None:
    try:
        content = orjson.loads(manifest.read_bytes())
    except orjson.JSONDecodeError:
        return None
    package = content.get("package") if isinstance(content, dict) else None
    return package if isinstance(package, str) and package else None


def _is_of(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _ensure_package(package: str, folder: Path) -> None:
    """Import the archive's own package, if it is not yet, or was from a cache that is somewhere else now."""
    known = sys.modules.get(package)
    if known is not None and list(known.__path__) == [str(folder)]:
        return
    for module in [each for each in sys.modules if _is_of(each, package)]:
        del sys.modules[module]
    importlib.invalidate_caches()
    spec = _package_spec(package, folder)
    sys.modules[package] = made = module_from_spec(spec)
    if spec.loader:
        spec.loader.exec_module(made)


def _package_spec(package: str, folder: Path) -> ModuleSpec:
    start = folder / "__init__.py"
    if start.is_file():
        found = spec_from_file_location(package, start, submodule_search_locations=[str(folder)])
        if found is not None:
            return found
    spec = ModuleSpec(package, loader=None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return spec


def _why(error: BaseException, package: str) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        if _is_of(error.name, package):
            return f"it has no module {error.name.removeprefix(package).lstrip('.')}"
        return (
            f"it imports {error.name}, which is not in this environment: "
            "run it in the runtime that the item names, or install what is missing"
        )
    return f"it cannot be imported: {type(error).__name__}: {error}"
