import zipfile

import pytest

from fair_models.contract.code.code_archive import LARGEST_FILE_BYTES, pack_code
from fair_models.errors import InvalidContribution


def test_the_same_code_gives_the_same_archive(contribution):
    first, checksum = contribution.pack("first.zip")
    (contribution.path / "pipeline.py").touch()

    assert contribution.pack("second.zip")[1] == checksum
    assert first.is_file()


def test_an_archive_holds_code_and_small_files_alone(contribution):
    contribution.write("legend.json", "{}")
    contribution.write("__pycache__/pipeline.cpython-311.pyc", "cache")
    contribution.write(".secret", "hidden")
    contribution.write("old.onnx", "weights")
    archive, _ = contribution.pack()

    names = set(zipfile.ZipFile(archive).namelist())

    assert names == {
        "__init__.py",
        "processing.py",
        "pipeline.py",
        "layers.py",
        "legend.json",
        "fair-code.json",
    }


def test_another_model_card_does_not_change_the_code(contribution):
    _, before = contribution.pack("before.zip")
    contribution.write("README.md", "# Another card\n")

    assert contribution.pack("after.zip")[1] == before


def test_a_file_too_large_to_be_code_is_named(contribution, tmp_path):
    contribution.write("table.json", "1" * (LARGEST_FILE_BYTES + 1))
    with pytest.raises(InvalidContribution, match=r"table\.json has 1000001 bytes"):
        pack_code(contribution.path, tmp_path / "code.zip")


def test_a_folder_without_modules_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidContribution, match="no Python module"):
        pack_code(tmp_path / "empty", tmp_path / "code.zip")
