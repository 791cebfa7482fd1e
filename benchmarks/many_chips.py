"""Chips to measure with: a folder of them several times over, apart from each other, or invented ones."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from fair_models.data.images import tiles

APART = 1000
"""Tiles from one copy to the next."""

_LEFT = re.compile(r"(<GeoTransform>\s*)([-+.0-9e]+)")


def make(folder: Path, chips: Path | None, copies: int) -> list[Path]:
    """Write chips with a place of their own, beside each other as in the folder that they come from.

    Args:
        folder: Where to write.
        chips: JPEG files named after their tiles, with an `.aux.xml` in degrees. Default: invented ones.
        copies: How often they are there, some kilometres apart.

    Returns:
        The chips, in the order of their names.
    """
    if chips is None:
        return _invented(folder, copies)
    folder.mkdir(parents=True)
    for chip in sorted(chips.glob("*.tif")):
        for copy in range(copies):
            _moved(chip, folder, copy * APART)
    return sorted(folder.glob("*.tif"))


def _moved(chip: Path, folder: Path, columns: int) -> None:
    """A chip as that of a tile further in the east."""
    tile = tiles.parse(chip.stem)
    if tile is None:
        raise SystemExit(f"{chip.name} is not named after a tile")
    name = tiles.Tile(tile.x + columns, tile.y, tile.z).name
    shutil.copyfile(chip, folder / f"{name}.tif")
    degrees = columns * 360 / 2**tile.z
    aside = chip.with_name(f"{chip.name}.aux.xml").read_text(encoding="utf-8")
    moved = _LEFT.sub(lambda found: f"{found[1]}{float(found[2]) + degrees!r}", aside)
    (folder / f"{name}.tif.aux.xml").write_text(moved, encoding="utf-8")


def _invented(folder: Path, copies: int) -> list[Path]:
    from fair_models.data.synthetic.sample import make_settlement

    folder.mkdir(parents=True)
    for copy in range(copies):
        made = make_settlement(
            folder / "made", seed=1000 + copy, columns=6, rows=8, size_px=512, prediction_columns=0
        )
        for chip in (made / "input").glob("*.tif"):
            shutil.move(chip, folder / chip.name)
    shutil.rmtree(folder / "made")
    return sorted(folder.glob("*.tif"))
