"""One network for all tests of this room."""

import pytest

from fair_models.inference.network.session import Session, open_session
from tests.inference.tiny import write_network


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return open_session(write_network(tmp_path_factory.mktemp("network") / "brightness.onnx"), threads=1)
