"""Metrics of versions beside each other, of which not all know the same."""

from fair_models.ml_tasks.results import Evaluation
from fair_models.numbers import NOT_MEASURED
from fair_models.reports import comparison_tables as tables
from fair_models.reports.comparison import Contender, Ground, Side
from tests.catalog.item_factory import dataset_item

REGIONS, INSTANCES = "fair:object_f1", "fair:instance_f1"


def side(name: str, ceiling: float | None = None, **values: float) -> Side:
    """A version that is measured by what it names, the main metric first."""
    metrics = {f"fair:{key}": value for key, value in values.items()}
    spec = [{"key": key, "higher_is_better": True} for key in metrics]
    classes = [{"class": "building", **values}]
    bounds = {} if ceiling is None else {INSTANCES: ceiling}
    found = Evaluation(metrics, dict.fromkeys(metrics, 0.1), "guess", 9, classes=classes, ceiling=bounds)
    return Side(Contender(name, "published", "town-v1", spec, {}), found)


def beside(*sides: Side) -> Ground:
    return Ground(dataset_item(), sides[0].contender.metrics_spec[0], sides)


def test_objects_of_connected_regions_and_of_polygons_never_share_a_row():
    ground = beside(side("old-v1", object_f1=0.9), side("new-v2", instance_f1=0.5))

    rows = {row["metric"]: row for row in tables.side_by_side(ground)}

    assert (rows[REGIONS]["old-v1"], rows[REGIONS]["new-v2"]) == ("0.9", NOT_MEASURED)
    assert (rows[INSTANCES]["old-v1"], rows[INSTANCES]["new-v2"]) == (NOT_MEASURED, "0.5")
    assert rows["building, object_f1"]["new-v2"] == NOT_MEASURED
    assert rows["building, instance_f1"]["old-v1"] == NOT_MEASURED
    told = {(row["version"], row["metric"]): row["value"] for row in tables.metric_rows([ground])}
    assert told["old-v1", INSTANCES] is told["new-v2", REGIONS] is None


def test_the_best_version_is_one_that_has_the_metric_that_is_compared():
    assert (
        beside(side("old-v1", object_f1=0.1), side("new-v2", instance_f1=0.9)).best.contender.id == "old-v1"
    )
    assert (
        beside(side("new-v2", instance_f1=0.1), side("old-v1", object_f1=0.9)).best.contender.id == "new-v2"
    )


def test_what_a_perfect_mask_reaches_has_a_row_below_the_metric_that_it_bounds():
    ground = beside(side("new-v1", 0.5, instance_f1=0.4), side("new-v2", 0.98, instance_f1=0.6))

    rows = tables.side_by_side(ground)

    assert [row["metric"] for row in rows][:3] == [
        INSTANCES,
        "better than new-v1 by, chip by chip",
        f"{INSTANCES}, ceiling",
    ]
    assert (rows[2]["new-v1"], rows[2]["new-v2"]) == ("0.5", "0.98")
    assert [row["ceiling"] for row in tables.metric_rows([ground])] == [0.5, 0.98]
    assert not any(
        "ceiling" in row["metric"] for row in tables.side_by_side(beside(side("a-v1", object_f1=1)))
    )
