"""What every contribution reaches on held-out data, as the table of docs/reference/model-metrics.md.

    python -m benchmarks.model_figures [--write docs/reference/model-metrics.md] [--epochs 2]
        [--only unet_segmentation]

Fine-tunes each folder in models/ on data that is generated, and on the sample area that lies beside the
project where it is there (`--area FOLDER`, with chips/ and labels.geojson), with the model's own
hyperparameters. A part of each area is held out; it is neither learnt from nor are thresholds chosen on it.
Uses a home of its own in a temporary folder and no ZenML: the same functions that the training calls.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.held_out import Fold, train
from fair_models.errors import FairModelsError, Unavailable
from fair_models.numbers import NOT_MEASURED, shown, with_interval
from fair_models.reports import metrics
from fair_models.types import Json

PROJECT = Path(__file__).parents[1]
AREA = PROJECT.parent / "shared" / "data" / "banepa"
SEED = 4242
"""Seed of the generated data; no contribution's initial weights have seen it."""

BEGIN, END = "<!-- metrics -->", "<!-- end of metrics -->"

SEARCH = "similarity-search"
BUILT_SHARE = 0.3
"""Share of the generated settlement that is built: some chips hold buildings, others none."""

SCENES = 2500
"""Generated scenes for a search; a fifth of them, 500, is what is searched in."""


@dataclass(frozen=True)
class Data:
    """What is learnt from.

    name: For people.
    chips, labels: Where it lies.
    ingest: How it is ingested.
    """

    name: str
    chips: Path
    labels: Path
    ingest: Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """What one model reached on one area.

    model, data: Their names.
    metrics: `fair:metrics_spec` of the model.
    fold: What was measured; None where it could not be trained.
    note: For people: why it could not, or how it was.
    """

    model: str
    data: str
    metrics: Sequence[Json]
    fold: Fold | None = None
    note: str = ""


def main() -> None:
    """Read the arguments, train, print the tables or write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="FOLDER", help="Folders in models/.")
    parser.add_argument("--area", type=Path, default=AREA, help="Folder with chips/ and labels.geojson.")
    parser.add_argument("--generated", action="store_true", help="Generated data alone.")
    parser.add_argument("--epochs", type=int, help="Epochs of each training. Default: the model's own.")
    parser.add_argument("--scenes", type=int, default=SCENES, help="Generated scenes for a search.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of split and training.")
    parser.add_argument("--write", type=Path, metavar="FILE", help="Markdown to write the tables into.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fair-figures-") as folder:
        os.environ["FAIR_HOME"] = str(Path(folder) / "home")
        found: list[Row] = []
        for each in rows(given, Path(folder)):
            found.append(each)
            print(f"{each.model} on {each.data}: {each.note or 'measured'}", file=sys.stderr, flush=True)
            if given.write:  # after each, so that hours of training are not lost
                write(told(found, given.epochs, given.seed), given.write)
    print(told(found, given.epochs, given.seed))


def rows(given: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Train each model on each area that it can learn from."""
    epochs = {} if given.epochs is None else {"training.epochs": given.epochs}
    for model in sorted(path.parent for path in (PROJECT / "models").glob("*/stac-item.json")):
        if given.only and model.name not in given.only:
            continue
        item = json.loads((model / "stac-item.json").read_text(encoding="utf-8"))["properties"]
        areas = [generated(item, folder, given.scenes)]
        if not given.generated and (given.area / "labels.geojson").is_file():
            areas.append(mapped(item, given.area))
        for data in areas:
            yield row(model, item, data, given.seed, epochs)


def row(model: Path, item: Json, data: Data, seed: int, overrides: Mapping[str, Any]) -> Row:
    """Train one model on one area; from a random start where its published weights cannot be had."""
    note = ""
    try:
        try:
            fold = train(model, data.chips, data.labels, seed, 0.0, overrides, data.ingest)
        except Unavailable:
            note = "was trained from a random start: its published weights could not be had"
            fold = train(model, data.chips, data.labels, seed, 0.0, overrides, data.ingest, random_start=True)
    except FairModelsError as error:
        return Row(model.name, data.name, [], note=f"was not trained: {' '.join(str(error).split())}")
    return Row(model.name, data.name, item["fair:metrics_spec"], fold, note)


def generated(item: Json, folder: Path, scenes: int) -> Data:
    """Invented ground that suits a model's task; made once for each kind."""
    from fair_models.data.synthetic import make_settlement
    from fair_models.data.synthetic.scenes import make_scenes

    search = SEARCH in item["mlm:tasks"]
    place = folder / ("scenes" if search else "settlement")
    chips = place if search else place / "input"
    if not place.is_dir():
        if search:
            make_scenes(place, seed=SEED, count=scenes)
        else:
            make_settlement(place, seed=SEED, prediction_columns=0, built_share=BUILT_SHARE)
    roads = {"classes": ["building", "road"], "class_property": "class"} if search else {}
    return Data("generated", chips, chips / "labels.geojson", {**asked(item), **roads})


def mapped(item: Json, area: Path) -> Data:
    """Ground that people have mapped; its labels are buildings."""
    return Data(area.name.capitalize(), area / "chips", area / "labels.geojson", asked(item))


def asked(item: Json) -> dict[str, Any]:
    """How a dataset for a model is ingested."""
    captions = {"captions": "from-labels"} if SEARCH in item["mlm:tasks"] else {}
    return {"keywords": item["keywords"], **captions}


def told(found: Sequence[Row], epochs: int | None, seed: int) -> str:
    """The tables as Markdown, with how they were made."""
    options = "" if epochs is None else f" --epochs {epochs}"
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d} by `python -m benchmarks.model_figures{options}`, "
        f"seed {seed}. In brackets the 95 % interval; the baseline is the simplest guess, named beside the "
        "first metric, and the ceiling what a perfect mask reaches; – means that nothing was measured.",
        "",
        *table(
            ["Model", "Data", "Metric", "Held out", "Baseline", "Ceiling"],
            [line for each in found for line in summary(each)],
        ),
        "",
        *table(
            ["Model", "Data", "Class", "Labels learnt from", "Labels held out", "Metrics (baseline)"],
            [line for each in found for line in by_class(each)],
        ),
        "",
        *(f"- `{each.model}` on {each.data} {each.note}." for each in found if each.note),
    ]
    return "\n".join(lines).rstrip() + "\n"


def summary(one: Row) -> Iterator[list[str]]:
    """A line for each metric that the model's item specifies."""
    if one.fold is None:
        return
    evaluation = one.fold.evaluation
    kind = "images" if one.fold.split["method"] == "image" else "chips"
    for number, entry in enumerate(one.metrics):
        key = entry["key"]
        low, high = evaluation.intervals.get(key) or (None, None)
        guessed = shown(evaluation.baseline.get(key))
        yield [
            f"`{one.model}`" if number == 0 else "",
            f"{one.data}, {evaluation.sample_count} {kind} held out" if number == 0 else "",
            entry["name"],
            with_interval(evaluation.metrics.get(key), low, high),
            f"{guessed} ({evaluation.baseline_name})" if number == 0 else guessed,
            shown(evaluation.ceiling.get(key)),
        ]


def by_class(one: Row) -> Iterator[list[str]]:
    """A line for each class of which something was measured or labelled."""
    if one.fold is None:
        return
    for line in metrics.class_rows(one.fold.evaluation.classes):
        name, train_count, held_out_count, *values = line.items()
        if set(line.values()) <= {name[1], NOT_MEASURED}:
            continue
        told = ", ".join(f"{key} {value}" for key, value in values if value != NOT_MEASURED)
        yield [f"`{one.model}`", one.data, name[1], train_count[1], held_out_count[1], told or "–"]


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    return [f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *lines)]


def write(text: str, path: Path) -> None:
    """Put the tables between the marks of a Markdown file; the rest stays."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{path} has no {BEGIN} … {END}: add them where the tables should stand.")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
