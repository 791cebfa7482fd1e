"""Log lines of runs, in pages: the server gives 200 at a time.

A page begins at the time of the last line of the page before. Several lines may have this time, and lines
that were seen are left out. So no line is lost or repeated while others are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fair_models.client.events import LogLine
from fair_models.client.http import Http
from fair_models.errors import Invalid
from fair_models.types import Json

PAGE = 200
"""Lines in one answer of the server, at most."""

Order = Literal["TIMESTAMP_ASC", "TIMESTAMP_DESC"]
_BOUND: dict[Order, str] = {"TIMESTAMP_ASC": "after_", "TIMESTAMP_DESC": "before_"}


@dataclass(frozen=True)
class LineFilter:
    """Which lines to read.

    run_ids: Of these runs.
    since: At or after this time, ISO 8601; None from the beginning.
    level: At least this level, as in Python's logging: 20 info, 30 warning, 40 error.
    """

    run_ids: Sequence[str]
    since: str | None = None
    level: int = 0

    def at(self, order: Order, bound: str | None) -> Json:
        """The server's filter for a page that begins at a time."""
        times = {"after_": self.since, _BOUND[order]: bound} if bound else {"after_": self.since}
        given = {name: value for name, value in times.items() if value}
        return {
            "flow_run_id": {"any_": [*self.run_ids]},
            "level": {"ge_": self.level},
            **({"timestamp": given} if given else {}),
        }


def lines(http: Http, wanted: LineFilter, order: Order = "TIMESTAMP_ASC") -> Iterator[Json]:
    """The lines in the order of their time, as the server returns them."""
    seen: set[str] = set()
    bound, offset = None, 0
    while True:
        body = {"logs": wanted.at(order, bound), "sort": order, "limit": PAGE, "offset": offset}
        page: list[Json] = http.post("/logs/filter", body)
        for line in page:
            if line["id"] not in seen:
                seen.add(line["id"])
                yield line
        if len(page) < PAGE:
            return
        last = page[-1]["timestamp"]
        bound, offset = (bound, offset + PAGE) if last == bound else (last, 0)


def read_line(answer: Json, run_name: str) -> LogLine:
    """A line from the server's JSON."""
    return LogLine(
        run_id=answer["flow_run_id"],
        run_name=run_name,
        logger=answer["name"],
        time=datetime.fromisoformat(answer["timestamp"]),
        level=answer["level"],
        message=answer["message"],
    )


def aware(time: datetime) -> str:
    """A time as the server reads it.

    Raises:
        Invalid: It has no time zone.
    """
    if time.tzinfo is None:
        raise Invalid(f"{time} has no time zone. Give one, e.g. datetime.now(UTC)")
    return time.isoformat()
