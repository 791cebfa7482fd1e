"""A cut that was interrupted goes on where it stopped, and gives what it would have given."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired

import pytest

from fair_models.errors import InvalidImagery, Unavailable
from fair_models.inference.imagery import areas
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.ingestion import cut, cut_folder
from fair_models.ingestion.cut import CutChips
from fair_models.ingestion.plan import planned
from fair_models.params import IngestDatasetParams
from tests.inference.tile_server import TileServer, failing
from tests.ingestion.town import ZOOM, Town

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TileServer]:
    monkeypatch.setenv("FAIR_TILE_DAYS", "0")  # the cache of tiles hides nothing: each is asked for
    with TileServer(tmp_path, town.picture, town.corner).running() as running:
        assert isinstance(running, TileServer)
        yield running


def cut_into(
    folder: Path, imagery: str, area: str, stop_after: int | None = None, **more: object
) -> CutChips:
    """Cut in a folder that is kept. Ends the process with SIGKILL after some tiles."""
    given = {"name": "town", "title": "Town", "imagery": imagery, "labels": "labels.geojson", "zoom": ZOOM}
    params = IngestDatasetParams.model_validate(given | more)

    def count(done: int, total: int) -> None:
        if done == stop_after:
            os.kill(os.getpid(), signal.SIGKILL)

    return cut.cut(params, parse_source(imagery), areas.read(area), folder, count)


CHILD = """
import json, sys
from pathlib import Path
from tests.ingestion.test_resuming import cut_into
given = json.loads(sys.argv[1])
cut_into(Path(given.pop("folder")), given.pop("imagery"), given.pop("area"), given.pop("after"), **given)
"""


def started(folder: Path, imagery: str, area: str, after: int | None, **more: object) -> Popen[bytes]:
    """A process of its own that cuts."""
    given = {"folder": str(folder), "imagery": imagery, "area": area, "after": after, **more}
    return Popen([sys.executable, "-c", CHILD, json.dumps(given)], cwd=PROJECT)


def killed(folder: Path, imagery: str, area: str, after: int, **more: object) -> None:
    assert started(folder, imagery, area, after, **more).wait(120) == -signal.SIGKILL


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def journals(folder: Path) -> list[Path]:
    return sorted(folder.parent.glob(f".{folder.name}-*/block-*[0-9]"))


def done_in(folder: Path) -> set[str]:
    lines = [line for path in journals(folder) for line in path.read_text().splitlines()]
    return {line.split()[0] for line in lines}


@pytest.mark.parametrize("after", [1, 11])
def test_a_cut_that_was_killed_goes_on_and_asks_for_no_finished_tile_again(
    town: Town, server: TileServer, tmp_path: Path, after: int
) -> None:
    hole = server.all()[0]
    del server.answers[server.path(hole)]
    imagery, area = server.url("{z}/{x}/{y}.png"), town.area()
    whole = content(cut_into(tmp_path / "whole", imagery, area).folder)
    folder = tmp_path / "cut"
    killed(folder, imagery, area, after)
    done = done_in(folder)
    assert len(done) >= after
    server.asked.clear()

    made = cut_into(folder, imagery, area)

    assert content(folder) == whole
    assert (made.count, made.empty) == (11, 1)
    assert any(f"{len(done)} of 12 tiles were cut before" in note for note in made.notes)
    missing = {server.path(tile) for tile in server.all() if tile.name not in done}
    looked_at = {server.path(tile) for tile in server.all() if tile.z == ZOOM} - missing
    assert len(looked_at & set(server.asked)) <= 2  # the first look is at one or two in the middle
    assert missing <= set(server.asked)
    assert journals(folder) == []  # nothing is left of it


@pytest.mark.proof
@pytest.mark.parametrize("seed", [0, 1])
def test_a_cut_that_is_killed_again_and_again_gives_what_one_gives_that_is_not(
    town: Town, tmp_path: Path, seed: int
) -> None:
    """At any moment, not only between chips."""
    imagery, area = str(town.in_web_mercator(tmp_path / "mosaic.tif")), town.area(0)
    whole = content(cut_into(tmp_path / "whole", imagery, area, zoom=20, fill="kept").folder)
    assert len(whole) == 48
    folder, chosen, rounds = tmp_path / "cut", random.Random(seed), 0

    while True:
        rounds += 1
        child = started(folder, imagery, area, None, zoom=20, fill="kept")
        before = len(done_in(folder))
        while child.poll() is None and len(done_in(folder)) == before:
            time.sleep(0.01)
        try:
            ended = child.wait(chosen.uniform(0, 0.6))
        except TimeoutExpired:
            child.kill()
            child.wait()
            continue
        assert ended == 0
        break

    assert content(folder) == whole
    assert rounds > 1


@pytest.mark.parametrize("damage", ["cut off", "changed", "gone", "half a line"])
def test_what_a_crash_damaged_is_cut_again(town: Town, tmp_path: Path, damage: str) -> None:
    imagery, area = str(town.in_web_mercator(tmp_path / "mosaic.tif")), town.area()
    whole = content(cut_into(tmp_path / "whole", imagery, area).folder)
    folder = tmp_path / "cut"
    killed(folder, imagery, area, 12)
    [journal] = (path for path in journals(folder) if path.stat().st_size)
    chip = folder / f"{journal.read_text().split()[0]}.tif"
    match damage:
        case "cut off":
            chip.write_bytes(chip.read_bytes()[:100])
        case "changed":
            chip.write_bytes(chip.read_bytes()[:-1] + b"?")
        case "gone":
            chip.unlink()
        case "half a line":
            journal.write_bytes(journal.read_bytes()[:-40])
    (folder / ".OAM-1-1-19.tif.1-ab.part").write_bytes(b"half")

    made = cut_into(folder, imagery, area)

    assert content(folder) == whole
    assert any("11 of 12" in note for note in made.notes)


def test_imagery_that_was_changed_meanwhile_is_cut_anew(town: Town, tmp_path: Path) -> None:
    image, area = town.in_web_mercator(tmp_path / "mosaic.tif"), town.area()
    folder = tmp_path / "cut"
    killed(folder, str(image), area, 6)
    other = Town(town.folder, 255 - town.picture, town.corner).in_web_mercator(tmp_path / "other.tif")
    shutil.copyfile(other, image)

    made = cut_into(folder, str(image), area)

    assert not any("before" in note for note in made.notes)
    assert content(folder) == content(cut_into(tmp_path / "whole", str(image), area).folder)


def test_imagery_that_is_changed_while_it_is_cut_is_refused(town: Town, tmp_path: Path) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")
    given = {"name": "town", "title": "Town", "imagery": str(image), "labels": "labels.geojson", "zoom": ZOOM}

    with pytest.raises(Unavailable, match="was changed while chips were cut"):
        cut.cut(
            IngestDatasetParams.model_validate(given),
            parse_source(str(image)),
            areas.read(town.area()),
            tmp_path / "cut",
            lambda done, total: os.utime(image, (done, done)),
        )
    assert not (tmp_path / "cut").exists()


def test_tiles_that_could_not_be_had_are_asked_for_again(
    town: Town, server: TileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_MOST_BROKEN_TILES", "0.2")
    imagery, area = server.url("{z}/{x}/{y}.png"), town.area()
    whole = content(cut_into(tmp_path / "whole", imagery, area).folder)
    first = server.all()[0]
    good = server.answers[server.path(first)]
    server.answers[server.path(first)] = failing(403)
    folder = tmp_path / "cut"
    killed(folder, imagery, area, 12)
    assert first.name not in done_in(folder)

    made = cut_into(folder, imagery, area)
    assert any("1 of 12 tiles could not be had" in note for note in made.notes)
    killed(folder, imagery, area, 12)
    server.answers[server.path(first)] = good
    cut_into(folder, imagery, area)

    assert content(folder) == whole


def test_a_service_that_leaves_out_too_much_leaves_what_is_there_for_the_next_time(
    town: Town, server: TileServer, tmp_path: Path
) -> None:
    imagery, area = server.url("{z}/{x}/{y}.png"), town.area()
    last = server.all()[-1]
    good = server.answers[server.path(last)]
    server.answers[server.path(last)] = failing(403)
    with pytest.raises(Unavailable, match="could not be had"):
        cut_into(tmp_path / "cut", imagery, area)
    server.answers[server.path(last)] = good

    made = cut_into(tmp_path / "cut", imagery, area)

    assert any("were cut before" in note for note in made.notes)
    assert content(tmp_path / "cut") == content(cut_into(tmp_path / "whole", imagery, area).folder)


def test_an_area_in_which_a_service_has_nothing_is_asked_for_anew(
    server: TileServer, tmp_path: Path, home: Path
) -> None:
    imagery, area = server.url("{z}/{x}/{y}.png"), "85.1,27.1,85.101,27.101"
    for _ in range(2):
        server.asked.clear()
        with pytest.raises(InvalidImagery, match=r"none of the .* tiles of zoom 19 in the area is there"):
            cut_into(tmp_path / "cut", imagery, area)
        assert len(set(server.asked)) > 4
        assert not (tmp_path / "cut").exists()


def request(image: Path, **more: object) -> IngestDatasetParams:
    given = {"name": "town", "title": "Town", "imagery": str(image), "labels": "labels.geojson", "zoom": ZOOM}
    return IngestDatasetParams.model_validate(given | more)


def test_what_a_cut_is_called_by_follows_what_its_chips_depend_on_and_nothing_else(
    town: Town, tmp_path: Path
) -> None:
    image = town.in_web_mercator(tmp_path / "mosaic.tif")

    def digest(area: str = town.area(), **more: object) -> str:
        with planned(request(image, **more), parse_source(str(image)), areas.read(area)) as plan:
            return plan.digest

    first = digest()
    assert digest() == first
    assert (
        digest(name="other", title="Other", labels="x.json", classes=["road"], seed=3, buffer_m=9.0) == first
    )
    assert digest(town.area(0.3)) == first  # the same tiles
    others = [
        digest(town.area(1.25)),
        digest(zoom=18),
        digest(chip_size_px=512, zoom=18),
        digest(fill="kept"),
    ]
    assert len({first, *others}) == 5
    os.utime(image, (1, 1))
    assert digest() != first


def test_folders_of_cuts_expire_after_a_week_unless_somebody_works_in_them(home: Path) -> None:
    for name in ("old", "young", "held"):
        with cut_folder.cut_folder(name) as folder, folder.block(0) as block:
            block.keep("OAM-1-1-19", b"chip")
    code = (
        "from fair_models.ingestion.cut_folder import cut_folder\n"
        "with cut_folder('held'):\n    print('held', flush=True)\n    input()"
    )
    child = Popen([sys.executable, "-c", code], cwd=PROJECT, stdin=PIPE, stdout=PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    try:
        before = (datetime.now(UTC) - timedelta(days=8)).timestamp()
        for name in ("old", "held"):
            for path in [home / "cache" / "cuts" / name, *(home / "cache" / "cuts" / name).rglob("*")]:
                os.utime(path, (before, before))
        gone = cut_folder.take_away_expired()
    finally:
        child.kill()
        child.wait()

    assert [path.name for path in gone] == ["old"]
    left = sorted(path.name for path in (home / "cache" / "cuts").iterdir() if not path.name.startswith("."))
    assert [name for name in left if not name.endswith(".lock")] == ["held", "young"]


def test_a_service_that_asks_to_wait_is_left_in_peace_by_all_blocks(
    town: Town, server: TileServer, tmp_path: Path
) -> None:
    """Twice 429 with a wish for a second, then tiles: the cut takes that long and gives the same chips."""
    imagery, area = server.url("{z}/{x}/{y}.png"), town.area()
    whole = content(cut_into(tmp_path / "whole", imagery, area).folder)
    first = server.all()[0]
    server.first_then(first, failing(429, Retry_After="1"), failing(429, Retry_After="1"))
    server.asked.clear()
    began = time.monotonic()

    assert content(cut_into(tmp_path / "cut", imagery, area).folder) == whole
    assert time.monotonic() - began >= 2
    assert server.asked.count(server.path(first)) == 3
    assert server.most_at_once <= 4


FULL = """
import json, resource, signal, sys
from pathlib import Path
from fair_models.errors import FairModelsError
from tests.ingestion.test_resuming import cut_into
given, limit = json.loads(sys.argv[1]), int(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    cut_into(Path(given["folder"]), given["imagery"], given["area"])
except FairModelsError as error:
    print(f"{type(error).__name__}: {error}")
"""


def test_a_full_disk_is_said_and_what_was_cut_is_kept(town: Town, tmp_path: Path) -> None:
    """The limit lets smaller chips through, and not the larger ones."""
    imagery, area = str(town.in_web_mercator(tmp_path / "mosaic.tif")), town.area()
    whole = content(cut_into(tmp_path / "whole", imagery, area).folder)
    limit = sorted(map(len, whole.values()))[6]
    folder = tmp_path / "cut"
    given = json.dumps({"folder": str(folder), "imagery": imagery, "area": area})
    command = [sys.executable, "-c", FULL, given, str(limit)]
    said = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout

    assert said.startswith("Unavailable: Cannot write ")
    assert "free space" in said
    done = done_in(folder)
    assert 0 < len(done) < 12
    assert not list(folder.glob(".*.part"))
    made = cut_into(folder, imagery, area)
    assert any(f"{len(done)} of 12" in note for note in made.notes)
    assert content(folder) == whole
