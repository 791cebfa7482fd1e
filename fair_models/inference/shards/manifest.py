"""Shards of a prediction: what their windows say and what failed, in the registry's store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from fair_models.errors import Corrupted
from fair_models.inference.imagery.failures import Failure
from fair_models.inference.shards.shard_files import pack, unpack
from fair_models.inference.windowing.window_steps import WindowResult
from fair_models.store.protocol import Store
from fair_models.store.shards import ShardStore


class Manifest:
    """The shards of one prediction. Threads and processes may share them.

    Args:
        store: Where they lie.
        digest: What the prediction is called by; another one, or the same over changed imagery, has another.
    """

    def __init__(self, store: Store, digest: str) -> None:
        self._shards = ShardStore(store, digest, ".arrow")

    @property
    def digest(self) -> str:
        """What the prediction is called by."""
        return self._shards.digest

    def done(self) -> set[int]:
        """Numbers of the shards that have a line."""
        return self._shards.done()

    def put(self, shard: int, windows: Sequence[WindowResult], failures: Sequence[Failure]) -> None:
        """Store a shard. Where somebody else was faster, theirs stays.

        Raises:
            Unavailable: The store does not answer, or is full.
        """
        facts = {"windows": len(windows), "failures": [asdict(each) for each in failures]}
        self._shards.put(shard, pack(windows), facts)

    def read(self, shard: int, count: int) -> tuple[list[WindowResult], tuple[Failure, ...]] | None:
        """What the windows of a shard say, and what failed; None where it is not there.

        A damaged one is taken away.

        Args:
            shard: Its number.
            count: How many windows it must hold.
        """
        line = self._shards.line(shard)
        data = None if line is None else self._shards.data(line)
        if line is None or data is None:
            return None
        try:
            failures = tuple(Failure(**each) for each in line.facts["failures"])
            return unpack(data, count), failures
        except (Corrupted, TypeError, KeyError):
            self._shards.take_away(line)
            return None

    def clear(self) -> None:
        """Take all shards away."""
        self._shards.clear()
