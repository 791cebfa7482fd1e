"""A place as the web has it: its imagery as tiles of OpenAerialMap, its buildings in OpenStreetMap."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from fair_models.data.images import chips, tiles
from fair_models.data.synthetic import make_settlement
from fair_models.types import Array
from tests.inference.tile_server import TileServer
from tests.publishing.label_servers import Overpass, RawDataApi, Town

ZOOM, COLUMNS, ROWS, MORE = 19, 8, 4, 2
UPLOAD = "62d85d11d8499800053796c1/0/62d85d11d8499800053796c2"
TAKEN = "2024-11-05T06:30:00Z"


@dataclass(frozen=True)
class MappedPlace:
    """A settlement: 8 x 4 tiles of zoom 19 that are mapped, and 2 x 4 in the east of them that are not.

    web: Serves all of it.
    overpass: Its buildings.
    raw_data_api: The same.
    corner: The tile in the north-west.
    """

    web: TileServer
    overpass: Overpass
    raw_data_api: RawDataApi
    corner: tiles.Tile

    @property
    def imagery(self) -> str:
        """Its tiles."""
        return self.web.url(f"{UPLOAD}/{{z}}/{{x}}/{{y}}")

    @property
    def mapped(self) -> str:
        """The box of what is mapped, a little smaller than its tiles."""
        return self._box(0, COLUMNS)

    @property
    def unmapped(self) -> str:
        """The box of what is not."""
        return self._box(COLUMNS, COLUMNS + MORE)

    def _box(self, first: int, last: int) -> str:
        x, y = self.corner.x, self.corner.y
        (west, east), (north, south) = tiles.lonlat(
            np.array([x + first + 0.05, x + last - 0.05]), np.array([y + 0.05, y + ROWS - 0.05]), ZOOM
        )
        return ",".join(f"{each:.6f}" for each in (west, south, east, north))


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[MappedPlace]:
    """Serve a place.

    Args:
        folder: Where its files are written.
        port: Port. Default: any.
    """
    make_settlement(folder / "town", seed=7, columns=COLUMNS, rows=ROWS, zoom=ZOOM, prediction_columns=MORE)
    picture, corner = _picture([folder / "town" / "input", folder / "town" / "prediction" / "input"])
    buildings = orjson.loads((folder / "town" / "input" / "labels.geojson").read_bytes())["features"]
    web = TileServer(folder, picture, corner, port)
    for tile in web.all():
        web.answers[f"/{UPLOAD}/{tile.z}/{tile.x}/{tile.y}"] = web.good(tile)
    image = {
        "uuid": web.url(f"{UPLOAD}.tif"),
        "title": "Settlement in the Sahara",
        "provider": "Desert Flyers",
        "acquisition_start": TAKEN,
        "acquisition_end": TAKEN,
        "properties": {"license": "CC-BY 4.0", "tms": web.url(f"{UPLOAD}/{{z}}/{{x}}/{{y}}")},
    }
    beside = folder / f"{UPLOAD}_meta.json"
    beside.parent.mkdir(parents=True)
    beside.write_text(json.dumps(image))
    town = Town(folder / "town", buildings)
    with web.running():
        yield MappedPlace(web, Overpass(web, town), RawDataApi(web, town), corner)


def _picture(folders: Sequence[Path]) -> tuple[Array, tiles.Tile]:
    """All chips side by side, and the tile in the north-west."""
    found = {chip.tile: chips.read(chip) for folder in folders for chip in chips.find(folder) if chip.tile}
    corner = min(found, key=lambda tile: (tile.x, tile.y))
    rows = [
        np.concatenate(
            [found[tiles.Tile(corner.x + column, corner.y + row, ZOOM)] for column in range(COLUMNS + MORE)],
            axis=2,
        )
        for row in range(ROWS)
    ]
    return np.concatenate(rows, axis=1), corner
