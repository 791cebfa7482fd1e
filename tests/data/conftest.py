"""A small settlement for all tests of this room."""

from pathlib import Path

import pytest

from fair_models.data.synthetic import make_settlement


@pytest.fixture(scope="session")
def settlement(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 x 3 chips of 128 px with labels, and 3 for prediction. Not to be changed."""
    return make_settlement(
        tmp_path_factory.mktemp("settlement"), seed=3, columns=4, rows=3, size_px=128, prediction_columns=1
    )


@pytest.fixture
def chip_files(settlement: Path) -> list[Path]:
    return sorted((settlement / "input").glob("*.tif"))
