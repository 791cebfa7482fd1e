import pytest
from hypothesis import given
from hypothesis import strategies as st

from fair_models.data.images import tiles
from fair_models.data.images.tiles import Tile


@given(z=st.integers(10, 24), data=st.data())
def test_a_tile_survives_its_name_and_its_middle(z: int, data: st.DataObject) -> None:
    tile = Tile(data.draw(st.integers(0, 2**z - 1)), data.draw(st.integers(2**z // 8, 2**z - 2**z // 8)), z)

    longitude, latitude = tiles.lonlat(tile.x + 0.5, tile.y + 0.5, z)

    assert tiles.parse(f"{tile.name}.tif") == tile
    assert tiles.at(float(longitude), float(latitude), z) == tile


@given(longitude=st.floats(-179.9, 179.9), latitude=st.floats(-84, 84), z=st.integers(1, 24))
def test_positions_turn_back_into_longitude_and_latitude(longitude: float, latitude: float, z: int) -> None:
    back = tiles.lonlat(*tiles.position(longitude, latitude, z), z)

    assert back[0] == pytest.approx(longitude, abs=1e-9)
    assert back[1] == pytest.approx(latitude, abs=1e-9)


def test_the_place_of_a_known_tile_is_right() -> None:
    longitude, latitude = tiles.lonlat(386690, 220241, 19)

    assert longitude == pytest.approx(85.51895141601562)
    assert latitude == pytest.approx(27.63426547568562)


@pytest.mark.parametrize(
    ("name", "tile"),
    [
        ("OAM-386690-220241-19.tif", Tile(386690, 220241, 19)),
        ("386690_220241_19.png", Tile(386690, 220241, 19)),
        ("kathmandu-7-386690-220241-19", Tile(386690, 220241, 19)),
        ("OAM-386690-220241-19_copy.tif", Tile(386690, 220241, 19)),
    ],
)
def test_names_with_x_y_z_tell_their_tile(name: str, tile: Tile) -> None:
    assert tiles.parse(name) == tile


@pytest.mark.parametrize(
    "name",
    [
        "roofs.tif",
        "scene-2021-05-12.tif",
        "scene-2021-11-20.tif",
        "OAM-1-2.tif",
        "a-99999999-1-10.tif",
        "1.5-2-19.tif",
    ],
)
def test_dates_and_other_numbers_are_no_tiles(name: str) -> None:
    assert tiles.parse(name) is None
