"""How many buildings a fine-tuned model finds one by one: whole predictions against the mapped polygons.

    python -m benchmarks.instances CHIPS LABELS [--seeds 0 1 2] [--beside FOLDER] [--folder RESULTS]
    python -m benchmarks.instances --settlement
    python -m benchmarks.instances CHIPS LABELS --perfect

For each seed an area is split (with a buffer), a model is fine-tuned on the one side with its default
hyperparameters, and predicts over a folder of the held-out chips alone. A found and a mapped polygon are one
building where their IoU is above one half, on the ground of those chips; those below 4 m² count nowhere.
Cost is that of the model of `--beside` in the same run, such as the folder of a contribution in an older
checkout; predictions are compared over all chips, in rounds one after the other, without the first.
`--perfect` trains nothing: masks and interiors are drawn from the labels, so what is measured is how objects
are outlined. `--folder` keeps predictions and chips.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks import held_out
from benchmarks.held_out import Fold, Trained
from benchmarks.seams import Input
from fair_models.types import Array

MIN_AREA_M2 = 4.0
SEED = 999
EROSION_M = 0.4
GSD_M = 0.3
OVERLAP_M2 = 0.05
ROUNDS = 5


@dataclass(frozen=True)
class Score:
    """What a prediction found: buildings that match, that it has, that are mapped; pairs that overlap."""

    matched: int
    found: int
    mapped: int
    overlapping: int

    @property
    def f1(self) -> float:
        """F1 at an IoU of one half."""
        return 2 * self.matched / max(1, self.found + self.mapped)

    def __str__(self) -> str:
        return f"F1 {self.f1:.3f} ({self.matched} of {self.mapped} mapped, {self.found} found, " + (
            f"{self.overlapping} overlapping pairs)"
        )


@dataclass(frozen=True)
class Measured:
    """One seed of one model: what was found."""

    fold: Fold
    score: Score


def main() -> None:
    """Read the arguments, train and predict for each seed, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("chips", type=Path, nargs="?", help="Folder of chips.")
    parser.add_argument("labels", type=Path, nargs="?", help="GeoJSON with the labels.")
    parser.add_argument("--settlement", action="store_true", help="Invent an area instead.")
    parser.add_argument("--perfect", action="store_true", help="Outline perfect masks; train nothing.")
    parser.add_argument("--model", type=Path, default=held_out.CONTRIBUTION, help="Contribution.")
    parser.add_argument("--beside", type=Path, help="Contribution that cost is compared with.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--buffer-m", type=float, default=30.0)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="Hyperparameters.")
    parser.add_argument("--folder", type=Path, help="Where to keep what is written. Default: nowhere.")
    given = parser.parse_args()
    overrides = {name: json.loads(value) for name, _, value in (text.partition("=") for text in given.set)}
    with tempfile.TemporaryDirectory(prefix="fair-instances-") as made:
        folder = given.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        chips, labels = settlement(Path(made)) if given.settlement else (given.chips, given.labels)
        if given.perfect:
            print("perfect masks and interiors:", perfect(chips, labels, folder / "perfect"))
            return
        os.environ["FAIR_HOME"] = str(Path(made) / "home")
        models = {"model": given.model, **({"beside": given.beside} if given.beside else {})}
        rows: dict[str, list[Measured]] = {name: [] for name in models}
        for seed in given.seeds:
            for name, model in models.items():
                changed = overrides if name == "model" else {}
                os.environ["FAIR_HOME"] = str(Path(made) / f"{name}-{seed}")
                fold = held_out.train(model, chips, labels, seed, given.buffer_m, changed)
                rows[name].append(measure(fold, chips, labels, folder / f"{name}-{seed}"))
                show(name, rows[name][-1])
        summarise(rows)
        if given.beside:
            print(
                f"CPU of prediction over all chips against the model beside: {ratio(rows, chips, folder):.2f}"
            )


def settlement(folder: Path) -> tuple[Path, Path]:
    """Invent an area; its chips and labels."""
    from fair_models.data.synthetic.sample import make_settlement

    make_settlement(folder / "settlement", seed=SEED)
    chips = folder / "settlement" / "input"
    return chips, chips / "labels.geojson"


def measure(fold: Fold, chips: Path, labels: Path, folder: Path) -> Measured:
    """Predict over the held-out chips alone and compare with the labels there."""
    only = folder / "chips"
    only.mkdir(parents=True)
    for name in fold.trained.held_out:
        for file in chips.glob(f"{name}.*"):
            shutil.copy2(file, only)
    predict(fold.trained, only, folder / "prediction")
    found = folder / "prediction" / "predictions.geojson"
    return Measured(fold, score(read(found), read(labels), ground(only)))


def ratio(rows: Mapping[str, Sequence[Measured]], chips: Path, folder: Path) -> float:
    """CPU of whole predictions over all chips with the first seed's models, the median over rounds."""
    ratios = []
    for number in range(ROUNDS + 1):
        ours, theirs = (
            predict(rows[name][0].fold.trained, chips, folder / f"{name}-round-{number}")
            for name in ("model", "beside")
        )
        ratios.append(ours / theirs)
    return statistics.median(ratios[1:])


def predict(trained: Trained, chips: Path, output: Path) -> float:
    """Predict over a folder of chips with a fine-tuned model; seconds of all cores."""
    from fair_models.inference.network.session import open_session
    from fair_models.training.phases.calibration import inference_values
    from fair_models.training.phases.fit import restore

    config, code = trained.config, trained.code
    onnx = output.with_name("model.onnx")
    code.pipeline.export(restore(config, code, trained.weights), onnx, code.params)
    session = open_session(onnx)
    params = inference_values(config, trained.calibrated)
    before = time.process_time()
    run(chips, output, session, code.processing, config.input, config.classes, params, config.task)
    return time.process_time() - before


def run(
    imagery: Path,
    output: Path,
    session: Any,
    processing: Any,
    taken: Any,
    classes: Sequence[str],
    params: Mapping[str, Any],
    task: str,
) -> None:
    """One whole prediction."""
    from fair_models.imagery_rules import CURRENT
    from fair_models.inference.imagery.sources.source import parse_source
    from fair_models.inference.prediction import PredictionRequest
    from fair_models.inference.prediction import predict as predict_over

    predict_over(
        PredictionRequest(
            imagery=parse_source(imagery),
            output=output,
            session=session,
            processing=processing,
            input=taken,
            classes=classes,
            params=params,
            formats=["geojson"],
            task=task,
            rules=CURRENT,
        )
    )


def ground(chips: Path) -> Any:
    """The ground of a folder of chips, a shapely polygon in longitude and latitude."""
    import shapely

    from fair_models.data.images import chips as images
    from fair_models.imagery_rules import CURRENT

    shapes = [
        shapely.Polygon(in_degrees(np.array(chip.grid.corners), chip.crs))
        for chip in images.find(chips, rules=CURRENT)
    ]
    return shapely.union_all(shapes).buffer(1e-9)


def in_degrees(places: Array, crs: str) -> Array:
    """Places of a reference system in longitude and latitude, shape (n, 2)."""
    from pyproj import Transformer

    known = Transformer.from_crs(crs, 4326, always_xy=True)
    return np.stack(known.transform(places[:, 0], places[:, 1]), axis=1)


def read(path: Path) -> list[Any]:
    """Valid polygons of a GeoJSON file."""
    import shapely
    from shapely.geometry import shape

    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    return [shapely.make_valid(shape(feature["geometry"])) for feature in features]


def score(found: Iterable[Any], mapped: Iterable[Any], where: Any) -> Score:
    """Match polygons one by one on some ground; see the top of this module."""
    import shapely

    ours, truth = (flat(shapes, where) for shapes in (found, mapped))
    tree, used = shapely.STRtree(ours), set()
    for shape in truth:
        near = tree.query(shape)
        shared = [shape.intersection(ours[at]).area for at in near]
        ious = [each / (shape.area + ours[at].area - each) for each, at in zip(shared, near, strict=True)]
        if ious and max(ious) > 0.5:
            used.add(int(near[int(np.argmax(ious))]))
    one, other = tree.query(ours)
    overlapping = sum(
        ours[a].intersection(ours[b]).area > OVERLAP_M2 for a, b in zip(one, other, strict=True) if a < b
    )
    return Score(len(used), len(ours), len(truth), overlapping)


def flat(shapes: Iterable[Any], where: Any) -> list[Any]:
    """What of polygons lies on some ground, in metres, without what is too small to count."""
    import shapely
    from pyproj import Transformer

    west = where.centroid.x
    zone = 32601 + int((west + 180) // 6) + (100 if where.centroid.y < 0 else 0)
    known = Transformer.from_crs(4326, zone, always_xy=True)
    kept = []
    for shape in shapes:
        for part in shapely.get_parts(shape.intersection(where)):
            if part.geom_type == "Polygon":
                kept.append(shapely.transform(part, lambda c: np.stack(known.transform(*c.T), axis=1)))
    return [shape for shape in kept if shape.area >= MIN_AREA_M2]


def perfect(chips: Path, labels: Path, folder: Path) -> Score:
    """Draw masks and interiors from labels, predict over them as over imagery, compare with the labels."""
    import rasterio
    import shapely
    from pyproj import Transformer
    from rasterio.features import rasterize

    from fair_models.inference.parts import InstancePart
    from fair_models.ml_tasks.segmentation.instances import interiors

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    where = ground(chips)
    zone = 32601 + int((where.centroid.x + 180) // 6) + (100 if where.centroid.y < 0 else 0)
    known = Transformer.from_crs(4326, zone, always_xy=True)
    shapes = [
        shapely.transform(shape, lambda c: np.stack(known.transform(*c.T), axis=1)) for shape in read(labels)
    ]
    left, bottom, right, top = shapely.transform(
        where, lambda c: np.stack(known.transform(*c.T), axis=1)
    ).bounds
    size = int((top - bottom) / GSD_M), int((right - left) / GSD_M)
    transform = rasterio.Affine(GSD_M, 0, left, 0, -GSD_M, top)
    by_size = sorted(shapes, key=lambda shape: -shape.area)
    drawn = ((shape, number) for number, shape in enumerate(by_size, start=1))
    numbers = rasterize(drawn, out_shape=size, transform=transform, dtype=np.uint16)
    inside = interiors(numbers, EROSION_M / GSD_M)
    # Fill would be no imagery: background is grey.
    bands = np.stack([np.where(numbers > 0, 255, 9), np.where(inside, 255, 9), np.full(size, 100)])
    file = folder / "truth.tif"
    with rasterio.open(
        file,
        "w",
        driver="GTiff",
        height=size[0],
        width=size[1],
        count=3,
        dtype="uint8",
        crs=zone,
        transform=transform,
        photometric="RGB",
    ) as target:
        target.write(bands.astype(np.uint8))  # fmt: skip

    def postprocess(outputs: Mapping[str, Array], window: Any, params: Any) -> list[InstancePart]:
        mask, interior, _ = outputs["logits"]
        return [InstancePart(np.stack([1 - mask, mask]).astype(np.float32), interior.astype(np.float32))]

    def preprocess(window: Array) -> Array:
        return (window > 128).astype(np.float32)

    processing = SimpleNamespace(preprocess=preprocess, postprocess=postprocess)
    params = {"min_area_m2": MIN_AREA_M2, "simplify_m": 0.3}
    session = identity(folder / "identity.onnx")
    classes = ("background", "building")
    run(file, folder / "prediction", session, processing, Input(), classes, params, "instance-segmentation")
    return score(read(folder / "prediction" / "predictions.geojson"), read(labels), where)


def identity(path: Path) -> Any:
    """A network that gives what it gets."""
    import onnx
    from onnx import TensorProto, helper

    from fair_models.inference.network.session import open_session

    shape = ["batch", 3, "height", "width"]
    given = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)
    made = helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)
    node = helper.make_node("Identity", ["pixels"], ["logits"])
    graph = helper.make_graph([node], "identity", [given], [made])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return open_session(path)


def show(name: str, one: Measured) -> None:
    """Print a line for one seed of one model."""
    measured = {key: held_out.shown(value).strip() for key, value in one.fold.evaluation.metrics.items()}
    print(
        f"{name} seed {one.fold.seed}: per-building {one.score}; mask IoU {measured['fair:building_iou']}, "
        f"by chips F1 {measured.get('fair:instance_f1')}; "
        f"CPU s of training {one.fold.cpu_s:.0f}; "
        f"set by training {dict(one.fold.trained.calibrated)}",
        flush=True,
    )


def summarise(rows: Mapping[str, Sequence[Measured]]) -> None:
    """Print medians over the seeds, and cost against the model beside."""
    for name, measured in rows.items():
        f1 = statistics.median(one.score.f1 for one in measured)
        iou = statistics.median(one.fold.evaluation.metrics["fair:building_iou"] or 0 for one in measured)
        pairs = sum(one.score.overlapping for one in measured)
        print(f"{name}, median: per-building F1 {f1:.3f}, mask IoU {iou:.3f}; overlapping pairs {pairs}")
    if "beside" in rows:
        ours, theirs = (sum(one.fold.cpu_s for one in rows[name]) for name in ("model", "beside"))
        print(f"CPU of training against the model beside: {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
