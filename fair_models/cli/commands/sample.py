"""Imagery to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fair_models.cli import output
from fair_models.cli.options import Json
from fair_models.errors import Conflict


def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write, new or empty.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed; another one gives another settlement.")] = 0,
    built_share: Annotated[
        float, typer.Option(min=0.05, max=1.0, help="Share of the area with buildings (0.05 to 1).")
    ] = 1.0,
    classes: Annotated[
        str,
        typer.Option("--classes", help="Classes to label: building, road, tree, separated by commas."),
    ] = "building",
    json: Json = False,
) -> None:
    """Write chips and labels of an invented settlement, in fAIr's layout."""
    from fair_models.data.synthetic import make_settlement

    folder = folder.expanduser().resolve()
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty. Name a folder that is new or empty")
    named = [name.strip() for name in classes.split(",") if name.strip()]
    make_settlement(folder, seed=seed, built_share=built_share, classes=tuple(dict.fromkeys(named)))
    chips = folder / "input"
    words = [f"--class {name}" for name in dict.fromkeys(named)] if named != ["building"] else []
    words += ["--class-property class"] if len(set(named)) > 1 else []
    if output.wants_json():
        output.show_json({"chips": str(chips), "imagery": str(folder / "prediction" / "input")})
        return
    fields = {
        "chips and labels": chips,
        "imagery to predict": folder / "prediction" / "input",
        "next": " ".join([f"fair-models ingest my-area {chips}", *words]),
    }
    output.show_fields("An invented settlement", fields)
