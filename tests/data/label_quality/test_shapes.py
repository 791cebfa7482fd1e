"""Labels whose shapes say that something is wrong, on an invented settlement."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import shapely

from fair_models.data.images import chips
from fair_models.data.ingest import prepare
from fair_models.data.label_quality.report import LabelReport
from fair_models.data.synthetic import make_settlement
from fair_models.data.synthetic.sample import CLASSES
from fair_models.params import IngestDatasetParams
from tests.data.label_quality.drawn import Change, feature, middles, relabel, shape_of

Look = Callable[..., LabelReport]
METRE = 1 / 111_320
"""A metre north in degrees."""


@pytest.fixture
def look(settlement: Path, tmp_path: Path) -> Look:
    """The report on the settlement with changed labels."""

    def made(change: Change = list, **fields: object) -> LabelReport:
        folder = Path(shutil.copytree(settlement, tmp_path / "town", dirs_exist_ok=True))
        relabel(folder, change)
        params = {"name": "town", "title": "Town", "chips": str(folder), **fields}
        report = prepare(IngestDatasetParams.model_validate(params), tmp_path / "work").report
        assert report is not None
        return report

    return made


def test_labels_as_a_careful_mapper_draws_them_have_no_odd_shapes(look: Look) -> None:
    report = look()
    assert {kind for kind in report.counts if kind != "overlapping"} == set()
    assert report.doubtful == {}


def test_a_label_that_is_there_twice_counts_once_and_names_its_chip(look: Look) -> None:
    report = look(lambda features: [*features, features[3]])

    assert report.counts["duplicates"] == 1
    (chip,) = [each for each in report.chips if "duplicates" in each.shapes]
    assert [each.kind for each in chip.findings] == ["duplicates"]


def test_the_same_outline_from_another_corner_or_the_other_way_round_is_the_same(look: Look) -> None:
    def turned(features: list[dict]) -> list[dict]:
        ring = list(shape_of(features[4]).exterior.coords)[:-1]
        other = [*ring[2:], *ring[:2]][::-1]
        return [*features, feature(shapely.Polygon(other))]

    assert look(turned).counts["duplicates"] == 1


def test_nearly_the_same_outline_is_no_overlap_and_no_duplicate(look: Look) -> None:
    def nudged(features: list[dict]) -> list[dict]:
        largest = max(map(shape_of, features), key=shapely.area)
        return [*features, feature(shapely.affinity.translate(largest, 0.2 * METRE, 0.0))]

    report = look(nudged)
    assert report.counts["near_duplicates"] == 1
    assert "duplicates" not in report.counts


def test_specks_that_no_pixel_can_show_are_tiny(look: Look) -> None:
    def specks(features: list[dict]) -> list[dict]:
        small = [shapely.Point(place).buffer(0.4 * METRE) for place in middles(features)[:5]]
        return [*features, *map(feature, small)]

    assert look(specks).counts["tiny"] == 5


def test_one_outline_around_a_whole_quarter_is_a_block_and_puts_its_chips_in_doubt(look: Look) -> None:
    def merged(features: list[dict]) -> list[dict]:
        middle = shapely.MultiPoint(middles(features)).centroid
        return [*features, feature(middle.buffer(75 * METRE, quad_segs=2))]

    report = look(merged)

    assert report.counts["huge"] == 1
    assert report.by_kind["blocks"] >= 1
    assert 0 < len(report.doubtful) < len(report.chips)
    reason = next(iter(report.doubtful.values()))
    assert "times the usual label" in reason
    assert "% of the chip" in reason


def test_a_chip_with_upright_boxes_among_outlines_is_in_doubt(look: Look, settlement: Path) -> None:
    chip = chips.find(settlement / "input")[5]

    def boxes(features: list[dict]) -> list[dict]:
        drawn = [(each, shape_of(each)) for each in features]
        frame = chip.grid.footprint
        return [
            feature(shapely.box(*shape.bounds)) if shape.intersects(frame) else each for each, shape in drawn
        ]

    report = look(boxes)
    assert chip.name in report.doubtful
    assert len(report.doubtful) <= 3
    assert "in place of outlines" in report.doubtful[chip.name]
    assert report.general == []


def test_upright_boxes_everywhere_are_how_the_dataset_was_drawn_and_no_doubt_of_single_chips(
    look: Look,
) -> None:
    def boxes(features: list[dict]) -> list[dict]:
        return [feature(shapely.box(*shape_of(each).bounds)) for each in features]

    report = look(boxes)
    assert report.counts["boxes"] == report.label_count
    assert [each.kind for each in report.general] == ["boxes"]
    assert report.doubtful == {}
    assert any("upright boxes are drawn in place of outlines" in note for note in report.notes())


def test_boxes_are_right_for_a_detector(look: Look) -> None:
    def boxes(features: list[dict]) -> list[dict]:
        return [feature(shapely.box(*shape_of(each).bounds)) for each in features]

    report = look(boxes, keywords=["building", "object-detection", "polygon"])
    assert "boxes" not in report.counts
    assert report.doubtful == {}


def test_points_that_were_widened_are_circles_of_one_size(look: Look) -> None:
    def widened(features: list[dict]) -> list[dict]:
        return [feature(shapely.Point(place).buffer(4 * METRE)) for place in middles(features)]

    report = look(widened)
    assert report.counts["circles"] == report.label_count


def test_round_crowns_of_many_sizes_and_long_roads_are_as_they_should_be(tmp_path: Path) -> None:
    folder = make_settlement(
        tmp_path / "town", seed=5, columns=4, rows=3, size_px=128, prediction_columns=0, classes=CLASSES
    )
    params = IngestDatasetParams(
        name="town", title="Town", chips=str(folder), classes=list(CLASSES), class_property="class"
    )
    report = prepare(params, tmp_path / "work").report
    assert report is not None
    assert not {"circles", "boxes", "huge"} & set(report.counts)
    assert not {"circles", "boxes", "blocks"} & set(report.by_kind)


def test_triangles_are_named(look: Look) -> None:
    def cut(features: list[dict]) -> list[dict]:
        ring = shape_of(features[4]).exterior.coords
        return [*features[:4], feature(shapely.Polygon(ring[:3])), *features[5:]]

    assert look(cut).counts["few_corners"] == 1


def test_the_file_has_each_chip_and_what_each_finding_means(look: Look, tmp_path: Path) -> None:
    report = look(lambda features: [*features, features[3]])
    report.write(tmp_path / "report.json", {})

    said = orjson.loads((tmp_path / "report.json").read_bytes())
    assert len(said["chips"]) == 12
    assert sum(each.get("duplicates", 0) for each in said["chips"]) >= 1
    assert set(said["summary"]["labels"]) <= set(said["kinds"])
    assert "IoU" in said["checks"]["shapes"]
