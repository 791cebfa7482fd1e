"""White or black fill at the border of an image is no imagery; what is inside, small or uneven is."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.shutil import copy
from scipy.ndimage import binary_dilation, binary_erosion

from fair_models.data import ingest
from fair_models.data.chip_samples import load_samples
from fair_models.data.images import chips, fill
from fair_models.data.samples import IGNORE
from fair_models.data.splits import Split
from fair_models.errors import InvalidImagery
from fair_models.imagery_rules import CURRENT, OLD
from fair_models.inference.imagery.reading import open_imagery
from fair_models.inference.network.session import open_session
from fair_models.inference.prediction import predict
from fair_models.inference.windows import Rectangle
from fair_models.ml_tasks.registry import targets_for
from fair_models.params import IngestDatasetParams
from fair_models.types import Array
from tests.inference.tiny import (
    CORNER,
    EverythingIsABuilding,
    Input,
    request_for,
    write_geotiff,
    write_network,
    write_png_chip,
)

UTM = "EPSG:32645"
KEPT = CURRENT.model_copy(update={"fill": "kept"})


def ground(height: int, width: int) -> Array:
    """Smooth colours far from white and black, shape (3, height, width)."""
    rows, columns = np.mgrid[0:height, 0:width]
    bands = [np.sin(rows / 9 + at) + np.cos(columns / (7 + at)) for at in range(3)]
    return (np.stack(bands) * 40 + 120).astype(np.uint8)


def rim(height: int, width: int) -> Array:
    """The corner that a rotated mosaic leaves, bool."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.asarray(rows * 1.0 + columns * 0.35 < 0.35 * height)


def filled(height: int, width: int, value: int) -> tuple[Array, Array]:
    pixels, there = ground(height, width), rim(height, width)
    pixels[:, there] = value
    return pixels, there


def everywhere(pixels: Array) -> Array:
    return np.ones(pixels.shape[1:], bool)


@pytest.mark.parametrize("value", [0, 255])
def test_fill_at_the_border_is_found_to_the_pixel(value: int) -> None:
    pixels, there = filled(120, 150, value)
    assert (fill.find(pixels, everywhere(pixels)) == there).all()


def test_white_roofs_small_specks_and_uneven_shadows_are_imagery() -> None:
    pixels = ground(100, 100)
    assert fill.find(pixels, everywhere(pixels)) is None
    pixels[:, 20:60, 20:60] = 255  # inside
    pixels[:, 0:9, 0:11] = 255  # 99 of 10,000 pixels
    noise = np.random.default_rng(0).integers(0, 5, (3, 30, 30))
    pixels[:, 70:, 70:] = noise  # dark, and everywhere another dark
    assert fill.find(pixels, everywhere(pixels)) is None


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(40, 160),
    width=st.integers(40, 160),
    angle=st.floats(0, 2 * np.pi),
    offset=st.floats(-1, 1),
    value=st.sampled_from([0, 255]),
)
def test_what_a_straight_edge_cuts_off_is_fill_from_one_percent_on(
    height: int, width: int, angle: float, offset: float, value: int
) -> None:
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    there = rows * np.sin(angle) + columns * np.cos(angle) > 1.4 * offset
    pixels = ground(height, width)
    pixels[:, there] = value
    found = fill.find(pixels, everywhere(pixels))
    if there.mean() >= fill.MIN_SHARE:
        assert found is not None
        assert (found == there).all()
    else:
        assert found is None


@settings(max_examples=20, deadline=None)
@given(
    side=st.integers(0, 3),
    along=st.floats(0.02, 0.24),
    deep=st.floats(0.05, 0.6),
    at=st.floats(0, 1),
)
def test_a_white_roof_that_a_side_of_its_image_cuts_is_imagery(
    side: int, along: float, deep: float, at: float
) -> None:
    pixels = ground(128, 128)
    width, depth = round(along * 128), round(deep * 128)
    first = 1 + round(at * (126 - width))
    pixels[:, :depth, first : first + width] = 255
    turned = np.rot90(pixels, side, axes=(1, 2))
    assert fill.find(turned, everywhere(turned)) is None


def test_a_small_white_roof_in_the_corner_of_its_image_is_imagery() -> None:
    pixels = ground(256, 256)
    pixels[:, :31, :31] = 255
    assert fill.find(pixels, everywhere(pixels)) is None


def test_chips_of_a_rotated_mosaic_lose_its_rim_and_keep_their_roofs() -> None:
    rows, columns = np.mgrid[0:512, 0:512] - 256.0
    turned = np.radians(17)
    across = columns * np.cos(turned) + rows * np.sin(turned)
    down = rows * np.cos(turned) - columns * np.sin(turned)
    there = np.maximum(abs(across), abs(down)) > 200
    pixels = ground(512, 512)
    pixels[:, there] = 255
    pixels[:, 270:296, 230:290] = 255  # a roof that lies on two chips
    for row, column in ((row, column) for row in range(0, 512, 128) for column in range(0, 512, 128)):
        chip = np.s_[row : row + 128, column : column + 128]
        found = fill.find(pixels[:, *chip], np.ones((128, 128), bool))
        if there[chip].mean() >= fill.MIN_SHARE:
            assert found is not None
            assert (found == there[chip]).all()
        else:
            assert found is None


def test_what_the_file_itself_marks_is_not_counted_as_fill() -> None:
    pixels, there = filled(100, 100, 0)
    assert fill.find(pixels, ~there) is None


@pytest.mark.parametrize("quality", [50, 75, 90, 95])
@pytest.mark.parametrize("value", [0, 255])
def test_the_ringing_of_a_jpeg_belongs_to_the_fill_beside_it(
    tmp_path: Path, value: int, quality: int
) -> None:
    pixels, there = filled(256, 256, value)
    path = tmp_path / f"{CORNER.name}.jpg"
    Image.fromarray(np.moveaxis(pixels, 0, -1)).save(path, quality=quality)

    found = ~chips.read_with_mask(chips.describe(path))[1]

    assert (found & ~binary_dilation(there, iterations=2)).sum() == 0
    assert (there & ~found).sum() <= 0.01 * there.sum()


def test_a_chip_is_read_without_its_fill_unless_that_is_kept(tmp_path: Path) -> None:
    pixels, there = filled(256, 256, 255)
    path = write_png_chip(tmp_path, CORNER, pixels)
    decoded = chips.decode(chips.describe(path))
    assert (decoded.valid == ~there).all()
    assert decoded.fill_px == there.sum()
    assert (decoded.pixels[:, there] == 0).all()
    for rules in (KEPT, OLD):
        read, valid = chips.read_with_mask(chips.describe(path, rules))
        assert valid.all()
        assert (read == pixels).all()


@settings(max_examples=15, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 299), max_size=4, unique=True),
    value=st.sampled_from([0, 255]),
    tall=st.booleans(),
)
def test_what_is_fill_does_not_depend_on_windows(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], value: int, tall: bool
) -> None:
    pixels, there = filled(300, 300, value)
    path = write_geotiff(tmp_path_factory.mktemp("fill") / "a.tif", pixels, UTM, (353_000, 3_057_000), 0.26)
    edges = [0, *sorted(cuts), 300]
    with open_imagery(path, Input(gsd_m=0.26)) as imagery:
        (block,) = imagery.blocks
        pieces = [
            block.read(Rectangle(a, 0, b - a, 300) if tall else Rectangle(0, a, 300, b - a))[1]
            for a, b in pairwise(edges)
        ]
    assert (np.concatenate(pieces, axis=0 if tall else 1) == ~there).all()


def test_a_large_image_is_looked_at_small_and_its_fill_is_cut_at_pixels(tmp_path: Path) -> None:
    pixels, there = filled(1800, 2400, 255)
    roof = np.s_[:, 900:960, 1200:1290]
    pixels[roof] = 255
    plain = write_geotiff(tmp_path / "plain.tif", pixels, UTM, (353_000, 3_057_000), 0.26)
    copy(plain, tmp_path / "scene.tif", driver="COG", compress="DEFLATE", blocksize=256)

    for path in (plain, tmp_path / "scene.tif"):
        with open_imagery(path, Input(gsd_m=0.26)) as imagery:
            (block,) = imagery.blocks
            _, whole = block.read(Rectangle(0, 0, 1800, 2400))
            _, part = block.read(Rectangle(3, 5, 700, 900))
        assert (whole == ~there).all()
        assert (part == whole[3:703, 5:905]).all()


def test_the_view_of_a_large_image_does_not_grow_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def look(height: int, width: int) -> tuple[Array, Array]:
        asked.append((height, width))
        pixels, _ = filled(height, width, 255)
        return pixels, everywhere(pixels)

    found = fill.scan(20_000, 20_000, look, lossy=False)
    assert found is not None
    assert max(asked[0]) <= fill.VIEW_PX
    pixels = ground(300, 300)
    pixels[:, 50:] = 255  # at a place that the view calls fill: what is not white there is imagery
    assert (found.inside(0, 0, pixels)[50:]).all()
    assert not found.inside(0, 0, pixels)[:50].any()
    assert not found.inside(15_000, 15_000, pixels).any()


def test_an_image_without_fill_costs_a_look_at_its_smallest_overview() -> None:
    asked: list[tuple[int, int]] = []

    def look(height: int, width: int) -> tuple[Array, Array]:
        asked.append((height, width))
        pixels = ground(height, width)
        return pixels, everywhere(pixels)

    assert fill.scan(8192, 8192, look, lossy=True, overviews=[2, 4, 8, 16, 32]) is None
    assert asked == [(256, 256)]


def test_fill_is_ignored_in_training_and_counted_at_ingest(tmp_path: Path) -> None:
    pixels, there = filled(64, 64, 255)
    folder = tmp_path / "chips"
    for at in range(4):
        tile = CORNER.__class__(CORNER.x + at % 2, CORNER.y + at // 2, CORNER.z)
        write_png_chip(folder, tile, pixels if at else ground(64, 64))
    outlines = [chip.grid.footprint.exterior.coords for chip in chips.find(folder)]
    shapes = [{"type": "Polygon", "coordinates": [[list(point) for point in each]]} for each in outlines]
    features = [{"type": "Feature", "properties": {}, "geometry": shape} for shape in shapes]
    document = {"type": "FeatureCollection", "features": features}
    (folder / "labels.geojson").write_bytes(orjson.dumps(document))
    params = IngestDatasetParams(name="rims", title="Rims", chips=str(folder))

    made = ingest.prepare(params, tmp_path / "made")
    assert made.repairs["with_fill"] == 3
    assert "with_transparency" not in made.repairs
    kept = ingest.prepare(params.model_copy(update={"fill": "kept"}), tmp_path / "kept")
    assert "with_fill" not in kept.repairs
    assert kept.rules == KEPT

    name = chips.find(folder)[3].name
    split = Split("area", 0.25, 0.0, 0, "", (), (name,), ())
    for rules, expected in ((CURRENT, there), (KEPT, np.zeros_like(there))):
        loaded = load_samples(
            folder,
            made.labels,
            split,
            ["background", "building"],
            64,
            chips.find(folder)[3].gsd_m,
            "average",
            targets_for("semantic-segmentation"),
            rules=rules,
        )
        assert ((loaded.held_out.targets[0] == IGNORE) == expected).all()


def test_a_folder_of_nothing_but_fill_is_refused(tmp_path: Path) -> None:
    write_png_chip(tmp_path, CORNER, np.full((3, 64, 64), 255, np.uint8))
    (tmp_path / "labels.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(Exception, match="white or black fill") as refused:
        ingest.prepare(IngestDatasetParams(name="none", title="None", chips=str(tmp_path)), tmp_path / "made")
    assert isinstance(refused.value, InvalidImagery) or "fill" in str(refused.value)


@pytest.mark.parametrize("form", ["folder", "image"])
def test_a_prediction_finds_nothing_in_fill_and_says_how_much_there_was(tmp_path: Path, form: str) -> None:
    pixels, there = filled(256, 256, 255)
    path = write_png_chip(tmp_path / "in", CORNER, pixels)
    imagery = path.parent if form == "folder" else path
    session = open_session(write_network(tmp_path / "model.onnx"))
    request = {"imagery": imagery, "session": session, "processing": EverythingIsABuilding()}

    made = predict(request_for(output=tmp_path / "out", **request))
    kept = predict(request_for(output=tmp_path / "kept", rules=KEPT, **request))

    share = made.area_m2 / kept.area_m2
    assert share == pytest.approx(1 - there.mean(), abs=0.002)
    assert made.item["properties"]["fair:counts"]["fill_pixels"] == there.sum()
    assert any("white or black fill" in note for note in made.notes)
    assert kept.notes == []


def test_the_ringing_that_is_taken_for_fill_ends_near_it() -> None:
    pixels, there = filled(200, 200, 255)
    pixels[:, 150:190, 150:200] = 230  # bright ground at the border, far from fill
    found = fill.find(pixels, everywhere(pixels), lossy=True)
    assert found is not None
    assert not found[150:190, 150:200].any()
    assert (found & binary_erosion(there)).sum() == binary_erosion(there).sum()
