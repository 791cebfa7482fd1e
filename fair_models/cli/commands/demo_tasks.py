"""What the demo does for each ML task: data that it makes, how they are ingested, who learns from them."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from fair_models.cli import output
from fair_models.errors import Invalid, NotFound
from fair_models.settings import checkout_root
from fair_models.types import Json

SEED = 7
COLUMNS, ROWS = 8, 6
"""Chips that are predicted, from west to east and from north to south; most tasks learn from as many."""

SCENES = 500
SCENES_SEED = 11
"""Neither this seed nor the other is one that initial weights of a contribution have learnt from."""

TAG = "roof:material"
MIN_SHARE = 0.2
"""Minimum share of the labels with a value of a tag, so that a classification learns it as a class."""

KIND = "class"
"""Property that tells buildings from roads in scenes that are made."""

_KINDS = frozenset({"building", "road"})
_CLASS = re.compile(r"[a-z][a-z0-9_]{0,39}")


class TaskName(StrEnum):
    """What people call the tasks."""

    SEGMENTATION = "segmentation"
    DETECTION = "detection"
    CLASSIFICATION = "classification"
    RANKING = "ranking"


@dataclass(frozen=True)
class Generated:
    """Data that the demo makes, under a folder of its own.

    name: Of the folder; it says all that the data depend on.
    make: Makes it.
    chips, imagery: What is learnt from, and what is predicted over, below the folder.
    title: For people.
    """

    name: str
    make: Callable[[Path], object]
    chips: str
    imagery: str
    title: str

    def at(self, home: Path) -> Path:
        """The folder, made once; the same on every machine."""
        folder = home / "demo" / self.name
        if not folder.is_dir():
            output.say("making the imagery")
            part = folder.with_name(f"{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            self.make(part)
            part.rename(folder)
        return folder


@dataclass(frozen=True)
class DemoTask:
    """One ML task.

    words: What MLM calls it; contributions say it in `mlm:tasks`.
    dataset, model: Ends of their names.
    generated: What is learnt where nobody brings data.
    ingest: Parameters of the ingest, given the file of labels.
    quick: Hyperparameters for generated data, enough for that.
    maps: Whether the model is used over imagery; one that does not is asked a question.
    """

    words: frozenset[str]
    dataset: str
    model: str
    generated: Generated
    ingest: Callable[[Path], Mapping[str, Any]]
    quick: Mapping[str, Any] = field(default_factory=dict)
    maps: bool = True


def contribution(task: DemoTask) -> Path:
    """The contribution of the checkout for a task; of several the smallest that ships its weights.

    Raises:
        Invalid: There is no checkout.
        NotFound: None is for this task.
    """
    checkout = checkout_root()
    if checkout is None:
        raise Invalid(
            "The demo needs a checkout of fair-models, and there is none here or above. Change into one"
        )
    found = []
    for path in sorted((checkout / "models").glob("*/stac-item.json")):
        template = json.loads(path.read_text(encoding="utf-8"))
        properties = template["properties"]
        if not task.words.isdisjoint(properties.get("mlm:tasks", [])):
            size = properties.get("mlm:total_parameters") or 0
            found.append((not _ships_weights(template, path.parent), size, path.parent))
    if not found:
        raise NotFound(f"No contribution in {checkout / 'models'} is for {' or '.join(sorted(task.words))}")
    return min(found)[2]


def _ships_weights(template: Json, folder: Path) -> bool:
    having = [asset for asset in template["assets"].values() if "mlm:weights" in asset.get("roles", [])]
    return any((folder / asset["href"]).is_file() for asset in having)


def _settlement(columns: int = COLUMNS, rows: int = ROWS, built_share: float = 1.0) -> Generated:
    def make(folder: Path) -> None:
        from fair_models.data.synthetic import make_settlement

        make_settlement(
            folder,
            seed=SEED,
            columns=columns,
            rows=rows,
            prediction_columns=COLUMNS,
            built_share=built_share,
        )

    name = f"settlement-{SEED}-{columns}x{rows}-{round(100 * built_share)}"
    return Generated(name, make, "input", "prediction/input", "Invented settlement")


def _scenes() -> Generated:
    def make(folder: Path) -> None:
        from fair_models.data.synthetic.scenes import make_scenes

        make_scenes(folder, seed=SCENES_SEED, count=SCENES)

    return Generated(f"scenes-{SCENES_SEED}-{SCENES}", make, ".", ".", "Invented scenes")


def _for(*keywords: str) -> Callable[[Path], Mapping[str, Any]]:
    return lambda labels: {"keywords": list(keywords)}


def materials(labels: Path) -> Mapping[str, Any]:
    """Chips by the roof material that most labels name; by whether they hold buildings where too few do."""
    words = {"keywords": ["building", "scene-classification", "polygon"]}
    said = _said(labels, TAG)
    common = sorted(
        value
        for value, count in said.items()
        if _CLASS.fullmatch(value) and count >= MIN_SHARE * said.total()
    )
    if len(common) > 1:
        return {**words, "classes": common, "class_property": TAG}
    if said:
        output.say(
            f"no two values of {TAG} are on {MIN_SHARE:.0%} of the labels each: "
            "chips are told apart by whether they hold buildings"
        )
    return words


def captions(labels: Path) -> Mapping[str, Any]:
    """Sentences made from labels: about buildings, and about roads where labels tell the two apart."""
    asked: dict[str, Any] = {"captions": "from-labels", "keywords": ["building", "similarity-search"]}
    if set(_said(labels, KIND)) >= _KINDS:
        asked |= {"classes": sorted(_KINDS), "class_property": KIND}
        asked["keywords"] = [*sorted(_KINDS), "similarity-search"]
    return asked


def _said(labels: Path, tag: str) -> Counter[str]:
    """How many labels have each value of a tag, "" without one; nothing where labels cannot be read."""
    from fair_models.data.vectors import geojson

    try:
        features = geojson.features(labels)
    except Invalid:
        return Counter()  # the ingest says what is wrong with them
    values = [(feature.get("properties") or {}).get(tag) for feature in features]
    return Counter(value if isinstance(value, str) else "" for value in values)


def labels_of(chips: Path, labels: Path | None) -> Path:
    """The file with the labels of chips."""
    from fair_models.data import folders

    return folders.locate(str(chips), None if labels is None else str(labels)).labels


TASKS: Mapping[TaskName, DemoTask] = {
    TaskName.SEGMENTATION: DemoTask(
        frozenset({"semantic-segmentation", "instance-segmentation"}),
        "buildings",
        "roofs",
        _settlement(),
        _for("building", "semantic-segmentation", "polygon"),
        {"training.epochs": 40},  # the base models have seen others of the kind
    ),
    TaskName.DETECTION: DemoTask(
        frozenset({"object-detection"}),
        "boxes",
        "houses",
        _settlement(),
        _for("building", "object-detection", "polygon"),
        {"training.epochs": 40},
    ),
    TaskName.CLASSIFICATION: DemoTask(
        frozenset({"scene-classification", "classification"}),
        "materials",
        "roof-kinds",
        _settlement(12, 10, built_share=0.3),  # of each material some dozen chips
        materials,
        {"training.epochs": 25, "training.learning_rate": 0.003},  # it has seen buildings, no materials
    ),
    TaskName.RANKING: DemoTask(
        frozenset({"similarity-search"}),
        "captions",
        "search",
        _scenes(),
        captions,
        {"training.epochs": 12},
        maps=False,
    ),
}
