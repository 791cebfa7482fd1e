"""Ends the wait for a run where the disk of a local server stays full.

Such a server still answers what it is asked and writes nothing, so that no run ever ends for it.
"""

from __future__ import annotations

import time

from fair_models.client.http import Http
from fair_models.client.runs import FlowRun
from fair_models.errors import Unavailable

FULL_S = 30.0
"""Seconds for which the disk has to be full: what filled it is mostly gone with the run that did."""


class DiskWatch:
    """Looks at the disk of a server on this machine, as often as somebody asks for the run."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._full_since: float | None = None

    def look(self, run: FlowRun) -> None:
        """Look once.

        Args:
            run: The run that is waited for.

        Raises:
            Unavailable: The disk has been full for `FULL_S`.
        """
        free = self._http.full_disk()
        if free is None:
            self._full_since = None
            return
        now = time.monotonic()
        if self._full_since is None:
            self._full_since = now
        if now - self._full_since >= FULL_S:
            raise Unavailable(
                f"How {run.name} ends cannot be told: the disk is full, {free} bytes are free in "
                f"{self._http.home}, and the Prefect server notes nothing there. Make room there, then "
                f"follow it again: fair-models follow {run.id}"
            )
