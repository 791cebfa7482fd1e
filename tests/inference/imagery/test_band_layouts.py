"""Every layout of bands gives the same picture through every entrance, or is refused there for one reason."""

import re
import shlex
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.shutil import copy

from fair_models.data.images import bands, chips, orientation
from fair_models.data.images.resampling import read_at
from fair_models.errors import InvalidImagery
from fair_models.imagery_rules import OLD
from fair_models.inference.imagery.reading import open_imagery
from fair_models.inference.imagery.sources.opening import open_source
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.inference.windows import Rectangle
from fair_models.store.web.policy import RetryPolicy
from fair_models.types import Array
from tests.data.layouts import (
    SIZE,
    TILE,
    Layout,
    encoded,
    geotiff,
    interpreted,
    nir_as_alpha,
    picture,
    pillow,
    to_bytes,
    turned,
    turned_bytes,
    undefined,
)
from tests.inference.tile_server import TileServer
from tests.inference.tiny import Input, grey
from tests.store.web_server import send

RGB = np.moveaxis(picture(), -1, 0)
GREY = np.repeat(np.asarray(Image.fromarray(picture()).convert("L"))[None], 3, axis=0)
GSD_M = TILE.width_m / SIZE * 0.887

READ: dict[str, tuple[Layout, Array]] = {
    "red, green, blue": (interpreted("red", "green", "blue"), RGB),
    "blue, green, red": (interpreted("blue", "green", "red"), RGB),
    "blue, green, red, near infrared": (interpreted("blue", "green", "red", "nir"), RGB),
    "near infrared, red, green, blue": (interpreted("nir", "red", "green", "blue"), RGB),
    "red, green, blue, alpha": (interpreted("red", "green", "blue", "alpha"), RGB),
    "near infrared as alpha": (nir_as_alpha, RGB),
    "three that say nothing": (undefined(3), RGB),
    "one that says nothing": (interpreted("red"), np.repeat(RGB[:1], 3, axis=0)),
    "grey PNG": (pillow("L", "png"), GREY),
    "grey and alpha": (pillow("LA", "png"), GREY),
    "palette": (pillow("P", "png"), RGB),
    "CMYK JPEG": (pillow("CMYK", "jpg"), RGB),
    "WebP": (pillow("RGB", "webp"), RGB),
    **{f"orientation {number}": (turned(number), RGB) for number in range(1, 9)},
    "orientation 6 of a PNG": (turned(6, "png"), RGB),
    "orientation 6 of a WebP": (turned(6, "webp"), RGB),
}


def deep(folder: Path) -> Path:
    return geotiff(folder / f"{TILE.name}.tif", RGB.astype(np.uint16) * 16, photometric="minisblack")


def deep_with_infrared(folder: Path) -> Path:
    values = np.concatenate([RGB[::-1], RGB[:1]]).astype(np.uint16) * 16
    meanings = ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.nir
    return geotiff(folder / f"{TILE.name}.tif", values, *meanings, photometric="minisblack")


REFUSED: dict[str, tuple[Layout, str]] = {
    "two": (undefined(2), "it has 2 bands"),
    "four that say nothing": (
        undefined(4),
        "it has 4 bands .*, and which of them are red, green and blue",
    ),
    "red twice": (
        lambda folder: geotiff(
            folder / f"{TILE.name}.tif",
            RGB,
            ColorInterp.red,
            ColorInterp.red,
            ColorInterp.blue,
            photometric="minisblack",
        ),
        "1 red, 2 red, 3 blue",
    ),
    "16 bits": (deep, "its pixels are uint16, uint8 is needed"),
    "16 bits with near infrared": (deep_with_infrared, "its pixels are uint16, uint8 is needed"),
}


def training(path: Path) -> Array:
    return read_at(chips.describe(path), GSD_M).pixels


def folder(path: Path) -> Array:
    with open_imagery(path.parent, Input(gsd_m=GSD_M)) as imagery:
        return imagery.blocks[0].read(Rectangle(0, 0, SIZE, SIZE))[0]


def image(path: Path) -> Array:
    with open_imagery(path, Input(gsd_m=GSD_M)) as imagery:
        return imagery.blocks[0].read(Rectangle(0, 0, SIZE, SIZE))[0]


def parts(path: Path) -> Array:
    """As one image in parts that meet inside."""
    rows = (0, 20, 44, SIZE)
    with open_imagery(path, Input(gsd_m=GSD_M)) as imagery:
        block = imagery.blocks[0]
        return np.concatenate(
            [block.read(Rectangle(top, 0, end - top, SIZE))[0] for top, end in pairwise(rows)],
            axis=1,
        )


def cog(path: Path) -> Array:
    """As a COG, where the file has a place that a COG keeps."""
    with rasterio.open(path) as dataset:
        if dataset.driver != "GTiff":
            return image(path)
    made = path.parent / "cog" / path.name
    made.parent.mkdir()
    copy(path, made, driver="COG")
    with open_source(parse_source(made), Input(gsd_m=GSD_M)) as imagery:
        return imagery.blocks[0].read(Rectangle(0, 0, SIZE, SIZE))[0]


ENTRANCES: dict[str, Callable[[Path], Array]] = {
    each.__name__: each for each in (training, folder, image, parts, cog)
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("layout", READ)
def test_every_entrance_gives_the_same_picture(tmp_path: Path, layout: str, entrance: str) -> None:
    write, expected = READ[layout]
    pixels = ENTRANCES[entrance](write(tmp_path))
    losses = 6 if "JPEG" in layout or "orientation" in layout else 0
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).max() <= losses


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("layout", REFUSED)
def test_every_entrance_refuses_for_the_same_reason(tmp_path: Path, layout: str, entrance: str) -> None:
    write, reason = REFUSED[layout]
    with pytest.raises(InvalidImagery, match=reason):
        ENTRANCES[entrance](write(tmp_path))


@pytest.mark.parametrize("layout", ["two", "four that say nothing", "16 bits", "16 bits with near infrared"])
def test_the_command_that_a_refusal_names_makes_an_image_that_is_read(tmp_path: Path, layout: str) -> None:
    path = REFUSED[layout][0](tmp_path)
    with pytest.raises(InvalidImagery) as refused:
        chips.describe(path)
    command = re.findall("`(.*?)`", str(refused.value))[0]

    made = gdal_translate(command.replace("-b R -b G -b B", "-b 1 -b 2 -b 1"), path, tmp_path / "made")

    pixels = chips.read(chips.describe(made)).astype(float)
    if layout.startswith("16"):  # in the right order, and as bright as the range allows
        assert np.corrcoef(pixels.reshape(-1), RGB.reshape(-1).astype(float))[0, 1] > 0.999
        assert pixels.max() - pixels.min() > 200


def gdal_translate(command: str, path: Path, folder: Path) -> Path:
    """What the command does, with the options that messages name: no program of GDAL need be here."""
    words = shlex.split(command)
    assert words[0] == "gdal_translate"
    assert words[-2:] == ["IN", "OUT.tif"]
    numbers = [int(words[at + 1]) for at, word in enumerate(words) if word == "-b"]
    meanings = words[words.index("-colorinterp") + 1].split(",")
    with rasterio.open(path) as dataset:
        values, profile = dataset.read(numbers).astype(float), dataset.profile
    if "-scale" in words:
        least, most, low, high = (float(word) for word in words[words.index("-scale") + 1 :][:4])
        values = np.clip(low + (values - least) / (most - least) * (high - low), 0, 255)
    if "-ot" in words:
        assert words[words.index("-ot") + 1] == "Byte"
    folder.mkdir()
    profile |= {"count": len(numbers), "dtype": "uint8"}
    with rasterio.open(folder / path.name, "w", **profile) as file:
        file.write(np.round(values).astype(np.uint8))
        file.colorinterp = [ColorInterp[name] for name in meanings]
    return folder / path.name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(["red", "green", "blue", "nir", "alpha"]), extra=st.integers(0, 2))
def test_any_order_of_bands_that_say_what_they_are_gives_the_same_picture(
    tmp_path_factory: pytest.TempPathFactory, order: list[str], extra: int
) -> None:
    kept = [
        name for name in order if name in ("red", "green", "blue") or extra > ("nir", "alpha").index(name)
    ]
    path = interpreted(*kept)(tmp_path_factory.mktemp("order"))
    assert (training(path) == RGB).all()
    assert (image(path) == RGB).all()


def test_a_file_that_is_turned_and_says_where_its_pixels_lie_is_refused(tmp_path: Path) -> None:
    path = turned(6)(tmp_path)
    transform = "425000.0, 0.26, 0.0, 3057000.0, 0.0, -0.26"
    path.with_name(path.name + ".aux.xml").write_text(
        f"<PAMDataset><SRS>EPSG:32645</SRS><GeoTransform>{transform}</GeoTransform></PAMDataset>"
    )
    for entrance in (training, image):
        with pytest.raises(InvalidImagery, match=r"its EXIF says that it is to be turned \(orientation 6\)"):
            entrance(path)


def test_by_the_old_rules_bands_are_taken_by_position_and_exif_is_ignored(tmp_path: Path) -> None:
    swapped = interpreted("blue", "green", "red")(tmp_path)
    assert (chips.read(chips.describe(swapped, OLD)) == RGB[::-1]).all()
    with open_imagery(swapped, Input(gsd_m=GSD_M), rules=OLD) as imagery:
        assert (imagery.blocks[0].read(Rectangle(0, 0, SIZE, SIZE))[0] == RGB[::-1]).all()
    swapped.unlink()
    rotated = turned(3, "png")(tmp_path)
    assert (chips.read(chips.describe(rotated, OLD)) == RGB[:, ::-1, ::-1]).all()


def test_a_grey_ramp_is_no_transparency_and_soft_edges_of_one_are() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    soft = np.full((256, 256), 255, np.uint8)
    soft[:, :100], soft[:, 100:110] = 0, np.linspace(0, 255, 10)
    assert not bands.is_transparency(ramp)
    assert bands.is_transparency(soft)
    assert bands.is_transparency(np.full((9, 9), 128, np.uint8))


@pytest.mark.parametrize("number", range(1, 9))
def test_a_window_of_a_turned_image_is_found_where_the_file_has_it(number: int) -> None:
    upright = np.arange(6 * 9).reshape(6, 9)
    height, width = orientation.size(6, 9, number)
    places = {
        tuple(orientation.stored((row, column, 1, 1), (6, 9), number)[:2]): upright[row, column]
        for row in range(6)
        for column in range(9)
    }
    in_file = np.array([[places[row, column] for column in range(width)] for row in range(height)])
    assert (orientation.upright(in_file, number) == upright).all()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TileServer]:
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    with TileServer(tmp_path, grey(256, 256), TILE).running() as running:
        assert isinstance(running, TileServer)
        yield running


def rgba_with_infrared() -> bytes:
    ramp = (np.arange(SIZE * SIZE).reshape(SIZE, SIZE) % 160).astype(np.uint8)
    return to_bytes(Image.fromarray(np.dstack([picture(), ramp])), "png")


TILES: dict[str, tuple[Callable[[], bytes], Array]] = {
    "RGB": (lambda: encoded("RGB", "png"), RGB),
    "RGBA": (lambda: encoded("RGBA", "png"), RGB),
    "palette": (lambda: encoded("P", "png"), RGB),
    "grey": (lambda: encoded("L", "png"), GREY),
    "CMYK JPEG": (lambda: encoded("CMYK", "jpg"), RGB),
    "WebP": (lambda: encoded("RGB", "webp"), RGB),
    "near infrared as alpha": (rgba_with_infrared, RGB),
    "turned JPEG": (lambda: turned_bytes(6), RGB),
}


def test_tiles_of_a_service_give_what_the_same_files_give(server: TileServer) -> None:
    path = server.path(TILE)
    for name, (write, expected) in TILES.items():
        body = write()
        address = f"/{name.replace(' ', '-')}{path}"
        server.answers[address] = lambda request, body=body: send(request, body)  # type: ignore[misc]
        template = server.url(f"{name.replace(' ', '-')}/{{z}}/{{x}}/{{y}}.png")
        with open_source(
            parse_source(template),
            Input(gsd_m=GSD_M),
            server.area(0.01),
            TILE.z,
            RetryPolicy(per_second=1000),
        ) as imagery:
            (block,) = imagery.blocks
            pixels, valid = block.read(Rectangle(0, 0, SIZE, SIZE))
        assert valid[1:-1, 1:-1].all(), name  # the area is a little smaller than the tile
        assert np.abs(pixels.astype(int) - expected).max() <= (6 if "JPEG" in name else 0), name
