"""Archives that are the same for the same content, and harmless to unpack."""

import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fair_models.errors import Conflict, Corrupted, Invalid, NotFound
from fair_models.store.archive import ArchiveLimits, checks, pack, unpack


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    folder = tmp_path / "sources"
    folder.mkdir()
    found = {}
    for name, content in {"input/b.tif": b"b" * 3_000_000, "input/a.tif": b"a", "empty.txt": b""}.items():
        path = folder / name.replace("/", "-")
        path.write_bytes(content)
        found[name] = path
    return found


def made(path: Path, *entries: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return path


@pytest.mark.parametrize("compress", [True, False])
def test_what_was_packed_is_unpacked(sources: dict[str, Path], tmp_path: Path, compress: bool) -> None:
    pack(sources, tmp_path / "new" / "x.zip", compress=compress)
    unpack(tmp_path / "new" / "x.zip", tmp_path / "out")
    found = {
        str(p.relative_to(tmp_path / "out")): p.read_bytes()
        for p in (tmp_path / "out").rglob("*")
        if p.is_file()
    }
    assert found == {name: path.read_bytes() for name, path in sources.items()}
    assert ((tmp_path / "new" / "x.zip").stat().st_size < 100_000) == compress


def test_the_same_content_gives_the_same_bytes(sources: dict[str, Path], tmp_path: Path) -> None:
    pack(sources, tmp_path / "one.zip")
    for path in sources.values():
        os.utime(path, (0, 1_700_000_000))
        path.chmod(0o700)
    pack(dict(reversed(sources.items())), tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_packing_fails_whole(sources: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"old")
    with pytest.raises(NotFound, match="missing is not a file"):
        pack({**sources, "c": tmp_path / "missing"}, tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sources", "x.zip"]


BAD_NAMES = ["../evil", "/etc/evil", "a/../../evil", "a/./b", "a//b", "..", "C:evil", "a\\..\\evil"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    archive = made(tmp_path / "x.zip", ("good", b"1"), (name, b"2"))
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(Invalid, match="leads out of its folder"):
        unpack(archive, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    with pytest.raises(Invalid, match="leads out of its folder"):
        pack({name: archive}, tmp_path / "y.zip")


def _entry(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    archive = made(tmp_path / "x.zip", (_entry("link", kind | 0o777), b"/etc/passwd"), ("link/x", b""))
    with pytest.raises(Invalid, match="'link' is a link or device"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "message"), [(["a", "A"], "differ in case only"), (["a", "a/b"], "file and a folder")]
)
def test_names_that_fall_together_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    archive = made(tmp_path / "x.zip", *((name, b"") for name in names))
    with pytest.raises(Invalid, match=message):
        unpack(archive, tmp_path / "out")


def _too_many(path: Path) -> Path:
    return made(path, *((f"{n}", b"") for n in range(11)))


def _too_large(path: Path) -> Path:
    return made(path, ("zeros", b"\0" * 10_001))


def _larger_than_it_says(path: Path) -> Path:
    """The directory at the end of the archive says 5 bytes for a file of 3 MB."""
    made(path, ("zeros", b"\0" * 3_000_000))
    data = bytearray(path.read_bytes())
    central = data.rindex(b"PK\x01\x02")
    data[central + 24 : central + 28] = (5).to_bytes(4, "little")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("bomb", [_too_many, _too_large, _larger_than_it_says])
def test_archives_over_the_limits_are_refused(tmp_path: Path, bomb: Callable[[Path], Path]) -> None:
    archive = bomb(tmp_path / "x.zip")
    with pytest.raises((Invalid, Corrupted)):
        unpack(archive, tmp_path / "out", ArchiveLimits(files=10, total_bytes=10_000))
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_damaged_archives_are_told(sources: dict[str, Path], tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    archive.write_bytes(b"no archive")
    with pytest.raises(Corrupted, match="cannot be read"):
        unpack(archive, tmp_path / "out")
    for compress in (True, False):
        pack(sources, archive, compress=compress)
        data = bytearray(archive.read_bytes())
        data[1000] ^= 0xFF
        archive.write_bytes(data)
        with pytest.raises(Corrupted, match="cannot be read"):
            unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_not_unpacked_into(sources: dict[str, Path], tmp_path: Path) -> None:
    pack(sources, tmp_path / "x.zip")
    with pytest.raises(Conflict, match="not empty"):
        unpack(tmp_path / "x.zip", tmp_path / "sources")
    (tmp_path / "empty").mkdir()
    unpack(tmp_path / "x.zip", tmp_path / "empty")
    assert (tmp_path / "empty" / "empty.txt").exists()


def test_a_missing_archive_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        unpack(tmp_path / "nothing.zip", tmp_path / "out")


def test_what_is_equal_for_equal_files_is_told_without_unpacking(
    sources: dict[str, Path], tmp_path: Path
) -> None:
    pack(sources, tmp_path / "one.zip")
    name = next(iter(sources))
    other = tmp_path / "other"
    other.write_bytes(sources[name].read_bytes() + b"!")
    pack({**sources, name: other}, tmp_path / "two.zip", compress=True)

    one, two = checks(tmp_path / "one.zip"), checks(tmp_path / "two.zip")

    assert set(one) == set(two) == set(sources)
    assert {each for each in one if one[each] != two[each]} == {name}
    assert one[name][0] == sources[name].stat().st_size
    with pytest.raises(NotFound):
        checks(tmp_path / "none.zip")
    with pytest.raises(Corrupted):
        checks(other)


def test_some_files_are_unpacked_alone(sources: dict[str, Path], tmp_path: Path) -> None:
    pack(sources, tmp_path / "all.zip")
    name = next(iter(sources))

    unpack(tmp_path / "all.zip", tmp_path / "some", only={name})

    assert [path.name for path in (tmp_path / "some").rglob("*") if path.is_file()] == [Path(name).name]
