"""Broken archives of code. Their digest is right, as if somebody had registered them so."""

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fair_models.contract.code import loader
from fair_models.contract.code.code_archive import MANIFEST
from fair_models.store.digests import checksum_file
from tests.fuzzing import fuzz, mutated_bytes, only_our_errors

FILES = {
    "processing.py": b"def preprocess(window):\n    return window\n",
    "__init__.py": b"",
    MANIFEST: b'{"package":"models.roofs"}',
}


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def load(path: Path) -> None:
    loader.load_attribute(path, checksum_file(path), "models.roofs.processing:preprocess")


@given(data=mutated_bytes(packed(FILES)))
@fuzz(200)
def test_any_archive_of_code_is_imported_or_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    (tmp_path / "code.zip").write_bytes(data)
    for _ in ("unpacked", "found in the cache"):
        with only_our_errors():
            load(tmp_path / "code.zip")


@given(manifest=mutated_bytes(FILES[MANIFEST]) | st.binary(max_size=30))
@fuzz(150)
def test_any_manifest_is_understood_or_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: bytes
) -> None:
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    (tmp_path / "code.zip").write_bytes(packed(FILES | {MANIFEST: manifest}))
    with only_our_errors():
        load(tmp_path / "code.zip")
