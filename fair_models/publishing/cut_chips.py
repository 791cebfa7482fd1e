"""Chips of imagery for an ingest: where they lie, and what the dataset's item says of the imagery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fair_models.data.progress import ChipProgress
from fair_models.inference.imagery.areas import Area
from fair_models.inference.imagery.rights import NOTHING_SAID, Rights
from fair_models.inference.imagery.sources.addresses import TileAddress
from fair_models.inference.imagery.sources.source import ImagerySource, parse_source
from fair_models.params import IngestDatasetParams
from fair_models.store import locations
from fair_models.store.locations import LocalPath
from fair_models.types import Json

ATTRIBUTION = "fair:attribution"
LICENSE = "fair:imagery_license"


@dataclass(frozen=True)
class ChipsOfImagery:
    """Chips that were cut from imagery.

    folder: Where they lie; None where none were cut.
    imagery: The imagery as an item names it: its address without what may be secret, or its name.
    rights: What its source says of licence and attribution.
    repairs: What was left out, by the names of `dataset_check.REPAIRS`.
    notes: What people should know, in sentences.
    gives_licence: Whether the licence of the imagery is the dataset's, for the request names none.
    """

    folder: Path | None = None
    imagery: str = ""
    rights: Rights = NOTHING_SAID
    repairs: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    gives_licence: bool = False

    def settled(self, params: IngestDatasetParams) -> IngestDatasetParams:
        """The request for these chips, with the licence of their imagery where it names none."""
        if self.folder is None:
            return params
        said = {"license": self.rights.license} if self.gives_licence else {}
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
        said = {LICENSE: self.rights.license, ATTRIBUTION: self.rights.attribution}
        return {name: value for name, value in said.items() if value}


NONE = ChipsOfImagery()
"""Chips lie in a folder already."""


@contextmanager
def cut(params: IngestDatasetParams, area: Area | None, progress: ChipProgress) -> Iterator[ChipsOfImagery]:
    """Cut the chips of a request, in a folder of this home.

    They are there until the block is over. Where it raises, or in a dry run, they stay for a while: the next
    request for the same chips goes on with them.

    Args:
        params: The request; it names imagery.
        area: The area.
        progress: Called after each tile.

    Raises:
        As `ingestion.cut.cut` does.
    """
    from fair_models.ingestion.cut import cut_blocks
    from fair_models.ingestion.cut_folder import cut_folder
    from fair_models.ingestion.plan import planned

    source = parse_source(str(params.imagery))
    with ExitStack() as stack:
        with planned(params, source, area) as plan:
            folder = stack.enter_context(cut_folder(plan.digest))
            made = cut_blocks(plan, folder, progress)
        yield ChipsOfImagery(
            made.folder,
            _named(source, str(params.imagery)),
            made.rights,
            {"tiles_without_imagery": made.empty} if made.empty else {},
            [*made.notes, *_rights_notes(made.rights)],
            _takes_licence(params, made.rights),
        )
        if not params.dry_run:
            folder.clear()


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
