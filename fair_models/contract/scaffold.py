"""Makes a new contribution: a folder that is complete and can be registered as it is. Needs torch."""

from __future__ import annotations

import importlib.util
import json
import keyword
import re
import shutil
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from pydantic import TypeAdapter, ValidationError

from fair_models.contract.code import loader
from fair_models.contract.code.code_archive import pack_code
from fair_models.contract.contribution import package_of
from fair_models.contract.verification import hyperparameters
from fair_models.errors import Conflict, Invalid
from fair_models.store.atomic import atomic_folder
from fair_models.store.digests import checksum_file
from fair_models.types import VERSION_SUFFIX, Json, Name

FILES = Path(__file__).with_name("scaffold_files")
"""One folder of templates for tasks that share them, with the words of each task, named as in `mlm:tasks`."""

LICENSE = "Apache-2.0"
"""What a new contribution says until its author says otherwise."""

_ENDING = ".tmpl"


@dataclass(frozen=True)
class Scaffold:
    """A contribution that was made.

    folder: Where it lies, absolute.
    name: Name of the base model, e.g. "roof-dots".
    package: How its modules are imported, e.g. "models.roof_dots".
    import_root: Folder from which they can be imported so.
    """

    folder: Path
    name: str
    package: str
    import_root: Path


def tasks() -> list[str]:
    """ML tasks that a contribution can be made for."""
    return sorted(_words_files())


def folder_name(name: str) -> str:
    """The folder of a model, which Python can import: "roof_dots" for "roof-dots"."""
    return name.replace("-", "_")


def create(name: str, folder: Path, task: str) -> Scaffold:
    """Make a contribution. The folder appears whole or not at all.

    Its weights come from its own weights.py, its hyperparameters are those of its own `Params`.

    Args:
        name: Name of the base model, e.g. "roof-dots".
        folder: The folder to make, e.g. models/roof_dots in a checkout.
        task: One of `tasks`.

    Raises:
        Invalid: Name, folder or task cannot be used; says every reason.
        Conflict: The folder exists.
        Unavailable: The disk is full, read-only or not ours to write.
    """
    folder = folder.expanduser().resolve()
    package = package_of(folder)
    reasons = [*_name_problems(name), *_folder_problems(folder, package), *_task_problems(task)]
    if reasons:
        raise Invalid("; ".join(reasons))
    if folder.exists():
        raise Conflict(
            f"{folder} exists already. Choose another name or --folder, or take it away if nobody needs it."
        )
    with tempfile.TemporaryDirectory(prefix="fair-new-") as temporary:
        # The package is named by its folders, so they are the same while it is made.
        draft = Path(temporary, *package.split("."))
        _write(draft, name, package, task)
        with atomic_folder(folder) as whole:
            shutil.copytree(draft, whole, dirs_exist_ok=True)
    return Scaffold(folder, name, package, folder.parents[package.count(".")])


def _name_problems(name: str) -> Iterator[str]:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        yield (
            f"{name!r} cannot name a model: use 3 to 63 lower-case letters, digits and single hyphens, "
            "first a letter, for example roof-dots"
        )
    if re.search(VERSION_SUFFIX, name):
        yield f"{name!r} ends like a version, which registration adds: leave that away"


def _folder_problems(folder: Path, package: str) -> Iterator[str]:
    module = folder.name
    if not module.isidentifier() or keyword.iskeyword(module):
        yield (
            f"a folder called {module!r} cannot be imported: use letters, digits and underscores, first a "
            "letter, and no word of Python"
        )
    elif package == module and not folder.exists() and importlib.util.find_spec(module) is not None:
        yield f"{module!r} is a Python package already, which the folder would hide: choose another --folder"


def _task_problems(task: str) -> Iterator[str]:
    if task not in tasks():
        yield f"there is no starting point for the task {task!r}: choose {' or '.join(tasks())}"


def _write(draft: Path, name: str, package: str, task: str) -> None:
    of_task = _words_files()[task]
    words = {
        "name": name,
        "title": name.replace("-", " ").capitalize(),
        "folder": draft.name,
        "package": package,
        "license": LICENSE,
        **_task_words(of_task),
    }
    source = of_task.parent
    code = [path for path in _templates(source) if path.suffixes[-2:] == [".py", _ENDING]]
    _render(source, code, draft, words)
    with tempfile.TemporaryDirectory(prefix="fair-new-code-") as temporary:
        archive = Path(temporary) / "source-code.zip"
        pack_code(draft, archive)
        checksum = checksum_file(archive)
        words |= _facts(loader.load_pipeline(archive, checksum, f"{package}.pipeline"))
        _render(source, [path for path in _templates(source) if path not in code], draft, words)
        loader.load_module(archive, checksum, f"{package}.weights").make(draft)


def _words_files() -> dict[str, Path]:
    """Where the words of each task are."""
    return {path.stem: path for path in FILES.glob("*/*.json")}


def _task_words(path: Path) -> dict[str, str]:
    """What the templates say of a task. What one task has more than others goes before what all have."""
    said: Json = json.loads(path.read_text(encoding="utf-8"))
    said["more_inference_values"] = {entry["key"]: entry["default"] for entry in said["more_inference"]}
    said["more_fields"] = "".join(f"{line}\n" for line in said["more_fields"])
    said["more_properties"] = "".join(f"    {line},\n" for line in said["more_properties"])
    said["more_part_tests"] = "".join(f"    {line}\n" for line in said["more_part_tests"])
    more = {"more_inference_values", "more_inference", "first_metrics", "object_metrics"}
    inner = {key: f"{_inner_json(said[key])},\n" if said[key] else "" for key in more}
    return {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in said.items()
    } | inner


def _templates(source: Path) -> list[Path]:
    return sorted(source.rglob(f"*{_ENDING}"))


def _render(source: Path, templates: list[Path], draft: Path, words: dict[str, str]) -> None:
    for template in templates:
        relative = template.relative_to(source).as_posix().removesuffix(_ENDING)
        path = draft / relative.replace("FOLDER", words["folder"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(template.read_text(encoding="utf-8")).substitute(words), encoding="utf-8")


def _facts(pipeline: Any) -> dict[str, str]:
    """What item and model card say of the network and its hyperparameters."""
    import torch

    specification = hyperparameters.specification(pipeline.Params)
    network = pipeline.build(pipeline.Params())
    values = {entry["key"]: entry["default"] for entry in specification}
    return {
        "torch_version": torch.__version__.partition("+")[0],
        "total_parameters": str(sum(weight.numel() for weight in network.parameters())),
        "training_values": _inner_json(values),
        "training_specification": _inner_json(specification),
    }


def _inner_json(value: Json | list[Json]) -> str:
    """JSON of an object's or list's content, set in as deep as the item's properties have it."""
    lines = json.dumps(value, indent=2, ensure_ascii=False).splitlines()[1:-1]
    return textwrap.indent("\n".join(lines), "    ")
