"""Whether the code that items name is there. It is read, never executed."""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Iterator
from pathlib import Path

import orjson

from fair_models.audit.asset_rules import damage_of, held
from fair_models.audit.findings import Problem
from fair_models.audit.scope import Entry, Scope
from fair_models.catalog.items import assets
from fair_models.contract.code.code_archive import LARGEST_FILE_BYTES, MANIFEST
from fair_models.contract.code.signatures import PIPELINE_FUNCTIONS
from fair_models.errors import Invalid, NotFound
from fair_models.store.archive import BROKEN
from fair_models.types import Json

REGISTER = "Register the contribution again, and promote what was trained on it."
_FUNCTIONS = (("mlm:input", "pre_processing_function"), ("mlm:output", "post_processing_function"))


def entrypoints(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Names of modules and functions that the archive of code does not have. Equal archives are read once."""
    for key, asset in held(document):
        if not assets.has_role(asset.get("roles", ()), assets.SOURCE_CODE) or not scope.chosen(asset["href"]):
            continue
        href, checksum = asset["href"], asset["file:checksum"]
        if scope.size(href) is None or damage_of(scope, href, checksum):
            continue  # the rules `assets` and `digests` report it
        names = tuple(dict.fromkeys(_named(document, asset)))
        if (checksum, *names) not in scope.code:
            scope.code[checksum, *names] = list(_problems(scope, href, names))
        for said in scope.code[checksum, *names]:
            yield Problem(entry.label, f"its {key} {said}", REGISTER)


def _named(document: Json, asset: Json) -> Iterator[str]:
    """What an item names of its code: "pkg.module", or "pkg.module:function"."""
    if isinstance(asset.get("mlm:entrypoint"), str):
        yield asset["mlm:entrypoint"]
    for field, name in _FUNCTIONS:
        for entry in document["properties"].get(field) or ():
            said = entry.get(name)
            for function in said if isinstance(said, list) else [said]:
                if isinstance(function, dict) and function.get("format") == "python":
                    yield str(function.get("expression"))


def _problems(scope: Scope, href: str, names: tuple[str, ...]) -> Iterator[str]:
    try:
        path = scope.store.fetch(href)
        with zipfile.ZipFile(path) as archive:
            package = orjson.loads(archive.read(MANIFEST))["package"]
            for name in names:
                yield from _missing(archive, str(package), name)
    except (*BROKEN, TypeError, OSError) as error:
        yield f"is no archive of code that can be read ({error})"
    except (NotFound, Invalid) as error:
        yield f"cannot be read: {error}"


def _missing(archive: zipfile.ZipFile, package: str, named: str) -> Iterator[str]:
    """What an archive lacks of "module:function", or of a pipeline module."""
    module, _, function = named.partition(":")
    if module != package and not module.startswith(f"{package}."):
        yield f"holds the package {package}, and {named} is of another"
        return
    inside = Path(*module.removeprefix(package).strip(".").split("."))
    there = [each for each in (f"{inside}.py", f"{inside / '__init__.py'}") if each in archive.namelist()]
    if not there:
        yield f"has no module {module}, which {named} is of"
        return
    names = _top_level(archive, there[0])
    if isinstance(names, str):
        yield f"has a module {module} that cannot be imported: {names}"
        return
    wanted = [function] if function else ["Params", *PIPELINE_FUNCTIONS]
    lacking = [each for each in wanted if each not in names and "*" not in names]
    if lacking:
        yield f"has no {', '.join(lacking)} in {module}"


def _top_level(archive: zipfile.ZipFile, name: str) -> set[str] | str:
    """Names that a module has once it is imported, or why it cannot be: "*" where some come by a star."""
    if archive.getinfo(name).file_size > LARGEST_FILE_BYTES:
        return f"it has more than {LARGEST_FILE_BYTES} bytes"
    try:
        tree = ast.parse(archive.read(name))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return str(error)
    return set(_bound(tree.body))


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            yield from (
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            )
        else:  # `if`, `try` and `with` bind what is in them
            for part in ("body", "orelse", "finalbody"):
                yield from _bound(getattr(statement, part, []))
            for handler in getattr(statement, "handlers", []):
                yield from _bound(handler.body)
