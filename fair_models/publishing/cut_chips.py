"""Chips of imagery for an ingest: where they lie, and what the dataset's item says of the imagery."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fair_models.data.progress import ChipProgress
from fair_models.errors import Invalid
from fair_models.inference.imagery import areas
from fair_models.inference.imagery.areas import Area
from fair_models.inference.imagery.rights import NOTHING_SAID, Rights
from fair_models.inference.imagery.sources.addresses import TileAddress
from fair_models.inference.imagery.sources.source import ImagerySource, parse_source
from fair_models.params import CutChipsParams, IngestDatasetParams
from fair_models.store import locations
from fair_models.store.locations import LocalPath
from fair_models.store.protocol import Store
from fair_models.types import Json

if TYPE_CHECKING:
    from fair_models.ingestion.metric import MetricSystem
    from fair_models.ingestion.shards import CutShards, Wait

ATTRIBUTION = "fair:attribution"
LICENSE = "fair:imagery_license"
GRID = "fair:chip_grid"


@dataclass(frozen=True)
class ChipsOfImagery:
    """Chips that were cut from imagery.

    folder: Where they lie; None where none were cut.
    imagery: The imagery as an item names it: its address without what may be secret, or its name.
    rights: What its source says of licence and attribution.
    repairs: What was left out, by the names of `dataset_check.REPAIRS`.
    notes: What people should know, in sentences.
    gives_licence: Whether the licence of the imagery is the dataset's, for the request names none.
    system: The grid of metres that they lie on; None for tiles of the web map.
    """

    folder: Path | None = None
    imagery: str = ""
    rights: Rights = NOTHING_SAID
    repairs: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    gives_licence: bool = False
    system: MetricSystem | None = None

    def settled(self, params: IngestDatasetParams) -> IngestDatasetParams:
        """The request for these chips, with the licence of their imagery where it names none."""
        if self.folder is None:
            return params
        said = {"license": self.rights.license} if self.gives_licence else {}
        if self.system is not None:
            said["zoom"] = (
                "resample"  # one ground resolution is several zooms from south to north: all are kept
            )
        return params.model_copy(
            update={
                "chips": str(self.folder),
                "source_imagery": params.source_imagery or self.imagery,
                **said,
            }
        )

    @property
    def fields(self) -> Json:
        """What the dataset's item says of the imagery, by property."""
        said: Json = {LICENSE: self.rights.license, ATTRIBUTION: self.rights.attribution}
        if self.system is not None:
            crs, source = self.system.crs, self.system.source
            said[GRID] = {"kind": "metric", "crs": crs, "gsd_m": self.system.gsd_m, "crs_of": source}
        return {name: value for name, value in said.items() if value}


NONE = ChipsOfImagery()
"""Chips lie in a folder already."""


ShareOut = Callable[["CutShards", int], "Wait"]
"""Has the missing blocks of a cut made by so many other runs, and waits for them."""


@contextmanager
def cut(
    params: IngestDatasetParams,
    area: Area | None,
    store: Store,
    progress: ChipProgress,
    share_out: ShareOut | None = None,
) -> Iterator[ChipsOfImagery]:
    """Cut the chips of a request, in a folder of this home.

    They are there until the block is over. Where it raises, or in a dry run, they stay for a while: the next
    request for the same chips goes on with them.

    Args:
        params: The request; it names imagery.
        area: The area.
        store: Where blocks lie that other runs cut.
        progress: Called after each tile.
        share_out: Starts other runs for a large cut, where the request asks for some. Default: none.

    Raises:
        As `ingestion.cut.cut` does.
    """
    from fair_models.ingestion.cut import cut_blocks
    from fair_models.ingestion.cut_folder import cut_folder
    from fair_models.ingestion.plan import planned
    from fair_models.ingestion.shards import CutShards, runs_of

    source = parse_source(str(params.imagery))
    with ExitStack() as stack:
        with planned(params, source, area) as plan:
            folder = stack.enter_context(cut_folder(plan.digest))
            shards, runs = CutShards(plan, store), runs_of(plan, params.sub_runs)
            if share_out is None or runs < 2:
                made = cut_blocks(plan, folder, progress)
            else:
                shards.forget_unsure()
                made = shards.join(folder, share_out(shards, runs), progress)
        yield ChipsOfImagery(
            made.folder,
            _named(source, str(params.imagery)),
            made.rights,
            {"tiles_without_imagery": made.empty} if made.empty else {},
            [*made.notes, *_rights_notes(made.rights)],
            _takes_licence(params, made.rights),
            made.system,
        )
        if not params.dry_run:
            folder.clear()
            shards.clear()


def cut_part(params: CutChipsParams, store: Store, progress: ChipProgress) -> int:
    """Cut some blocks for an ingest that waits for them, and store them. Those that are there are left.

    Args:
        params: Which blocks of which ingest.
        store: Where they lie.
        progress: Called after each tile.

    Returns:
        How many were cut.

    Raises:
        Conflict: This process sees another cut than the one that asked.
        Invalid: The ingest names no imagery.
        As `ingestion.cut.cut` does, besides.
    """
    from fair_models.ingestion.plan import planned
    from fair_models.ingestion.shards import CutShards, require_same

    asked = params.ingest
    if asked.imagery is None:
        raise Invalid(f"The ingest of {asked.name} names no imagery, and nothing is cut: give imagery")
    area = None if asked.area is None else areas.read(asked.area)
    with planned(asked, parse_source(str(asked.imagery)), area, params.shared_by) as plan:
        require_same(plan, params.digest)
        shards, within, done = CutShards(plan, store), range(params.first, params.last + 1), 0
        total = shards.chips_in(block for block in shards.missing() if block in within)

        def advance() -> None:
            nonlocal done
            done += 1
            progress(done, total)

        return shards.make(within, advance)


def _named(source: ImagerySource, written: str) -> str:
    """Imagery as an item names it: paths of a worker mean nothing to others."""
    if isinstance(source, TileAddress):
        return locations.shown(source.href)
    place = source.location
    return place.path.name if isinstance(place, LocalPath) else place.shown


def _takes_licence(params: IngestDatasetParams, rights: Rights) -> bool:
    return bool(rights.license) and "license" not in params.model_fields_set


def _rights_notes(rights: Rights) -> list[str]:
    """What the imagery's source says of its rights, or that it says nothing."""
    notes = []
    if rights.attribution:
        notes.append(f"The imagery is by {rights.attribution}, as its source says; the item names them")
    if not rights.license:
        notes.append(
            "The source of the imagery does not say under which licence it is; make sure that you may "
            "publish chips of it"
        )
    return notes
