"""What people see of an item, made of its fields."""

from pathlib import Path

from fair_models.reports import cards, metrics
from fair_models.store.local import LocalStore
from flows.tasks import results
from tests.catalog.item_factory import dataset_item, local_item

CLASSES = [
    {"class": "background", "train": None, "held_out": None, "iou": 0.9, "iou_baseline": 0.0},
    {"class": "building", "train": 900, "held_out": 300, "iou": 0.74, "iou_low": 0.7, "iou_high": 0.78},
]


def card(tmp_path: Path, **facts) -> str:
    return cards.model_card(local_item(**facts), LocalStore(tmp_path))


def test_a_model_card_has_intervals_baselines_classes_and_the_confusion(tmp_path):
    text = card(
        tmp_path,
        intervals={"fair:building_iou": (0.7, 0.78)},
        classes=CLASSES,
        confusion={
            "background": {"background": 9, "building": 1},
            "building": {"background": 2, "building": 8},
        },
    )

    assert "| `fair:building_iou` | 0.74 [0.7, 0.78] | 0.377 |" in text
    assert "| class | train | held out | iou |" in text
    assert "| background | – | – | 0.9 (0) |" in text
    assert "| building | 900 | 300 | 0.74 [0.7, 0.78] |" in text
    assert "| building | 2 | 8 |" in text


def test_the_card_of_an_item_of_before_has_its_metrics_alone(tmp_path):
    text = card(tmp_path)

    assert "| `fair:building_iou` | 0.74 | 0.377 |" in text
    assert "class" not in text.partition("| metric")[2]


def test_a_ceiling_stands_beside_the_metric_that_it_bounds(tmp_path):
    text = card(tmp_path, ceiling={"fair:building_iou": 0.9, "fair:instance_f1": None})

    assert "| `fair:building_iou` | 0.74 | 0.377 | 0.9 |" in text
    assert "Ceiling: a perfect mask, its objects told apart in the same way." in text
    assert "eiling" not in card(tmp_path)


def test_what_was_not_measured_is_a_dash_and_not_a_zero(tmp_path):
    text = card(tmp_path, metrics={"fair:building_iou": None}, intervals={"fair:building_iou": None})

    assert "| `fair:building_iou` | – | 0.377 |" in text


def test_all_rows_of_classes_have_the_same_columns():
    rows = metrics.class_rows([{"class": "background", "iou": 0.9}, {"class": "building", "object_f1": 0.5}])

    assert [list(row) for row in rows] == [["class", "train", "held out", "iou", "object_f1"]] * 2
    assert rows[1]["iou"] == "–"


def test_the_result_of_an_ingestion_says_what_was_mended_and_left_out() -> None:
    item = dataset_item()
    item.properties["fair:repairs"] = {"other_zoom": 35, "without_labels": 2, "invented_later": 1}
    told = results.published(item, dry_run=False).notes
    assert told == "35 chips of another zoom, left out; 2 chips that no label touches, kept; 1 invented_later"
    del item.properties["fair:repairs"]
    assert results.published(item, dry_run=False).notes == ""


def test_further_notes_follow_what_the_item_counts() -> None:
    item = dataset_item()
    item.properties["fair:repairs"] = {"other_class": 5}
    told = results.published(item, dry_run=False, notes=["5 labels of values that were not asked for"]).notes
    assert told == (
        "5 labels without a class or of one that was not asked for; their ground counts neither way; "
        "5 labels of values that were not asked for"
    )
