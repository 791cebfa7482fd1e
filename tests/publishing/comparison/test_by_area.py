"""Versions on each area alone: what is measured, and where a version is marked for what it learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import shapely
from pystac import Item

from fair_models import prechecks
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.chip_samples import of_chips
from fair_models.data.images import chips, footprint
from fair_models.data.synthetic import make_settlement
from fair_models.errors import Invalid
from fair_models.ml_tasks import weights
from fair_models.params import CompareParams, FinetuneParams, IngestDatasetParams, SliceDatasetParams
from fair_models.publishing.candidate import split_of
from fair_models.publishing.comparison import compare as comparing
from fair_models.publishing.datasets import ingest
from fair_models.publishing.register.register import register_base_model
from fair_models.publishing.slices import publish_slice
from fair_models.reports import comparison_report
from fair_models.reports import comparison_tables as tables
from fair_models.reports.comparison import Ground, Side
from fair_models.store.local import LocalStore
from fair_models.training.finetune_plan import plan_run
from tests.publishing import tiny_contribution
from tests.publishing.memory_ledger import MemoryLedger

IOU = "fair:building_iou"
AREAS = {"west": (0, 2), "middle": (2, 4), "east": (4, 6)}


@dataclass(frozen=True)
class World:
    """Datasets that each hold out other areas of one town, and a version for each."""

    base: Item
    datasets: dict[str, Item]
    catalog: LocalCatalog
    store: LocalStore
    ledger: MemoryLedger

    def compare(self, *versions: str, **wishes: Any) -> list[Ground]:
        params = CompareParams(versions=list(versions), by="area", pictures=0, **wishes)
        return comparing.compare(params, self.catalog, self.store, self.ledger)


@pytest.fixture(scope="module")
def world(home_for_tests: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("by-area")
    catalog, store, ledger = LocalCatalog(folder / "catalog"), LocalStore(folder / "store"), MemoryLedger()
    base = register_base_model(str(tiny_contribution.write(folder)), catalog, store)
    make_settlement(folder / "town", seed=3, columns=6, rows=2, size_px=64, prediction_columns=0)
    area = _areas(folder / "town" / "input")

    def ingested(name: str, **fields: Any) -> Item:
        wish = IngestDatasetParams(name=name, title=name, chips=str(folder / "town"), **fields)
        return ingest(wish, catalog, store)

    datasets = {
        "two": ingested("two", area=area, held_out_areas=["west", "east"]),
        "one": ingested("one", area=area, held_out_areas=["middle"]),
        "block": ingested("block", area=area, held_out_ratio=0.5, seed=0),
        "plain": ingested("plain"),
    }
    for number, name in enumerate(("two", "one", "block"), 1):
        dataset = datasets[name]
        wish = FinetuneParams(base_model=base.id, dataset=dataset.id, model_name="roofs")
        config = plan_run(base, dataset, wish)
        ledger.add("roofs", base_model=base.id, dataset=dataset.id, hyperparameters=config.hyperparameters)
        ledger.configs["roofs", number] = config
        path = folder / f"{number}.safetensors"
        weights.save(tiny_contribution.network(2 * number - 1), path)
        ledger.files["roofs", number, "weights"] = path.read_bytes()
    return World(base, datasets, catalog, store, ledger)


def _areas(folder: Path) -> str:
    west, south, east, north = footprint.of(chips.find(folder)).bounds
    width = (east - west) / 6
    features = [
        {
            "type": "Feature",
            "properties": {"name": name},
            "geometry": shapely.geometry.mapping(
                shapely.box(west + (first + 0.01) * width, south, west + (last - 0.01) * width, north)
            ),
        }
        for name, (first, last) in AREAS.items()
    ]
    return orjson.dumps({"type": "FeatureCollection", "features": features}).decode()


def side(ground: Ground, version: str) -> Side:
    return next(each for each in ground.sides if each.contender.id == version)


def test_each_area_has_the_samples_of_its_held_out_chips(world: World) -> None:
    [ground] = world.compare("roofs-v1", "roofs-v2")

    assert ground.dataset.id == "two-v1"
    assert [area.area for area in ground.areas] == ["west", "east"]
    whole = side(ground, "roofs-v1").evaluation
    assert whole is not None
    split = split_of(DatasetItem(world.datasets["two"]), world.store)
    for area in ground.areas:
        evaluation = side(area, "roofs-v1").evaluation
        assert evaluation is not None
        own = of_chips(list(whole.samples), set(split.areas[area.area]))
        assert evaluation.sample_count == len(own) > 0
        names = list(whole.samples)
        assert evaluation.samples == {names[index]: whole.samples[names[index]] for index in own}


def test_no_sample_is_made_of_chips_of_two_areas(world: World) -> None:
    [ground] = world.compare("roofs-v3")

    counts = [area.sides[0].evaluation.sample_count for area in ground.areas if area.sides[0].evaluation]
    whole = ground.sides[0].evaluation
    assert whole is not None
    assert len(counts) == 3
    assert sum(counts) == whole.sample_count


def test_where_no_version_has_learnt_from_an_area_all_of_its_chips_count(world: World) -> None:
    """The base model has learnt from none, so that areas without held-out chips have rows too."""
    [ground] = world.compare("tiny", dataset="one")

    assert [(area.area, area.is_whole_area) for area in ground.areas] == [(name, True) for name in AREAS]
    split = split_of(DatasetItem(world.datasets["one"]), world.store)
    found = [area.sides[0].evaluation for area in ground.areas]
    for area, evaluation in zip(ground.areas, found, strict=True):
        assert evaluation is not None
        assert len(of_chips(list(evaluation.samples), set(split.areas[area.area]))) == evaluation.sample_count
    whole = ground.sides[0].evaluation
    assert whole is not None
    assert found[1] is not None
    assert found[1].samples == whole.samples
    assert [row["chips"] for row in tables.by_area([ground])] == ["all"] * 3


def test_of_an_area_that_any_version_has_learnt_from_the_held_out_chips_count(world: World) -> None:
    """What the first has held out the second has learnt from, and the other way round."""
    [ground] = world.compare("roofs-v1", "roofs-v2", "tiny", dataset="two")

    assert [(area.area, area.is_whole_area) for area in ground.areas] == [("west", False), ("east", False)]
    assert [row["chips"] for row in tables.by_area([ground])] == ["held out"] * 2


def test_a_version_that_learnt_from_an_area_is_marked_there(world: World) -> None:
    [ground] = world.compare("roofs-v1", "roofs-v2", "tiny")

    for area in ground.areas:
        assert (side(area, "roofs-v1").seen, side(area, "roofs-v1").seen_in_area) == (0, 0)
        assert (side(area, "roofs-v2").seen, side(area, "roofs-v2").seen_in_area) == (4, 4)
        assert side(area, "tiny-v1").seen is None
    for row in tables.by_area([ground]):
        assert "learnt" not in row["roofs-v1"]
        assert row["roofs-v2"].endswith("(learnt from 4 of these chips)")
        assert "learnt" not in row["tiny-v1"]
        assert row["samples"] > 0


def test_a_version_that_learnt_from_other_chips_of_the_area_is_marked_too(world: World) -> None:
    [ground] = world.compare("roofs-v3", dataset="block")

    rows = tables.by_area([ground])
    assert [row["area"] for row in rows] == ["west", "middle", "east"]
    assert all("other chips of the area" in row["roofs-v3"] for row in rows)


def test_each_area_has_its_interval_and_the_difference_to_the_first_version(world: World) -> None:
    [ground] = world.compare("roofs-v1", "roofs-v2")

    rows = [row for row in tables.metric_rows([ground]) if row["metric"] == IOU]
    assert [(row["area"], row["version"]) for row in rows] == [
        (area, version) for area in ("", "west", "east") for version in ("roofs-v1", "roofs-v2")
    ]
    for row in rows:
        assert row["low"] <= row["value"] <= row["high"]
        assert (row["difference"] is None) == (row["version"] == "roofs-v1")
    assert len({row["value"] for row in rows if row["version"] == "roofs-v1"}) == 3
    west = ground.areas[0]
    ours, theirs = (side(west, version).evaluation for version in ("roofs-v1", "roofs-v2"))
    assert ours is not None
    assert theirs is not None
    more = [theirs.samples[name][IOU] - ours.samples[name][IOU] for name in ours.samples]  # type: ignore[operator]
    assert side(west, "roofs-v2").difference == pytest.approx(np.mean(more))


def test_leaving_one_area_out_after_the_other_makes_one_table(world: World) -> None:
    grounds = world.compare("roofs-v1", "roofs-v2", dataset="two", slices=["one"])

    rows = {(row["dataset"], row["area"]): row for row in tables.by_area(grounds)}
    assert list(rows) == [("two-v1", "west"), ("two-v1", "east"), ("one-v1", "middle")]
    assert "learnt" in rows["one-v1", "middle"]["roofs-v1"]
    assert "learnt" not in rows["one-v1", "middle"]["roofs-v2"]
    assert [table.key for table in tables.tables(grounds)] == [
        "versions",
        "metrics",
        "side-by-side",
        "by-area",
    ]
    for table in tables.tables(grounds):
        assert len({tuple(row) for row in table.rows}) == 1


def test_the_report_begins_with_the_areas(world: World) -> None:
    text = comparison_report.markdown(world.compare("roofs-v1", "roofs-v2"), lambda name, content: name)

    assert text.index("## By area") < text.index("## On two-v1")
    assert "| west |" in text
    assert "(learnt from 4 of these chips)" in text


def test_by_dataset_nothing_is_said_of_areas(world: World) -> None:
    params = CompareParams(versions=["roofs-v1"], pictures=0)
    [ground] = comparing.compare(params, world.catalog, world.store, world.ledger)

    assert not ground.areas
    assert "area" not in tables.metric_rows([ground])[0]
    assert "By area" not in comparison_report.markdown([ground], lambda name, content: name)


def test_a_dataset_without_areas_is_refused_before_anything_is_measured(world: World) -> None:
    with pytest.raises(Invalid, match=r"plain-v1 was ingested without an area.*--area"):
        world.compare("roofs-v1", dataset="plain")
    params = CompareParams(versions=["roofs-v1"], dataset="plain", by="area")
    with pytest.raises(Invalid, match="plain-v1 was ingested without an area"):
        prechecks.check(params, world.catalog)


def test_beside_a_dataset_with_areas_one_without_has_no_rows(world: World) -> None:
    grounds = world.compare("roofs-v1", slices=["plain"])

    assert {row["dataset"] for row in tables.by_area(grounds)} == {"two-v1"}
    assert not grounds[1].areas


def test_a_slice_is_compared_by_its_areas(world: World) -> None:
    west, south, east, north = world.datasets["two"].bbox or []
    wish = SliceDatasetParams(
        dataset="two", name="western", area=f"{west},{south},{west + (east - west) / 2},{north}"
    )
    publish_slice(wish, world.catalog, world.store)

    [ground] = world.compare("roofs-v1", dataset="western")

    assert [area.area for area in ground.areas] == ["west"]


def test_where_it_is_not_known_what_a_version_learnt_from_that_is_said(world: World) -> None:
    [ground] = world.compare("roofs-v1")
    unknown = Side(ground.areas[0].sides[0].contender, ground.areas[0].sides[0].evaluation)
    [row] = tables.by_area(
        [
            Ground(
                ground.dataset,
                ground.metric,
                ground.sides,
                areas=[Ground(ground.dataset, ground.metric, [unknown], area="west")],
            )
        ]
    )

    assert row["roofs-v1"].endswith("(not known what it learnt from)")


def test_samples_are_found_by_the_chip_that_they_begin_with() -> None:
    names = ["a", "a+0+256", "b+1", "b+1+0+0", "c+0+0"]
    assert of_chips(names, {"a"}) == [0, 1]
    assert of_chips(names, {"b+1"}) == [2, 3]
    assert of_chips(names, {"b"}) == []
