"""How well the report on labels finds chips that lack labels, and what it costs.

    python -m benchmarks.label_report [CHIPS LABELS] [--seeds 0 1 2] [--part 0.33]

Labels are taken away at random from a part of the labelled chips: 50 to 100 % of them, half, all, or none.
Chips and labels are invented settlements, built everywhere or in part, and those that are named. Recall is
the part of the damaged chips that are in doubt for missing labels, precision the part of those in doubt that
are damaged; where nothing is damaged it prints how many are in doubt all the same. Then the processor time of
the check, split and files of an ingest with the report by that without.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np

from fair_models.data.images import chips
from fair_models.data.images.chips import Chip
from fair_models.data.ingest import prepare
from fair_models.data.label_quality import completeness, contact_sheet, glimpses, survey
from fair_models.data.label_quality.glimpses import Glimpse, Glimpses
from fair_models.data.label_quality.report import LabelReport
from fair_models.data.synthetic import make_settlement
from fair_models.data.vectors import labels
from fair_models.data.vectors.labels import Labels
from fair_models.params import IngestDatasetParams

PATTERNS = {"50 to 100 %": (0.5, 1.0), "half": (0.5, 0.5), "all": (1.0, 1.0), "none": (0.0, 0.0)}
"""How much is taken away of a damaged chip, at least and at most."""

SETTLEMENTS = ((1, 1.0), (2, 1.0), (3, 0.5), (4, 0.3))
"""Seeds of settlements, and the part of their ground that is built on."""


@dataclass(frozen=True)
class Town:
    """Chips, all their labels, and what is kept of each chip."""

    name: str
    chips: Sequence[Chip]
    labels: Labels
    glimpses: Mapping[str, Glimpse]


def main() -> None:
    """Read the arguments, damage labels, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("chips", type=Path, nargs="?", help="Folder of chips. Default: settlements alone.")
    parser.add_argument("labels", type=Path, nargs="?", help="GeoJSON with the labels of buildings.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="Seeds of the damage.")
    parser.add_argument("--part", type=float, default=1 / 3, help="Part of the labelled chips, 0 to 1.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'labels':<28}{'taken away':<14}{'damaged':>8}{'in doubt':>9}{'recall':>8}{'precision':>10}")
        for town in _towns(Path(folder), given.chips, given.labels):
            for pattern in PATTERNS:
                _measure(town, pattern, given.seeds, given.part)
        for name, where in _places(Path(folder), given.chips, given.labels):
            _cost(name, *where, Path(folder) / "work")


def _places(
    folder: Path, own: Path | None, own_labels: Path | None
) -> Iterator[tuple[str, tuple[Path, Path]]]:
    for seed, share in SETTLEMENTS:
        town = folder / f"{seed}-{share}"
        if not town.exists():
            make_settlement(town, seed=seed, prediction_columns=0, built_share=share)
        yield f"settlement {seed}, {share:.0%} built", (town / "input", town / "input" / "labels.geojson")
    if own is not None and own_labels is not None:
        yield own.parent.name, (own, own_labels)


def _towns(folder: Path, own: Path | None, own_labels: Path | None) -> Iterator[Town]:
    for name, (images, outlines) in _places(folder, own, own_labels):
        found = chips.find(images)
        yield Town(name, found, labels.read(outlines, ["building"]), glimpses.of_chips(found))


def _measure(town: Town, pattern: str, seeds: Sequence[int], part: float) -> None:
    hit = damaged = doubted = 0
    for seed in seeds if pattern != "none" else seeds[:1]:
        left, names = _damage(town, pattern, part, np.random.default_rng(seed))
        found = completeness.judge(town.glimpses, left, ["building"]).findings
        doubt = {name for name, each in found.items() if any(one.kind == "missing_labels" for one in each)}
        hit, damaged, doubted = hit + len(doubt & names), damaged + len(names), doubted + len(doubt)
    recall, precision = (f"{hit / of:.2f}" if of and damaged else "-" for of in (damaged, doubted))
    print(f"{town.name:<28}{pattern:<14}{damaged:>8}{doubted:>9}{recall:>8}{precision:>10}", flush=True)


def _damage(town: Town, pattern: str, part: float, rng: np.random.Generator) -> tuple[Labels, set[str]]:
    """The labels that are left, and the names of the chips that lost some."""
    least, most = PATTERNS[pattern]
    if not most:
        return town.labels, set()
    touching = {chip.name: town.labels.touching(chip.grid) for chip in town.chips}
    labelled = [name for name, indices in touching.items() if len(indices)]
    names = {str(name) for name in rng.choice(labelled, round(part * len(labelled)), replace=False)}
    gone: set[int] = set()
    for name in sorted(names):
        count = max(1, round(rng.uniform(least, most) * len(touching[name])))
        gone |= set(rng.choice(touching[name], count, replace=False).tolist())
    return town.labels.select(each for each in range(len(town.labels)) if each not in gone), names


def _cost(name: str, images: Path, outlines: Path, work: Path) -> None:
    params = IngestDatasetParams(name="town", title="Town", chips=str(images), labels=str(outlines))
    with_report = _seconds(params, work)
    with (
        mock.patch.object(survey, "look", return_value=(LabelReport([], 0), {})),
        mock.patch.object(Glimpses, "see"),
        mock.patch.object(Glimpses, "of"),
        mock.patch.object(contact_sheet, "draw"),
    ):
        without = _seconds(params, work)
    print(
        f"{name}: {with_report:.2f} s of processor time with the report, {without:.2f} s without: "
        f"{with_report / without:.2f} times"
    )


def _seconds(params: IngestDatasetParams, work: Path) -> float:
    best = np.inf
    for _ in range(3):
        began = time.process_time()
        prepare(params, work)
        best = min(best, time.process_time() - began)
    return float(best)


if __name__ == "__main__":
    main()
