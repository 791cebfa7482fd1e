"""Archives of code that others made, brought into our form: one package, and a manifest that names it."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from fair_models.contract.code import imports
from fair_models.contract.code.code_archive import LIMITS, MANIFEST, pack_code
from fair_models.errors import Corrupted, InvalidContribution
from fair_models.store.archive import BROKEN, unpack


def adopt(archive: Path, expressions: Sequence[str], destination: Path) -> str | None:
    """Archive the modules that an item names anew, if the archive is not in our form already.

    The modules may lie at the top of the archive, in the folders of their package, or in those below others,
    as in the archives that code hosts make of a repository. Only the package itself is kept.

    Args:
        archive: Zip archive with the modules.
        expressions: What the item names, e.g. "models.roofs.pipeline", "models.roofs.processing:preprocess".
        destination: Where the new archive goes. The same modules give the same bytes.

    Returns:
        The package, if a new archive was written; None where the given one is in our form.

    Raises:
        InvalidContribution: The modules are not in it, in several places, in several packages, import each
            other by full names, or are no code of ours to keep; lists the reasons.
        Invalid: It holds links, names that lead elsewhere, or more than code may have.
        Corrupted: It is no zip archive, or damaged.
    """
    if _is_ours(archive):
        return None
    modules = list(dict.fromkeys(expression.partition(":")[0] for expression in expressions))
    with tempfile.TemporaryDirectory(prefix="fair-code-") as work_folder:
        unpacked = Path(work_folder) / "unpacked"
        unpack(archive, unpacked, LIMITS)
        package, folder = _located(unpacked, modules, archive.name)
        if reasons := imports.text_problems(folder, package, foreign=()):
            raise InvalidContribution(archive.name, reasons)
        pack_code(folder, destination, package)
    return package


def _is_ours(archive: Path) -> bool:
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
    except (*BROKEN, OSError) as error:
        raise Corrupted(f"Archive {archive} cannot be read ({error}): fetch or make it again") from error
    return any(entry.filename == MANIFEST for entry in entries) and not any(
        entry.is_dir() for entry in entries
    )


def _located(unpacked: Path, modules: Sequence[str], name: str) -> tuple[str, Path]:
    """The package that holds all modules, and its folder in the archive."""
    for package in _packages(modules):
        relative = [module.removeprefix(package).lstrip(".").replace(".", "/") for module in modules]
        found = [folder for folder in _folders(unpacked) if all(_has(folder, each) for each in relative)]
        depth = max((_depth(folder, unpacked, package) for folder in found), default=0)
        best = [folder for folder in found if _depth(folder, unpacked, package) == depth]
        if len(best) > 1:
            places = ", ".join(folder.relative_to(unpacked).as_posix() for folder in best)
            raise InvalidContribution(
                name, [f"the modules of {package} lie in it more than once ({places}): archive one of them"]
            )
        if best:
            return package, best[0]
    raise InvalidContribution(name, [_why_not(modules)])


def _packages(modules: Sequence[str]) -> Iterator[str]:
    """Packages that could hold all modules, the smallest first."""
    common = list(_common([module.split(".") for module in modules]))
    if common and len(modules) > 1:
        yield ".".join(common)
    if len(common) > 1:
        yield ".".join(common[:-1])


def _common(names: Sequence[Sequence[str]]) -> Iterator[str]:
    for parts in zip(*names, strict=False):
        if len(set(parts)) > 1:
            return
        yield parts[0]


def _folders(unpacked: Path) -> list[Path]:
    return [unpacked, *sorted(path for path in unpacked.rglob("*") if path.is_dir())]


def _has(folder: Path, module: str) -> bool:
    if not module:
        return (folder / "__init__.py").is_file()
    return (folder / f"{module}.py").is_file() or (folder / module / "__init__.py").is_file()


def _depth(folder: Path, unpacked: Path, package: str) -> int:
    """How many of the last parts of a folder's path are those of the package."""
    parts = folder.relative_to(unpacked).parts
    pairs = zip(reversed(parts), reversed(PurePosixPath(package.replace(".", "/")).parts), strict=False)
    depth = 0
    for part, wanted in pairs:
        if part != wanted:
            break
        depth += 1
    return depth


def _why_not(modules: Sequence[str]) -> str:
    named = ", ".join(modules)
    if any("." not in module for module in modules):
        return f"the item names {named} without a package: put the modules into one, such as roofs.pipeline"
    if not list(_packages(modules)):
        return f"the item names modules of several packages ({named}), an archive of code holds one"
    return f"the modules that the item names ({named}) are not in it: archive them, or correct the item"
