"""Fetches the official schemas that our items use into a folder: `python -m deployments.schemas FOLDER`.

Run while the images are built, so that no publish depends on a web site (`FAIR_OFFICIAL_SCHEMAS=required`).
"""

from __future__ import annotations

import sys
from pathlib import Path

from fair_models.catalog.schemas import extensions, official


def fill(folder: Path) -> None:
    """Fetch all of them.

    Args:
        folder: Cache of schemas, as FAIR_SCHEMA_CACHE names it; made where it does not exist.

    Raises:
        SystemExit: Some could not be had.
    """
    if absent := official.fill(folder, [extensions.ITEM, *extensions.USED]):
        told = "\n".join(f"{each}: {official.where_to_put(each, folder)}" for each in absent)
        raise SystemExit(f"{len(absent)} official schemas could not be fetched. Try again later, or:\n{told}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Say where to: python -m deployments.schemas FOLDER")
    fill(Path(sys.argv[1]))
