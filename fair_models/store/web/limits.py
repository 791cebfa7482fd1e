"""How a server is asked many times without being a burden to it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class Manners:
    """How often one host is asked.

    at_once: Requests at the same time, 1 or more.
    per_second: Requests that begin in one second, on average; more than 0.
    attempts: How often one thing is asked for in all, 1 or more.
    first_wait_s: Wait after the first failure, in seconds; it doubles with each further one.
    longest_wait_s: Longest wait, also where the server asks for a longer one (Retry-After).
    """

    at_once: int = 4
    per_second: float = 50.0
    attempts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0

    def wait_s(self, failures: int, asked_for_s: float | None) -> float:
        """Seconds until the next try: what the server asks for, or twice as long as before, spread a little.

        Args:
            failures: How often it failed so far, 1 or more.
            asked_for_s: What the server asks for, if it does.
        """
        own = self.first_wait_s * 2.0 ** (failures - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        return min(self.longest_wait_s, own if asked_for_s is None else max(own, asked_for_s))


class Gate:
    """Lets requests to one host through, so many at a time and so many in a second."""

    def __init__(self, manners: Manners) -> None:
        self._places = threading.BoundedSemaphore(manners.at_once)
        self._step = 1.0 / manners.per_second
        self._lock = threading.Lock()
        self._next = 0.0
        self._closed_until = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One's turn; it comes when those before are done."""
        with self._places:
            while (left := self._left()) > 0:
                time.sleep(left)
            yield

    def close_for(self, seconds: float) -> None:
        """Let nobody through for some time: the host asked for it."""
        with self._lock:
            self._closed_until = max(self._closed_until, time.monotonic() + seconds)

    def _left(self) -> float:
        """Seconds to wait before asking again for a turn; 0 takes one."""
        with self._lock:
            now = time.monotonic()
            left = max(self._next, self._closed_until) - now
            if left <= 0:
                self._next = max(self._next + self._step, now)
            return left


def asked_for_s(retry_after: str) -> float | None:
    """Seconds that a Retry-After header asks for, in seconds or as a date; None for what is neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
