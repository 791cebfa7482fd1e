"""A published model that tells where objects are, so that labels can be checked with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from pystac import Item

from fair_models.catalog import names
from fair_models.catalog.items import assets, hyperparameters, versions
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.protocol import Catalog
from fair_models.contract.code import loader
from fair_models.data.images import chips
from fair_models.data.images.grid import reproject
from fair_models.data.label_quality.completeness import Sight
from fair_models.data.label_quality.glimpses import Places
from fair_models.errors import Invalid
from fair_models.inference.imagery.failures import Failures
from fair_models.inference.imagery.reading import Block, Imagery, open_imagery
from fair_models.inference.imagery.sources.source import ImageSource
from fair_models.inference.network import engines
from fair_models.inference.parts import NO_IMAGERY, SCALE
from fair_models.inference.request import PredictionRequest
from fair_models.inference.streaming import Crew, all_windows
from fair_models.inference.windowing.plan import plan_windows
from fair_models.inference.windowing.window_steps import Raster
from fair_models.inference.windows import Rectangle
from fair_models.params import IngestDatasetParams
from fair_models.publishing.workspace import work_folder
from fair_models.store.locations import LocalPath
from fair_models.store.protocol import Store
from fair_models.types import Array


def find(params: IngestDatasetParams, catalog: Catalog) -> Item | None:
    """The model that a request checks labels with; None where it names none.

    Raises:
        NotFound: There is no such model; names the nearest.
        Invalid: It segments no class of the labels; says why.
    """
    if params.check_with is None:
        return None
    item = versions.resolve(catalog, names.MODELS, params.check_with)
    model = ModelItem(item)
    if not any("segmentation" in task for task in model.tasks):
        raise Invalid(
            f"check_with: {model.id} is made for {', '.join(model.tasks)} and says nothing of single pixels; "
            "name a model that segments"
        )
    if not _shared(model, params.class_names):
        raise Invalid(
            f"check_with: {model.id} segments {', '.join(model.foreground)}, the labels are "
            f"{', '.join(params.class_names)}; name a model of one of these classes"
        )
    return item


def open_sight(item: Item, classes: Sequence[str], store: Store) -> Sight:
    """What a model sees on chips, by the library's own prediction.

    Args:
        item: The model's exact item, with absolute hrefs.
        classes: Classes of the labels.
        store: Where the model's files are.

    Raises:
        InvalidItem, NotFound, Corrupted, InvalidContribution: The model cannot be run here.
    """
    model = ModelItem(item)
    href, checksum = model.file(assets.SOURCE_CODE)
    values = hyperparameters.resolve(item, {})
    shared = _shared(model, classes)
    archive = store.fetch(href, checksum)
    processing = loader.load_processing(archive, checksum, *model.processing, model.classes)
    request = PredictionRequest(
        imagery=ImageSource(LocalPath(Path("chips"))),
        output=Path("nothing"),
        session=engines.open_for(item, store),
        processing=processing,
        input=model.input,
        classes=model.classes,
        params=hyperparameters.with_prefix(values, hyperparameters.INFERENCE),
        model_id=model.id,
        task=model.task,
        thing_classes=model.thing_classes,
    )
    return Sight(model.id, shared, lambda places: _see(places, request, shared))


def _shared(model: ModelItem, classes: Sequence[str]) -> list[str]:
    return [name for name in classes if name in model.foreground]


def _see(places: Sequence[Places], request: PredictionRequest, classes: Sequence[str]) -> list[Array]:
    """Probabilities of some classes at places of chips, shape (places, classes) for each chip."""
    found = [np.zeros((len(each.rows), len(classes)), dtype=np.float32) for each in places]
    by_name = {each.chip.name: number for number, each in enumerate(places)}
    with work_folder("check-with") as folder, _opened(places, request, folder) as imagery:
        points = {id(block): _Points.on(block, places, by_name) for block in imagery.blocks}
        plan = plan_windows(imagery, request)
        with Crew(request.session.at_once) as crew:
            windows = all_windows(plan, crew, True, Failures(), lambda done, total: None)
            for strip in plan.strips:
                here = points[id(strip.block)].within(strip.area)
                for result in islice(windows, len(strip.views)):
                    if result.raster is not None:
                        _take(
                            result.raster, here.within(result.raster.area), found, (request.classes, classes)
                        )
    return found


def _opened(places: Sequence[Places], request: PredictionRequest, folder: Path) -> Imagery:
    """The chips as imagery of the model, each alone, as they are judged: what several show is told of each.

    Raises:
        Invalid: They do not fit the model.
    """
    for path in (path for each in places for path in chips.files(each.chip)):
        (folder / path.name).symlink_to(path.resolve())
    rules = places[0].chip.rules.model_copy(update={"chips": "alone"})
    try:
        return open_imagery(folder, request.input, rules=rules)
    except Invalid as error:
        raise Invalid(f"check_with: {request.model_id} cannot look at the chips: {error}") from error


@dataclass(frozen=True)
class _Points:
    """Places of chips on the pixels of a block, shape (n,) each.

    numbers: Of the chips.
    positions: Among the places of the chip.
    rows, columns: Of the block's pixels.
    """

    numbers: Array
    positions: Array
    rows: Array
    columns: Array

    @classmethod
    def on(cls, block: Block, places: Sequence[Places], by_name: Mapping[str, int]) -> _Points:
        parts = [np.zeros((4, 0), dtype=np.int64)]
        for number in (by_name[placed.chip.name] for placed in block.native.chips):
            each = places[number]
            own = each.grid.places(each.columns + 0.5, each.rows + 0.5)
            on_map = np.column_stack(reproject(each.grid.crs, block.grid.crs, *own))
            columns, rows = np.floor(block.grid.pixels(block.grid.nearest(on_map))).T
            count = len(each.rows)
            parts.append(np.stack([np.full(count, number), np.arange(count), rows, columns]).astype(np.int64))
        return cls(*np.concatenate(parts, axis=1))

    def within(self, area: Rectangle) -> _Points:
        rows, columns = area.slices
        inside = (self.rows >= rows.start) & (self.rows < rows.stop)
        inside &= (self.columns >= columns.start) & (self.columns < columns.stop)
        return _Points(self.numbers[inside], self.positions[inside], self.rows[inside], self.columns[inside])


def _take(
    raster: Raster, points: _Points, found: Sequence[Array], classes: tuple[Sequence[str], Sequence[str]]
) -> None:
    """Note what a window says at the places that lie in it."""
    rows, columns = points.rows - raster.area.row, points.columns - raster.area.column
    named, sure = raster.classes[rows, columns], raster.confidence[rows, columns]
    model, wanted = classes
    for column, name in enumerate(wanted):
        index = model.index(name)
        # Of a pixel of the background the probability is that of the likeliest class; of two, that one's.
        is_own = (named == index) | (len(model) == 2)
        values = np.where(is_own & (named != NO_IMAGERY), sure * SCALE, 0.0)
        for number in np.unique(points.numbers).tolist():
            own = points.numbers == number
            found[number][points.positions[own], column] = values[own]
