"""A cut whose blocks other processes make gives the chips of a cut in one process."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np
import pytest
from pystac import Item

from fair_models.catalog.items import assets
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.images import tiles
from fair_models.errors import Conflict, Unavailable
from fair_models.inference.imagery import areas
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.ingestion.plan import planned
from fair_models.ingestion.shards import CutShards, Wait, runs_of
from fair_models.params import CutChipsParams, IngestDatasetParams
from fair_models.publishing import cut_chips, datasets
from fair_models.store.local import LocalStore
from fair_models.store.web.policy import retry_policy
from tests.inference.tile_server import TileServer, failing
from tests.ingestion.town import ZOOM, Town

CORNER = tiles.Tile(270014, 220302, ZOOM)
"""Four blocks meet in the middle of the town."""

PROJECT = Path(__file__).resolve().parents[2]

CHILD = """
import json, os, signal, sys
from pathlib import Path
from fair_models.params import CutChipsParams
from fair_models.publishing.cut_chips import cut_part
from fair_models.store.local import LocalStore
given = json.loads(sys.argv[1])
def count(done, total):
    if done == given["after"]:
        os.kill(os.getpid(), signal.SIGKILL)
cut_part(CutChipsParams.model_validate(given["params"]), LocalStore(Path(given["store"])), count)
"""


@pytest.fixture
def here(town: Town) -> Town:
    return Town(town.folder, town.picture, CORNER)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def server(here: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TileServer]:
    monkeypatch.setenv("FAIR_TILE_DAYS", "0")
    with TileServer(tmp_path, here.picture, here.corner).running() as running:
        assert isinstance(running, TileServer)
        yield running


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIR_MIN_CHIPS_PER_SUB_RUN", "1")


def request(here: Town, imagery: str, **more: Any) -> IngestDatasetParams:
    """An ingest with a label in each chip."""
    labels = here.folder / "boxes.geojson"
    features = []
    for row in range(3):
        for column in range(4):
            (west, east), (north, south) = tiles.lonlat(
                np.array([CORNER.x + column + 0.3, CORNER.x + column + 0.6]),
                np.array([CORNER.y + row + 0.3, CORNER.y + row + 0.6]),
                ZOOM,
            )
            ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
            shape = {"type": "Polygon", "coordinates": [ring]}
            features.append({"type": "Feature", "properties": {}, "geometry": shape})
    labels.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    given = {
        "name": "town",
        "title": "Town",
        "imagery": imagery,
        "labels": str(labels),
        "zoom": ZOOM,
        "area": here.area(),
        "license": "CC0-1.0",
    }
    return IngestDatasetParams.model_validate(given | more)


class Workers:
    """Makes the blocks that are asked for, one run after the other, as sub-runs of other machines do."""

    def __init__(self, params: IngestDatasetParams, store: LocalStore) -> None:
        self.params, self.store = params, store
        self.made: list[int] = []
        self.waited: list[int] = []

    def asked(self, cut: CutShards, first: int, last: int, runs: int = 1) -> CutChipsParams:
        return CutChipsParams(ingest=self.params, digest=cut.digest, first=first, last=last, shared_by=runs)

    def __call__(self, cut: CutShards, runs: int) -> Wait:
        for block in cut.missing():
            self.made.append(
                cut_chips.cut_part(self.asked(cut, block, block, runs), self.store, lambda *_: None)
            )
        return self.waited.append


def content(item: Item, store: LocalStore) -> dict[str, bytes]:
    return {
        role: Path(store.fetch(*assets.file_ref(item, role))).read_bytes()
        for role in ("data", "labels", "split")
    }


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("image", {}),
        ("image", {"zoom": 20}),
        ("service", {}),
        ("service", {"zoom": 18, "chip_size_px": 512}),
    ],
)
def test_a_dataset_of_shared_blocks_is_that_of_one_process(
    here: Town, server: TileServer, tmp_path: Path, kind: str, more: dict[str, Any]
) -> None:
    image = str(here.in_web_mercator(tmp_path / "mosaic.tif"))
    params = request(here, image if kind == "image" else server.url("{z}/{x}/{y}.png"), **more)
    one, other = (LocalStore(tmp_path / name / "store") for name in ("one", "other"))
    whole = datasets.ingest(params, LocalCatalog(tmp_path / "one" / "catalog"), one)
    shared = params.model_copy(update={"sub_runs": 3})
    workers = Workers(shared, other)

    made = datasets.ingest(shared, LocalCatalog(tmp_path / "other" / "catalog"), other, share_out=workers)

    assert content(made, other) == content(whole, one)
    assert len(workers.made) > 1
    assert workers.waited == list(range(len(workers.made)))
    assert not list(other.hrefs("shards/"))
    assert not list((tmp_path / "home" / "cache" / "cuts").glob("[!.]*"))


def cut_of(params: IngestDatasetParams) -> Any:
    return planned(params, parse_source(str(params.imagery)), areas.read(str(params.area)))


def join(cut: CutShards, params: IngestDatasetParams, folder: Path) -> dict[str, bytes]:
    from fair_models.ingestion.cut_folder import CutFolder

    made = cut.join(CutFolder(folder, folder.with_name("journals")), lambda block: None, lambda *_: None)
    return {path.name: path.read_bytes() for path in made.folder.iterdir()}


@pytest.mark.parametrize("damage", ["gone", "changed", "no line", "another archive"])
def test_a_block_that_is_damaged_in_the_store_is_cut_again(
    here: Town, store: LocalStore, tmp_path: Path, damage: str
) -> None:
    params = request(here, str(here.in_web_mercator(tmp_path / "mosaic.tif")), sub_runs=3)
    with cut_of(params) as plan:
        cut = CutShards(plan, store)
        Workers(params, store)(cut, 3)
        whole = join(cut, params, tmp_path / "whole")
        assert len(whole) == 12
        [line] = store.hrefs(f"shards/{cut.digest}/shard-0001.json")
        [data] = (href for href in store.hrefs(f"shards/{cut.digest}/shard-0001-"))
        match damage:
            case "gone":
                Path(data).unlink()
            case "changed":
                Path(data).chmod(0o644)
                Path(data).write_bytes(Path(data).read_bytes()[:-1])
            case "no line":
                Path(line).unlink()
            case "another archive":
                facts = json.loads(Path(line).read_text())
                Path(line).chmod(0o644)
                Path(line).write_text(json.dumps(facts | {"chips": 99}))

        assert join(cut, params, tmp_path / "again") == whole


def test_a_worker_that_sees_other_imagery_says_so(here: Town, store: LocalStore, tmp_path: Path) -> None:
    params = request(here, str(here.in_web_mercator(tmp_path / "mosaic.tif")))
    wrong = CutChipsParams(ingest=params, digest="0" * 32, first=0, last=1)
    with pytest.raises(Conflict, match="sees another cut"):
        cut_chips.cut_part(wrong, store, lambda *_: None)


def test_a_worker_that_dies_leaves_its_blocks_and_chips_to_the_next_one(
    here: Town, server: TileServer, store: LocalStore, tmp_path: Path
) -> None:
    params = request(here, server.url("{z}/{x}/{y}.png"), sub_runs=3)
    workers = Workers(params, store)
    with cut_of(params) as plan:
        cut = CutShards(plan, store)
        first_block = len(plan.blocks[0])
        given = {
            "after": first_block + 2,
            "params": workers.asked(cut, 0, 3).model_dump(mode="json", exclude_unset=True),
            "store": str(store.root),
        }
        child = Popen([sys.executable, "-c", CHILD, json.dumps(given)], cwd=PROJECT)
        assert child.wait(120) == -signal.SIGKILL
        assert cut.missing() == [1, 2, 3]
        server.asked.clear()
        told: list[tuple[int, int]] = []

        assert cut_chips.cut_part(workers.asked(cut, 0, 3), store, lambda *each: told.append(each)) == 3

        assert told[-1] == (12 - first_block, 12 - first_block)
        assert cut.missing() == []
        done = {server.path(cell.tile) for cell in plan.blocks[0]}
        assert len(done & set(server.asked)) <= 1  # the first look is at one
        assert len(join(cut, params, tmp_path / "joined")) == 12


def test_blocks_with_tiles_that_could_not_be_had_are_cut_again_the_next_time(
    here: Town, server: TileServer, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_MOST_BROKEN_TILES", "0.2")
    params = request(here, server.url("{z}/{x}/{y}.png"), sub_runs=3)
    last = server.all()[-1]
    good = server.answers[server.path(last)]
    server.answers[server.path(last)] = failing(403)
    with cut_of(params) as plan:
        cut = CutShards(plan, store)
        Workers(params, store)(cut, 3)
        server.answers[server.path(last)] = good
        assert len(join(cut, params, tmp_path / "with-a-gap")) == 11
        cut.forget_unsure()
        assert cut.missing() == [3]
        Workers(params, store)(cut, 3)

        assert len(join(cut, params, tmp_path / "whole")) == 12


def test_a_service_that_all_runs_together_find_broken_is_refused(
    here: Town, server: TileServer, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_MOST_BROKEN_TILES", "0.1")  # one of 12, in whichever block
    params = request(here, server.url("{z}/{x}/{y}.png"), sub_runs=3)
    for tile in (server.all()[0], server.all()[-1]):
        server.answers[server.path(tile)] = failing(403)
    with cut_of(params) as plan:
        cut = CutShards(plan, store)
        Workers(params, store)(cut, 3)
        with pytest.raises(Unavailable, match="2 of 12 tiles could not be had"):
            join(cut, params, tmp_path / "joined")


def test_small_cuts_and_services_have_fewer_runs(
    here: Town, server: TileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = request(here, str(here.in_web_mercator(tmp_path / "mosaic.tif")))
    service = request(here, server.url("{z}/{x}/{y}.png"))
    with cut_of(image) as plan:
        assert [runs_of(plan, asked) for asked in (1, 3, 50)] == [1, 3, 4]
        monkeypatch.setenv("FAIR_MIN_CHIPS_PER_SUB_RUN", "5")
        assert runs_of(plan, 50) == 2
        monkeypatch.delenv("FAIR_MIN_CHIPS_PER_SUB_RUN")
        assert runs_of(plan, 50) == 1
    monkeypatch.setenv("FAIR_MIN_CHIPS_PER_SUB_RUN", "1")
    monkeypatch.setenv("FAIR_REQUESTS_AT_ONCE", "2")
    with cut_of(service) as plan:
        assert runs_of(plan, 50) == 2


def test_runs_together_ask_a_server_no_more_often_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIR_REQUESTS_AT_ONCE", "5")
    monkeypatch.setenv("FAIR_REQUESTS_PER_SECOND", "30")
    for runs in range(1, 6):
        each = retry_policy(runs)
        assert each.at_once * runs <= 5
        assert each.per_second * runs == pytest.approx(30)
