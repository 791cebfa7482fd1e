"""Digests as STAC's file extension writes them."""

import hashlib
from pathlib import Path

import pytest

from fair_models.errors import Corrupted, Invalid, NotFound
from fair_models.store.digests import checksum_bytes, checksum_file, hex_of, verify

DATA = b"roofs" * 100_000


def test_a_checksum_is_a_sha_256_multihash(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    digest = hashlib.sha256(DATA).hexdigest()
    assert checksum_bytes(DATA) == checksum_file(path) == f"1220{digest}"
    assert hex_of(checksum_bytes(DATA)) == hex_of(checksum_bytes(DATA).upper()) == digest


@pytest.mark.parametrize(
    "checksum", ["", "1220", "1114" + "a" * 40, "a" * 64, "1220" + "g" * 64, "1220" + "a" * 65]
)
def test_what_is_no_sha_256_multihash_is_refused(checksum: str) -> None:
    with pytest.raises(Invalid, match="not a sha-256 multihash: write 1220"):
        hex_of(checksum)


def test_the_right_file_passes_and_another_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    verify(path, checksum_bytes(DATA))
    path.write_bytes(DATA[:-1] + b"x")
    with pytest.raises(Corrupted, match=r"file holds other bytes .* put the right file back"):
        verify(path, checksum_bytes(DATA))


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        verify(tmp_path / "nothing", checksum_bytes(b""))
