"""How well images are found by sentences: on held-out generated scenes, from random weights.

    python benchmarks/ranking_quality.py [models/image_text_ranking]

Scenes are made from a seed, ingested as any dataset (captions written from their labels, split by image into
60/20/20) and learnt by a contribution; its figures on the held-out scenes are printed with their intervals,
beside a blind guess and the best that any model could reach.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
import time
from pathlib import Path

import torch

from fair_models.data.chip_samples import LoadedSamples
from fair_models.data.splits import Split
from fair_models.data.synthetic import scenes
from fair_models.data.texts import captioned_ingest
from fair_models.data.texts.captioned_samples import load_captioned
from fair_models.ml_tasks import weights
from fair_models.ml_tasks.ranking.evaluation import MAIN, SHARE
from fair_models.params import IngestDatasetParams
from fair_models.store.archive import unpack

LEAST, MIN_SHARE = 0.4, 0.6


def main() -> int:
    """Make, ingest, train, measure, print."""
    options = _options()
    torch.set_num_threads(options.threads)
    module = f"models.{Path(options.contribution).name}"
    pipeline = importlib.import_module(f"{module}.pipeline")
    processing = importlib.import_module(f"{module}.processing")
    samples = _samples(options.scenes, options.seed, pipeline.SIZE_PX)
    print(f"{len(samples.train)} scenes to learn from, {len(samples.held_out)} held out")
    torch.manual_seed(0)
    params = pipeline.Params(**({"epochs": options.epochs} if options.epochs else {}))
    network = pipeline.build(params)
    if options.pretrained:
        weights.load(network, Path(options.contribution) / "weights" / "initial.safetensors")
    began = time.perf_counter()
    if not options.untrained:
        pipeline.train(network, samples.train, processing, params, 0, lambda epoch: None)
    print(f"trained for {time.perf_counter() - began:.0f} s on {options.threads} threads")
    found = pipeline.evaluate(network, samples.held_out, processing, params)
    print(f"{'':46} measured  [95 % interval]    beside it: {found.baseline_name}")
    for key, value in found.metrics.items():
        ends = found.intervals.get(key)
        interval = f"[{ends[0]:.3f}, {ends[1]:.3f}]" if ends else ""
        print(f"{key:46} {value:8.3f}  {interval:18} {found.baseline[key]:8.3f}")
    return 0 if found.metrics[MAIN] >= LEAST and found.metrics[SHARE] >= MIN_SHARE else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("contribution", nargs="?", default="models/image_text_ranking")
    parser.add_argument("--scenes", type=int, default=2500, help="a fifth of them is held out")
    parser.add_argument("--seed", type=int, default=998)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pretrained", action="store_true", help="start from the contribution's weights")
    parser.add_argument("--untrained", action="store_true", help="measure the weights as they are")
    return parser.parse_args()


def _samples(count: int, seed: int, size_px: int) -> LoadedSamples:
    with tempfile.TemporaryDirectory(prefix="fair-scenes-") as temporary:
        work = Path(temporary)
        began = time.perf_counter()
        scenes.make_scenes(work / "scenes", seed=seed, count=count, size_px=size_px)
        print(f"made {count} scenes in {time.perf_counter() - began:.0f} s")
        wish = IngestDatasetParams(
            name="scenes",
            title="Scenes",
            chips=str(work / "scenes"),
            captions="from-labels",
            classes=["building", "road"],
            class_property=scenes.CLASS_PROPERTY,
        )
        prepared = captioned_ingest.prepare(wish, work / "dataset")
        unpack(prepared.chips, work / "chips")
        split = Split.read(prepared.split)
        classes = ["background", *prepared.classes]
        return load_captioned(work / "chips", prepared.labels, split, classes, size_px, "average")


if __name__ == "__main__":
    raise SystemExit(main())
