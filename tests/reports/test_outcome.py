"""The result of a run: a row for programs, and the same for people."""

from __future__ import annotations

import pytest

from fair_models.catalog.items.model import ModelItem
from fair_models.outcomes import OUTCOMES, Outcome, TrainedVersion
from fair_models.reports import outcome

TRAINED = TrainedVersion(
    model="roofs",
    version=2,
    base_model="unet-v1",
    dataset="town-v1",
    metric="fair:building_iou",
    value=0.880654747199537,
    low=0.8390858630896303,
    high=0.9150057150981203,
    baseline=0.17089716593424478,
    baseline_name="everything is building",
    held_out_count=12,
    seconds=18.087069170999712,
    zenml_run="a|b",
    mlflow_run=None,
)


@pytest.mark.filterwarnings("ignore:Pydantic serializer")
@pytest.mark.parametrize("name", OUTCOMES)
def test_what_was_found_stands_before_files_and_links(name: str) -> None:
    kind = OUTCOMES[name]
    row = Outcome.row(kind.model_construct(**dict.fromkeys(kind.model_fields, "x")))
    places = [column in {*kind.files, "folder", "href"} for column in row]
    assert places == sorted(places)
    assert row.keys() == kind.model_fields.keys()


def test_programs_get_every_digit_and_people_the_interval() -> None:
    table = outcome.result(TRAINED, "/srv/catalog")
    assert table.key == "result"
    [row] = table.rows
    assert row == TRAINED.model_dump()
    assert "| `value` | 0.881 [0.839, 0.915] | Its held-out value." in table.description
    assert "| `baseline` | 0.171 |" in table.description
    assert "| `seconds` | 18.1 |" in table.description
    assert "`low`" not in table.description
    assert "`mlflow_run`" not in table.description
    assert r"a\|b" in table.description
    assert table.description.endswith("Catalogue: `/srv/catalog`")


def test_metrics_for_people_stand_above_the_rows_for_programs() -> None:
    from fair_models.reports import metrics
    from tests.catalog.item_factory import local_item

    item = local_item(intervals={"fair:building_iou": (0.7, 0.78)})
    [table] = metrics.of_item(ModelItem(item)).artifacts()
    assert table.key == "metrics"
    assert "| `fair:building_iou` | 0.74 [0.7, 0.78] | 0.377 |" in table.description
    assert table.rows[0]["value"] == item.properties["fair:building_iou"]
    assert list(table.rows[0]) == ["metric", "value", "low", "high", "baseline", "guess", "better", "ceiling"]
