"""Chips cut from imagery, block by block; what was cut before an interruption is kept."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import shapely

from fair_models.data.images import antimeridian
from fair_models.data.images.acquisition import Period
from fair_models.data.progress import ChipProgress, ignore_progress
from fair_models.errors import InvalidImagery
from fair_models.inference.imagery.areas import Area
from fair_models.inference.imagery.reading import Imagery
from fair_models.inference.imagery.rights import Rights
from fair_models.inference.imagery.sources.source import ImagerySource
from fair_models.ingestion.cell_views import CellViews
from fair_models.ingestion.cells import Cell
from fair_models.ingestion.cut_folder import BlockJournal, CutFolder
from fair_models.ingestion.metric import MetricSystem
from fair_models.ingestion.plan import CutPlan, planned
from fair_models.params import IngestDatasetParams

logger = logging.getLogger(__name__)

THREADS = min(4, os.cpu_count() or 1)
"""Chips that are cut side by side."""


@dataclass(frozen=True)
class CutChips:
    """Chips that were cut.

    folder: Where they lie, named by their tiles.
    count: How many.
    empty: Tiles of the area without any imagery, of which there is no chip.
    zoom: Zoom of the tiles; None on a grid of metres.
    rights: What the source says of licence and attribution.
    notes: What people should know, in sentences.
    taken: When the imagery was taken, which its chips say too; None where nothing says so.
    system: The grid of metres, where chips lie on one.
    """

    folder: Path
    count: int
    empty: int
    zoom: int | None
    rights: Rights
    notes: Sequence[str]
    taken: Period | None = None
    system: MetricSystem | None = None


@dataclass(frozen=True)
class CutBlock:
    """A block that was cut.

    there: Which of its places have a chip, in their order.
    kept: How many places were done before.
    broken: How many tiles of a service could not be had.
    unsure: Names of the places where these lie: they are cut again after an interruption.
    """

    there: Sequence[bool]
    kept: int = 0
    broken: int = 0
    unsure: Sequence[str] = ()


def cut(
    params: IngestDatasetParams,
    source: ImagerySource,
    area: Area | None,
    folder: Path,
    progress: ChipProgress = ignore_progress,
) -> CutChips:
    """Cut chips from imagery: every tile that has ground in common with the area, whole.

    The same imagery gives the same bytes. Memory does not grow with the number of chips. After an
    interruption the same call goes on where it stopped.

    Args:
        params: Zoom or ground resolution, size of the chips, and what is no data.
        source: The imagery.
        area: What was mapped. Default: all of the imagery; a service of tiles needs one.
        folder: Where the chips are written; made if missing.
        progress: Called after each tile with how many are done, and how many there are.

    Raises:
        NotFound: There is no imagery.
        Invalid: The imagery cannot be used or read, does not fit area or zoom, has no pixel there, or there
            are more chips than the settings allow.
        Unavailable: A server does not answer, or leaves out too much.
    """
    with planned(params, source, area) as plan:
        kept = CutFolder(folder, folder.with_name(f".{folder.name}-{plan.digest[:12]}"))
        made = cut_blocks(plan, kept, progress)
        kept.clear_journals()
        return made


def look_at_image(params: IngestDatasetParams, source: ImagerySource, area: Area | None) -> None:
    """See by its header that an image of this machine can be cut.

    Args:
        params: The request.
        source: The image.
        area: Its area, where that can be read here.

    Raises:
        Invalid: The image cannot be used, or does not fit the area, or there would be too many chips.
    """
    with planned(params, source, area):
        pass


def cut_blocks(plan: CutPlan, folder: CutFolder, progress: ChipProgress = ignore_progress) -> CutChips:
    """Cut all blocks of a plan that are not done yet.

    Args:
        plan: The plan.
        folder: Where chips are kept, of this plan and no other.
        progress: Called after each place.

    Raises:
        As `cut` does.
    """
    done, total = 0, plan.count
    made: list[CutBlock] = []

    def advance() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    with ThreadPoolExecutor(THREADS, "chips") as pool:
        for block in range(len(plan.blocks)):
            broken = sum(each.broken for each in made)
            made.append(cut_block(plan, block, folder, pool, advance, broken))
    return said(plan, folder, made)


def said(plan: CutPlan, folder: CutFolder, made: Sequence[CutBlock]) -> CutChips:
    """What is to be said of a cut whose blocks are all done.

    Args:
        plan: The plan.
        folder: Where the chips lie.
        made: Its blocks.

    Raises:
        InvalidImagery: There is no chip; says why.
        Unavailable: Too many tiles are broken, or the imagery was changed meanwhile.
    """
    count, total = sum(sum(each.there) for each in made), plan.count
    kept, broken = sum(each.kept for each in made), sum(each.broken for each in made)
    plan.check_broken(broken)
    try:
        plan.check_unchanged()
        if not count:
            raise InvalidImagery(plan.imagery.name, [plan.why_empty()])
    except BaseException:
        folder.clear()  # the next time is asked anew
        raise
    logger.info("Cut %d chips from %s", count, plan.imagery.name)
    notes = [*_kept(kept, total), *_missing(broken, plan), *plan.notes]
    return CutChips(
        folder.chips, count, plan.count - count, plan.zoom, plan.rights, notes, plan.taken, plan.system
    )


def cut_block(
    plan: CutPlan,
    block: int,
    folder: CutFolder,
    pool: ThreadPoolExecutor,
    advance: Callable[[], None],
    broken_before: int = 0,
) -> CutBlock:
    """Cut the places of a block that are not done yet.

    Args:
        plan: The plan.
        block: Number of the block.
        folder: Where chips are kept.
        pool: Cuts chips side by side.
        advance: Called after each place.
        broken_before: How many tiles of other blocks are broken.

    Raises:
        As `cut` does.
    """
    cells = plan.blocks[block]
    with folder.block(block) as journal:
        found = dict(zip(cells, pool.map(lambda cell: journal.done(cell.name), cells), strict=True))
        missing = [cell for cell in cells if found[cell] is None]
        kept, broken = len(cells) - len(missing), 0
        for _ in range(kept):
            advance()
        if missing:
            with plan.opened(block, missing, broken_before) as imagery:
                with closing(_cut(plan, missing, imagery, journal, pool)) as made:
                    for cell, is_there in made:
                        found[cell] = is_there
                        advance()
                broken = 0 if imagery is None else imagery.facts().get("fair:tiles", {}).get("broken", 0)
        unsure = [cell.name for cell in cells if not journal.has(cell.name)]
    return CutBlock([bool(found[cell]) for cell in cells], kept, broken, unsure)


def _cut(
    plan: CutPlan,
    cells: Sequence[Cell],
    imagery: Imagery | None,
    journal: BlockJournal,
    pool: ThreadPoolExecutor,
) -> Generator[tuple[Cell, bool]]:
    """Cut places of one block; whether each has a chip. Nobody is at work any more when it ends."""
    views = None if imagery is None else CellViews(imagery.blocks)

    def made(cell: Cell) -> bool:
        data = None
        if views is not None and imagery is not None:
            pixels, valid = views.read(cell, plan.size_px)
            data = cell.encoded(pixels, valid, plan.taken) if valid.any() else None
        journal.keep(cell.name, data, is_final=imagery is None or not _has_gap(imagery, cell))
        return data is not None

    at_work = {pool.submit(made, cell): cell for cell in cells}
    try:
        for future in as_completed(at_work):
            yield at_work[future], future.result()
    finally:
        for future in at_work:
            future.cancel()
        wait(at_work)


def _has_gap(imagery: Imagery, cell: Cell) -> bool:
    """Whether some ground in a place, or beside it, could not be read now and may be at another time."""
    gaps = imagery.gaps()
    return bool(gaps) and bool(shapely.intersects(gaps, antimeridian.cut(cell.outline)).any())


def _kept(kept: int, total: int) -> list[str]:
    if not kept:
        return []
    return [f"{kept} of {total} tiles were cut before by an earlier run, and are used as they are"]


def _missing(broken: int, plan: CutPlan) -> list[str]:
    """What is said of tiles that a service has not given for other reasons than that it has none."""
    if not broken or plan.tiles is None:
        return []
    return [
        f"{broken} of {plan.tiles.count} tiles could not be had and are not in the chips; ingest again later "
        "for those"
    ]
