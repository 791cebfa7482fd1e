"""What a contribution's modules import, read from their text and tried in a process of its own."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

HEAVY = ("torch", "zenml", "mlflow", "onnxruntime", "prefect")
"""What processing must not load: prediction would need it, or wait for it."""

FOREIGN = ("zenml", "mlflow", "prefect")
"""What no module of a contribution imports: the library tracks and schedules."""

FACE = "fair_models.sdk"
"""What modules of a contribution may import of the library: it stays as it is, as archived code does."""

MAKER = "weights.py"
"""The module that makes the initial weights. It runs before registration and never from an archive."""

_PROBE = """
import sys
from pathlib import Path
from fair_models.contract.code.loader import load_attribute
archive, checksum, *expressions = sys.argv[1:]
for expression in expressions:
    load_attribute(Path(archive), checksum, expression)
print(" ".join(name for name in {heavy!r} if name in sys.modules))
"""


def text_problems(folder: Path, package: str, foreign: Collection[str] = FOREIGN) -> list[str]:
    """Imports that stop working once the code is archived, or that belong to the library.

    Args:
        folder: The contribution.
        package: Its package as it was written, e.g. "models.roofs".
        foreign: Packages that none of its modules may import.
    """
    return [
        problem
        for path in sorted(folder.rglob("*.py"))
        if "tests" not in path.relative_to(folder).parts
        for problem in _file_problems(path, path.relative_to(folder).as_posix(), package, foreign)
    ]


def face_problems(folder: Path) -> list[str]:
    """Imports of the library beside `fair_models.sdk`, which may change while the archived code cannot.

    `tests/` and `weights.py` may import what they like: they do not run from an archive.

    Args:
        folder: The contribution.
    """
    found = []
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        if name == MAKER or name.startswith("tests/"):
            continue
        for line, module in _imports_of(path):
            if _is_of(module, "fair_models") and not _is_of(module, FACE):
                found.append(
                    f"{name}, line {line}, imports {module}, which may change after the code was archived: "
                    f"take it from {FACE}"
                )
    return found


def heavy_imports(archive: Path, checksum: str, expressions: list[str]) -> list[str]:
    """Which heavy packages are loaded by importing some functions, in a fresh process.

    Args:
        archive: Archive of the code.
        checksum: Its sha-256 multihash.
        expressions: "module:function" of each.

    Returns:
        Names of `HEAVY`. Empty too where the import fails: the loader tells why.
    """
    command = [sys.executable, "-c", _PROBE.format(heavy=HEAVY), str(archive), checksum, *expressions]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.split() if done.returncode == 0 else []


def _file_problems(path: Path, name: str, package: str, foreign: Collection[str]) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        yield f"{name} cannot be read as Python: {error}"
        return
    for node in ast.walk(tree):
        modules = _imported(node)
        where = f"{name}, line {getattr(node, 'lineno', 0)}"
        if own := [module for module in modules if _is_of(module, package)]:
            yield (
                f"{where}, imports {own[0]} by its full name, which would not be the archived code: "
                "write a relative import"
            )
        if strange := [module for module in modules if module.partition(".")[0] in foreign]:
            yield f"{where}, imports {strange[0]}: the library tracks and schedules, take it out"


def _imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of each import. `from fair_models import a` is one of its module a."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # `text_problems` tells
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (
                (node.lineno, name) for name in (names if node.module == "fair_models" else [node.module])
            )


def _imported(node: ast.AST) -> list[str]:
    """Full names that a statement imports; for `from a import b` both a and a.b, as b may be a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def _is_of(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
