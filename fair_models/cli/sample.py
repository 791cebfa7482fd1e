"""Imagery to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fair_models.cli import output
from fair_models.cli.options import Json
from fair_models.errors import Conflict


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sample", rich_help_panel="Begin here")(sample)


def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write, new or empty.")],
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives another settlement.")] = 0,
    built_share: Annotated[
        float, typer.Option(min=0.05, max=1.0, help="Share of the area with buildings (0.05 to 1).")
    ] = 1.0,
    json: Json = False,
) -> None:
    """Write the chips and labels of an invented settlement, in the layout that fAIr uses."""
    from fair_models.data.synthetic import make_settlement

    folder = folder.expanduser().resolve()
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} holds something already. Name a folder that is new or empty")
    make_settlement(folder, seed=seed, built_share=built_share)
    chips = folder / "input"
    if output.wants_json():
        output.show_json({"chips": str(chips), "imagery": str(folder / "prediction" / "input")})
        return
    fields = {
        "chips and labels": chips,
        "imagery to predict": folder / "prediction" / "input",
        "next": f"fair-models ingest my-area {chips}",
    }
    output.show_fields("An invented settlement", fields)
