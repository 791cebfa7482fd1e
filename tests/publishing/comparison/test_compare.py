"""Versions side by side: real networks, real chips, real measurements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import shapely
from PIL import Image
from pystac import Item
from torch import tensor

from fair_models.catalog.changes import transitions
from fair_models.catalog.items import assets
from fair_models.catalog.items.dataset import DatasetItem
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.images import chips
from fair_models.data.splits import Split
from fair_models.data.synthetic import make_settlement
from fair_models.errors import Conflict, IncompatibleDataset, Invalid, NotFound
from fair_models.ml_tasks import weights
from fair_models.numbers import NOT_MEASURED
from fair_models.params import (
    CompareParams,
    FinetuneParams,
    IngestDatasetParams,
    RetireParams,
    SliceDatasetParams,
)
from fair_models.publishing.candidate import seen as seen_chips
from fair_models.publishing.commit import NoteListener, ignore_note
from fair_models.publishing.comparison import compare as comparing
from fair_models.publishing.datasets import ingest
from fair_models.publishing.register.register import register_base_model
from fair_models.publishing.retire import retire
from fair_models.publishing.slices import publish_slice
from fair_models.reports import comparison_report, curves
from fair_models.reports import comparison_tables as tables
from fair_models.reports.comparison import Ground, value_of
from fair_models.settings import current
from fair_models.store.archive import unpack
from fair_models.store.local import LocalStore
from fair_models.training.finetune_plan import plan_run
from fair_models.training.phases import measurement
from fair_models.types import DATASETS
from flows.tasks.comparison import _compared
from tests.publishing import tiny_contribution
from tests.publishing.memory_ledger import MemoryLedger

IOU = "fair:building_iou"
SEEDS = {1: 1, 2: 3}
"""Seed of the network of each version; the first finds more of the roofs."""


@dataclass(frozen=True)
class World:
    """A base model, a town, the same town split the other way round, and two trained versions."""

    base: Item
    town: Item
    turned: Item
    catalog: LocalCatalog
    store: LocalStore
    ledger: MemoryLedger

    def compare(self, *versions: str, **wishes: Any) -> list[Ground]:
        params = CompareParams(versions=list(versions), **wishes)
        return comparing.compare(params, self.catalog, self.store, self.ledger)


@pytest.fixture(scope="module")
def world(home_for_tests: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("compared")
    catalog, store, ledger = LocalCatalog(folder / "catalog"), LocalStore(folder / "store"), MemoryLedger()
    base = register_base_model(str(tiny_contribution.write(folder)), catalog, store)
    make_settlement(folder / "town", seed=3, columns=4, rows=3, size_px=64, prediction_columns=0)

    def ingested(name: str, seed: int) -> Item:
        wish = IngestDatasetParams(
            name=name, title=name, chips=str(folder / "town"), seed=seed, held_out_ratio=0.5
        )
        return ingest(wish, catalog, store)

    town, turned = ingested("town", 0), ingested("turned", 2)
    for number, seed in SEEDS.items():
        wish = FinetuneParams(base_model=base.id, dataset=town.id, model_name="roofs")
        config = plan_run(base, town, wish)
        values = {**config.hyperparameters, "training.learning_rate": 0.001 * number}
        ledger.add("roofs", base_model=base.id, dataset=town.id, hyperparameters=values)
        ledger.configs["roofs", number] = config
        path = folder / f"{number}.safetensors"
        weights.save(tiny_contribution.network(seed), path)
        ledger.files["roofs", number, "weights"] = path.read_bytes()
    return World(base, town, turned, catalog, store, ledger)


@pytest.fixture(scope="module")
def compared(world: World) -> Ground:
    [ground] = world.compare("roofs-v1", "roofs-v2", "tiny")
    return ground


def test_versions_are_measured_on_the_chips_of_the_dataset_that_the_first_was_trained_on(
    world: World, compared: Ground
) -> None:
    assert compared.dataset.id == world.town.id
    assert [side.contender.id for side in compared.measured] == ["roofs-v1", "roofs-v2", "tiny-v1"]
    assert [side.contender.kind for side in compared.measured] == ["trained", "trained", "base model"]
    names = {tuple(side.evaluation.samples) for side in compared.measured if side.evaluation}
    assert len(names) == 1
    assert len(names.pop()) == 6


def test_the_metrics_are_those_that_the_gates_see(world: World, compared: Ground) -> None:
    measured = measurement.measure(world.base, world.town, world.store, current().cache_folder)
    [row] = [
        row for row in tables.metric_rows([compared]) if row["version"] == "tiny-v1" and row["metric"] == IOU
    ]
    assert row["value"] == measured.metrics[IOU]
    assert (row["low"], row["high"]) == measured.intervals[IOU]
    assert row["baseline"] == measured.baseline[IOU]


def test_the_best_is_the_one_with_the_best_main_metric(compared: Ground) -> None:
    values = {side.contender.id: value_of(side, IOU) or 0.0 for side in compared.measured}
    assert len(set(values.values())) == 3
    assert compared.best is not None
    assert compared.best.contender.id == max(values, key=lambda version: values[version])


def test_differences_are_told_sample_by_sample_from_the_first(compared: Ground) -> None:
    first, second, _ = compared.measured
    assert first.difference is None
    assert first.evaluation is not None
    assert second.evaluation is not None
    more = [
        value - before
        for name, values in second.evaluation.samples.items()
        if (value := values[IOU]) is not None and (before := first.evaluation.samples[name][IOU]) is not None
    ]
    assert second.difference == pytest.approx(np.mean(more))
    assert second.difference_interval is not None
    low, high = second.difference_interval
    assert min(more) <= low < np.mean(more) < high <= max(more)


def test_versions_that_collapsed_are_named_with_the_guess_that_they_do_not_surpass(
    world: World, tmp_path: Path
) -> None:
    config = world.ledger.configs["roofs", 1]
    for number, surplus in ((1, 5.0), (2, 9.0)):  # both find that everything is a building
        network = tiny_contribution.network(number)
        network[2].weight.data.zero_()
        network[2].bias.data[:] = tensor([0.0, surplus])
        world.ledger.add(
            "collapsed",
            base_model=world.base.id,
            dataset=world.town.id,
            hyperparameters=config.hyperparameters,
        )
        world.ledger.configs["collapsed", number] = config
        path = tmp_path / f"{number}.safetensors"
        weights.save(network, path)
        world.ledger.files["collapsed", number, "weights"] = path.read_bytes()

    [ground] = world.compare("collapsed-v1", "collapsed-v2", pictures=0)

    [first, second] = ground.measured
    assert first.evaluation is not None
    assert value_of(first, IOU) == value_of(second, IOU) == first.evaluation.baseline[IOU]
    assert list(ground.doubts) == ["collapsed-v1", "collapsed-v2"]
    report = comparison_report.markdown([ground], comparison_report.within)
    for side in (first, second):
        said = f"**{side.contender.id} is no better than guessing**: {ground.doubts[side.contender.id]}"
        assert said in report
        assert "of the simplest guess (everything is building)" in said
    warning = _compared([ground], tmp_path / "comparison.md").warning or ""
    assert warning.startswith(f"collapsed-v1 on town-v1: {IOU} is 0.")
    assert "; collapsed-v2 on town-v1: " in warning


def test_a_version_that_is_better_than_the_guess_has_no_such_warning(compared: Ground) -> None:
    side = compared.measured[0]
    assert side.evaluation is not None
    good = replace(side, evaluation=replace(side.evaluation, metrics={IOU: 1.0}))
    ground = replace(compared, sides=[good])
    assert ground.doubts == {}
    assert "no better than guessing" not in comparison_report.markdown([ground], comparison_report.within)
    assert _compared([ground], Path("comparison.md")).warning is None


def test_the_chips_shown_are_those_on_which_the_versions_differ_most(compared: Ground) -> None:
    apart = [max(sample.values.values()) - min(sample.values.values()) for sample in compared.samples]
    assert apart == sorted(apart, reverse=True)
    assert apart[0] > 0
    for sample in compared.samples:
        assert set(sample.pictures) == set(sample.values) == {"roofs-v1", "roofs-v2", "tiny-v1"}
        assert len({picture.tobytes() for picture in sample.pictures.values()}) > 1


def test_hyperparameters_are_listed_where_they_differ(compared: Ground) -> None:
    labels = [row["metric"] for row in tables.side_by_side(compared)]
    assert "training.learning_rate" in labels
    assert "training.epochs" not in labels
    assert "building, iou" in labels


def test_hyperparameters_are_told_once(compared: Ground) -> None:
    rows = [row["metric"] for row in tables.side_by_side(compared, is_first=False)]
    assert "training.learning_rate" not in rows


def test_measures_that_a_class_never_has_are_left_out_and_guesses_have_a_column(compared: Ground) -> None:
    rows = {row["metric"]: row for row in tables.side_by_side(compared)}
    assert "background, iou" in rows
    assert "background, object_f1" not in rows
    assert "better than roofs-v1 by, chip by chip" in rows
    assert rows["building, iou"]["simplest guess"] == rows[IOU]["simplest guess"] != NOT_MEASURED
    assert "(" not in rows["building, iou"]["roofs-v1"]


def test_a_class_of_which_nothing_was_measured_keeps_its_rows(compared: Ground) -> None:
    none = {"class": "hut", "iou": None, "iou_low": None, "iou_high": None}
    sides = [
        replace(side, evaluation=replace(side.evaluation, classes=[none]))
        for side in compared.sides
        if side.evaluation is not None
    ]
    rows = {row["metric"]: row for row in tables.side_by_side(replace(compared, sides=sides))}
    assert rows["hut, iou"]["roofs-v1"] == NOT_MEASURED


def test_the_report_says_how_many_labels_the_chips_have(compared: Ground) -> None:
    counts = compared.dataset.properties["fair:class_counts"]["held_out"]
    report = comparison_report.markdown([compared], comparison_report.within)
    assert f"with labels of building ({counts['building']})" in report


def test_curves_are_drawn_where_they_lie() -> None:
    good = curves.draw("good", {"one": [(0.85, 0.99), (0.99, 0.9)]}, "recall", "precision")
    assert ">0.0<" not in good
    assert all(f">{tick}<" in good for tick in ("0.75", "0.80", "0.85", "0.90", "0.95", "1.00"))
    poor = curves.draw("poor", {"one": [(0.1, 0.9)]}, "recall", "precision")
    assert ">0.0<" in poor
    assert curves.draw("none", {}, "x", "y").count("<path") > 0


def test_the_report_shows_tables_curves_and_pictures(compared: Ground, tmp_path: Path) -> None:
    report = comparison_report.write([compared], tmp_path).read_text(encoding="utf-8")
    [curve] = tmp_path.glob("*.svg")
    assert curve.name in report
    assert curve.read_text().count("<polyline") == 3
    pictures = sorted(tmp_path.glob("*.jpg"))
    assert len(pictures) == 3 * len(compared.samples)
    assert all(picture.name in report for picture in pictures)
    with Image.open(pictures[0]) as opened:
        assert opened.width > 2 * opened.height
    within = comparison_report.markdown([compared], comparison_report.within)
    assert within.count("data:image/jpeg;base64,") == len(pictures)


def test_who_learnt_from_the_held_out_chips_is_told(world: World) -> None:
    [ground] = world.compare("roofs-v1", "tiny", dataset="turned", pictures=0)
    learnt, base = ground.sides
    seen = seen_chips("roofs-v1", world.town.id, DatasetItem(world.turned), world.catalog, world.store)
    assert learnt.seen == seen
    assert seen
    assert base.seen is None
    assert ground.samples == []
    assert "roofs-v1 learnt from" in comparison_report.markdown([ground], comparison_report.within)


def test_a_version_that_does_not_fit_is_listed_with_its_reason_beside_the_others(
    world: World, changed_copy: Callable[..., World]
) -> None:
    changed = changed_copy(world)
    [ground] = changed.compare("roofs-v1", "roofs-v3")
    assert [side.contender.id for side in ground.measured] == ["roofs-v1"]
    assert "training.width" in ground.sides[1].problem
    assert ground.samples  # of one version its worst


@pytest.fixture
def changed_copy() -> Callable[[World], World]:
    """The same world with a third version whose code takes none of its hyperparameters."""

    def made(world: World) -> World:
        ledger = MemoryLedger()
        ledger.records, ledger.configs = dict(world.ledger.records), dict(world.ledger.configs)
        ledger.files = dict(world.ledger.files)
        values = {**ledger.configs["roofs", 1].hyperparameters, "training.width": 4000}
        ledger.add("roofs", base_model=world.base.id, dataset=world.town.id, hyperparameters=values)
        ledger.configs["roofs", 3] = ledger.configs["roofs", 1]
        return World(world.base, world.town, world.turned, world.catalog, world.store, ledger)

    return made


def test_where_nobody_can_be_measured_the_reasons_are_told(
    world: World, changed_copy: Callable[..., World]
) -> None:
    with pytest.raises(Invalid, match=r"None of the versions can be measured on town-v1\. roofs-v3: .*width"):
        changed_copy(world).compare("roofs-v3")


BLIND = """

from dataclasses import replace


def evaluate(*given, **named):
    found = training.evaluate(*given, **named)
    return replace(found, metrics={"fair:building_iou": None, "fair:pixel_accuracy": 0.5})
"""


def test_versions_of_which_the_main_metric_has_no_value_are_not_compared(
    world: World, tmp_path: Path
) -> None:
    """Another of their metrics has one, so that they were measured."""
    folder = tiny_contribution.write(tmp_path)
    pipeline = folder / "pipeline.py"
    pipeline.write_text(pipeline.read_text() + BLIND)
    other = {"key": "fair:pixel_accuracy", "name": "Accuracy", "description": "Pixels that are right."}
    main = tiny_contribution.TEMPLATE["properties"]["fair:metrics_spec"][0]
    tiny_contribution.write_item(folder, **{"fair:metrics_spec": [main, {**other, "higher_is_better": True}]})
    blind = replace(world, catalog=LocalCatalog(tmp_path / "catalog"))
    transitions.publish(blind.catalog, world.town)
    register_base_model(str(folder), blind.catalog, world.store)

    with pytest.raises(Invalid) as error:
        blind.compare("tiny", dataset="town")

    assert str(error.value) == (
        "Nothing can be compared on town-v1: fair:building_iou has no value there for tiny-v1. Name a "
        "dataset whose held-out chips hold what they map: --dataset, see fair-models list datasets"
    )


def cut(world: World, note: NoteListener = ignore_note, **wishes: Any) -> Item:
    return publish_slice(
        SliceDatasetParams.model_validate({"dataset": "town", "name": "part", **wishes}),
        world.catalog,
        world.store,
        note=note,
    )


def split_of(world: World, item: Item) -> Split:
    return Split.read(world.store.fetch(*assets.file_ref(item, assets.SPLIT)))


@pytest.fixture(scope="module")
def western(world: World) -> Item:
    """The western half of the town."""
    assert world.town.bbox is not None
    west, south, east, north = world.town.bbox
    return cut(world, name="western", area=f"{west},{south},{(west + east) / 2},{north}")


def test_a_slice_is_a_dataset_of_the_same_chips_that_derives_from_the_exact_whole(
    world: World, western: Item
) -> None:
    assert western.id == "western-v1"
    assert assets.file_ref(western, assets.CHIPS) == assets.file_ref(world.town, assets.CHIPS)
    for role in (assets.LABELS, assets.SPLIT):
        assert assets.file_ref(western, role)[1] != assets.file_ref(world.town, role)[1]
    [link] = [link for link in western.links if link.rel == "derived_from"]
    assert link.get_absolute_href() == world.catalog.href(DATASETS, world.town.id)
    assert western.properties["fair:slice"]["of"] == world.town.id
    whole, part = split_of(world, world.town), split_of(world, western)
    assert {*part.held_out} < {*whole.held_out}
    assert {*part.train} <= {*whole.train}
    assert western.properties["fair:chip_count"] == 6
    with pytest.raises(Conflict, match="western-v1"):
        retire(
            RetireParams(name="town", collection="datasets", action="delete", reason="No longer needed"),
            world.catalog,
            world.store,
            world.ledger,
        )


def test_versions_are_judged_on_slices_beside_the_whole(world: World, western: Item) -> None:
    whole, part = world.compare("roofs-v1", "roofs-v2", slices=["western"], pictures=1)
    assert (whole.dataset.id, part.dataset.id) == ("town-v1", "western-v1")
    for before, after in zip(whole.measured, part.measured, strict=True):
        assert before.evaluation is not None
        assert after.evaluation is not None
        assert after.evaluation.samples == {
            name: before.evaluation.samples[name] for name in split_of(world, western).held_out
        }
        assert value_of(before, IOU) != value_of(after, IOU)
    found = {table.key: table.rows for table in tables.tables([whole, part])}
    assert list(found) == ["versions", "metrics", "side-by-side"]
    assert all(list(row) == list(rows[0]) for rows in found.values() for row in rows)
    assert list(found["side-by-side"][0]) == ["dataset", "metric", "roofs-v1", "roofs-v2", "simplest guess"]
    rows = tables.metric_rows([whole, part])
    assert {row["dataset"] for row in rows} == {"town-v1", "western-v1"}


def test_the_same_slice_again_makes_no_new_version(world: World, western: Item) -> None:
    again = cut(world, name="western", area=western.properties["fair:slice"]["area"])
    assert again.id == "western-v1"


def test_a_slice_says_how_much_belongs_to_it_and_what_its_area_leaves_out(world: World) -> None:
    assert world.town.bbox is not None
    west, south, east, north = world.town.bbox
    outline = shapely.box(west, south, west + 0.6 * (east - west), north)  # 2 of 4 columns, and some of one
    point = shapely.Point(west, south)
    features = [
        {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)}
        for shape in (outline, point)
    ]
    area = orjson.dumps({"type": "FeatureCollection", "features": features}).decode()
    notes: list[str] = []

    part = cut(world, notes.append, name="wider", area=area)
    cut(world, notes.append, name="wider", area=area)  # no new version, and the same is said

    count = part.properties["label:overviews"][0]["counts"][0]["count"]
    stored = orjson.loads(world.store.fetch(*assets.file_ref(world.town, assets.LABELS)).read_bytes())
    total = len(stored["features"])
    assert 0 < count < total
    assert notes[:2] == [
        "Area: 1 points, lines and other geometries that are no polygons, left out",
        f"6 of 12 chips of town-v1 belong to the slice, with {count} of {total} labels; 3 chips that the "
        "area covers in part, but not in their middle, are left out",
    ]
    assert notes[2:] == notes[:2]


def test_a_slice_without_training_chips_can_be_judged_on(world: World) -> None:
    held_out = split_of(world, world.town).held_out
    boxes = [chip.grid.footprint for chip in chips_of(world) if chip.name in held_out]
    block = shapely.union_all(boxes, grid_size=1e-8)
    part = cut(world, name="held-out-block", area=shapely.to_geojson(block))
    assert part.properties["fair:split_spec"]["train"] == 0
    assert part.properties["fair:split_spec"]["held_out"] == len(held_out)
    [ground] = world.compare("roofs-v1", dataset="held-out-block", pictures=0)
    assert ground.measured[0].evaluation is not None
    assert ground.measured[0].evaluation.sample_count == len(held_out)


def chips_of(world: World) -> list[chips.Chip]:
    folder = current().cache_folder / "unpacked"
    unpack(world.store.fetch(*assets.file_ref(world.town, assets.CHIPS)), folder)
    return list(chips.find(folder))


def test_a_tag_chooses_the_chips_and_keeps_all_their_labels(world: World) -> None:
    features = orjson.loads(world.store.fetch(*assets.file_ref(world.town, assets.LABELS)).read_bytes())[
        "features"
    ]
    names = {key: value for key, value in features[0]["properties"].items() if isinstance(value, str)}
    part = cut(world, tags={key: [value] for key, value in names.items()}, classes=["building"])
    assert part.properties["label:overviews"][0]["counts"][0]["count"] > 1
    with pytest.raises(Invalid, match="0 belong to part"):
        cut(world, tags={"building": ["castle in the air"]})


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({}, "Give an area, classes or tags"),
        ({"classes": ["lake"]}, "has no class lake; it has building"),
        ({"dataset": "western", "classes": ["building"]}, "western-v1 is a slice itself. Slice town-v1"),
        ({"area": "0,0,1,1"}, r"nothing could be measured on it.*its chips lie in [0-9.,-]+$"),
        ({"tags": {"building": ["castle"]}}, "most of its labels with building have"),
        ({"tags": {"bulding": ["yes"]}}, "no label has the tag bulding, they have .*building"),
    ],
)
def test_a_slice_that_nothing_could_be_judged_on_is_refused(
    wishes: dict[str, Any], said: str, world: World, western: Item
) -> None:
    with pytest.raises(Invalid, match=said):
        cut(world, **wishes)


def test_a_slice_never_takes_the_name_of_a_whole_dataset(world: World) -> None:
    with pytest.raises(
        Conflict, match=r"turned is the name of a dataset that is no slice .turned-v1.*turned-part"
    ):
        cut(world, name="turned", classes=["building"])
    assert not world.catalog.get(DATASETS, "turned-v1").properties["deprecated"]


def test_a_slice_that_fits_no_version_is_told_beside_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = measurement.of_version

    def of_version(trained: Any, base: Item, dataset: Item, *places: Any) -> Any:
        if dataset.id == world.turned.id:
            raise IncompatibleDataset(trained.id, dataset.id, ["the classes differ"])
        return measured(trained, base, dataset, *places)

    monkeypatch.setattr(measurement, "of_version", of_version)
    whole, part = world.compare("roofs-v1", "roofs-v2", slices=["turned"], pictures=0)
    assert len(whole.measured) == 2
    assert part.measured == []
    report = comparison_report.markdown([whole, part], comparison_report.within)
    assert "**roofs-v2 could not be measured**: the dataset does not fit it: the classes differ" in report


def test_base_models_alone_need_a_dataset(world: World) -> None:
    with pytest.raises(Invalid, match="--dataset"):
        world.compare("tiny")


def test_a_version_that_is_not_there_is_not_found_with_those_that_are(world: World) -> None:
    with pytest.raises(NotFound, match="did you mean tiny"):
        world.compare("tony")
    with pytest.raises(NotFound, match=r"no roofs-v9; of roofs there are roofs-v1, roofs-v2. Name one"):
        world.compare("roofs-v9")
    with pytest.raises(NotFound, match="no roofs that is published; of roofs there are roofs-v1, roofs-v2"):
        world.compare("roofs")


def test_a_run_that_did_not_complete_is_not_compared(world: World) -> None:
    ledger = MemoryLedger()
    ledger.add("roofs", base_model=world.base.id, dataset=world.town.id, status="running")
    with pytest.raises(Invalid, match="its run is running"):
        comparing.compare(CompareParams(versions=["roofs-v1"]), world.catalog, world.store, ledger)
