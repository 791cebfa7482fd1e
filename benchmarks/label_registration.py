"""How truly labels that lie beside the imagery are found and moved onto it.

    python -m benchmarks.label_registration [--only offsets still training] [--chips CHIPS --labels LABELS]
        [--settlements 10] [--still 50] [--seeds 0 1] [--set training.epochs=20]

offsets: The labels of generated settlements, and of CHIPS, are moved by 0.5 to 5 m in a random direction
each time. The error is that of the certain estimates of neighbourhoods. Labels of people may lie beside the
roofs themselves: for CHIPS the error is measured from the estimate for the labels as they are, which is
printed too.

still: Settlements whose labels were not moved, and parts of CHIPS. No label may be moved.

training: A model is fine-tuned on labels as they are, on those labels moved by 3 m, and on the moved ones
ingested with --align. All three are evaluated on the same held-out chips with the labels as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import held_out
from fair_models.types import Array

if TYPE_CHECKING:
    from fair_models.data.images.chips import Chip
    from fair_models.data.label_quality.registration import Registration
    from fair_models.data.vectors.labels import Labels

SHORTEST_M, LONGEST_M = 0.5, 5.0
MOVES = 4
"""Random moves of the labels of each settlement; CHIPS get ten times as many."""

TRAINED_BESIDE_M = 3.0
SEED = 999
BUFFER_M = 30.0


@dataclass(frozen=True)
class Place:
    """Chips and their labels."""

    name: str
    chips: Sequence[Chip]
    labels: Labels

    @classmethod
    def settlement(cls, folder: Path, seed: int, columns: int, rows: int) -> Place:
        """Invent one."""
        from fair_models.data.synthetic import make_settlement

        make_settlement(folder, seed=seed, columns=columns, rows=rows, prediction_columns=0)
        return cls.of(f"settlement {seed}", folder / "input", folder / "input" / "labels.geojson")

    @classmethod
    def of(cls, name: str, chips: Path, labels: Path) -> Place:
        """Read them."""
        from fair_models.data.images import chips as images
        from fair_models.data.vectors import labels as vectors

        return cls(name, images.find(chips), vectors.read(labels, ["building"]))

    def beside(self, east_m: float, north_m: float) -> Labels:
        """Its labels, moved."""
        import shapely

        from fair_models.data.images.grid import degrees_of

        latitude = np.array([shapely.get_y(shapely.centroid(self.labels.outlines)).mean()])
        by = np.concatenate(degrees_of(latitude, np.array([east_m]), np.array([north_m])))
        places = shapely.transform(self.labels.outlines, lambda each: each + by)
        return replace(self.labels, outlines=places, _projected={})

    def part(self, chips: Sequence[Chip], name: str) -> Place:
        """Some of its chips."""
        return Place(name, chips, self.labels)

    def estimate(self, east_m: float = 0.0, north_m: float = 0.0) -> Registration:
        """How far its labels lie beside the imagery, moved or as they are."""
        from fair_models.data.label_quality.estimation import estimate

        moved = bool(east_m or north_m)
        return estimate(self.chips, self.beside(east_m, north_m) if moved else self.labels)


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    kinds = ["offsets", "still", "training"]
    parser.add_argument("--only", nargs="+", choices=kinds, default=kinds)
    parser.add_argument("--chips", type=Path, help="Folder of chips.")
    parser.add_argument("--labels", type=Path, help="Their labels.")
    parser.add_argument("--settlements", type=int, default=10, help="For offsets.")
    parser.add_argument("--still", type=int, default=50, help="Settlements for false moves.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="Of split and training.")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="Hyperparameters.")
    given = parser.parse_args()
    overrides = {name: json.loads(value) for name, _, value in (text.partition("=") for text in given.set)}
    with tempfile.TemporaryDirectory(prefix="fair-registration-") as made:
        folder = Path(made)
        if "offsets" in given.only:
            offsets(folder, given.settlements, given.chips, given.labels)
        if "still" in given.only:
            still(folder, given.still, given.chips, given.labels)
        if "training" in given.only:
            training(folder, given.chips, given.labels, given.seeds, overrides)


def offsets(folder: Path, count: int, chips: Path | None, labels: Path | None) -> None:
    """Errors of the estimate for labels that are moved by a known distance."""
    rng = np.random.default_rng(0)
    towns = [Place.settlement(folder / f"town-{seed}", seed, 8, 6) for seed in range(count)]
    measured = [_errors(town, rng, MOVES, own=False) for town in towns]
    _show_errors(f"{count} settlements", measured)
    if chips is not None and labels is not None:
        place = Place.of("chips", chips, labels)
        own = place.estimate()
        away = [each.offset_m for each in own.certain]
        print(
            f"labels of CHIPS as they are: {len(own.certain)} of {len(own.neighbourhoods)} certain, offsets "
            f"{np.median(away):.2f} m in the median, {max(away):.2f} m at most; {own.facts(moved=False)}"
        )
        _show_errors("CHIPS", [_errors(place, rng, 10 * MOVES, own=True)])


@dataclass(frozen=True)
class Errors:
    """Errors of certain estimates in metres, with the distance that labels were moved by.

    stated_m: The standard error that each estimate says.
    """

    errors_m: Array
    stated_m: Array
    moved_m: Array
    neighbourhoods: int
    seconds: float
    chips: int


def _errors(place: Place, rng: np.random.Generator, times: int, *, own: bool) -> Errors:
    before = {tuple(each.chips): each for each in place.estimate().neighbourhoods} if own else {}
    found: list[tuple[float, float, float]] = []
    total, start = 0, time.process_time()
    for _ in range(times):
        moved_m, angle = rng.uniform(SHORTEST_M, LONGEST_M), rng.uniform(0, 2 * np.pi)
        east_m, north_m = moved_m * np.cos(angle), moved_m * np.sin(angle)
        registration = place.estimate(east_m, north_m)
        total += len(registration.neighbourhoods)
        for each in registration.certain:
            here = _at_home(place, each.chips, before) if own else (0.0, 0.0)
            error = np.hypot(each.east_m - east_m - here[0], each.north_m - north_m - here[1])
            found.append((float(error), each.error_m, moved_m))
    errors, stated, moved = np.array(found).T
    return Errors(errors, stated, moved, total, time.process_time() - start, times * len(place.chips))


def _at_home(place: Place, chips: Sequence[str], known: dict[Any, Any]) -> tuple[float, float]:
    """The offset of the labels of some chips as they are; neighbourhoods differ a little between moves."""
    from fair_models.data.label_quality.estimation import estimate

    key = tuple(chips)
    if key not in known:
        names = set(chips)
        inside = [chip for chip in place.chips if chip.name in names]
        (known[key],) = estimate(inside, place.labels).neighbourhoods[:1] or (None,)
    return (known[key].east_m, known[key].north_m) if known[key] is not None else (0.0, 0.0)


def _show_errors(name: str, measured: Sequence[Errors]) -> None:
    errors, stated, moved = (
        np.concatenate([getattr(each, field) for each in measured])
        for field in ("errors_m", "stated_m", "moved_m")
    )
    total, seconds = sum(each.neighbourhoods for each in measured), sum(each.seconds for each in measured)
    print(
        f"{name}: {len(errors)} of {total} neighbourhoods certain; error median {np.median(errors):.3f} m, "
        f"95 % below {np.quantile(errors, 0.95):.3f} m, worst {errors.max():.2f} m; within three of the "
        f"standard errors that they state: {(errors < 3 * stated + 0.05).mean():.1%}; CPU of a chip "
        f"{1000 * seconds / sum(each.chips for each in measured):.0f} ms"
    )
    for low, high in ((0.5, 1), (1, 2), (2, 3), (3, 4), (4, 5)):
        here = errors[(moved >= low) & (moved < high)]
        if len(here):
            print(f"  moved by {low} to {high} m: {len(here)}, error median {np.median(here):.3f} m")


def still(folder: Path, count: int, chips: Path | None, labels: Path | None) -> None:
    """How often labels are moved that lie where they should."""
    places = (Place.settlement(folder / f"still-{seed}", 1000 + seed, 5, 4) for seed in range(count))
    _show_still(f"{count} settlements", places)
    if chips is not None and labels is not None:
        whole = Place.of("chips", chips, labels)
        four = [
            whole.part([chip for chip in whole.chips if _near(chip, other)], other.name)
            for other in whole.chips
        ]
        _show_still(f"{len(four)} parts of CHIPS", four)


def _near(chip: Chip, other: Chip) -> bool:
    """Whether a chip is another one or adjoins it in the south or east."""
    one, two = chip.tile, other.tile
    if one is None or two is None:
        return chip is other
    return 0 <= one.x - two.x <= 1 and 0 <= one.y - two.y <= 1


def _show_still(name: str, places: Any) -> None:
    found = [place.estimate() for place in places]
    certain = [each.offset_m for one in found for each in one.certain]
    print(
        f"{name}, not moved: labels of {sum(bool(each.beside) for each in found)} of {len(found)} would be "
        f"moved; {len(certain)} of {sum(len(each.neighbourhoods) for each in found)} neighbourhoods certain, "
        f"offsets {np.median(certain):.2f} m in the median, {max(certain):.2f} m at most"
    )


def training(
    folder: Path,
    chips: Path | None,
    labels: Path | None,
    seeds: Sequence[int],
    overrides: Mapping[str, Any],
) -> None:
    """What a model learns from labels beside the imagery, from aligned ones, and from the right ones."""
    from fair_models.data.synthetic import make_settlement

    make_settlement(folder / "trained", seed=SEED, prediction_columns=0)
    here = folder / "trained" / "input"
    given = [("settlement", here, here / "labels.geojson")]
    if chips is not None and labels is not None:
        given.append(("CHIPS", chips, labels))
    for name, images, known in given:
        rows = []
        for seed in seeds:
            angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
            east_m, north_m = TRAINED_BESIDE_M * np.cos(angle), TRAINED_BESIDE_M * np.sin(angle)
            beside = folder / f"{name}-{seed}.geojson"
            _write_beside(known, beside, east_m, north_m)
            rows.append(_compare(folder / f"home-{name}-{seed}", images, known, beside, seed, overrides))
            print(
                f"{name} seed {seed}, beside by {east_m:.1f} m east, {north_m:.1f} m north: {_told(rows[-1])}"
            )
        means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
        print(f"{name}, mean of {len(rows)} seeds: {_told(means)}", flush=True)


def _told(ious: Mapping[str, float]) -> str:
    right = ious["right"]
    said = ", ".join(f"{key} {value:.3f}" for key, value in ious.items())
    return (
        f"IoU with labels {said}; beside ÷ right {ious['beside'] / right:.3f}, "
        f"aligned ÷ right {ious['aligned'] / right:.3f}"
    )


def _write_beside(labels: Path, target: Path, east_m: float, north_m: float) -> None:
    """A file of labels, moved."""
    import shapely

    from fair_models.data.images.grid import degrees_of

    document = json.loads(labels.read_text(encoding="utf-8"))
    shapes = [shapely.geometry.shape(each["geometry"]) for each in document["features"]]
    latitude = np.array([shapely.get_y(shapely.centroid(shapes)).mean()])
    by = np.concatenate(degrees_of(latitude, np.array([east_m]), np.array([north_m])))
    for feature, shape in zip(document["features"], shapes, strict=True):
        moved = shapely.transform(shape, lambda places: places + by)
        feature["geometry"] = shapely.geometry.mapping(moved)
    target.write_text(json.dumps(document), encoding="utf-8")


def _compare(
    home: Path, chips: Path, right: Path, beside: Path, seed: int, overrides: Mapping[str, Any]
) -> dict[str, float]:
    """IoU on the held-out chips with the right labels, by the labels that were learnt from."""
    from fair_models.training.phases.evaluation import evaluate

    found: dict[str, float] = {}
    truth = None
    for name, labels, ingest in (
        ("right", right, {}),
        ("beside", beside, {}),
        ("aligned", beside, {"align": True}),
    ):
        os.environ["FAIR_HOME"] = str(home / name)
        if truth is None:
            truth = held_out.prepare(held_out.CONTRIBUTION, chips, labels, seed, BUFFER_M, overrides, ingest)
        fold = held_out.train(held_out.CONTRIBUTION, chips, labels, seed, BUFFER_M, overrides, ingest)
        trained = fold.trained
        if {each.partition("+")[0] for each in truth.held_out.names} != set(trained.held_out):
            raise SystemExit(f"{name}: another side was held out; choose another seed")
        measured = evaluate(trained.config, trained.code, trained.weights, truth.held_out, trained.calibrated)
        found[name] = float(measured.metrics["fair:building_iou"] or 0.0)
    return found


if __name__ == "__main__":
    main()
