"""Broken archives."""

import io
import shutil
import zipfile
from pathlib import Path

from hypothesis import given

from fair_models.store.archive import ArchiveLimits, unpack
from tests.fuzzing import fuzz, mutated_bytes, only_our_errors


def archive(compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as opened:
        opened.writestr("input/a.tif", b"pixels " * 20)
        opened.writestr("labels.geojson", b"{}")
    return buffer.getvalue()


@given(
    data=mutated_bytes(archive(zipfile.ZIP_STORED))
    | mutated_bytes(archive(zipfile.ZIP_DEFLATED))
    | mutated_bytes(archive(zipfile.ZIP_LZMA))
    | mutated_bytes(archive(zipfile.ZIP_BZIP2))
)
@fuzz(800)
def test_any_archive_is_unpacked_into_its_folder_or_told(tmp_path: Path, data: bytes) -> None:
    path, folder = tmp_path / "a.zip", tmp_path / "unpacked"
    path.write_bytes(data)

    with only_our_errors():
        unpack(path, folder, ArchiveLimits(files=10, total_bytes=10_000))

    assert {each.name for each in tmp_path.iterdir()} <= {"a.zip", "unpacked"}
    shutil.rmtree(folder, ignore_errors=True)
