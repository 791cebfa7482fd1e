"""Fill is the same pixels wherever imagery comes from, as far as each file is an image of its own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fair_models.data.images import fill, tiles
from fair_models.data.images.grid import WEB_MERCATOR
from fair_models.inference.imagery.reading import Imagery, open_imagery
from fair_models.inference.imagery.sources.opening import open_source
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.inference.windows import Rectangle
from fair_models.store.web.policy import RetryPolicy
from fair_models.types import Array
from tests.inference.tile_server import TILE_PX, TileServer
from tests.inference.tiny import CORNER, Input, blobs, write_geotiff
from tests.store.web_server import send

ROWS, COLUMNS = 2, 3
QUICK = RetryPolicy(per_second=1000, attempts=1)


def ground_with_fill(value: int) -> tuple[Array, Array]:
    """Six tiles with the rim of a rotated mosaic, which is a good part of each tile that it touches."""
    pixels = (blobs(ROWS * TILE_PX, COLUMNS * TILE_PX) // 2 + 60).astype(np.uint8)
    rows, columns = np.mgrid[0 : pixels.shape[1], 0 : pixels.shape[2]]
    there = rows + 0.45 * columns < 290
    pixels[:, there] = value
    return pixels, there


def coded(pixels: Array, form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, -1))).save(buffer, form, quality=85)
    return buffer.getvalue()


@pytest.fixture
def server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[TileServer]:
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    pixels, _ = ground_with_fill(request.param)
    with TileServer(tmp_path, pixels, CORNER).running() as running:
        assert isinstance(running, TileServer)
        yield running


def parts(server: TileServer) -> dict[tiles.Tile, tuple[slice, slice]]:
    return {
        tile: (
            slice((tile.y - CORNER.y) * TILE_PX, (tile.y - CORNER.y + 1) * TILE_PX),
            slice((tile.x - CORNER.x) * TILE_PX, (tile.x - CORNER.x + 1) * TILE_PX),
        )
        for tile in server.all()
    }


def read_whole(imagery: Imagery) -> tuple[Array, Array]:
    with imagery:
        (block,) = imagery.blocks
        return block.read(Rectangle(0, 0, block.grid.height, block.grid.width))


def as_service(server: TileServer, form: str) -> Imagery:
    for tile, part in parts(server).items():
        body = coded(server.pixels[:, *part], form)

        def answer(request: BaseHTTPRequestHandler, body: bytes = body) -> None:
            send(request, body, kind=f"image/{form.lower()}")

        server.answers[server.path(tile)] = answer
    return open_source(parse_source(server.url("{z}/{x}/{y}.png")), Input(), server.area(), CORNER.z, QUICK)


def as_folder(server: TileServer, folder: Path, form: str) -> Imagery:
    folder.mkdir()
    for tile, part in parts(server).items():
        (folder / f"{tile.name}.{form.lower()}").write_bytes(coded(server.pixels[:, *part], form))
    return open_imagery(folder, Input())


def as_image(server: TileServer, path: Path) -> Imagery:
    transform = CORNER.transform(TILE_PX, TILE_PX)
    corner = transform[2], transform[5]
    return open_imagery(write_geotiff(path, server.pixels, WEB_MERCATOR, corner, transform[0]), Input())


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("server", [0, 255], indirect=True)
def test_tiles_of_a_service_and_the_same_tiles_as_chips_have_the_same_fill(
    server: TileServer, tmp_path: Path, form: str
) -> None:
    served, chips = (
        read_whole(as_service(server, form)),
        read_whole(as_folder(server, tmp_path / "chips", form)),
    )
    np.testing.assert_array_equal(served[1], chips[1])
    np.testing.assert_array_equal(served[0], chips[0])
    assert 0 < (~served[1]).sum() < served[1].size


@pytest.mark.parametrize("server", [0, 255], indirect=True)
def test_tiles_and_one_image_of_the_same_ground_have_the_same_fill_where_each_tile_has_enough_of_it(
    server: TileServer, tmp_path: Path
) -> None:
    pixels, there = ground_with_fill(int(server.pixels[0, 0, 0]))
    shares = [there[part].mean() for part in parts(server).values()]
    assert all(share == 0 or share > fill.MIN_SHARE for share in shares)

    for imagery in (
        as_service(server, "PNG"),
        as_folder(server, tmp_path / "chips", "PNG"),
        as_image(server, tmp_path / "image.tif"),
    ):
        read, valid = read_whole(imagery)
        np.testing.assert_array_equal(valid, ~there)
        np.testing.assert_array_equal(read, pixels * ~there)


@pytest.mark.parametrize("server", [255], indirect=True)
def test_what_only_one_image_shows_to_be_fill_or_a_roof_is_told_apart_there_alone(
    server: TileServer, tmp_path: Path
) -> None:
    """As docs/guides/prepare-data.md says: a hall on the edge of tiles, a rim below 1 % of its tile."""
    server.pixels = blobs(ROWS * TILE_PX, COLUMNS * TILE_PX) // 2 + 60
    server.pixels[:, : TILE_PX - 1] = 255  # the rim ends a row before the second row of tiles
    server.pixels[:, TILE_PX : TILE_PX + 2, :TILE_PX] = 255  # and is two rows wide in one of them
    server.pixels[:, TILE_PX - 1, :TILE_PX] = 255
    hall = np.s_[400:480, 470:560]
    server.pixels[:, *hall] = 255

    in_tiles = read_whole(as_folder(server, tmp_path / "chips", "PNG"))[1]
    in_image = read_whole(as_image(server, tmp_path / "image.tif"))[1]

    assert in_image[hall].all()
    assert not in_tiles[hall].any()
    thin = np.s_[TILE_PX : TILE_PX + 2, :TILE_PX]
    assert in_tiles[thin].all()
    assert not in_image[thin].any()
