"""What the survey of labels makes of how far they lie beside the imagery."""

from __future__ import annotations

from pathlib import Path

from fair_models.data.images import chips
from fair_models.data.label_quality import glimpses, survey
from fair_models.data.label_quality.registration import Neighbourhood, Registration
from fair_models.data.label_quality.survey import LabelledChips
from fair_models.data.vectors import labels


def test_chips_whose_labels_surely_lie_beside_the_imagery_are_in_doubt(settlement: Path) -> None:
    found = chips.find(settlement / "input")
    known = labels.read(settlement / "input" / "labels.geojson", ["building"])
    names = [chip.name for chip in found]
    registration = Registration(
        [
            Neighbourhood(names[:4], 3.0, -4.0, 0.2, 50, True),
            Neighbourhood(names[4:8], 3.0, 0.0, 2.0, 4, False, "few labels"),
            Neighbourhood(names[8:], 0.1, 0.1, 0.2, 50, True),
        ]
    )
    given = LabelledChips(
        chips=found,
        labels=known,
        touching={chip.name: known.touching(chip.grid) for chip in found},
        glimpses=glimpses.of_chips(found),
        classes=["building"],
        registration=registration,
    )

    report, _ = survey.look(given)

    assert set(names[:4]) <= set(report.doubtful)
    assert "labels lie 5.0 m beside the imagery (+3.0 m east, -4.0 m north" in report.doubtful[names[0]]
    assert report.by_kind["beside"] == 4
    by_name = {each.chip: each for each in report.chips}
    uncertain = by_name[names[5]].offset
    assert uncertain is not None
    assert not uncertain.is_certain
    assert by_name[names[0]].document()["offset"] == {"east_m": 3.0, "north_m": -4.0, "certain": True}
