"""Chips that lack labels, or have them where nothing is; and chips that could be taken for such."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image

from fair_models.data.images import chip_files, chips
from fair_models.data.images.chips import Chip
from fair_models.data.ingest import prepare
from fair_models.data.label_quality import completeness, glimpses
from fair_models.data.label_quality.completeness import Judged, Sight
from fair_models.data.label_quality.glimpses import Glimpse, Places
from fair_models.data.label_quality.report import LabelReport
from fair_models.data.synthetic import make_settlement
from fair_models.data.vectors import labels
from fair_models.data.vectors.labels import Labels
from fair_models.params import IngestDatasetParams
from fair_models.types import Array
from tests.data.label_quality.drawn import feature, relabel, shape_of

CLASSES = ["building"]


@dataclass(frozen=True)
class Town:
    folder: Path
    chips: list[Chip]
    labels: Labels
    glimpses: Mapping[str, Glimpse]

    @property
    def touching(self) -> dict[str, Array]:
        return {chip.name: self.labels.touching(chip.grid) for chip in self.chips}

    def without(self, gone: Mapping[str, float]) -> Labels:
        """Labels without a part of those of some chips, by name."""
        rng = np.random.default_rng(0)
        lost: set[int] = set()
        for name, part in gone.items():
            own = self.touching[name]
            lost |= set(rng.choice(own, max(1, round(part * len(own))), replace=False).tolist())
        return self.labels.select(each for each in range(len(self.labels)) if each not in lost)


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """Thirty chips, built everywhere."""
    folder = tmp_path_factory.mktemp("town")
    make_settlement(folder, seed=1, columns=6, rows=5, size_px=128, prediction_columns=0)
    return town_in(folder)


@pytest.fixture(scope="session")
def hamlets(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """Thirty-five chips, half of the ground built on: some hold fields, trees and roads alone."""
    folder = tmp_path_factory.mktemp("hamlets")
    make_settlement(folder, seed=3, columns=7, rows=5, size_px=128, prediction_columns=0, built_share=0.4)
    return town_in(folder)


def town_in(folder: Path) -> Town:
    found = chips.find(folder / "input")
    known = labels.read(folder / "input" / "labels.geojson", CLASSES)
    return Town(folder, found, known, glimpses.of_chips(found))


def judged(town: Town, known: Labels | None = None, **more: object) -> Judged:
    known = known or town.labels
    return completeness.judge(town.glimpses, known, CLASSES, **more)  # type: ignore[arg-type]


def lacking(found: Judged) -> set[str]:
    return {
        name for name, each in found.findings.items() if any(one.kind == "missing_labels" for one in each)
    }


def share_found(found: set[str], wanted: set[str]) -> tuple[float, float]:
    """Recall and precision."""
    hit = len(found & wanted)
    return hit / len(wanted), hit / max(1, len(found))


@pytest.mark.parametrize(("least", "most"), [(0.5, 1.0), (1.0, 1.0)])
def test_chips_that_lost_half_or_all_of_their_labels_are_found(town: Town, least: float, most: float) -> None:
    rng = np.random.default_rng(4)
    names = rng.choice([chip.name for chip in town.chips], 10, replace=False)
    gone = {str(name): float(rng.uniform(least, most)) for name in names}

    recall, precision = share_found(lacking(judged(town, town.without(gone))), set(gone))
    assert recall >= 0.8
    assert precision >= 0.8


def test_where_nothing_lacks_nothing_is_in_doubt(town: Town) -> None:
    found = judged(town)
    assert found.findings == {}
    assert found.why_not == ""
    assert len(found.covers) == len(town.chips)


def test_ground_that_is_really_empty_is_in_no_doubt(hamlets: Town) -> None:
    empty = {name for name, indices in hamlets.touching.items() if not len(indices)}
    assert len(empty) >= 3

    assert empty & set(judged(hamlets).findings) == set()


def test_a_reason_says_what_is_there_what_was_expected_and_by_which_limit(town: Town) -> None:
    name = max(town.touching, key=lambda each: len(town.touching[each]))
    found = judged(town, town.without({name: 1.0}))

    (finding,) = found.findings[name]
    assert "labels of building cover 0.0%" in finding.reason
    assert "be expected (limit 60%" in finding.reason
    cover = found.covers[name]
    assert cover.labelled == 0
    assert cover.missing == pytest.approx(cover.expected)
    assert cover.expected == pytest.approx(judged(town).covers[name].labelled, abs=0.1)
    assert "AUC" in found.how


def test_a_chip_is_not_judged_by_its_own_labels(town: Town) -> None:
    """One that lacks all of them would otherwise teach that there is nothing."""
    name = max(town.touching, key=lambda each: len(town.touching[each]))
    with_them, without = judged(town), judged(town, town.without({name: 1.0}))
    assert without.covers[name].expected > 0.6 * with_them.covers[name].expected


def test_labels_on_bare_ground_are_labels_of_nothing(hamlets: Town) -> None:
    """Those of a chip that is built on are put onto one that is not."""
    by_name = {chip.name: chip for chip in hamlets.chips}
    empty = sorted(name for name, indices in hamlets.touching.items() if not len(indices))[:2]
    full = sorted(hamlets.touching, key=lambda each: -len(hamlets.touching[each]))[:2]
    outlines = [*hamlets.labels.outlines]
    for source, target in zip(full, empty, strict=True):
        one, other = (by_name[each].grid.footprint.centroid for each in (source, target))
        outlines += [
            shapely.affinity.translate(hamlets.labels.outlines[index], other.x - one.x, other.y - one.y)
            for index in hamlets.touching[source]
        ]
    moved = np.empty(len(outlines), dtype=object)
    moved[:] = outlines
    known = Labels(moved, ["building"] * len(moved), [{}] * len(moved))

    found = judged(hamlets, known)
    on_nothing = {
        name for name, each in found.findings.items() if any(one.kind == "nothing_there" for one in each)
    }
    assert set(empty) <= on_nothing
    assert len(on_nothing) <= len(empty) + 1
    assert found.covers[empty[0]].unseen > 0.5 * found.covers[empty[0]].labelled


def test_a_few_chips_are_not_judged_and_it_says_why(town: Town) -> None:
    few = Town(town.folder, town.chips[:5], town.labels, glimpses.of_chips(town.chips[:5]))
    found = judged(few)
    assert found.findings == {}
    assert "5 chips show labels of building, and at least 8 are needed" in found.why_not
    assert "check_with" in found.why_not


def test_objects_that_look_like_all_else_are_not_judged(town: Town, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for chip in town.chips:
        assert chip.tile is not None
        noise = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        chip_files.write(tmp_path / f"{chip.name}.tif", chip.tile, noise)
    grey = Town(tmp_path, chips.find(tmp_path), town.labels, glimpses.of_chips(chips.find(tmp_path)))

    found = judged(grey)
    assert found.findings == {}
    assert "building looks too much like what is around it" in found.why_not


def test_what_a_model_sees_counts_in_place_of_colour_and_texture(town: Town) -> None:
    truth = town.labels

    def perfect(places: list[Places]) -> list[Array]:
        masks = [
            labels.rasterise(
                truth, at.grid.transform, at.grid.height, at.grid.width, at.grid.crs, ["background", *CLASSES]
            )[at.rows, at.columns]
            for at in places
        ]
        return [(mask[:, None] > 0) * 0.9 for mask in masks]

    names = [chip.name for chip in town.chips[:20]]
    found = judged(town, town.without(dict.fromkeys(names, 1.0)), sight=Sight("roofs-v1", CLASSES, perfect))
    assert lacking(found) == set(names)  # two thirds of the chips, which no learning from them could tell
    assert "roofs-v1" in found.how


def report(folder: Path, work: Path, **fields: object) -> LabelReport:
    params = {"name": "town", "title": "Town", "chips": str(folder), **fields}
    found = prepare(IngestDatasetParams.model_validate(params), work).report
    assert found is not None
    return found


Copy = Callable[[Town], Path]


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return lambda town: Path(shutil.copytree(town.folder, tmp_path / "copy"))


def test_boxes_for_a_detector_are_judged_too(town: Town, copy: Copy, tmp_path: Path) -> None:
    folder, name = copy(town), town.chips[14].name
    frame = town.chips[14].grid.footprint

    def boxes(features: list[dict]) -> list[dict]:
        left = [each for each in map(shape_of, features) if not each.intersects(frame)]
        return [feature(shapely.box(*each.bounds)) for each in left]

    relabel(folder, boxes)
    found = report(folder, tmp_path / "work", keywords=["building", "object-detection", "polygon"])
    assert name in found.doubtful
    assert len(found.doubtful) <= 3


def test_masks_are_judged_too(town: Town, tmp_path: Path) -> None:
    folder, masks = tmp_path / "chips", tmp_path / "masks"
    folder.mkdir(), masks.mkdir()
    bare = town.chips[14].name
    for chip in town.chips:
        shutil.copy(chip.path, folder)
        mask = labels.rasterise(
            town.labels, chip.transform, chip.height, chip.width, chip.crs, ["background", *CLASSES]
        )
        Image.fromarray(mask * 0 if chip.name == bare else mask).save(masks / f"{chip.name}.png")

    found = report(folder, tmp_path / "work", labels=str(masks))
    assert bare in found.doubtful
    assert len(found.doubtful) <= 2
    assert "boxes" not in found.counts


def test_ground_that_nobody_looked_at_is_neither_missing_nor_expected(town: Town, tmp_path: Path) -> None:
    """Of chips that an area cuts in half, the half outside has labels that do not count."""
    west, south, east, north = shapely.total_bounds([chip.grid.footprint for chip in town.chips])
    width = (east - west) / 6
    found = report(town.folder, tmp_path / "work", area=f"{west},{south},{east - width / 2},{north}")
    assert found.doubtful == {}


def test_each_class_is_judged_alone(tmp_path: Path) -> None:
    folder = make_settlement(
        tmp_path / "town",
        seed=5,
        columns=6,
        rows=4,
        size_px=128,
        prediction_columns=0,
        classes=["building", "road"],
    )
    found = chips.find(folder / "input")
    frame = found[9].grid.footprint

    def without_buildings(features: list[dict]) -> list[dict]:
        return [
            each
            for each in features
            if each["properties"]["class"] == "road" or not shape_of(each).intersects(frame)
        ]

    fields = {"classes": ["building", "road"], "class_property": "class"}
    before = report(folder, tmp_path / "before", **fields)
    relabel(folder, without_buildings)
    after = report(folder, tmp_path / "after", **fields)
    assert found[9].name not in before.doubtful
    assert "labels of building cover 0.0%" in after.doubtful[found[9].name]


def test_captions_have_no_report(town: Town, tmp_path: Path) -> None:
    params = IngestDatasetParams(name="town", title="Town", chips=str(town.folder), captions="from-labels")
    prepared = prepare(params, tmp_path / "work")
    assert prepared.report is None
    assert prepared.report_files == {}


def test_the_same_chips_and_labels_give_the_same_numbers(town: Town) -> None:
    assert judged(town) == judged(town)
