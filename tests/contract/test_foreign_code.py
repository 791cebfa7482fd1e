"""Archives of code that others made."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson
import pytest

from fair_models.contract.code import foreign_code, loader
from fair_models.errors import Corrupted, FairModelsError, Invalid, InvalidContribution
from fair_models.store.digests import checksum_file

NAMED = ("models.roofs.pipeline", "models.roofs.processing:preprocess", "models.roofs.processing:postprocess")
MODULES = {"pipeline.py": "from . import processing\n", "processing.py": "preprocess = postprocess = print\n"}


def archive(path: Path, files: Mapping[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, text in files.items():
            opened.writestr(name, text)
    return path


def below(folder: str, modules: Mapping[str, str] = MODULES) -> dict[str, str]:
    return {f"{folder}{name}": text for name, text in modules.items()}


def adopt(tmp_path: Path, files: Mapping[str, str], named: Sequence[str] = NAMED) -> tuple[str | None, Path]:
    made = tmp_path / "made.zip"
    return foreign_code.adopt(archive(tmp_path / "theirs.zip", files), named, made), made


@pytest.mark.parametrize(
    "files",
    [
        MODULES,
        below("models/roofs/"),
        below("repository-3f2a/models/roofs/"),
        below("a/b/roofs/"),
        {"folder/": "", **below("folder/")},
        {**below("models/roofs/"), **below("models/other/"), **below("old/")},
        {**below("models/roofs/"), "__MACOSX/models/roofs/._pipeline.py": ""},
    ],
)
def test_modules_are_found_wherever_people_put_them(tmp_path: Path, files: dict[str, str]) -> None:
    package, made = adopt(tmp_path, files)

    assert package == "models.roofs"
    with zipfile.ZipFile(made) as opened:
        assert set(opened.namelist()) == {*MODULES, "fair-code.json"}
        assert orjson.loads(opened.read("fair-code.json")) == {"package": "models.roofs"}
    assert loader.load_module(made, checksum_file(made), NAMED[0]).__name__.endswith(".pipeline")


def test_the_same_modules_give_the_same_archive_however_they_were_packed(tmp_path: Path) -> None:
    _, made = adopt(tmp_path, below("one/models/roofs/"))
    first = made.read_bytes()
    _, made = adopt(tmp_path, below("two/"))
    assert made.read_bytes() == first


def test_an_archive_in_our_form_is_left_as_it_is(tmp_path: Path) -> None:
    package, made = adopt(tmp_path, {**MODULES, "fair-code.json": '{"package": "models.roofs"}'})
    assert package is None
    assert not made.exists()


def test_functions_may_lie_in_the_package_itself(tmp_path: Path) -> None:
    named = ("models.roofs", "models.roofs:preprocess", "models.roofs.pipeline:postprocess")
    package, made = adopt(
        tmp_path, below("x/models/roofs/", {**MODULES, "__init__.py": "preprocess = print\n"}), named
    )
    assert package == "models.roofs"
    assert loader.load_attribute(made, checksum_file(made), named[1]) is print


def test_one_module_may_hold_everything(tmp_path: Path) -> None:
    package, _ = adopt(tmp_path, below("roofs/"), ["roofs.pipeline", "roofs.pipeline:a", "roofs.pipeline:b"])
    assert package == "roofs"


@pytest.mark.parametrize(
    ("files", "named", "told"),
    [
        ({**below("one/"), **below("two/")}, NAMED, r"more than once \(one, two\)"),
        ({"pipeline.py": ""}, NAMED, "are not in it: archive them"),
        ({}, NAMED, "are not in it"),
        (MODULES, ["pipeline", "processing:a"], "without a package"),
        (MODULES, ["a.pipeline", "b.processing:x"], "several packages"),
        (below("", {**MODULES, "processing.py": "import models.roofs.pipeline"}), NAMED, "a relative import"),
        (below("", {**MODULES, "broken.py": "def ("}), NAMED, "cannot be read as Python"),
        (below("", {**MODULES, "nul.py": "x = \0"}), NAMED, "cannot be read as Python"),
        (below("", {**MODULES, "table.csv": "1" * 1_000_001}), NAMED, "code files have at most"),
    ],
)
def test_what_cannot_be_adopted_is_told_why(
    tmp_path: Path, files: dict[str, str], named: Sequence[str], told: str
) -> None:
    with pytest.raises(InvalidContribution, match=told):
        adopt(tmp_path, files, named)
    assert not (tmp_path / "made.zip").exists()


def test_pipelines_of_their_own_may_import_what_runs_them(tmp_path: Path) -> None:
    assert adopt(tmp_path, below("", {**MODULES, "own.py": "import zenml\n"}))[0] == "models.roofs"


@pytest.mark.parametrize("name", ["../pipeline.py", "/etc/pipeline.py", "a/../../x.py"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="leads out of its folder"):
        adopt(tmp_path, {**MODULES, name: ""})


def test_symlinks_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("models/roofs/pipeline.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = tmp_path / "theirs.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(Invalid, match="is a link or device"):
        foreign_code.adopt(path, NAMED, tmp_path / "made.zip")


def test_archives_of_too_many_or_too_large_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="at most 1000 may be"):
        adopt(tmp_path, {f"{number}.py": "" for number in range(1001)})
    with pytest.raises(Invalid, match="at most 100000000 may be"):
        adopt(tmp_path, {**MODULES, "zeros": "\0" * 100_000_001})


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + 17 * b"\0"])
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "theirs.zip"
    path.write_bytes(content)
    with pytest.raises((Corrupted, InvalidContribution)):
        foreign_code.adopt(path, NAMED, tmp_path / "made.zip")


@pytest.mark.parametrize("manifest", ["{", "[]", "{}", '{"package": 7}', '{"package": ""}', "\0"])
def test_a_damaged_manifest_is_told_when_the_code_is_loaded(tmp_path: Path, manifest: str) -> None:
    path = archive(tmp_path / "theirs.zip", {**MODULES, "fair-code.json": manifest})
    with pytest.raises(FairModelsError, match=r"the fair-code\.json in its archive of code is damaged"):
        loader.load_module(path, checksum_file(path), NAMED[0])
