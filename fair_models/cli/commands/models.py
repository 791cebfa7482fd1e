"""Commands for people who contribute a model. They need no server."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fair_models.cli import output
from fair_models.cli.options import Json
from fair_models.errors import Invalid
from fair_models.settings import checkout_root

if TYPE_CHECKING:
    from fair_models.contract.scaffold import Scaffold

_BAD_INPUT = 2


def new_model(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of the model: 3 to 63 lower-case letters, digits and single hyphens, e.g. roof-dots."
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            help="The folder to make. Default: models/<name> in a checkout, ./<name> elsewhere, "
            "with underscores for hyphens."
        ),
    ] = None,
    task: Annotated[
        str,
        typer.Option(
            help="What the model does: instance-segmentation (one polygon for each object) or "
            "semantic-segmentation (a class for each pixel)."
        ),
    ] = "instance-segmentation",
    json: Json = False,
) -> None:
    """Make a folder for a new model: complete, small, and ready to be changed."""
    _require_torch("new-model")
    from fair_models.contract import scaffold

    made = scaffold.create(name, folder or _default_folder(scaffold.folder_name(name)), task)
    files = [path.relative_to(made.folder).as_posix() for path in made.folder.rglob("*") if path.is_file()]
    if output.wants_json():
        facts = {"name": name, "folder": str(made.folder), "package": made.package}
        output.show_json({**facts, "files": sorted(files), "next": _next(made)})
        return
    output.show_fields(f"Made {_short(made.folder)}", {"model": name, "files": sorted(files)})
    output.show_fields("\nNext", _next(made))


def check_model(
    folder: Annotated[Path, typer.Argument(help="Folder of the contribution, e.g. models/roof_dots.")],
    random_start: Annotated[
        bool, typer.Option("--random-start", help="Do not download published weights.")
    ] = False,
    json: Json = False,
) -> None:
    """List all problems of a contributed model. Code 2 if it has any.

    The code of the contribution is run, nothing is stored.
    """
    _require_torch("check-model")
    from fair_models.contract import checks

    problems = checks.problems(folder, random_start=random_start)
    if output.wants_json():
        output.show_json({"folder": str(folder.resolve()), "passes": not problems, "problems": problems})
    elif problems:
        for problem in problems:
            typer.echo(f"- {' '.join(problem.split())}")
        output.say(f"{_short(folder)} does not pass")
    else:
        typer.echo(f"{_short(folder)} passes")
    if problems:
        raise typer.Exit(_BAD_INPUT)


def check_item(
    file: Annotated[str, typer.Argument(help="A STAC item: its file, or its https address.")],
    json: Json = False,
) -> None:
    """List all problems of a model's, dataset's or prediction's item.

    Needs no server; downloads no file of it and runs no code. Ends with code 2 if there are problems.
    """
    from fair_models.publishing import item_check

    found = item_check.check(file)
    if output.wants_json():
        facts = {"file": file, "item": found.item, "kind": found.kind, "passes": not found.problems}
        output.show_json({**facts, "problems": found.problems, "remarks": found.remarks})
    else:
        for problem in found.problems:
            typer.echo(f"- {' '.join(problem.split())}")
        for remark in found.remarks:
            output.say(f"Note: {' '.join(remark.split())}")
        verdict = "does not pass" if found.problems else "passes"
        told = f"{found.item} (the item of {found.kind}) {verdict}"
        output.say(told) if found.problems else typer.echo(told)
    if found.problems:
        raise typer.Exit(_BAD_INPUT)


def _default_folder(name: str) -> Path:
    checkout = checkout_root()
    return checkout / "models" / name if checkout else Path.cwd() / name


def _next(made: Scaffold) -> dict[str, str]:
    """Commands by what they do."""
    folder = _short(made.folder)
    from_root = "" if made.import_root == Path.cwd() else f"cd {made.import_root} && "
    return {
        "what to change": f"{folder}/README.md",
        "list what is wrong": f"fair-models check-model {folder}",
        "run its tests": f"{from_root}python -m pytest {made.folder.relative_to(made.import_root)}",
        "make its weights again": f"{from_root}python -m {made.package}.weights",
        "publish it": f"fair-models register {folder}",
    }


def _short(folder: Path) -> str:
    """A folder as people would type it here."""
    folder = folder.resolve()
    return str(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder)


def _require_torch(command: str) -> None:
    if importlib.util.find_spec("torch") is None:
        raise Invalid(f"{command} builds the network, and torch is not installed: install fair-models[train]")
