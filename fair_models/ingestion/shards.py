"""A cut in shards: each block is cut alone, by whichever worker, and kept in the registry's store until then.

The chips are byte for byte those of a cut in one process: a block gives the same chips whoever cuts it.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

from fair_models import settings
from fair_models.data.progress import ChipProgress
from fair_models.errors import Conflict
from fair_models.ingestion.cut import THREADS, CutBlock, CutChips, cut_block, said
from fair_models.ingestion.cut_folder import CutFolder, part_folder
from fair_models.ingestion.plan import CutPlan
from fair_models.store.archive import BROKEN, pack
from fair_models.store.protocol import Store
from fair_models.store.shards import ShardStore

Wait = Callable[[int], None]
"""Returns when a block is there, or will not come; raises why there is no use in going on."""


class CutShards:
    """The blocks of a cut whose imagery is open, in the registry's store.

    It is no dataclass on purpose: Prefect looks through those, and this holds all places of chips.

    Args:
        plan: The cut.
        store: Where blocks that others cut lie.
    """

    def __init__(self, plan: CutPlan, store: Store) -> None:
        self.plan = plan
        self._shards = ShardStore(store, plan.digest, ".zip")

    @property
    def digest(self) -> str:
        """What the cut is called by."""
        return self.plan.digest

    @property
    def shards(self) -> range:
        """Numbers of all blocks."""
        return range(len(self.plan.blocks))

    def missing(self) -> list[int]:
        """Blocks that nobody has cut yet."""
        done = self._shards.done()
        return [block for block in self.shards if block not in done]

    def chips_in(self, blocks: Iterable[int]) -> int:
        """How many places of chips some blocks have."""
        return sum(len(self.plan.blocks[block]) for block in blocks)

    def make(self, within: range, advance: Callable[[], None]) -> int:
        """Cut the missing ones of some blocks, and store each. Until then its chips stay on this machine.

        Args:
            within: Their numbers.
            advance: Called after each place.

        Returns:
            How many were cut.

        Raises:
            As `cut.cut` does.
        """
        wanted = [block for block in self.missing() if block in within]
        folder = part_folder(self.digest)
        with ThreadPoolExecutor(THREADS, "chips") as pool:
            for block in wanted:
                made = cut_block(self.plan, block, folder, pool, advance)
                self.plan.check_broken(made.broken)
                self.plan.check_unchanged()
                self._put(block, made, folder)
                folder.forget(block, [cell.name for cell in self.plan.blocks[block]])
        folder.clear_if_empty()
        return len(wanted)

    def join(self, folder: CutFolder, wait: Wait, progress: ChipProgress) -> CutChips:
        """Put the blocks together in a folder. One that is missing or damaged is cut here.

        Args:
            folder: Where chips are kept, of this cut and no other.
            wait: Called before each block is read, in their order.
            progress: Called after each place.

        Raises:
            As `cut.cut` does.
        """
        done, total = 0, self.plan.count
        made: list[CutBlock] = []

        def advance() -> None:
            nonlocal done
            done += 1
            progress(done, total)

        with ThreadPoolExecutor(THREADS, "chips") as pool:
            for block in self.shards:
                wait(block)
                fetched = self._fetch(block, folder)
                if fetched is None:
                    broken = sum(each.broken for each in made)
                    fetched = cut_block(self.plan, block, folder, pool, advance, broken)
                else:
                    done += len(fetched.there)
                    progress(done, total)
                made.append(fetched)
        return said(self.plan, folder, made)

    def forget_unsure(self) -> None:
        """Take away blocks with tiles that could not be had: they are asked for again."""
        for block in self._shards.done():
            line = self._shards.line(block)
            if line is not None and line.facts.get("broken"):
                self._shards.take_away(line)

    def clear(self) -> None:
        """Take all blocks away."""
        self._shards.clear()

    def _put(self, block: int, made: CutBlock, folder: CutFolder) -> None:
        cells = self.plan.blocks[block]
        names = [cell.name for cell, is_there in zip(cells, made.there, strict=True) if is_there]
        with tempfile.TemporaryDirectory(dir=folder.chips.parent) as temporary:
            path = Path(temporary) / "block.zip"
            pack({name: folder.chip(name) for name in names}, path)
            facts = {"chips": len(names), "broken": made.broken, "unsure": list(made.unsure)}
            self._shards.put(block, path.read_bytes(), facts)

    def _fetch(self, block: int, folder: CutFolder) -> CutBlock | None:
        """Unpack a block into a folder; None where it is not there, or damaged."""
        line = self._shards.line(block)
        data = None if line is None else self._shards.data(line)
        if line is None or data is None:
            return None
        cells = self.plan.blocks[block]
        try:
            with zipfile.ZipFile(BytesIO(data)) as archive:
                chips = {name: archive.read(name) for name in archive.namelist()}
            facts = line.facts
            unsure, broken = list(facts["unsure"]), int(facts["broken"])
            if len(chips) != facts["chips"] or not chips.keys() <= {cell.name for cell in cells}:
                raise ValueError(f"it holds {len(chips)} chips")
        except (*BROKEN, KeyError, TypeError):
            self._shards.take_away(line)
            return None
        with folder.block(block) as journal:
            for cell in cells:
                journal.keep(cell.name, chips.get(cell.name), is_final=cell.name not in unsure)
        return CutBlock([cell.name in chips for cell in cells], 0, broken, unsure)


def require_same(plan: CutPlan, digest: str) -> None:
    """Refuse to cut for a run that sees another cut.

    Args:
        plan: What this process sees.
        digest: What the cut of the run that asked is called by.

    Raises:
        Conflict: They differ.
    """
    if plan.digest != digest:
        raise Conflict(
            f"This worker sees another cut ({plan.digest}) than the run that asked for it ({digest}): "
            "imagery, area, settings or versions of the software differ. Give both the same, then start again"
        )


def runs_of(plan: CutPlan, asked: int) -> int:
    """In how many runs a cut is shared out; 1: none but this.

    A small cut is not worth other runs. A service of tiles is asked by all runs together no more often than
    by one, so there are no more of them than requests at a time.

    Args:
        plan: The cut.
        asked: How many runs were asked for.
    """
    limits = settings.current()
    runs = min(asked, plan.count // limits.min_chips_per_sub_run, len(plan.blocks))
    return max(1, runs if plan.tiles is None else min(runs, limits.requests_at_once))
