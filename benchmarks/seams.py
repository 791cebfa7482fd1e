"""What windows do to objects, against one window over everything: agreement, and objects that are cut.

    python -m benchmarks.seams [CHIPS] [--labels LABELS] [--epochs 40]

Without imagery it invents a settlement of 4608 x 3584 px, in which windows of 1024 px overlap no more than
they have to, and uses the U-Net's initial weights. With labels the U-Net is trained on the chips first; it
matters little how well it finds buildings here, only that it looks as far around as a trained one does. An
object is cut where it ends at an internal edge, over 3 px or more, and goes on beyond it in the reference.

Objects are counted twice: as connected pixels of the mask, and as polygons of a model that tells them apart,
where what is most surely a building is the interior of one.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from fair_models.data.chip_samples import LoadedSamples
from fair_models.data.images.grid import LONLAT
from fair_models.data.samples import Samples
from fair_models.inference import windows
from fair_models.inference.imagery.georeference import moved, pixels_of
from fair_models.inference.imagery.reading import Block, open_imagery
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.inference.network.session import Session, open_session
from fair_models.inference.outlines.features import concatenate
from fair_models.inference.parts import InstancePart, Part, Processing, Window
from fair_models.inference.request import PredictionRequest
from fair_models.inference.streaming import stream
from fair_models.inference.windows import Rectangle
from fair_models.types import Array

CUTS = ((256, 0), (256, 32), (512, 32), (1024, 32), (1024, 64), (1024, 96), (1344, 96), (1344, 112))
"""Height and width of windows and their margin, in pixels."""

CLASSES = ("background", "building")
EVERYTHING_PX = 8192
MIN_CUT_PX = 3
SEED = 999
MOST_SURELY = 0.9
"""Least probability of a building that is the interior of one."""


@dataclass(frozen=True)
class Input:
    """What the U-Net takes."""

    bands: int = 3
    size_px: int = 256
    gsd_m: float = 0.3
    resampling: str = "average"


@dataclass
class Mask:
    """The classes of one block, as a raster sink gets them."""

    parts: list[Array] = field(default_factory=list)

    def write(self, block: Block, rows: Rectangle, classes: Array, confidence: Array) -> None:
        """Add a strip."""
        self.parts.append(np.where(classes == 255, 0, classes))

    @property
    def objects(self) -> Array:
        """Number of each pixel's object, 0 for none, shape (height, width)."""
        from scipy import ndimage

        return np.asarray(ndimage.label(np.concatenate(self.parts) == 1)[0])


def main() -> None:
    """Read the arguments, print one line for each way to cut."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "chips", type=Path, nargs="?", help="Folder of chips. Default: an invented settlement."
    )
    parser.add_argument("--labels", type=Path, help="GeoJSON to train with. Default: the initial weights.")
    parser.add_argument("--epochs", type=int, default=40, help="How long to train, about a second each.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fair-seams-") as folder:
        chips = given.chips or invented(Path(folder))
        session = network(Path(folder) / "model.onnx", chips, given.labels, given.epochs)
        reference = objects(chips, session, EVERYTHING_PX, 0)
        print(f"{reference.max()} objects in one window over everything, {reference.shape} px")
        alone = each_chip_alone(objects(chips, session, 256, 0), 256)
        show("each chip by itself", alone, reference, edges(reference.shape, 256, 0))
        for size, margin in CUTS:
            found = objects(chips, session, size, margin)
            show(f"{size} px, margin {margin}", found, reference, edges(reference.shape, size, margin))
        reference = instances(chips, session, EVERYTHING_PX, 0)
        print(f"{reference.max()} objects that are told apart in one window over everything")
        for size, margin in CUTS:
            found = instances(chips, session, size, margin)
            show(f"{size} px, margin {margin}", found, reference, edges(reference.shape, size, margin))


def show(name: str, found: Array, reference: Array, internal: tuple[list[int], list[int]]) -> None:
    """Print one line."""
    count, score = len(np.unique(found[found > 0])), object_f1(found, reference)
    print(f"{name:>22}: object F1 {score:.4f}, {cut_objects(found, reference, internal)} of {count} cut")


def invented(folder: Path, columns: int = 18, rows: int = 14) -> Path:
    """Chips of a settlement that the initial weights have not seen."""
    from fair_models.data.synthetic.sample import make_settlement

    return make_settlement(folder, seed=SEED, columns=columns, rows=rows, prediction_columns=0) / "input"


def network(path: Path, chips: Path, labels: Path | None = None, epochs: int = 40) -> Session:
    """The U-Net as ONNX, trained on labels where there are any."""
    import torch

    from fair_models.ml_tasks import weights
    from models.unet_segmentation import pipeline, processing
    from models.unet_segmentation.weights import WEIGHTS_FILE

    params = pipeline.Params(epochs=epochs)
    torch.manual_seed(0)
    unet = pipeline.build(params)
    weights.load(unet, WEIGHTS_FILE)
    if labels is not None:
        pipeline.train(unet, samples(chips, labels), processing, params, 0, lambda epoch: None)
    pipeline.export(unet, path, params)
    return open_session(path)


def samples(chips: Path, labels: Path) -> Samples:
    """All chips with their masks."""
    from fair_models.ml_tasks.pretraining import joined

    loaded = split_samples(chips, labels)
    return joined([loaded.train, loaded.held_out])


def split_samples(chips: Path, labels: Path) -> LoadedSamples:
    """Chips with their masks, a quarter of the area held out."""
    from fair_models.data import splits
    from fair_models.data.chip_samples import load_samples
    from fair_models.data.images.chips import find
    from fair_models.ml_tasks.registry import targets_for

    asked = Input()
    return load_samples(
        chips,
        labels,
        splits.by_area(find(chips), 0.25, seed=0, buffer_m=0),
        CLASSES,
        asked.size_px,
        asked.gsd_m,
        asked.resampling,
        targets_for("semantic-segmentation"),
        None,
    )


def objects(chips: Path, session: Session, size_px: int, margin_px: int) -> Array:
    """Objects of the largest block with windows of a size, as `Mask.objects`."""
    from models.unet_segmentation import processing

    request = _request(chips, session, processing, size_px, margin_px)
    with open_imagery(chips, request.input) as imagery:
        (_,) = imagery.blocks
        mask = Mask()
        for _ in stream(imagery, request, rasters=[mask]):
            pass
    return mask.objects


def instances(chips: Path, session: Session, size_px: int, margin_px: int) -> Array:
    """Polygons of a model that tells objects apart: number of each pixel's polygon, shape (height, width)."""
    from rasterio.features import rasterize

    request = _request(chips, session, MostSurely(), size_px, margin_px, marker_threshold=MOST_SURELY)
    with open_imagery(chips, request.input) as imagery:
        (block,) = imagery.blocks
        found = concatenate(list(stream(imagery, request)))
        shapes = shapely.transform(
            found.geometry, lambda places: pixels_of(block.grid, moved(places, LONLAT, block.grid.crs))
        )
        size = block.grid.height, block.grid.width
    return np.asarray(rasterize(zip(shapes, range(1, len(shapes) + 1), strict=True), size, dtype="int32"))


class MostSurely:
    """The U-Net's processing with interiors: how sure it is of a building."""

    def preprocess(self, window: Array) -> Array:
        """As the U-Net's."""
        from models.unet_segmentation import processing

        return np.asarray(processing.preprocess(window))

    def postprocess(
        self, outputs: Mapping[str, Array], window: Window, params: Mapping[str, Any]
    ) -> Sequence[Part]:
        """What the U-Net says of a window, and where it is most sure."""
        from models.unet_segmentation import processing

        (part,) = processing.postprocess(outputs, window, params)
        if not isinstance(part, InstancePart):
            raise TypeError(f"The U-Net's postprocess returned {type(part).__name__}, not an InstancePart")
        return [InstancePart(part.probabilities, part.probabilities[1])]


def _request(
    chips: Path, session: Session, processing: Processing, size_px: int, margin_px: int, **params: float
) -> PredictionRequest:
    windows.DEFAULT_SIZE_PX, windows.DEFAULT_MARGIN_PX = size_px, margin_px
    return PredictionRequest(
        imagery=parse_source(chips),
        output=chips,
        session=session,
        processing=processing,
        input=Input(),
        classes=CLASSES,
        params=params,
    )


def edges(shape: Sequence[int], size_px: int, margin_px: int) -> tuple[list[int], list[int]]:
    """Rows and columns at which cores meet."""
    rule = windows.WindowRule(size_px, margin_px)
    views = list(windows.cut(Rectangle(0, 0, shape[0], shape[1]), rule, "block"))
    rows, columns = {view.core.row for view in views}, {view.core.column for view in views}
    return sorted(rows - {0}), sorted(columns - {0})


def each_chip_alone(objects: Array, size_px: int) -> Array:
    """Objects that end at every edge of a chip."""
    from scipy import ndimage

    found, count = np.zeros_like(objects), 0
    for row in range(0, objects.shape[0], size_px):
        for column in range(0, objects.shape[1], size_px):
            place = slice(row, row + size_px), slice(column, column + size_px)
            labels, here = ndimage.label(objects[place] > 0)
            found[place] = np.where(labels > 0, labels + count, 0)
            count += here
    return found


def object_f1(found: Array, reference: Array) -> float:
    """Objects that are matched by one of more than half their union, as F1."""
    both = (found > 0) & (reference > 0)
    pairs, shared = np.unique(np.stack((found[both], reference[both])), axis=1, return_counts=True)
    union = np.bincount(found.ravel())[pairs[0]] + np.bincount(reference.ravel())[pairs[1]] - shared
    counts = (len(np.unique(each[each > 0])) for each in (found, reference))
    return float(2 * (shared / union > 0.5).sum() / max(1, sum(counts)))


def cut_objects(found: Array, reference: Array, internal: tuple[list[int], list[int]]) -> int:
    """Objects that end at an internal edge where those of the reference go on."""
    cut: set[int] = set()
    for lines, mine, theirs in ((internal[0], found, reference), (internal[1], found.T, reference.T)):
        for line in lines:
            goes_on = (theirs[line - 1] > 0) & (theirs[line - 1] == theirs[line])
            for one, other in ((mine[line - 1], mine[line]), (mine[line], mine[line - 1])):
                ends = goes_on & (one > 0) & (one != other)
                numbers, length = np.unique(one[ends], return_counts=True)
                cut |= set(numbers[length >= MIN_CUT_PX].tolist())
    return len(cut)


if __name__ == "__main__":
    main()
