"""The command that writes a dataset for other tools. It needs no server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fair_models.cli import output
from fair_models.cli.options import Json
from fair_models.settings import current


def export_dataset(
    dataset: Annotated[str, typer.Argument(help="A dataset: a name (its current version) or an exact id.")],
    folder: Annotated[Path, typer.Argument(help="Folder to write, new or empty.")],
    form: Annotated[
        str,
        typer.Option("--format", help="fair, coco, yolo-segmentation, yolo-detection or masks (GeoTIFF)."),
    ] = "fair",
    json: Json = False,
) -> None:
    """Write a dataset for other tools: fAIr, COCO, YOLO or masks."""
    from fair_models.catalog.opening import open_catalog
    from fair_models.publishing import exports
    from fair_models.store.opening import open_store

    settings = current()
    made = exports.export_dataset(dataset, folder, form, open_catalog(settings), open_store(settings))
    export = made.export
    if output.wants_json():
        output.show_json(
            {
                "item": made.item,
                "folder": str(made.folder),
                "format": form,
                "chips": export.chips,
                "labels": dict(export.labels),
                "notes": export.notes,
                "ingest": made.ingest,
            }
        )
        return
    counts = ", ".join(f"{count} {name}" for name, count in export.labels.items())
    fields = {"folder": made.folder, "chips": export.chips, "labels": counts}
    fields |= {"note": "; ".join(export.notes)} if export.notes else {}
    fields |= {"read it back": f"cd {made.folder} && {made.ingest}"} if made.ingest else {}
    output.show_fields(f"{made.item} as {form}", fields)
